"""Decodes only the stretches of a video that hold wanted frames, from the key frame before each, where that is sure.

Everything is demuxed, nothing is sought: what lies between the stretches is left undecoded, so its damage stays unseen.
Where anything is not as the packets said, `Unsure` is raised and the whole video must be decoded.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from strive.stages.extract import pyav
from strive.stages.extract.pyav import Unsure, View
from strive.stages.extract.restart import Checker, can_restart
from strive.stages.extract.scan import Facts
from strive.stages.extract.shot import Shot

WORTHWHILE = 0.5  # above this share of the packets all are decoded, and so checked
CONTAINERS = ("mov", "matroska")


def stretches(facts: Facts, wanted: np.ndarray) -> list[range] | None:
    """The packets to decode, as ranges of places in the file, for frames numbered in presentation order, int64 [K].

    None when the whole video is to be decoded: stretches are most of it, the file is not all there, its packets do not
    each have a time of their own, or the first is no key frame. A key frame counts where everything before it in the
    file is shown before it, and everything after it after it.
    """
    stamps = np.asarray(facts.packets.stamps, np.int64)
    is_plain = facts.packets.plain and facts.carried and facts.wholeness == "whole"
    if not is_plain or facts.format.split(",")[0] not in CONTAINERS or len(stamps) != len(facts.packet_times):
        return None
    order = np.argsort(stamps, kind="stable")
    if np.any(np.diff(stamps[order]) <= 0) or np.any(np.diff(facts.packet_times) <= 0):
        return None
    starts = np.flatnonzero(facts.packets.keys & separates(stamps))
    if not len(starts) or starts[0] != 0:
        return None
    places = np.sort(order[wanted])
    group = np.searchsorted(starts, places, "right") - 1
    lasts = {int(starts[g]): int(place) for g, place in zip(group, places, strict=True)}  # the last place of each wins
    found = [range(start, last + 1) for start, last in lasts.items()]
    return found if sum(map(len, found)) <= WORTHWHILE * len(stamps) else None


def separates(stamps: np.ndarray) -> np.ndarray:
    """Bool [N]: no stamp before this place is larger, none after it smaller; stamps int64 [N] in the file's order."""
    before = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(stamps)[:-1]])
    after = np.concatenate([np.minimum.accumulate(stamps[::-1])[::-1][1:], [np.iinfo(np.int64).max]])
    return np.asarray((before < stamps) & (stamps < after))


def shots(container: Any, stream: Any, facts: Facts, parts: list[range], threads: int) -> Iterator[Shot]:
    """The frames of the stretches in presentation order, numbered as in a pass over the whole video.

    Raises `Unsure` for any complaint of the decoder, any packet that is not the one that was scanned, any frame that is
    not the next one by its stamp or is turned another way than the first, and for whatever `Checker` finds.
    """
    stamps = np.asarray(facts.packets.stamps, np.int64)
    ranks = np.argsort(np.argsort(stamps))
    due = sorted((place for part in parts for place in part), key=lambda place: ranks[place])
    view, starts, upright, count = View(stream, facts), {part.start for part in parts}, None, 0
    with pyav.decoder(stream, threads) as complaints:
        for count, frame in enumerate(frames(container, stream, facts.packets.stamps, parts), 1):
            if count > len(due) or (complaints and pyav.heard(complaints)):
                raise Unsure
            place = due[count - 1]
            if frame.pts != stamps[place] or frame.is_corrupt or (place in starts and not frame.key_frame):
                raise Unsure
            shot = view.shot(frame, int(ranks[place]), False)
            upright = upright or shot.turned()
            if shot.turned() != upright:
                raise Unsure
            yield shot
        if count < len(due) or (complaints and pyav.heard(complaints)):
            raise Unsure


def frames(container: Any, stream: Any, stamps: list[int], parts: list[range]) -> Iterator[Any]:
    """The decoder's frames, each stretch decoded on its own."""
    if not can_restart(stream):
        raise Unsure
    checker, rest, count = Checker(stream), iter(parts), 0
    part = next(rest, None)
    for place, packet in enumerate(pyav.packets(container, stream)):
        count += 1
        if count > len(stamps) or packet.pts != stamps[place]:
            raise Unsure
        checker.check(packet, part is not None and place == part.start)
        if part is None or place < part.start:
            continue
        yield from intact(packet.decode)
        if place == part[-1]:
            yield from intact(lambda: stream.codec_context.decode(None))
            stream.codec_context.flush_buffers()
            part = next(rest, None)
    if count < len(stamps):
        raise Unsure


def intact(decode: Callable[[], list[Any]]) -> list[Any]:
    """The frames of one call, which must not fail."""
    found, failed = pyav.attempt(decode)
    if failed:
        raise Unsure
    return found
