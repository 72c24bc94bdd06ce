"""Reads time intervals, boxes and object ids out of answers, and measures their overlap."""

import json
import math
import re
from typing import Any

from strive.stages.tasks.plain import plain
from strive.stages.tasks.reading import AMBIGUOUS, UNPARSED, Reading, read

CLOCK = re.compile(r"\b(?:(\d{1,2}):)?(\d{1,3}):(\d{2}(?:\.\d{1,12})?)\b")
TIME = r"(?<![\d.])(-?\d{1,12}(?:\.\d{1,12})?)(?!\d)\s{0,3}(?:s|sec|secs|seconds?|秒)?(?![A-Za-z0-9])"
PAIR = re.compile(rf"{TIME}\s*(?:,|to|until|till|and|-|~|→|->|through|至|到)\s*(?:at\s+)?{TIME}", re.IGNORECASE)
NAMED = re.compile(
    rf"start\w*\W+(?:\w+\W+){{0,3}}?{TIME}.{{0,40}}?end\w*\W+(?:\w+\W+){{0,3}}?{TIME}", re.IGNORECASE | re.DOTALL
)
QUAD = re.compile(r"[\[(]\s*" + r"\s*,\s*".join([r"(-?\d{1,12}(?:\.\d{1,12})?)"] * 4) + r"\s*[\])]")
FENCE = re.compile(r"```(?:json)?|```")
OBJECT_ID = re.compile(
    r"\b(?:object|id|target|person|track)\W{0,4}(?:id\W{0,4})?(?:is\s+)?#?(\d{1,12})\b", re.IGNORECASE
)


def read_interval(answer: str) -> Reading:
    """`[start, end]` in seconds; an end before its start is not repaired, two different intervals are ambiguous."""
    pairs = find_pairs(plain(FENCE.sub("", answer)))
    if len(pairs) > 1:
        return AMBIGUOUS
    for start, end in pairs:
        if math.isfinite(start) and math.isfinite(end) and start <= end:
            return read(json.dumps([start, end]))
    return UNPARSED


def find_pairs(text: str) -> set[tuple[float, float]]:
    """Every pair of times that the text joins."""
    text = CLOCK.sub(lambda m: str(int(m[1] or 0) * 3600 + int(m[2]) * 60 + float(m[3])), text)
    found = {(float(m[1]), float(m[2])) for m in PAIR.finditer(text)}
    return found or {(float(m[1]), float(m[2])) for m in NAMED.finditer(text)}


def read_box(answer: str) -> Reading:
    """`[x1, y1, x2, y2]` in pixels, finite and ordered."""
    boxes = {tuple(float(v) for v in m.groups()) for m in QUAD.finditer(plain(FENCE.sub("", answer)))}
    if len(boxes) > 1:
        return AMBIGUOUS
    for box in boxes:
        if box[0] < box[2] and box[1] < box[3]:
            return read(json.dumps(list(box)))
    return UNPARSED


def read_id_interval(answer: str) -> Reading:
    """`{"id": n, "time": [start, end]}`: an object's id and an interval."""
    text = plain(FENCE.sub("", answer))
    ids = {int(m[1]) for m in OBJECT_ID.finditer(text)}
    interval = read_interval(OBJECT_ID.sub(" ", text))
    if len(ids) > 1 or interval.status == "ambiguous":
        return AMBIGUOUS
    if not ids or interval.value is None:
        return UNPARSED
    return read(json.dumps({"id": ids.pop(), "time": json.loads(interval.value)}))


def tiou(given: Any, gold: Any) -> float:
    """Temporal intersection over union of two `[start, end]`; touching intervals have 0, an empty one too."""
    (a, b), (c, d) = given, gold
    inter = max(0.0, min(b, d) - max(a, c))
    union = (b - a) + (d - c) - inter
    return inter / union if union > 0 else 0.0


def box_iou(given: Any, gold: Any) -> float:
    """Intersection over union of two `[x1, y1, x2, y2]`; a box without area has 0."""
    width = max(0.0, min(given[2], gold[2]) - max(given[0], gold[0]))
    height = max(0.0, min(given[3], gold[3]) - max(given[1], gold[1]))
    inter = width * height
    union = area(given) + area(gold) - inter
    return inter / union if union > 0 else 0.0


def area(box: Any) -> float:
    """Area of a box in square pixels, 0 when it is turned inside out."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
