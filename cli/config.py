"""`strive config`: the resolved config with the source and meaning of each value, what is shipped, and what differs."""

from typing import Annotated, Any

import typer

from strive.cli.options import Common, common
from strive.cli.output import Output
from strive.cli.table import table
from strive.configs.compare import differences, read_settings
from strive.configs.errors import UsageError
from strive.configs.load import SECTIONS, Resolved, known_keys, load, nearest, shipped_names
from strive.configs.render import one_line
from strive.configs.schema import Config

EXAMPLES = (
    "Examples: strive config show --preset demo > my.yaml · strive config show train · strive config diff grpo strive"
    " · strive config diff runs/a runs/b"
)


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command group."""
    group = typer.Typer(name=name, help=help_line, no_args_is_help=True, rich_markup_mode=None, epilog=EXAMPLES)
    group.command("show", help="Print the resolved config: a YAML file that -c accepts.")(common(show))
    group.command("ls", help="List the shipped presets and recipes.")(common(ls))
    group.command("diff", help="Compare two configs: preset, recipe, YAML file, run folder, artefact.")(common(diff))
    app.add_typer(group, name=name)


def show(
    options: Common,
    keys: Annotated[list[str] | None, typer.Argument(help="Only these, e.g. train or train.steps.")] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="A shipped recipe.")] = None,
) -> None:
    """Every key with its value, meaning and source."""
    resolved = load(preset=options.preset, recipe=recipe, config_files=options.config, sets=options.sets,
                    flags={"train.seed": options.seed})
    wanted = [key for key in known_keys() if not keys or any(key == one or key.startswith(f"{one}.") for one in keys)]
    for one in keys or []:
        if not any(key == one or key.startswith(f"{one}.") for key in known_keys()):
            names = [*SECTIONS, *known_keys()]
            raise UsageError(f"unknown key {one}", "a section or key of `strive config show`", nearest(one, names))
    shown = {
        key: {"value": value_of(resolved.config, key), "source": resolved.sources.get(key, "default")} for key in wanted
    }
    Output("config", options).result({"config": shown}, status="ok", lines=yaml_lines(resolved, wanted))


def ls(options: Common) -> None:
    """Names with their first line."""
    from importlib.resources import files

    found: list[dict[str, str]] = []
    for kind in ("presets", "recipes"):
        for name in shipped_names(kind):
            first = files(f"strive.configs.{kind}").joinpath(f"{name}.yaml").read_text("utf-8").splitlines()[0]
            about = first.lstrip("# ") if first.startswith("#") else ""
            found.append({"kind": kind[:-1], "name": name, "about": about})
    rows = [[one["kind"], one["name"], one["about"]] for one in found]
    Output("config", options).result({"configs": found}, status="ok", lines=table([["KIND", "NAME", "ABOUT"], *rows]))


def diff(
    options: Common,
    first: Annotated[str, typer.Argument(help="Preset, recipe, YAML file, run folder or artefact folder.")],
    second: Annotated[str, typer.Argument(help="The same.")],
) -> None:
    """One line for each key that differs."""
    found = differences(read_settings(first), read_settings(second))
    lines = [f"{key}: {one_line(a)} → {one_line(b)}" for key, (a, b) in found.items()] or ["no difference"]
    fields = {"differences": {key: {"first": a, "second": b} for key, (a, b) in found.items()}}
    Output("config", options).result(fields, status="ok", lines=lines)


def yaml_lines(resolved: Resolved, keys: list[str]) -> list[str]:
    """YAML that `--config` accepts; behind each value its meaning and, in brackets, where it came from."""
    rows: list[tuple[str, str]] = []
    section = ""
    for key in keys:
        before, dot, name = key.partition(".")
        if dot and before != section:
            rows.append((f"{before}:", ""))
            section = before
        source = resolved.sources.get(key, "default")
        written = f"{'  ' if dot else ''}{name or before}: {one_line(value_of(resolved.config, key))}"
        rows.append((written, f"# {meaning(resolved.config, key)} [{source}]"))
    width = min(44, max((len(text) for text, _ in rows), default=0))
    return [f"{text:<{width}}  {comment}" if comment else text for text, comment in rows]


def value_of(config: Config, key: str) -> Any:
    """A value as plain JSON."""
    section, dot, name = key.partition(".")
    whole = config.model_dump(mode="json")
    return whole[section][name] if dot else whole[key]


def meaning(config: Config, key: str) -> str:
    """The sentence that the schema gives a key."""
    section, dot, name = key.partition(".")
    fields = type(getattr(config, section)).model_fields if dot else Config.model_fields
    return str(fields[name or section].description or "")
