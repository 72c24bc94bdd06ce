"""What a power cut keeps is what was synced: nothing takes its final name before its bytes and entries are on disk."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chain_world import World, count

CALLS = "openat,creat,write,writev,pwrite64,sendfile,copy_file_range,ftruncate,fsync,fdatasync,sync,syncfs," \
        "rename,renameat,renameat2,mkdir,mkdirat,link,linkat"
CALL = re.compile(r"^\d+ +(\w+)\((.*)$")


@dataclass
class Disk:
    """What is not yet on disk: files written, and folders whose entries changed, since they were last synced."""

    cache: str
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    renamed: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)

    def replay(self, call: str, arguments: str) -> None:
        """Follow one system call, as strace writes it with the paths of descriptors."""
        opened, named = re.findall(r"<([^<>]*)>", arguments), re.findall(r'"([^"]*)"', arguments)
        if call in ("sync", "syncfs"):
            self.files.clear()
            self.folders.clear()
        elif call in ("fsync", "fdatasync"):
            self.files.discard(opened[0])
            self.folders.discard(opened[0])
        elif call.startswith("rename"):
            self.rename(*named)
        elif call.startswith(("mkdir", "link")) or "O_CREAT" in arguments:
            self.folders |= {parent(named[-1])} & self.inside(parent(named[-1]))
        elif call != "openat":
            self.files |= self.inside(opened[0])

    def inside(self, path: str) -> set[str]:
        """The path itself where it is the cache or in it."""
        return {path} if path == self.cache or path.startswith(f"{self.cache}/") else set()

    def rename(self, old: str, new: str) -> None:
        """An entry takes another name; a final one must have everything beneath it on disk."""
        beneath = {path for path in self.files | self.folders if path == old or path.startswith(f"{old}/")}
        if is_final(new):
            self.renamed.append(new)
            self.early += [f"{path} -> {new}" for path in beneath]
        self.files = {moved(path, old, new) for path in self.files}
        self.folders = {moved(path, old, new) for path in self.folders} | {parent(new)}


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def moved(path: str, old: str, new: str) -> str:
    return new + path[len(old):] if path == old or path.startswith(f"{old}/") else path


def is_final(path: str) -> bool:
    return "/.tmp-" not in path and not path.endswith(".lock")


def calls_of(log: Path) -> Iterator[tuple[str, str]]:
    """(name, arguments) of each call that succeeded; one that another thread's call cuts in two is put together."""
    begun = dict[str, str]()
    for line in log.read_text("utf-8", "replace").splitlines():
        pid = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>")
            continue
        if (resumed := re.match(r"^\d+ +<\.\.\. \w+ resumed>(.*)$", line)) and pid in begun:
            line = begun.pop(pid) + resumed[1]
        if (match := CALL.match(line)) and " = -1 " not in line:
            yield match[1], match[2].rpartition(" = ")[0]


def test_a_name_taken_too_early_is_noticed() -> None:
    disk = Disk("/c")
    for call, arguments in (("mkdir", '"/c/.tmp-1"'), ("openat", '4</>, "/c/.tmp-1/a", O_WRONLY|O_CREAT'),
                            ("write", "5</c/.tmp-1/a>"), ("fsync", "5</c/.tmp-1/a>"),
                            ("rename", '"/c/.tmp-1", "/c/k"')):
        disk.replay(call, arguments)
    assert disk.early == ["/c/.tmp-1 -> /c/k"] and disk.folders == {"/c/k", "/c"}
    for call, arguments in (("write", "5</c/.tmp-2>"), ("rename", '"/c/.tmp-2", "/c/r.json"')):
        disk.replay(call, arguments)
    assert disk.early[1:] == ["/c/.tmp-2 -> /c/r.json"] and disk.files == {"/c/r.json"}


def test_no_artefact_or_record_takes_its_name_before_its_bytes_are_on_disk(tmp_path: Path, world: World) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    cache, log = tmp_path / "cache", tmp_path / "calls"
    command = world.command("variants", cache, "--workers", "1", "--set", "score.scorer=hash")
    tracer = ["strace", "-f", "--seccomp-bpf", "-y", "-s0", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(log)]
    done = subprocess.run([*tracer, sys.executable, "-m", "strive.cli", *command], capture_output=True, text=True)
    if "ptrace" in done.stderr and not count(cache, "extract"):
        pytest.skip("this machine does not allow tracing")
    assert done.returncode == 0, done.stderr
    disk = Disk(str(cache))
    for call, arguments in calls_of(log):
        disk.replay(call, arguments)
    assert disk.early == []
    artefacts = [path for path in disk.renamed if re.search(r"/[0-9a-f]{64}$", path)]
    assert len(artefacts) == 32 and len(disk.renamed) > len(artefacts)
    assert disk.folders.isdisjoint(map(parent, artefacts)), "at the end the new names are on disk too"
