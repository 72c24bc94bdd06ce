"""The commands that tests fork are their own: nothing that an earlier test set reaches them."""

from pathlib import Path

import pytest
from typed import typed


def test_a_command_sees_the_variables_of_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRIVE_CACHE_DIR", str(tmp_path / "named"))
    assert typed("cache", "path").stdout.strip() == str(tmp_path / "named")
    monkeypatch.delenv("STRIVE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert typed("cache", "path").stdout.strip() == str(tmp_path / "xdg" / "strive")
