"""Where a change of pixels stands among the others: what is measured on the stored frame comes before what moves it."""

from collections.abc import Mapping
from typing import Any

from strive.stages.views.view import View

CUTS = frozenset({"salient_crop", "crop_append"})
MOVES = frozenset({"flip", "tiers"})


def placed(view: View, step: Mapping[str, Any], before: frozenset[str]) -> tuple[Mapping[str, Any], ...]:
    """The entries of the view with `step`: in front of the first whose operator is in `before`, else at the end.

    A box or a tile is known in pixels of the stored frame, which `MOVES` mirror or scale and `CUTS` cut away. An entry
    that changes no frame, such as the first one of tiers, keeps its place.
    """
    changing = [str(entry["operator"]) if entry.get("frames") != [0, 0] else "" for entry in view.operators]
    at = next((place for place, name in enumerate(changing) if name in before), len(changing))
    return (*view.operators[:at], step, *view.operators[at:])
