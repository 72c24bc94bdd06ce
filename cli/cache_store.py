"""The cache that a command's options name, for commands that need no config."""

from pathlib import Path

from strive.cache.store import Store, default_root
from strive.cli.options import Common
from strive.configs.errors import UsageError


def open_store(options: Common) -> Store:
    """The cache in --cache-dir or where it is by default; UsageError when that name is a file."""
    root = Path(options.cache_dir or default_root())
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root}: not a folder", "a folder for the cache", "Choose another with --cache-dir DIR.")
    return Store(root)
