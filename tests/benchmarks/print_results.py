"""Prints the tables of docs/results.md into it, from the compare.json files in docs/results/.

    python tests/benchmarks/print_results.py [--keep NAME=OUT/compare.json ...]

A table stands between `<!-- NAME TABLE -->` and `<!-- end -->`: NAME is a file of docs/results, TABLE one of
`strive.stages.compare.figures.tables`. `--keep` first takes over a finished comparison as docs/results/NAME.json,
without the figures of every single step.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from strive.stages.compare.figures.tables import TABLES, read_summary

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "results.md"
BLOCK = re.compile(r"(<!-- (\w+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def printed(page: str, folder: Path) -> str:
    """The page with all of its tables printed anew from the files in `folder`."""
    def table(found: re.Match[str]) -> str:
        opening, name, kind, closing = found.groups()
        return f"{opening}\n{TABLES[kind](read_summary(folder / f'{name}.json'))}\n\n{closing}"

    return BLOCK.sub(table, page)


def lean(summary: dict[str, Any]) -> dict[str, Any]:
    """A comparison without the figures of every step and the seconds of every run."""
    kept = {name: value for name, value in summary.items() if name != "train"}
    return {**kept, "timing": {"arms": summary["timing"].get("arms", {})}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", nargs="*", default=[], metavar="NAME=FILE")
    for pair in parser.parse_args().keep:
        name, _, file = pair.partition("=")
        text = json.dumps(lean(read_summary(Path(file))), sort_keys=True, separators=(",", ":"))
        (PAGE.parent / "results" / f"{name}.json").write_text(text + "\n", "utf-8")
    PAGE.write_text(printed(PAGE.read_text("utf-8"), PAGE.parent / "results"), "utf-8")


if __name__ == "__main__":
    main()
