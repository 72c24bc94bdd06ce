"""S3, S4: archives, tables and texts that announce more than they may hold are refused before they cost memory."""

import io
import json
import resource
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from command_line import strive, write_rows
from videos import make_video

from strive.configs.errors import VerificationError
from strive.stages.eval.benchmarks.zips import all_members

DEEP = "[" * 100_000 + "]" * 100_000
KEY = "0123456789abcdef" * 4


def peak_mib() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def crowded_zip(path: Path, members: int) -> Path:
    """A zip whose table names so many empty members; the table is really there."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    table = b"".join(entry + b"%07d" % i for i in range(members))
    wide = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, members, members, len(table), 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(table), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(table + wide + locator + end)
    return path


def test_s4_a_million_members_are_refused_before_the_table_is_read(tmp_path: Path) -> None:
    bomb = crowded_zip(tmp_path / "bomb.zip", 1_000_000)
    with zipfile.ZipFile(crowded_zip(tmp_path / "small.zip", 10)) as small:
        assert len(small.infolist()) == 10, "the layout is right"
    before = peak_mib()
    done = strive("extract", f"{bomb}::0000001", "--json")
    assert done.code == 3 and "1000000 members" in next(iter(done.reasons.values()))
    with pytest.raises(VerificationError, match="1000000 members"):
        all_members([bomb])
    assert peak_mib() - before < 100


def test_s4_a_member_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path, own_cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.mp4", bytes(64 << 20))
    done = strive("extract", f"{tmp_path / 'bomb.zip'}::a.mp4", "--json")
    assert done.code == 3 and "unpack" in next(iter(done.reasons.values()))
    assert sum(path.stat().st_size for path in own_cache.rglob("*") if path.is_file()) < 1 << 20


@pytest.mark.parametrize("name", ["../../x.mp4", "/etc/x.mp4", "C:\\x.mp4", "a/../../x.mp4"])
def test_s3_a_member_whose_name_leaves_the_archive_is_refused(tmp_path: Path, own_cache: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, make_video(tmp_path / "v.mp4", 3).read_bytes())
    data = write_rows(tmp_path / "d.jsonl", {"q": f"a.zip::{name}"})
    assert strive("extract", "--data", data, "--videos", tmp_path).code in (2, 3)
    assert not (own_cache / "extract").exists()
    with pytest.raises(VerificationError, match="leaves the archive"):
        all_members([tmp_path / "a.zip"]) if "C:" not in name else all_members([backslashed(tmp_path / "b.zip")])


def backslashed(path: Path) -> Path:
    """A zip with a Windows path (zipfile itself would turn the backslash round only on Windows)."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("..\\x.mp4", b"x")
    return path


def tar_of(path: Path, *members: tuple[str, bytes, bytes]) -> Path:
    """A tar that begins as an export does, then has (name, type, data)."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, kind, data in (("strive-cache.json", tarfile.REGTYPE, b'{"format": 1}'), *members):
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data), kind, "/etc/passwd" if kind != tarfile.REGTYPE else ""
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("member", [
    ("../../x", tarfile.REGTYPE, b"x"), ("/etc/x", tarfile.REGTYPE, b"x"), ("C:\\x", tarfile.REGTYPE, b"x"),
    (f"extract/{KEY}/../../../x", tarfile.REGTYPE, b"x"), (f"index/{KEY}/x", tarfile.REGTYPE, b"x"),
    (f"extract/{KEY}/frames.h5", tarfile.SYMTYPE, b""), (f"extract/{KEY}/frames.h5", tarfile.LNKTYPE, b""),
    (f"extract/{KEY}/frames.h5", tarfile.FIFOTYPE, b""), (f"extract/{KEY}", tarfile.DIRTYPE, b""),
    (f"extract/{KEY}/frames.h5", tarfile.REGTYPE, b"no manifest"),
])
def test_s3_a_tar_with_a_foreign_member_is_refused_and_nothing_lies_outside(
    tmp_path: Path, own_cache: Path, member: tuple[str, bytes, bytes]
) -> None:
    bad = tar_of(tmp_path / "bad.tar", member)
    before = {*tmp_path.rglob("*")}
    done = strive("cache", "import", bad)
    assert done.code == 6, done
    assert all(own_cache in (path, *path.parents) for path in {*tmp_path.rglob("*")} - before)
    assert not list(own_cache.glob("extract/??/*"))


@pytest.mark.parametrize("shape", [(2**60,), (2**32, 2**32), (2**33, 2**31 + 1), (2**62, 4)])
def test_s4_an_absurd_hdf5_shape_is_refused_before_allocation(tmp_path: Path, shape: tuple[int, ...]) -> None:
    from strive.stages.bundle import hdf5

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", shape=shape, dtype="u1", chunks=tuple(min(n, 1024) for n in shape))
    before = peak_mib()
    with hdf5.open_read(tmp_path / "a.h5") as file, pytest.raises(VerificationError):
        hdf5.read(file, "x", "uint8", (None,) * len(shape))
    assert peak_mib() - before < 50


def deep_rows(folder: Path) -> tuple[object, ...]:
    (folder / "d.jsonl").write_text(f'{{"id": "a", "video": "a.mp4", "meta": {DEEP}}}\n')
    return "extract", "--data", folder / "d.jsonl"


def deep_config(folder: Path) -> tuple[object, ...]:
    (folder / "c.yaml").write_text(f"extract:\n  fps: {DEEP}\n")
    return "config", "show", "--config", folder / "c.yaml"


def deep_setting(folder: Path) -> tuple[object, ...]:
    return "config", "show", "--set", f"train.rewards={DEEP}"


def deep_replies(folder: Path) -> tuple[object, ...]:
    (folder / "g.jsonl").write_text(f'{{"id": "a", "bench": "demo", "prediction": {DEEP}}}\n')
    return "grade", folder / "g.jsonl"


def deep_run(folder: Path) -> tuple[object, ...]:
    for name in ("config.yaml", "results.json", "run.json", "metrics.jsonl", "rollouts.jsonl"):
        (folder / name).write_text(DEEP)
    return "report", folder, "--out", folder / "page.html"


def many_references(folder: Path) -> tuple[object, ...]:
    lines = [f"  {name}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i, name in enumerate(
        ("fps", "min_frames", "max_frames", "codec", "jpeg_quality", "min_decodable", "decoder", "deadline_s"))]
    (folder / "laugh.yaml").write_text("extract:\n  short_side: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(lines))
    return "config", "show", "--config", folder / "laugh.yaml"


@pytest.mark.parametrize("make", [deep_rows, deep_config, deep_setting, deep_replies, deep_run, many_references])
def test_s4_endless_nesting_and_references_are_refused_in_words(
    tmp_path: Path, make: Callable[[Path], tuple[str | Path, ...]]
) -> None:
    before = peak_mib()
    done = strive(*make(tmp_path))
    assert done.code in (2, 6) and "unexpected" not in done.err and len(done.err) < 2000, done
    assert peak_mib() - before < 150


@pytest.mark.parametrize("claim", [2 * 10**9, 2**63])
def test_s4_a_safetensors_header_of_two_gigabytes_is_refused(tmp_path: Path, claim: int) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    bad = tmp_path / "model.safetensors"
    bad.write_bytes(struct.pack("<Q", claim) + json.dumps({"a": {}}).encode())
    before = peak_mib()
    with pytest.raises(SafetensorError):
        load_file(bad)
    assert peak_mib() - before < 50
