"""The policy model behind one small adapter per family: size, encode a view, positions, prefill, generate, log-probs.

Names load on first use, so that asking for a model's identity does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strive.stages.vlm.interface import Completion as Completion
    from strive.stages.vlm.interface import Sampling as Sampling
    from strive.stages.vlm.interface import TokenLogprobs as TokenLogprobs
    from strive.stages.vlm.interface import ViewInputs as ViewInputs
    from strive.stages.vlm.interface import VisionFeatures as VisionFeatures
    from strive.stages.vlm.load import load_policy as load_policy
    from strive.stages.vlm.policy import Policy as Policy
    from strive.stages.vlm.resolve import model_identity as model_identity
    from strive.stages.vlm.resolve import resolve_model as resolve_model

_HOME = {
    "Completion": "interface", "Sampling": "interface", "TokenLogprobs": "interface", "ViewInputs": "interface",
    "VisionFeatures": "interface", "load_policy": "load", "Policy": "policy", "model_identity": "resolve",
    "resolve_model": "resolve",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
