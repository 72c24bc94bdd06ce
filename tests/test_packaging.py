"""The hand-written package list equals the tree, and the namespace has one module object per file."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOP = ("cli", "stages", "cache", "configs")


def test_every_folder_with_an_init_is_in_the_package_list() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {
        "strive." + ".".join(init.parent.relative_to(ROOT).parts)
        for top in TOP
        for init in (ROOT / top).rglob("__init__.py")
    }
    data_only = {"strive.stages.demo.models.policy", "strive.stages.demo.models.clip"}
    assert found - listed == set(), "add these to [tool.setuptools] packages"
    assert listed - found - data_only == set(), "these are listed but not there"


def test_importing_strive_does_not_create_top_level_twins() -> None:
    code = (
        "import sys, strive.cli.app, strive.cache.store, strive.stages.registry; "
        "twins = [n for n in ('cli', 'stages', 'cache', 'configs') if n in sys.modules]; "
        "sys.exit(repr(twins) if twins else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True).returncode == 0


def test_no_module_stands_above_its_layer() -> None:
    done = subprocess.run([str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
