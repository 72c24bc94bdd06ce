"""The manifest of an artefact: where it came from, which files it has, and that it is complete (it is written last).

    { "format": 1, "stage": "variants", "key": "<64 hex>", "created": "...Z", "seconds": 12.1,
      "inputs": {...}, "config": {...}, "config_digest": "sha256:...", "seed": 7,
      "code": {"strive": "0.1.0", "commit": "...", "stage_version": 3},
      "libs": {"python": "3.11.7", ...}, "host": {"os": "...", "cpus": 2},
      "outputs": [{"path": "bundle.h5", "bytes": 59083952, "digest": "sha256:..."}], "warnings": [], "meta": {...} }
"""

import functools
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strive.cache.digest import digest_json
from strive.cache.draft import MANIFEST, check_name
from strive.cache.key import installed_version, library_versions
from strive.configs.errors import VerificationError

FORMAT = 1
MAX_BYTES = 64 << 20
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
PACKAGES = (
    "numpy", "torch", "torchvision", "transformers", "safetensors", "open_clip_torch", "opencv-python",
    "opencv-python-headless", "av", "h5py",
)


def build(stage: str, key: str, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without `outputs`.

    `provenance` may hold inputs, config, seed, version (the stage's), seconds, warnings, meta, and libs and host to add
    to what is known here. Inputs name relative paths and digests only.
    """
    config = provenance.get("config") or {}
    return {
        "format": FORMAT, "stage": stage, "key": key, "created": now(), "seconds": provenance.get("seconds"),
        "inputs": provenance.get("inputs") or {}, "config": config, "config_digest": digest_json(config),
        "seed": provenance.get("seed"),
        "code": {**_code(), "stage_version": provenance.get("version")},
        "libs": {**_libs(), **(provenance.get("libs") or {})},
        "host": {**_host(), **(provenance.get("host") or {})},
        "warnings": list(provenance.get("warnings") or []), "meta": provenance.get("meta") or {},
    }


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest in `folder`, or None when there is none or it is torn: then the folder proves nothing.

    Raises VerificationError when it was made by a newer strive.
    """
    try:
        with open(f"{folder}/{MANIFEST}", "rb") as file:  # by text: a run asks for some hundred thousand of them
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                return None
            data = file.read()
    except OSError:
        return None
    return parse(data, folder)


def parse(data: bytes, folder: Path) -> dict[str, Any] | None:
    """The manifest that these bytes of `folder` are, or None when they are torn or not a manifest.

    Raises VerificationError when it was made by a newer strive.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    _check_format(folder, found.get("format"))
    return found if _is_sound(found) else None


def is_complete(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether every output is there with the recorded size (bytes are checked when they are read)."""
    try:
        return all(os.stat(f"{folder}/{out['path']}").st_size == out["bytes"] for out in manifest["outputs"])
    except OSError:
        return False


def now() -> str:
    """UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _check_format(folder: Path, number: Any) -> None:
    if isinstance(number, int) and number > FORMAT:
        raise VerificationError(
            f"{folder}: made by a newer strive (format {number}).", f"Format {FORMAT}, which this strive reads.",
            "Upgrade strive, or use another cache with --cache-dir DIR.",
        )


def _is_sound(found: Mapping[str, Any]) -> bool:
    outputs = found.get("outputs")
    if found.get("format") != FORMAT or not isinstance(outputs, list) or not isinstance(found.get("meta", {}), dict):
        return False
    return all(_is_output(out) for out in outputs)


def _is_output(out: Any) -> bool:
    if not isinstance(out, dict) or not isinstance(out.get("path"), str):
        return False
    try:
        check_name(out["path"])
    except ValueError:
        return False
    size, digest = out.get("bytes"), out.get("digest")
    return isinstance(size, int) and 0 <= size < 1 << 63 and isinstance(digest, str) and bool(_DIGEST.fullmatch(digest))


@functools.cache
def _code() -> dict[str, Any]:
    return {"strive": installed_version("strive"), "commit": _commit(Path(__file__).parent.parent / ".git")}


def _commit(git: Path) -> str | None:
    """The commit of the checkout this runs from, read without starting git; None in an installed package."""
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (git / name).exists():
            return (git / name).read_text().strip()
        lines = (git / "packed-refs").read_text().splitlines()
    except OSError:
        return None
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)


@functools.cache
def _libs() -> dict[str, str]:
    return {"python": ".".join(map(str, sys.version_info[:3])), **library_versions(*PACKAGES)}


@functools.cache
def _host() -> dict[str, Any]:
    system = os.uname()
    return {"os": f"{system.sysname} {system.release} {system.machine}", "cpus": os.cpu_count()}
