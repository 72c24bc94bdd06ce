"""Writes the modules of users into a test's folder, each under a name of its own, and makes it the current folder."""

import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

NUMBERS = itertools.count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """`write(text)`: a module with this text in the current folder; returns its name."""
    monkeypatch.chdir(tmp_path)

    def one(text: str) -> str:
        name = f"own_module_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    return one
