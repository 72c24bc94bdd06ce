"""Checkpoints as folders that are whole or absent: found, verified, published and pruned; imports nothing heavy.

    checkpoints/step_000100/model.safetensors        trainable weights, buffers (frozen: from the base model)
                            optimizer.safetensors    moments, float32 masters     optimizer.json   update counts
                            rng.safetensors          generator states             state.json       step, counters
                            manifest.json            written last: sizes and digests of the others
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strive.cache.atomic import publish_folder, remove_folder
from strive.cache.digest import digest_file
from strive.cache.sweep import sweep
from strive.configs.errors import VerificationError

NAME = re.compile(r"step_(\d{6,})")
FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a manifest; its bytes are not trusted before `verify`."""

    step: int
    path: Path
    manifest: dict[str, Any]

    def verify(self) -> None:
        """`VerificationError` when a file is missing or its bytes are not those of the manifest."""
        for output in self.manifest["outputs"]:
            file = self.path / output["path"]
            if not file.is_file() or file.stat().st_size != output["bytes"] or digest_file(file) != output["digest"]:
                raise VerificationError(f"{file}: not the bytes that were written", f"digest {output['digest']}",
                                        "Restore the file, or delete this checkpoint and run the same command again.")

    def state(self) -> dict[str, Any]:
        """`state.json`."""
        return dict(json.loads((self.path / "state.json").read_bytes()))


def folder_of(root: Path, step: int) -> Path:
    """Where the checkpoint after `step` steps lies."""
    return root / f"step_{step:06d}"


def found(root: Path) -> list[Checkpoint]:
    """Complete checkpoints, newest first; folders without a readable manifest are passed over."""
    entries = sorted(root.iterdir()) if root.is_dir() else []
    kept = [read(path) for path in entries if NAME.fullmatch(path.name)]
    return sorted((c for c in kept if c is not None), key=lambda c: -c.step)


def read(path: Path) -> Checkpoint | None:
    """The checkpoint in `path`, or None when it is not complete."""
    match = NAME.fullmatch(path.name)
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return None
    if match is None or not isinstance(manifest, dict) or manifest.get("step") != int(match[1]):
        return None
    return Checkpoint(int(match[1]), path, manifest)


def publish(root: Path, step: int, files: Mapping[str, bytes | Path]) -> Checkpoint:
    """Write the checkpoint of `step` and read it back; an older one of the same step gives way."""
    target = folder_of(root, step)
    if target.exists():
        remove_folder(target)
    publish_folder(target, files, {"format": FORMAT, "kind": "checkpoint", "step": step})
    made = read(target)
    if made is None:
        raise VerificationError(f"{target}: not readable once written", "a complete checkpoint", "Check the disk.")
    made.verify()
    return made


def prune(root: Path, every: int, keep: int) -> None:
    """Keep the newest checkpoint and the `keep` newest whose step is a multiple of `every`.

    So what remains depends on the step only, however often the run was interrupted. Call it after `publish`, which has
    verified the newest.
    """
    there = found(root)
    regular = [c for c in there if c.step % every == 0][:keep]
    kept = {c.step for c in (*there[:1], *regular)}
    for checkpoint in there:
        if checkpoint.step not in kept:
            remove_folder(checkpoint.path)


def tidy(root: Path) -> list[str]:
    """Remove what a killed run left half-written; returns the names of step folders without a manifest."""
    if not root.is_dir():
        return []
    sweep(root)
    torn = [path for path in sorted(root.iterdir()) if NAME.fullmatch(path.name) and read(path) is None]
    for path in torn:
        remove_folder(path)
    return [path.name for path in torn]
