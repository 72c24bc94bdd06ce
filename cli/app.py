"""The command list: each command is one module of this folder, imported only when it is called."""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

COMMANDS = {
    "extract": "Take frames from videos.",
    "score": "Rate frames by importance to each question.",
    "variants": "Make the bundle of views for each question.",
    "train": "Train a policy from bundles.",
    "eval": "Measure a policy on a benchmark.",
    "grade": "Score replies that were made anywhere.",
    "compare": "Compare recipes over seeds at equal rollouts.",
    "ask": "Answer one question about one video.",
    "check": "Read a dataset before money is spent on it.",
    "demo": "Run the whole pipeline on the built-in world.",
    "inspect": "Draw a sample's variants as one picture.",
    "report": "Write runs as one HTML page.",
    "status": "Say what is done, failed and missing, and what to type next.",
    "cache": "Look after the cache: path, ls, verify, gc.",
    "config": "Show, list and compare configs.",
    "doctor": "Check this machine: versions, decoders, devices, disk.",
}

app = typer.Typer(
    name="strive",
    help="Reinforcement learning for video question answering over structured spatiotemporal variants.",
    epilog="Start here: strive demo --out demo",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(asked: bool) -> None:
    """Print the version and leave."""
    if asked:
        sys.stdout.write(f"strive {version('strive')} (Python {sys.version.split()[0]})\n")
        raise typer.Exit()


@app.callback()
def root(
    show: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Reinforcement learning for video question answering over structured spatiotemporal variants."""


def command_named(arguments: list[str]) -> str | None:
    """The command of a command line, if it names a known one."""
    return next((a for a in arguments if a in COMMANDS), None)


def register(arguments: list[str]) -> None:
    """Import the module of the command that was asked for; the others stand in the list by name and help alone."""
    asked = command_named(arguments)
    for name, help_line in COMMANDS.items():
        if name == asked:
            import_module(f"strive.cli.{name}").add_to(app, name, help_line)
        else:
            app.command(name, help=help_line)(lambda: None)


register(sys.argv[1:])
