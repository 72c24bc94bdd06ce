"""The bundle format: all variants of one sample in one HDF5 file, pixels included.

    /pool/bytes, /pool/offsets, /pool/size   each encoded image once, however many variants show it (see pool.py)
    /variants/<k>/index   int32 [T]          which image of the pool is shown at each position
    /variants/<k>/times   float64 [T]        presentation times, seconds from the container's start: each frame's true
                                             one, except where an operator such as shuffle tells other times
    /variants/<k>/clips   int32 [C + 1]      clip boundaries, rising from 0 to T; all images of a clip have one size
    /variants/<k>         attrs: operators (JSON list: what was applied, with every parameter; then what was vetoed,
                          with "vetoed": the reason), sampler, seed, crop (int32 [4]: x0, y0, x1, y1 in pixels of the
                          video; only where there is one; the operator's own "box" is in pixels of the stored frame),
                          contrast (1 in the last ones, which are rolled out for comparison and never trained on)
    /score/importance     float32 [N]        z-scored over the video
    /score/raw            float32 [N]
    /score/times          float64 [N]
    /score                attrs: scorer (JSON: identity), text (JSON: text policy)
    attrs: format, sample (JSON, with its answer), key

No path, time, host or version of the machine that wrote it. What an operator did to pixels is in the pool, so a
reader needs HDF5 and an image decoder, nothing else.
"""

import json
import re
from typing import Any

from strive.configs.errors import VerificationError
from strive.stages.bundle.hdf5 import damaged

FILE = "bundle.h5"
NAME = "strive.bundle"
NUMBER = 1
FORMAT = f"{NAME}/{NUMBER}"
MAX_VARIANTS = 1024
MAX_IMAGE_PIXELS = 1 << 27
MAX_CLIP_BYTES = 8 << 30
LONE = re.compile("[\ud800-\udfff]")


def check_format(found: str) -> None:
    """Raise `VerificationError` unless `found` is a format this reader knows."""
    name, _, number = found.partition("/")
    if name == NAME and number.isdecimal() and int(number) > NUMBER:
        raise VerificationError(f"a bundle made by a newer strive (format {number})", f"format {NUMBER} or older",
                                "Upgrade strive, or make the bundle again with `strive variants --force`.")
    if found != FORMAT:
        raise damaged("bundle", f"format {found!r}, not {FORMAT!r}")


def to_text(value: Any) -> str:
    """Canonical JSON of an attribute: sorted keys, no NaN; what stands for the bytes of a name that is not UTF-8 is
    escaped, because HDF5's text is UTF-8."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def from_text(name: str, text: str, kind: type) -> Any:
    """The JSON value of an attribute, a list or dict as `kind` says; `VerificationError` for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(f"attribute {name}", "not JSON") from error
    if not isinstance(value, kind):
        raise damaged(f"attribute {name}", f"not a {kind.__name__}")
    return value
