"""Which frames of a video are shown for a question: by a sampler on the question's scores, or uniformly without any."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from strive.configs.data_stages import VariantsConfig
from strive.configs.errors import ItemError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.frames.scores import Scores
from strive.stages.tasks.sample import Question
from strive.stages.views.randomness import generator, stable_seed
from strive.stages.views.samplers import SAMPLERS, SamplerParams

IMPORTANCE = "importance"
CHOSEN = "chosen."
"""Start of a recipe's keys that tell how frames were chosen."""
READS = {"topk": (), "binmax": (), "its": ("its_power",), "aks": ("aks_depth", "aks_threshold"), "gumbel": ("tau",),
         "strat_gumbel": ("tau", "coverage")}
ScoresOf = Callable[[Question], Scores]
"""The scores of a question's video; `ItemError` when there are none."""


@dataclass(frozen=True)
class FrameChoice:
    """A sampler with its settings. `frames`: how many; `seed`: `eval.seed`, of which every question has a stream."""

    sampler: str
    frames: int
    seed: int
    params: SamplerParams

    @property
    def by_question(self) -> bool:
        """Whether frames are chosen for each question, on its scores; uniform frames are the video's."""
        return self.sampler != "uniform"

    def indices(self, question: Question, count: int, scores_of: ScoresOf | None = None,
                pool: np.ndarray | None = None) -> np.ndarray:
        """Rising unique places among `count` frames, int64 [min(frames, len(pool))]; `pool`: those that may be shown.

        Raises `ItemError` when scores are needed and can't be had, or are those of another number of frames.
        """
        importance = np.zeros(count)
        if self.by_question:
            if scores_of is None:
                raise ItemError(f"no scores, which eval.sampler={self.sampler} needs")
            importance = scores_of(question).importance
        if len(importance) != count:
            raise ItemError(f"scores of {len(importance)} frames for a video of {count}")
        rng = generator(stable_seed(self.seed, "eval", question.id))
        if pool is None:
            return SAMPLERS[self.sampler](importance, self.frames, rng, self.params)
        return pool[SAMPLERS[self.sampler](importance[pool], self.frames, rng, self.params)]

    def recipe(self) -> dict[str, Any]:
        """What a result says of it: the sampler and the settings that it reads, {} for uniform frames."""
        if not self.by_question:
            return {}
        settings = asdict(self.params)
        return {"sampler": self.sampler, **{name: settings[name] for name in READS.get(self.sampler, settings)}}


def frame_choice(config: EvalConfig, variants: VariantsConfig | None = None) -> FrameChoice:
    """`eval.sampler` with the samplers' settings of `variants`; "importance" is `variants.sampler`.

    `UsageError` for a sampler that is not there, and for the control "swapped" where frames are chosen by scores: those
    are of the question's own video.
    """
    variants = variants or VariantsConfig()
    name = variants.sampler if config.sampler == IMPORTANCE else config.sampler
    if name not in SAMPLERS:
        raise UsageError(f"eval.sampler {name!r}", f"{IMPORTANCE}, or one of {', '.join(SAMPLERS)}",
                         "Set eval.sampler to one of these.")
    choice = FrameChoice(name, config.frames, config.seed, SamplerParams.of(variants))
    if choice.by_question and config.control == "swapped":
        raise UsageError(f"eval.control=swapped with eval.sampler={config.sampler}",
                         "uniform frames: the scores are of the question's own video, not of the one shown instead",
                         "Set eval.sampler=uniform.")
    return choice


def of_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a result's recipe says of its frames, {} when they are uniform."""
    return {key.removeprefix(CHOSEN): value for key, value in recipe.items() if key.startswith(CHOSEN)}


def described(chosen: Mapping[str, Any]) -> str:
    """The sampler of a result for people: "strat_gumbel (tau 0.5, coverage 0.5)"."""
    settings = ", ".join(f"{name} {chosen[name]:g}" for name in asdict(SamplerParams()) if name in chosen)
    return f"{chosen['sampler']} ({settings})" if settings else str(chosen["sampler"])
