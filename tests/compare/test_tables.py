"""The command prints the tables of the docs from compare.json, and says what is wrong with a file that is not one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from strive.cache.atomic import write_json
from strive.cli.compare import result_lines
from strive.configs.errors import MissingError, VerificationError
from strive.stages.compare.figures import wording
from strive.stages.compare.figures.summary import summarise
from strive.stages.compare.figures.tables import TABLES, main, markdown, read_summary

from .made_comparison import ARMS, comparison


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compared")
    write_json(path / "compare.json", summarise(comparison()))
    return path


def test_every_table_has_as_many_cells_in_each_row(folder: Path) -> None:
    for name in TABLES:
        rows = [row for row in main([str(folder), "--table", name]).splitlines() if row.startswith("|")]
        assert len({row.replace("\\|", "").count("|") for row in rows}) == (0 if name == "reading" else 1), name


def test_figures_are_those_of_the_file(folder: Path) -> None:
    summary: dict[str, Any] = read_summary(folder)
    text = main([str(folder), "--table", "headline", "--table", "differences"])
    for name in ARMS:
        view = summary["results"][name]["views"]["uniform"]
        assert f"| {name} |" in text and wording.share(view["accuracy"]) in text
        if "difference" in view:
            assert f"| {wording.difference(view['difference'])} | 5 |" in text


def test_module_prints_what_it_was_asked_for(folder: Path) -> None:
    command = [sys.executable, "-m", "strive.stages.compare.figures.tables", str(folder), str(folder)]
    found = subprocess.run([*command, "--table", "groups"], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.count("### ") == 2 and found.stdout.count("| strive | 1,000 | 200 |") == 2


def test_a_file_that_is_no_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="strive compare"):
        read_summary(tmp_path / "absent")
    (tmp_path / "compare.json").write_text("{", "utf-8")
    with pytest.raises(VerificationError, match="not JSON"):
        read_summary(tmp_path)
    write_json(tmp_path / "compare.json", {"format": "strive.compare/9"})
    with pytest.raises(VerificationError, match=r"strive\.compare/9"):
        read_summary(tmp_path)


def test_a_bar_in_a_name_does_not_end_a_cell() -> None:
    assert markdown(["a"], [["x|y\nz"]]).splitlines()[-1] == "| x\\|y z |" and markdown(["a"], []) == ""


def test_the_terminal_shows_the_figures_of_the_file() -> None:
    summary = summarise(comparison())
    lines = result_lines(summary)
    assert len(lines) == 2 + len(summary["arms"])
    for arm, line in zip(summary["arms"], lines[2:], strict=True):
        for view, found in summary["results"][arm["name"]]["views"].items():
            assert arm["name"] in line and wording.percent(found["accuracy"]["mean"]) in line, view
            assert ("difference" in found) == (arm["name"] != summary["baseline"])
            assert "difference" not in found or wording.difference(found["difference"]) in line
