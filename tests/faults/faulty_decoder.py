"""Makes the decode children's video library harmful: a file whose name asks for it hangs, crashes, eats or is changed.

The children load `sitecustomize` like every Python does; everything else of them, and all of their parent, is real.
"""

import os
from pathlib import Path

import pytest

SITE = '''
import sys

if any("strive.stages.extract" in word for word in sys.orig_argv):
    import ctypes, os, signal, time
    import av

    opened = av.open

    def harmful(file, *more, **named):
        whole = str(getattr(file, "name", file))
        path = os.path.basename(whole)
        if "spin" in path:
            sum(range(10**13))  # one C call that never lets the interpreter in
        elif "sleep" in path:
            time.sleep(600)
        elif "crash" in path:
            ctypes.string_at(0)
        elif "abort" in path:
            os.abort()
        elif "killed" in path:
            os.kill(os.getpid(), signal.SIGKILL)
        elif "eat" in path:
            kept = [bytearray(64 << 20) for _ in range(1000)]
        elif "grow" in path:
            with open(whole, "ab") as grown:
                grown.write(b"more")
        elif "swap" in path:
            stat = os.stat(whole)
            with open(whole, "r+b") as swapped:
                swapped.seek(-1, 2)
                swapped.write(b"~")
            os.utime(whole, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return opened(file, *more, **named)

    av.open = harmful
'''


@pytest.fixture
def faulty_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on children do what a file's name says: spin, sleep, crash, abort, killed, eat, grow, swap."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(SITE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")])))
