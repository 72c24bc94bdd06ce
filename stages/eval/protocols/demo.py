"""Dataset files and the built-in world: asked and read strictly, or as Video-R1 does."""

from strive.stages.eval.protocols.rule import Rule

RULES: dict[str, Rule] = {}
