"""The documentation names only what there is: files, commands, options, config keys."""

import re
from pathlib import Path

import pytest

from strive.cli.app import COMMANDS
from strive.configs.load import SECTIONS, known_keys

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = "\n".join(path.read_text("utf-8") for path in (ROOT / "cli").glob("*.py"))
FILE = re.compile(r"`((?:cli|stages|cache|configs|tests|docs)/[\w./-]+\.(?:py|yaml|md|jinja))`")


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_named_files_exist(page: Path) -> None:
    named = FILE.findall(page.read_text("utf-8"))
    made_up = {"mysampler", "myoperator", "mybench", "myrecipe"}
    missing = [name for name in named if Path(name).stem not in made_up and not (ROOT / name).exists()]
    assert not missing


def test_commands_and_their_options_exist(page: Path) -> None:
    lines = re.findall(r"(?:^\s*|`)strive ([a-z][^`\n]*)", page.read_text("utf-8"), re.MULTILINE)
    for line in lines:
        assert line.split()[0] in COMMANDS, line
        for option in re.findall(r"(?<!\S)(--[a-z][a-z-]+)", line):
            assert f'"{option}"' in CODE, f"{option} in: strive {line}"


def test_config_keys_exist(page: Path) -> None:
    named = re.findall(rf"\b((?:{'|'.join(SECTIONS)})\.[a-z_]+)\b(?!\.|/|\()", page.read_text("utf-8"))
    suffixes = ("py", "h5", "md", "yaml", "jsonl", "png", "mp4", "html", "json")
    modules = {f"{path.parent.name}.{path.stem}" for path in (ROOT / "stages").glob("*/*.py")}
    assert not [key for key in named if key not in {*known_keys(), *modules} and key.partition(".")[2] not in suffixes]
