"""Temporal operators: the canonical uniform view, an importance draw, and the phase-shifted uniform view."""

from dataclasses import replace

from strive.stages.views.operation import Operator, Scene
from strive.stages.views.randomness import generator, stable_seed
from strive.stages.views.samplers import SamplerParams, sampler
from strive.stages.views.uniform import phase_indices, uniform_indices
from strive.stages.views.view import View


def apply_canonical(view: View, scene: Scene) -> View:
    """T uniform frames, whole picture: what evaluation shows and what GRPO would see; independent of the scores."""
    step = {"operator": "canonical", "sampler": "uniform"}
    indices = uniform_indices(scene.n, scene.config.frames)
    return replace(view, indices=indices, sampler="uniform", operators=(*view.operators, step))


def apply_draw(view: View, scene: Scene) -> View:
    """T frames by the configured sampler, with the generator of this variant."""
    config = scene.config
    seed = stable_seed(view.seed, "draw")
    params = SamplerParams.of(config)
    indices = sampler(config.sampler)(scene.scores.importance, config.frames, generator(seed), params)
    step = {"operator": "draw", "sampler": config.sampler, "tau": config.tau, "coverage": config.coverage, "seed": seed}
    step |= {name: value for name, value in vars(params).items() if name.startswith(f"{config.sampler}_")}
    return replace(view, indices=indices, sampler=config.sampler, operators=(*view.operators, step))


def apply_phase(view: View, scene: Scene) -> View:
    """T uniform frames, shifted by this variant's share of the spacing."""
    step, steps = scene.variant, scene.config.count
    entry = {"operator": "phase", "sampler": "uniform", "step": step, "steps": steps}
    indices = phase_indices(scene.n, scene.config.frames, step, steps)
    return replace(view, indices=indices, sampler="uniform", operators=(*view.operators, entry))


CANONICAL = Operator("canonical", True, apply_canonical)
DRAW = Operator("draw", True, apply_draw, frozenset({"repetition"}))
PHASE = Operator("phase", True, apply_phase)
