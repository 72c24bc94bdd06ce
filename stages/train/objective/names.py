"""The names that `train.loss` may have, checked before anything heavy loads; `objectives.py` has the losses."""

from strive.configs.errors import UsageError
from strive.configs.load import nearest

LOSS_NAMES = ("dapo", "grpo", "dr_grpo", "bnpo", "gspo", "cispo", "reinforce")


def check_loss(name: str) -> None:
    """`UsageError` with the nearest name when there is no such loss."""
    if name not in LOSS_NAMES:
        raise UsageError(f"train.loss = {name!r}: no such loss", f"one of {', '.join(LOSS_NAMES)}",
                         nearest(name, LOSS_NAMES))
