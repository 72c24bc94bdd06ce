"""What this machine has and lacks for strive: each check is one line, none stops the others, no secret is read."""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from strive.cache import disk
from strive.cache.store import Store
from strive.configs.errors import StriveError
from strive.stages.report.probes import decoder_probe, policy_probe, scorer_probe

PACKAGES = {  # import name → package; all are needed
    "torch": "torch", "torchvision": "torchvision", "transformers": "transformers", "open_clip": "open_clip_torch",
    "cv2": "opencv-python", "av": "av", "h5py": "h5py", "numpy": "numpy", "safetensors": "safetensors", "PIL": "pillow",
    "pyarrow": "pyarrow",
}
ENVIRONMENT = (  # shown by value; every other variable is never read
    "STRIVE_CACHE_DIR", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
    "SLURM_JOB_ID", "TMPDIR", "LANG", "TZ", "NO_COLOR", "CI",
)
FOREIGN = (ImportError, OSError, RuntimeError, ValueError, AttributeError)
LOW_DISK = 5 * 1024**3


@dataclass(frozen=True)
class Check:
    """One line: `status` is ok, warn (works, but) or missing (something strive needs is not there)."""

    name: str
    status: str
    detail: str
    do: str = ""


def checks(store: Store) -> Iterator[Check]:
    """All checks, the quick ones first."""
    yield Check("strive", "ok", version("strive"))
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    for module, package in PACKAGES.items():
        yield attempt(module, lambda m=module, p=package: package_check(m, p), f"pip install {package}")  # type: ignore[misc]
    yield attempt("device", device_check, "Reinstall torch for this machine.")
    yield attempt("cache", lambda: cache_check(store), "Choose another folder with --cache-dir or STRIVE_CACHE_DIR.")
    yield attempt("disk", lambda: disk_check(store.root), "Choose another folder with --cache-dir.")
    for decoder in ("opencv", "pyav"):
        yield attempt(f"decoder {decoder}", lambda d=decoder: Check(f"decoder {d}", "ok", decoder_probe(d)),  # type: ignore[misc]
                      "Reinstall opencv-python and av.")
    reinstall = "Reinstall strive: the shipped models belong to the package."
    yield attempt("shipped policy", lambda: Check("shipped policy", "ok", policy_probe()), reinstall)
    yield attempt("shipped CLIP", lambda: Check("shipped CLIP", "ok", scorer_probe()), reinstall)
    yield environment_check()


def attempt(name: str, check: Callable[[], Check], do: str) -> Check:
    """The check's line, or a line that says what it stumbled over."""
    try:
        return check()
    except StriveError as error:
        return Check(name, "missing", error.what, error.do or do)
    except FOREIGN as error:
        return Check(name, "missing", f"{type(error).__name__}: {error}".splitlines()[0][:300], do)


def package_check(module: str, package: str) -> Check:
    """A package can be imported; its version, and HDF5's and OpenCV's own where they differ."""
    if module == "cv2":
        from strive.stages.bundle.opencv import import_cv2

        return Check(module, "ok", str(import_cv2().__version__))
    found = import_module(module)
    detail = str(getattr(found, "__version__", "") or version(package))
    return Check(module, "ok", f"{detail} (HDF5 {found.version.hdf5_version})" if module == "h5py" else detail)


def device_check() -> Check:
    """Where training and scoring run when `device` is auto."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        shown = ", ".join(f"{one.name} ({disk.size_text(one.total_memory)})" for one in names)
        return Check("device", "ok", f"cuda {torch.version.cuda}: {shown}")
    if torch.backends.mps.is_available():
        return Check("device", "ok", "mps")
    return Check("device", "ok", f"cpu, {torch.get_num_threads()} threads of {os.cpu_count()} cores (no GPU found)")


def cache_check(store: Store) -> Check:
    """The cache can be written, lies on a local disk, and its artefacts are complete (sizes, not bytes)."""
    from strive.cache.verify import verify

    disk.require(store.root, 0)
    found = verify(store)
    detail = f"{store.root}: {found.artefacts} artefacts, {disk.size_text(found.size_bytes)}"
    if found.damage:
        do = "Run `strive cache verify --deep --repair`."
        return Check("cache", "warn", f"{detail}, {len(found.damage)} damaged", do)
    if (kind := disk.network_type(store.root)) is not None:
        why = f"on a network file system ({kind}): locks may not hold between machines"
        return Check("cache", "warn", f"{detail}, {why}", "Set STRIVE_CACHE_DIR to a local disk.")
    return Check("cache", "ok", detail)


def disk_check(root: Path) -> Check:
    """Free space where artefacts go."""
    free = disk.free_bytes(root)
    detail = f"{disk.size_text(free)} free for {root}"
    if free < LOW_DISK:
        return Check("disk", "warn", detail, "Run `strive cache gc`, or choose another disk.")
    return Check("disk", "ok", detail)


def environment_check() -> Check:
    """Variables that change what strive does, by an allow-list: no token can be among them."""
    found = [f"{name}={os.environ[name]}" for name in ENVIRONMENT if os.environ.get(name)]
    return Check("environment", "ok", ", ".join([*found, f"encoding {sys.getfilesystemencoding()}"]))
