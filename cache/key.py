"""Keys: one name for everything that decides a result, and for nothing else."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from strive.cache.digest import digest_json
from strive.configs.errors import MissingError

KEY_FORMAT = 1
STAGE = re.compile(r"[a-z][a-z0-9_]{0,31}")
KEY = re.compile(r"[0-9a-f]{64}")


def make_key(stage: str, version: int, config: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """64 hex digits of (stage, its code's version, the config fields that affect the result, the inputs' identities).

    `inputs` names digests and series, never paths or times. All values are JSON; NaN is refused (ValueError).
    """
    parts = {"format": KEY_FORMAT, "stage": stage, "version": version, "config": dict(config), "inputs": dict(inputs)}
    return digest_json(parts).removeprefix("sha256:")


def check_stage(stage: str) -> str:
    """The stage's name when it can be a folder's name; ValueError otherwise."""
    if not STAGE.fullmatch(stage):
        raise ValueError(f"not a stage name: {stage!r}")
    return stage


def check_key(key: str) -> str:
    """The key when it is 64 hex digits; ValueError otherwise: a user's id never becomes a path."""
    if not KEY.fullmatch(key):
        raise ValueError(f"not a key: {key!r}")
    return key


def library_series(*packages: str) -> dict[str, str]:
    """`major.minor` of installed packages, without importing them.

    A name may offer alternatives ("opencv-python|opencv-python-headless"); the result is under the first. Raises
    MissingError for a package that is not installed.
    """
    return {package.split("|")[0]: ".".join(_version(package).split(".")[:2]) for package in packages}


def library_versions(*packages: str) -> dict[str, str]:
    """The exact versions of those packages that are installed, without importing them."""
    found = {package: installed_version(package) for package in packages}
    return {package: version for package, version in found.items() if version is not None}


@functools.cache
def installed_version(package: str) -> str | None:
    """The version of an installed package, or None."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _version(package: str) -> str:
    for name in package.split("|"):
        version = installed_version(name)
        if version is not None:
            return version
    name = package.split("|")[0]
    raise MissingError(f"The package {name} is not installed.", "It is one of strive's dependencies.",
                       f"Install it: pip install {name}")
