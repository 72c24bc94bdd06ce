"""The benchmark that compares the samplers runs, and its table has what it promises."""

import subprocess
import sys
from pathlib import Path

from strive.stages.views.samplers import RANDOM, SAMPLERS

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "samplers_table.py"


def test_the_table_has_every_sampler_and_only_random_ones_draw_differently() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--trials", "4"], capture_output=True, text=True, check=True,
                          timeout=120)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:]]
    names = {row[0].partition(" ")[0] for row in rows}
    assert names == set(SAMPLERS)
    for name, both, step, overlap in rows:
        assert 0 <= float(both) <= 1 and float(step) >= 16
        assert (float(overlap) < 1) == (name.partition(" ")[0] in RANDOM)
