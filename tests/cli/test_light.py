"""The commands that people type all the time import nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "cv2", "transformers", "open_clip", "h5py", "numpy", "pandas", "matplotlib", "av")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["status"], ["cache", "ls"], ["train", "--help"], ["config", "show"]]
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom strive.cli.main import main\n"
        "sys.argv = ['strive', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as left:\n    code = left.code\n"
        f"heavy = [n for n in {HEAVY!r} if n in sys.modules]\n"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
