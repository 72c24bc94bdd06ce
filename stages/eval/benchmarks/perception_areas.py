"""PerceptionTest's four skill areas by tag: a question counts once in each area that its tags belong to.

The table is that of DeepMind's baseline for multiple-choice questions (34 tags).
"""

from collections.abc import Iterable

AREAS = {
    "memory": ("change detection", "event recall", "sequencing", "visual discrimination"),
    "abstraction": ("action counting", "event counting", "feature matching", "object counting", "pattern breaking",
                    "pattern discovery"),
    "physics": ("collision", "conservation", "containment", "material", "motion", "object attributes",
                "object permanence", "occlusion", "quantity", "solidity", "spatial relations", "stability"),
    "semantics": ("action recognition", "adversarial action", "colour recognition", "distractor action",
                  "distractor object", "general knowledge", "language", "object recognition", "part recognition",
                  "place recognition", "state recognition", "task completion"),
}
UNKNOWN = "tag not in the published table"
BY_TAG = {tag: area for area, tags in AREAS.items() for tag in tags}


def areas_of(tags: Iterable[str]) -> tuple[str, ...]:
    """The areas that these tags belong to, each once, in the order of their names; `UNKNOWN` for a tag of none."""
    return tuple(sorted({BY_TAG.get(tag, UNKNOWN) for tag in tags}))
