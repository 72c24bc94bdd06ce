"""Times stage extract beside its floor, a bare decoding loop, and beside peers that are asked for the same frames."""

import os
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import av
import cv2
import numpy as np
from data_stages_videos import moving

from strive.configs.schema import Config
from strive.stages.bundle.images import encode
from strive.stages.extract.encoder import shrink
from strive.stages.extract.worker import Child

SHORT_SIDE = 252
FRAME = (252, 448)
SPARSE = 8
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Case:
    """Something that is timed. `floor`: the case that it is compared with in each round; `videos` it goes through."""

    name: str
    threads: int
    run: Callable[[], Any]
    floor: str
    videos: int = 1
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


class Extract:
    """Warm decode children and what is asked of them."""

    def __init__(self, **changes: Any) -> None:
        base = Config().extract.result_keys()
        self.settings = {**base, "decoder": "pyav", "short_side": SHORT_SIDE, "memory_mib": 4096, **changes}
        self.children = [Child("strive.stages.extract.child") for _ in range(2)]

    def one(self, path: Path, threads: int, child: int = 0) -> dict[str, Any]:
        """The header of the answer."""
        return self.children[child].ask({**self.settings, "path": str(path), "threads": threads}, 3600)[0]

    def two(self, paths: list[Path]) -> None:
        """Two videos at the same time, one thread each."""
        threads = [threading.Thread(target=self.one, args=(path, 1, i)) for i, path in enumerate(paths)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def cpu_s(self) -> float:
        """CPU seconds of the children so far."""
        stats = [Path(f"/proc/{one.process.pid}/stat").read_text().rsplit(") ", 1)[1].split() for one in self.children]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICK


def grab(path: Path, threads: int) -> None:
    """The floor: every frame is decoded, none is looked at."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])
    while capture.grab():
        pass


def stored(images: Any) -> list[bytes]:
    """Images as they are kept: shrunk and encoded as strive does."""
    return [encode(shrink(image, FRAME)) for image in images]


def with_pyav(path: Path, wanted: list[int], threads: int) -> list[bytes]:
    """A plain loop over all frames."""
    chosen = set(wanted)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.thread_type = threads, "AUTO"
        frames = (frame for i, frame in enumerate(container.decode(stream)) if i in chosen)
        return stored(frame.to_ndarray(format="rgb24") for frame in frames)


def with_pyav_seeks(path: Path, times: list[float], threads: int) -> list[bytes]:
    """To the key frame before each time, then forward."""
    def shown() -> Any:
        for time_s in times:
            container.seek(round(time_s / stream.time_base), stream=stream)
            yield next(f for f in container.decode(stream) if f.time >= time_s - 1e-3).to_ndarray(format="rgb24")

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.thread_type = threads, "AUTO"
        return stored(shown())


def with_decord(path: Path, wanted: list[int], threads: int) -> list[bytes]:
    """One batch."""
    import decord

    reader = decord.VideoReader(str(path), num_threads=threads)
    return stored(reader.get_batch(wanted).asnumpy())


def has_decord() -> bool:
    try:
        import decord  # noqa: F401
    except ImportError:
        return False
    return True


def dense_cases(extract: Extract, paths: list[Path]) -> list[Case]:
    """One frame a second of long groups of pictures: all frames must be decoded."""
    first, cases = paths[0], []
    wanted = extract.one(first, 1)["source_index"]
    extract.one(first, 1, 1)
    for threads in (1, len(os.sched_getaffinity(0))):
        floor = f"grab() loop, {threads}"
        cases += [
            Case("grab() loop", threads, lambda n=threads: grab(first, n), floor),
            Case("strive extract, warm child", threads, lambda n=threads: extract.one(first, n), floor),
            Case("PyAV, forward", threads, lambda n=threads: with_pyav(first, wanted, n), floor),
        ]
        if has_decord():
            cases.append(Case("decord, get_batch", threads, lambda n=threads: with_decord(first, wanted, n), floor))
    two = Case("strive extract, two children", 1, lambda: extract.two(paths), "strive extract, warm child, 1", 2)
    return [*cases, two]


def sparse_cases(extract: Extract, path: Path) -> list[Case]:
    """A few frames of a video with a key frame a second: most need not be decoded."""
    header = extract.one(path, 1)
    wanted, times, floor = header["source_index"], header["times"], "grab() loop, 1"
    cases = [
        Case("grab() loop", 1, lambda: grab(path, 1), floor),
        Case("strive extract, warm child", 1, lambda: extract.one(path, 1), floor),
        Case("PyAV, a seek for each frame", 1, lambda: with_pyav_seeks(path, times, 1), floor),
    ]
    return [*cases, *([Case("decord, get_batch", 1, lambda: with_decord(path, wanted, 1), floor)] * has_decord())]


def timed(cases: list[Case], extract: Extract, repeats: int) -> None:
    """Run all cases in turn, several times over."""
    for _ in range(repeats):
        for case in cases:
            wall, cpu = time.perf_counter(), time.process_time() + extract.cpu_s()
            case.run()
            case.seconds.append(time.perf_counter() - wall)
            case.cpu.append(time.process_time() + extract.cpu_s() - cpu)


def table(title: str, cases: list[Case]) -> list[list[str]]:
    """Rows: what, decoder threads, seconds and CPU seconds per video, seconds as a multiple of the floor's; medians,
    the multiple taken within each round."""
    by_name = {f"{case.name}, {case.threads}": case for case in cases}
    rows = [[title, "threads", "s per video", "CPU s per video", "× floor"]]
    for case in cases:
        floor = by_name[case.floor]
        ratios = [a / case.videos / b for a, b in zip(case.seconds, floor.seconds, strict=True)]
        times = (statistics.median(values) / case.videos for values in (case.seconds, case.cpu))
        multiple = f"{statistics.median(ratios):.2f}"
        if case.videos > 1:
            multiple += f" of one child ({1 / statistics.median(ratios):.2f} × its throughput)"
        rows.append([case.name, str(case.threads), *(f"{value:.2f}" for value in times), multiple])
    return rows


def rows(folder: Path, seconds: int, repeats: int) -> list[list[list[str]]]:
    """The tables of stage extract, each a list of rows, the header first."""
    cv2.setNumThreads(1)
    paths = [moving(folder / f"long-{i}.mp4", seconds, i) for i in range(2)]
    short = moving(folder / "short.mp4", seconds // 2, 2, gop=30)
    dense, sparse = Extract(min_frames=1), Extract(min_frames=1, max_frames=SPARSE)
    tables = []
    for title, cases, extract in (
        (f"1 fps of {seconds} s, 720p H.264, keyint 250", dense_cases(dense, paths), dense),
        (f"{SPARSE} frames of {seconds // 2} s, 720p H.264, keyint 30", sparse_cases(sparse, short), sparse),
    ):
        timed(cases, extract, repeats)
        tables.append(table(title, cases))
    for child in (*dense.children, *sparse.children):
        child.kill()
    return tables


def same_frames(path: Path) -> bool:
    """Whether PyAV's plain loop, asked for the frames that strive took, gives the very bytes that strive stored."""
    extract = Extract(min_frames=1)
    header, images = extract.children[0].ask({**extract.settings, "path": str(path), "threads": 1}, 3600)
    for child in extract.children:
        child.kill()
    return bool(np.all([a == b for a, b in zip(images, with_pyav(path, header["source_index"], 1), strict=True)]))
