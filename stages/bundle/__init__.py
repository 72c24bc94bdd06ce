"""Shared room: the bundle format, its writer and its reader."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strive.stages.bundle.reader import Bundle, Variant
    from strive.stages.bundle.writer import write_bundle

__all__ = ["Bundle", "Variant", "write_bundle"]
_HOMES = {"Bundle": "reader", "Variant": "reader", "write_bundle": "writer"}


def __getattr__(name: str) -> Any:
    """Import a public name when first asked for: `frames` uses this room's HDF5 module, the writer uses `frames`."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
