"""Prints how fast the data stages are beside their floors and their peers: run by hand, on a quiet machine.

    python tests/benchmarks/data_stages.py [--seconds 120] [--repeats 5] [--only extract|score] [--folder VIDEOS]

Everything in one table is measured in turn, several times over; multiples are taken within a round, then the median.
extract: videos are written by x264; the floor is OpenCV's bare `grab()` loop with as many decoder threads; peers are
asked for the frames that strive took, which they then shrink and encode as strive does.
"""

import argparse
import importlib.util
import os
import platform
import sys
import tempfile
from pathlib import Path


def markdown(table: list[list[str]]) -> str:
    """A table as Markdown; the first row is its header."""
    header, *rest = table
    lines = [header, ["---"] * len(header), *rest]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def extract_tables(folder: Path | None, seconds: int, repeats: int) -> list[list[list[str]]]:
    """Those of stage extract."""
    from data_stages_extract import rows

    with tempfile.TemporaryDirectory() as other:
        return rows(folder or Path(other), seconds, repeats)


def score_tables() -> list[list[list[str]]]:
    """Those of stages score and variants, where their benchmark is there."""
    if importlib.util.find_spec("data_stages_score") is None:
        return []
    from data_stages_score import rows

    return rows()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120, help="length of the videos")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the videos lie, or are kept for the next time")
    parser.add_argument("--only", choices=("extract", "score"))
    options = parser.parse_args()
    load = os.getloadavg()[0]
    sys.stdout.write(f"{len(os.sched_getaffinity(0))} cores, load {load:.1f} at the start, {platform.machine()}\n")
    tables = [] if options.only == "score" else extract_tables(
        options.folder, options.seconds, options.repeats)
    tables += [] if options.only == "extract" else score_tables()
    for table in tables:
        sys.stdout.write("\n" + markdown(table))


if __name__ == "__main__":
    main()
