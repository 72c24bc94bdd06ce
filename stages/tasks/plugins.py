"""Code of the user's own, named `module:name` in a config: imported from the user's machine, never from data.

`module` is looked for as by `python -m`: in the current folder first, then among the installed packages.
"""

import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from strive.cache.digest import digest_bytes
from strive.configs.errors import MissingError, StriveError, UsageError
from strive.configs.load import nearest

SPEC = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Interruption(BaseException):
    """Raised by us inside the user's code to end it; no Exception, so that its `except Exception` lets it pass."""


class OwnCodeError(Exception):
    """What came out of the user's code: `kind` is the exception's type, `reason` type, message and place."""

    def __init__(self, error: BaseException) -> None:
        self.kind = type(error).__name__
        said, place = " ".join(_words(error).split())[:200], _place(error)
        self.reason = f"{self.kind}{': ' * bool(said)}{said}{f' ({place})' * bool(place)}"
        super().__init__(self.reason)


@dataclass(frozen=True)
class Plugin:
    """An object of the user's: `name` as in the config, the object, and the files it was read from."""

    name: str
    value: Any
    files: tuple[Path, ...]


def is_plugin(name: str) -> bool:
    """True for `module:name`; no built-in has a colon."""
    return ":" in name


def run_own(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)`; what it raises becomes `OwnCodeError`. Our own errors and Ctrl-C pass."""
    try:
        return function(*arguments)
    except (StriveError, KeyboardInterrupt, Interruption):
        raise
    except BaseException as error:  # code that is not ours may raise anything (asyncio: a CancelledError)
        raise OwnCodeError(error) from error


def load_plugin(name: str, setting: str) -> Plugin:
    """Import `module:name`; `setting` is the config key that names it.

    Raises UsageError for a name of another form, a module that is not there or cannot be imported, an object that the
    module does not have or that has no file; MissingError when the module imports a package that is not installed.
    """
    if not SPEC.fullmatch(name):
        raise UsageError(f"{setting}: {name!r}", "module:name, such as my_rewards:near for `near` of my_rewards.py",
                         "Name the module as in an import, without folder and .py, and start in its folder.")
    module_name, _, attribute = name.partition(":")
    module = _import(module_name, name, setting)
    if not hasattr(module, attribute):
        own = [key for key in vars(module) if not key.startswith("_")]
        raise UsageError(f"{setting}: {name}: no {attribute!r} in {_file_of(module) or module_name}",
                         "a name that the module defines", nearest(attribute, own).replace("See `strive config show`.",
                                                                                           "Define it there."))
    value = getattr(module, attribute)
    return Plugin(name, value, _files(name, setting, module, value))


def plugin_identity(names: Iterable[str], setting: str) -> dict[str, str]:
    """For each `module:name` among `names` the digest of its source, so that a change of it is a change of the run.

    Covered are the file of the module and, where the object is defined elsewhere, that file; not what they import.
    """
    found = {name: load_plugin(name, setting).files for name in sorted(set(names)) if is_plugin(name)}
    return {name: digest_bytes(b"\0".join(file.read_bytes() for file in files)) for name, files in found.items()}


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # its __str__ is not ours either
        return "its message cannot be read"


def _place(error: BaseException) -> str:
    """`file.py:12`, the innermost line; "" for code without a file."""
    if isinstance(error, SyntaxError):
        return ""  # its message has it
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if not frame.filename.startswith("<")]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _import(module_name: str, name: str, setting: str) -> ModuleType:
    here = os.getcwd()
    importlib.invalidate_caches()
    sys.path.insert(0, here)
    try:
        module: ModuleType = run_own(importlib.import_module, module_name)
    except OwnCodeError as error:
        raise _import_error(error, module_name, name, setting, here) from error
    finally:
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)  # for imports inside its functions; behind the others, so that it hides none of them
    return module


def _import_error(error: OwnCodeError, module_name: str, name: str, setting: str, here: str) -> StriveError:
    cause = error.__cause__
    if not isinstance(cause, ModuleNotFoundError) or not cause.name:
        return UsageError(f"{setting}: {name}: importing {module_name} raised {error.reason}",
                          "a module that can be imported", f"Try: python -c 'import {module_name}'")
    if module_name == cause.name or module_name.startswith(f"{cause.name}."):
        return UsageError(f"{setting}: {name}: no module {module_name}",
                          f"{module_name.replace('.', '/')}.py in {here}, or an installed package",
                          "Start the command in the module's folder, or mend the name.")
    return MissingError(f"{setting}: {name} imports {cause.name}, which is not installed", f"the package {cause.name}",
                        "Install it beside strive.")


def _files(name: str, setting: str, module: ModuleType, value: Any) -> tuple[Path, ...]:
    found = [_file_of(module)]
    defined_in = str(getattr(value, "__module__", "") or "")
    if defined_in in sys.modules and not defined_in.startswith("strive."):
        found.append(_file_of(sys.modules[defined_in]))
    files = tuple(dict.fromkeys(file for file in found if file is not None))
    if not files:
        raise UsageError(f"{setting}: {name} has no file: a change of it could not be seen", "a name from a .py file",
                         "Wrap it into a function of your own file.")
    return files


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if file else None
