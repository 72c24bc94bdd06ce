"""How fast `strive grade` is, and how much memory it takes: run by hand, on a quiet machine.

    python tests/benchmarks/grade_speed.py [ROWS]        19,140 rows (PerceptionTest) by default

Prints rows a second, seconds of the whole command and its peak memory, at 1 and 10 times the rows, for replies of three
kinds; the floor is reading the same file as JSON and writing a line a row.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

KINDS = ("letters", "think", "prose")
VIDEOS = 5900
WORDS = ("the", "person", "picks", "up", "cup", "and", "moves", "it", "left", "while", "camera", "stays", "near",
         "table", "before", "a", "dark", "object")
AREAS, TAGS = ("memory", "physics", "semantics", "abstraction"), ("motion", "occlusion", "object recognition")
PEAK = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")


def reply(kind: str, draw: random.Random) -> str:
    """A bare letter, a thought of 600 characters with a tagged answer, or as much prose that ends in one."""
    letter = draw.choice("ABC")
    if kind == "letters":
        return draw.choice([letter, f"{letter}.", f"({letter})", f"The answer is {letter}."])
    thought = ". ".join(" ".join(draw.choices(WORDS, k=13)).capitalize() for _ in range(9))
    return f"<think>{thought}.</think>\n<answer>{letter}</answer>" if kind == "think" else (
        f"{thought}. So the answer is {letter}.")


def rows(kind: str, count: int) -> Iterator[str]:
    """Rows of PerceptionTest, a line each."""
    draw = random.Random(0)
    for i in range(count):
        meta = {"video_name": f"video_{i // 3 % VIDEOS}", "question_id": str(i % 3), "area": AREAS[i % 4],
                "reasoning": "descriptive", "tag": [TAGS[i % 3]]}
        yield json.dumps({"id": f"video_{i // 3}/{i}", "bench": "perceptiontest", "question_type": "multiple_choice",
                          "question": "What does the person do with the cup?", "answer": str(i % 3),
                          "options": ["moves the cup", "drops the cup", "nothing happens"],
                          "prediction": reply(kind, draw), "meta": meta}) + "\n"


def graded(file: Path, out: Path) -> tuple[float, float]:
    """Seconds of the command and its peak memory (MiB)."""
    command = [sys.executable, "-m", "strive.cli", "grade", str(file), "--out", str(out), "-q"]
    start = time.perf_counter()
    peak = subprocess.run([sys.executable, "-c", PEAK, *command], check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - start, int(peak) / 1024


def floor(file: Path, out: Path) -> float:
    """Seconds to read the rows and write as many lines."""
    start = time.perf_counter()
    with file.open("rb") as given, out.open("w") as written:
        for line in given:
            row = json.loads(line)
            written.write(json.dumps({"id": row["id"], "parsed": "A", "score": 1.0, "status": "ok"}) + "\n")
    return time.perf_counter() - start


def main(count: int = 19140) -> None:
    """Print a line for each kind of reply and size."""
    print(f"{'replies':8} {'rows':>8} {'rows/s':>8} {'seconds':>8} {'floor':>6} {'MiB':>6}")
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        for kind in KINDS:
            for size in (count, 10 * count):
                with file.open("w") as written:
                    written.writelines(rows(kind, size))
                least = floor(file, out)
                seconds, peak = graded(file, out)
                print(f"{kind:8} {size:8} {size / seconds:8.0f} {seconds:8.2f} {least:6.2f} {peak:6.0f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
