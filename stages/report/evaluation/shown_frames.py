"""The very frames that a question was answered on, as small pictures that the page keeps once each."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from strive.cache import runs
from strive.cache.artefact import Artefact
from strive.cache.store import Store
from strive.configs.errors import StriveError
from strive.stages.frames.frameset import FrameSet, read_frames
from strive.stages.report.canvas import clock
from strive.stages.report.thumbnails import data_uri
from strive.stages.report.values import number

FramesOf = Callable[[Path, str], Artefact | None]
"""The frames of a video as the run in a folder read them; None when they are not at hand."""
MOST_FRAMES = 16
MOST_BYTES = 11_000_000
OPEN_VIDEOS = 4
EXACT_S = 1e-6
FULL = "frames not shown: the page has as many as it may hold"


class RunFrames:
    """Finds the frames that an evaluation was made on among those that it recorded as its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: dict[Path, dict[str, str]] = {}

    def __call__(self, run: Path, video: str) -> Artefact | None:
        """The frames of a video as the run saw them, None when they are no longer in this cache."""
        if run not in self.known:
            self.known[run] = self.recorded(run)
        key = self.known[run].get(video)
        return self.store.find("extract", key) if key else None

    def recorded(self, run: Path) -> dict[str, str]:
        """Video → key: as the run recorded it, else as the last extraction named what the run recorded."""
        own = list(runs.recorded(self.store, run))
        keys = {key for key, _video in own}
        last = {video: key for key, video in runs.last_run(self.store, "extract") if key in keys}
        return {**last, **{video: key for key, video in own if video}}


class Pictures:
    """Frames as JPEG data URIs, each kept once however many questions show it, up to `limit` characters in all."""

    def __init__(self, frames_of: FramesOf | None, limit: int = MOST_BYTES) -> None:
        self.frames_of, self.limit, self.size = frames_of, limit, 0
        self.kept: list[str] = []
        self._artefacts: dict[tuple[Path, str], Artefact | None] = {}
        self._places: dict[tuple[str, int], int] = {}
        self._times: dict[str, np.ndarray] = {}
        self._open: OrderedDict[str, FrameSet] = OrderedDict()

    def of(self, run: Path, row: Mapping[str, Any]) -> dict[str, Any]:
        """`frames`: (place in `kept`, time as text) of at most `MOST_FRAMES` shown frames, evenly chosen, in the order
        shown; `shown`: how many there were; or `why` there are none."""
        times = row.get("times")
        seconds = [number(one) for one in times] if isinstance(times, list) else []
        if row.get("control") == "blank":
            return {"why": "every frame was grey (control blank)"}
        if not isinstance(row.get("shown_video"), str) or not seconds:
            return {"why": "no video was shown"}
        try:
            return self._found(run, str(row["shown_video"]), [one for one in seconds if one is not None])
        except StriveError as error:
            return {"why": f"frames not shown: {error.what}"}

    def _found(self, run: Path, video: str, seconds: Sequence[float]) -> dict[str, Any]:
        if (run, video) not in self._artefacts:
            if self.size >= self.limit:
                return {"why": FULL}  # before a further video is read
            self._artefacts[run, video] = self.frames_of(run, video) if self.frames_of else None
        artefact = self._artefacts[run, video]
        if artefact is None:
            return {"why": "frames not shown: not found in this cache"}
        places = places_of(seconds, self._times_of(artefact))
        if places is None:
            return {"why": "frames not shown: those in the cache were taken at other times"}
        chosen = np.unique(np.linspace(0, len(places) - 1, min(MOST_FRAMES, len(places))).round().astype(int)).tolist()
        kept = [self._keep(artefact, places[one]) for one in chosen]
        if any(one is None for one in kept):
            return {"why": FULL}
        digits = 2 if min(np.diff(np.unique(seconds)), default=1.0) < 0.15 else 1
        told = [clock(seconds[one], digits) for one in chosen]
        return {"frames": [list(pair) for pair in zip(kept, told, strict=True)], "shown": len(seconds)}

    def _keep(self, artefact: Artefact, index: int) -> int | None:
        """The picture's place in `kept`; None when there is no room for it."""
        if (artefact.key, index) in self._places:
            return self._places[artefact.key, index]
        if self.size >= self.limit:
            return None
        self.kept.append(data_uri(Image.fromarray(self._frames(artefact).image(index))))
        self.size += len(self.kept[-1])
        self._places[artefact.key, index] = len(self.kept) - 1
        return len(self.kept) - 1

    def _times_of(self, artefact: Artefact) -> np.ndarray:
        if artefact.key not in self._times:
            self._times[artefact.key] = np.asarray(self._frames(artefact).times, np.float64)
        return self._times[artefact.key]

    def _frames(self, artefact: Artefact) -> FrameSet:
        if artefact.key not in self._open:
            self._open[artefact.key] = read_frames(artefact)
            while len(self._open) > OPEN_VIDEOS:
                self._open.popitem(last=False)
        return self._open[artefact.key]


def places_of(seconds: Sequence[float], times: np.ndarray) -> list[int] | None:
    """Where these times stand among the (rising) times of the frames; None unless every one is there."""
    if not len(times):
        return None
    found = np.searchsorted(times, np.asarray(seconds) - EXACT_S).clip(0, len(times) - 1)
    return found.tolist() if np.all(np.abs(times[found] - seconds) <= EXACT_S) else None
