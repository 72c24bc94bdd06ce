"""The tables of docs/results.md are what the command prints from the comparisons kept beside it."""

from pathlib import Path

from benchmarks.print_results import BLOCK, PAGE, printed


def test_tables_of_the_results_page_are_printed_from_its_files() -> None:
    page = PAGE.read_text("utf-8")
    assert len(BLOCK.findall(page)) >= 4
    assert printed(page, Path(PAGE.parent / "results")) == page
