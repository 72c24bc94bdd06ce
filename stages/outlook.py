"""How much disk a run is going to need, before any of it is made: by what lies in the cache, else by the settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from strive.cache import disk
from strive.configs.data_stages import ExtractConfig
from strive.configs.errors import MissingError
from strive.configs.schema import Config
from strive.stages.plan import Job, StagePlan

ENOUGH = 8
"""Artefacts of a stage in the cache whose mean size says what the next ones take."""
JPEG_BYTES = 0.3
"""A pixel at quality 95 and full colour resolution, on footage; drawn pictures take less."""
EMBEDDING = 512
CERTAIN = 0.5
"""A measured estimate may be wrong by as much: a run is refused when this share of it does not fit."""


def item_bytes(stage: str, job: Job) -> tuple[float | None, bool]:
    """Bytes to expect of one artefact of a stage, and whether that is measured on those in the cache."""
    count, total = job.store.totals(stage)
    if count >= ENOUGH:
        return total / count, True
    guess = GUESSES.get(stage)
    return (guess(job.config), False) if guess else (None, False)


def of_frames(config: Config) -> float:
    """A video's frames: between fewest and most of them, 16:9, as JPEG."""
    return frames_in(config.extract) * frame_bytes(config.extract)


def of_embeddings(config: Config) -> float:
    """A float32 row for each frame and each of its tiles."""
    return frames_in(config.extract) * (1 + config.score.tiles**2) * EMBEDDING * 4


def of_scores(config: Config) -> float:
    """The curve of one question, the saliency of its tiles, and the manifest."""
    return 4096 + frames_in(config.extract) * (16 + 4 * config.score.tiles**2)


def of_bundle(config: Config) -> float:
    """The frames that the views of one sample show: at most all views' frames, at most the video's."""
    shown = min(config.variants.views * config.variants.frames, 2 * frames_in(config.extract))
    return shown * frame_bytes(config.extract)


def frames_in(config: ExtractConfig) -> float:
    """The geometric mean of fewest and most frames."""
    return float((min(config.min_frames, config.max_frames) * config.max_frames) ** 0.5)


def frame_bytes(config: ExtractConfig) -> float:
    """One stored 16:9 frame; PNG takes about five times a JPEG."""
    return config.short_side**2 * 16 / 9 * JPEG_BYTES * (5 if config.codec == "png" else 1)


GUESSES: dict[str, Callable[[Config], float]] = {
    "extract": of_frames, "embed": of_embeddings, "score": of_scores, "variants": of_bundle,
}


@dataclass(frozen=True)
class Outlook:
    """What a run is going to need: bytes, the room there is, and seconds where earlier runs tell (else None)."""

    writes_bytes: int
    free_bytes: int
    measured: bool
    seconds: float | None

    def line(self) -> str:
        """One line of the plan."""
        how = "" if self.measured else ", a guess from the settings"
        pace = f"   about {time_text(self.seconds)} as the last runs went" if self.seconds is not None else ""
        return f"writes about {disk.size_text(self.writes_bytes)}{how}   free {disk.size_text(self.free_bytes)}{pace}"


def outlook(plans: Sequence[StagePlan], job: Job) -> Outlook | None:
    """The outlook of a run; None when nothing is to do."""
    open_plans = [plan for plan in plans if plan.todo or plan.waiting]
    if not open_plans:
        return None
    paces = [pace(plan.stage, job) for plan in open_plans]
    seconds = sum((plan.todo + plan.waiting) * (one or 0) for plan, one in zip(open_plans, paces, strict=True))
    return Outlook(sum(plan.writes_bytes for plan in plans), disk.free_bytes(job.store.root),
                   all(plan.measured for plan in open_plans), None if None in paces else seconds)


def pace(stage: str, job: Job) -> float | None:
    """Seconds an item took in the last run that made at least a few."""
    last = job.store.recall(f"last-run/{stage}") or {}
    done, seconds = last.get("done") or 0, last.get("seconds") or 0.0
    return float(seconds) / int(done) if done >= ENOUGH else None


def time_text(seconds: float) -> str:
    """Minutes, or hours and minutes."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def require_room(plans: Sequence[StagePlan], job: Job) -> str | None:
    """A warning when the estimate is larger than the free space; `MissingError` (exit 5) when what has been measured
    says that the results cannot fit, or when something is to do and nothing can be written."""
    if any(plan.todo or plan.waiting for plan in plans):
        job.store.require_space(0)
    free = disk.free_bytes(job.store.root)
    needed = sum(plan.writes_bytes for plan in plans)
    certain = CERTAIN * sum(plan.writes_bytes for plan in plans if plan.measured)
    if certain > free:
        raise MissingError(
            f"{job.store.root}: about {disk.size_text(needed)} ({needed} bytes) will be written, {free} bytes are free "
            f"({disk.size_text(free)})", "room for the results of the whole run",
            "Free some space (`strive cache gc`), choose another folder with --cache-dir DIR, or take fewer items with "
            "--limit.")
    if needed > free:
        return (f"about {disk.size_text(needed)} will be written and {disk.size_text(free)} are free: the run "
                "stops when the disk is full, and goes on from there when there is room")
    return None
