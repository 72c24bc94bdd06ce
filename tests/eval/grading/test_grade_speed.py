"""The speed measurement runs, and what it measures is read as it was meant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "grade_speed.py"


@pytest.mark.slow
def test_the_measurement_prints_a_line_for_each_kind_and_size() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "20"], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [(line[0], line[1]) for line in lines] == [
        (kind, size) for kind in ("letters", "think", "prose") for size in ("20", "200")]
    assert all(float(line[3]) > float(line[4]) >= 0 and float(line[5]) > 10 for line in lines)


def test_every_reply_that_is_measured_is_read(tmp_path: Path) -> None:
    make = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import grade_speed as g; import pathlib;" \
           "pathlib.Path(sys.argv[1]).write_text(''.join(line for k in g.KINDS for line in g.rows(k, 40)))"
    subprocess.run([sys.executable, "-c", make, str(tmp_path / "in.jsonl")], check=True)
    done = subprocess.run([sys.executable, "-m", "strive.cli", "grade", str(tmp_path / "in.jsonl"), "--json"],
                          capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["n"] == found["n_answered"] == 120
