"""What can be said of a video after a pass: the facts to store, warnings, or why it is not good enough."""

from typing import Any

import numpy as np

from strive.configs.errors import ItemError
from strive.stages.extract.passes import Pass
from strive.stages.extract.scan import Facts
from strive.stages.extract.timeline import Timeline, covered


def judge(facts: Facts, found: Pass, timeline: Timeline, min_decodable: float) -> dict[str, Any]:
    """The facts to store; `ItemError` when decoded frames cover less than `min_decodable` of the announced duration."""
    count = len(timeline.times)
    if not count:
        raise ItemError(f"{facts.announced_frames} frames announced, 0 decodable")
    lasts = found.lasts or 1 / facts.rate
    seconds = covered(timeline.times, np.asarray(found.broken), lasts, facts.rate)
    share = min(seconds / facts.announced_s, 1.0) if facts.announced_s > 0 else 1.0
    if share < min_decodable:
        raise ItemError(f"{facts.announced_frames} frames announced, {count} decodable")
    height, width = found.upright
    return {
        "rotation": found.orientation.rotation, "mirrored": found.orientation.mirrored,
        "height": height, "width": width,
        "times": "estimated" if timeline.estimated or not facts.carried else "exact",
        "announced_frames": facts.announced_by_header, "packets": len(facts.packet_times), "decoded_frames": count,
        "decodable": round(share, 6), "duration_s": float(timeline.times[-1] + lasts), "average_rate": facts.rate,
        "container": facts.format, "video_codec": facts.codec,
    }


def warnings(facts: Facts, found: Pass) -> list[str]:
    """What a user should know of a video that was taken all the same."""
    said = []
    if len(found.raw) < facts.announced_frames:
        said.append(f"{facts.announced_frames} frames announced, {len(found.raw)} decodable; the rest is left out")
    if found.resized:
        said.append("the picture size changes within the video; frames were brought to the first one's size")
    return said
