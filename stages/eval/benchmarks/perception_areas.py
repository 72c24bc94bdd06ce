"""PerceptionTest's skill areas by tag: a question counts once in each area that its tags belong to.

The tags of each area are those of the paper (Patraucean et al. 2023, arXiv 2305.13786, table of skills).
"""

from collections.abc import Iterable

AREAS = {
    "memory": ("change detection", "event recall", "sequencing", "visual discrimination"),
    "abstraction": ("action counting", "event counting", "feature matching", "object counting", "pattern breaking",
                    "pattern discovery", "quantity"),
    "physics": ("collision", "conservation", "containment", "motion", "object permanence", "occluded interactions",
                "occlusion", "solidity", "spatial relations", "stability"),
    "semantics": ("action recognition", "adversarial action", "distractor action", "distractor object",
                  "general knowledge", "language", "material", "object recognition", "part recognition",
                  "place recognition", "state recognition", "task completion"),
}
BY_TAG = {tag: area for area, tags in AREAS.items() for tag in tags}


def areas_of(tags: Iterable[str]) -> tuple[str, ...]:
    """The areas that these tags belong to, each once, in the order of their names; () for tags of none."""
    return tuple(sorted({BY_TAG[tag] for tag in tags if tag in BY_TAG}))
