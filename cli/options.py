"""The options that every command shares, written once and added to each command's signature."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

PANEL = "Common options"


@dataclass(frozen=True)
class Common:
    """The shared options as the user gave them."""

    config: tuple[Path, ...] = ()
    preset: str | None = None
    sets: tuple[str, ...] = ()
    dry_run: bool = False
    force: bool = False
    fail_fast: bool = False
    limit: int | None = None
    workers: int | None = None
    seed: int | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    cache_dir: Path | None = None


def _option(*names: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=PANEL, **more)


EngineOption = Annotated[Literal["local", "ray"], typer.Option("--engine", help="This machine, or a Ray cluster.")]
AddressOption = Annotated[str | None, typer.Option("--address", help="The Ray cluster, as ray.init() takes it.")]


OPTIONS: dict[str, tuple[Any, Any]] = {
    "config": (
        Annotated[list[Path] | None, _option("-c", "--config", help="YAML file; repeatable, later wins.")],
        None,
    ),
    "preset": (Annotated[str | None, _option("--preset", help="Shipped sizes: demo, …")], None),
    "sets": (Annotated[list[str] | None, _option("-s", "--set", help="KEY=VALUE; repeatable.")], None),
    "dry_run": (Annotated[bool, _option("-n", "--dry-run", help="Print the plan and stop.")], False),
    "force": (Annotated[bool, _option("--force", help="Make it again.")], False),
    "fail_fast": (Annotated[bool, _option("--fail-fast", help="Stop at the first failed item (exit 4).")], False),
    "limit": (Annotated[int | None, _option("--limit", help="Only the first N items.", min=1)], None),
    "workers": (Annotated[int | None, _option("--workers", help="Items made at the same time.", min=1)], None),
    "seed": (Annotated[int | None, _option("--seed", help="Sets train.seed.")], None),
    "json": (Annotated[bool, _option("--json", help="One JSON object on stdout.")], False),
    "quiet": (Annotated[bool, _option("-q", "--quiet", help="Only results and errors.")], False),
    "verbose": (Annotated[bool, _option("-v", "--verbose", help="Tracebacks and details.")], False),
    "cache_dir": (
        Annotated[Path | None, _option("--cache-dir", help="Cache folder.", envvar="STRIVE_CACHE_DIR")],
        None,
    ),
}


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command, which receives them as its first argument, a `Common`."""
    own = inspect.signature(command, eval_str=True)
    parameters = list(own.parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in OPTIONS.items()
    ]

    @functools.wraps(command)
    def wrapper(**values: Any) -> Any:
        picked = {name: values.pop(name) for name in OPTIONS}
        picked["config"] = tuple(picked["config"] or ())
        picked["sets"] = tuple(picked["sets"] or ())
        return command(Common(**picked), **values)

    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    wrapper.__signature__ = inspect.Signature([*keyword_only, *shared])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (*keyword_only, *shared)}
    return wrapper
