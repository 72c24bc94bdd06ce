"""`strive doctor`: what this machine has and lacks, for a person and for a bug report."""

import typer

from strive.cache.store import Store, default_root
from strive.cli.options import Common, common
from strive.cli.output import Output
from strive.cli.table import table
from strive.configs.errors import MissingError

EXAMPLES = "Examples: strive doctor · strive doctor --json"


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(doctor))


def doctor(options: Common) -> None:
    """Exit 5 when something that strive needs is missing."""
    from strive.stages.report.health import checks

    out = Output("doctor", options)
    store = Store(options.cache_dir or default_root())
    found = list(checks(store))
    fields = {"checks": [vars(one) for one in found], "done": sum(one.status != "missing" for one in found),
              "outputs": {"cache": str(store.root)}}
    lines = table([["CHECK", "STATUS", "FOUND"], *([one.name, one.status, one.detail] for one in found)])
    lines += [f"{one.name}: {one.do}" for one in found if one.do]
    missing = [one for one in found if one.status == "missing"]
    if not missing:
        out.result(fields, status="ok", lines=[*lines, "everything strive needs is here"])
        return
    if not options.json:
        out.result(fields, status="failed", lines=lines)
    names = ", ".join(one.name for one in missing)
    error = MissingError(f"missing or broken: {names}", "every check ok or warn", missing[0].do)
    error.fields = {**fields, "failed": [{"id": one.name, "reason": one.detail} for one in missing]}
    raise error
