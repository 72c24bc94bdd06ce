"""Takes the frames of one video: decode, choose by presentation time, turn upright, shrink, encode."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from strive.stages.archive.contents import Entry
from strive.stages.archive.member import Member
from strive.stages.bundle.opencv import import_cv2
from strive.stages.extract.encoder import warm_up
from strive.stages.extract.passes import run
from strive.stages.extract.pyav import THREADED, Unsure
from strive.stages.extract.sampling import choose
from strive.stages.extract.scan import Facts, scan
from strive.stages.extract.sparse import stretches
from strive.stages.extract.timeline import fill
from strive.stages.extract.verdict import judge, warnings

SAME_TIME_DIGITS = 6


def prepare() -> None:
    """Import OpenCV and keep it to one thread: children and their encoding threads are the parallelism."""
    import_cv2().setNumThreads(1)
    warm_up()


def take(request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """The chosen frames of `request["path"]`: a header (times, source_index, sizes, meta, undecoded, warnings), and the
    encoded images.

    The request carries the extract config's result keys, and the decoder's `threads` (default 1). The quickest way goes
    first; what it leaves in doubt is decoded again, in the end all of it by one thread, which decides. So the answer is
    the same whatever the number of threads.
    """
    path = source_of(request)
    facts = scan(path)
    expected = np.unique(facts.packet_times)
    guess = choose(expected, *limits_of(request))
    quick = request["decoder"] == "pyav"
    parts = stretches(facts, np.union1d(guess, [0, len(expected) - 1])) if quick else None
    threads = request.get("threads", 1) if quick and facts.codec in THREADED else 1
    for way, count in ((parts, threads), (None, threads)):
        if way is not None or count > 1:
            with suppress(Unsure, MemoryError):
                return answer(path, facts, request, expected[guess], way, count)
    return answer(path, facts, request, expected[guess], None, 1)


def answer(
    path: Path | Member, facts: Facts, request: dict[str, Any], guess: np.ndarray, parts: list[range] | None,
    threads: int,
) -> tuple[dict[str, Any], list[bytes]]:
    """What `take` answers, by one way of decoding.

    The frames are chosen on the times of the frames that did decode; a first choice on packet times (`guess`, float64
    [K]) saves the second decoding pass whenever both agree.
    """
    near = {round(t, SAME_TIME_DIGITS) for t in guess.tolist()}
    found = run(path, facts, request, lambda i, t: t is not None and round(t, SAME_TIME_DIGITS) in near, parts, threads)
    timeline = fill(found.raw, facts.rate)
    meta = judge(facts, found, timeline, request["min_decodable"])
    chosen = choose(timeline.times, *limits_of(request)).tolist()
    if not set(chosen) <= found.encoded.keys():
        wanted = set(chosen)
        found.encoded = run(path, facts, request, lambda i, _: i in wanted, parts, threads).encoded
    header = {
        "times": timeline.times[chosen].tolist(), "source_index": [found.numbers[i] for i in chosen],
        "sizes": [found.stored] * len(chosen), "warnings": warnings(facts, found),
        "meta": {**meta, "decoder": request["decoder"]}, "undecoded": len(found.raw) - found.decoded,
    }
    return header, [found.encoded[i] for i in chosen]


def limits_of(request: dict[str, Any]) -> tuple[float, int, int]:
    """What `choose` needs to know."""
    return request["fps"], request["min_frames"], request["max_frames"]


def source_of(request: dict[str, Any]) -> Path | Member:
    """The video file, or the zip member, that a request names."""
    path = Path(request["path"])
    if request.get("entry") is None:
        return path
    return Member(path, Entry(**request["entry"]), Path(request["spill"]))
