"""The control `eval.options_shuffled`: the same questions with their options in another order, to see letter bias."""

from dataclasses import replace

from strive.configs.errors import UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.tasks.prompt import letter_of
from strive.stages.tasks.sample import Sample
from strive.stages.views.randomness import generator, stable_seed

ORDER = "options_order"
"""Field of `meta`: the published place of each option as shown."""


def with_controls(data: BenchData, config: EvalConfig) -> BenchData:
    """The questions as they are to be asked. Raises `UsageError` where another protocol's prompts fix the order."""
    if not config.options_shuffled:
        return data
    if config.protocol != "strict":
        raise UsageError(f"eval.options_shuffled with eval.protocol={config.protocol}",
                         "the strict protocol: the others' prompts show the options as published",
                         "Leave out --protocol, or --options-shuffled.")
    return replace(data, samples=[shuffled(sample, config.seed) for sample in data.samples])


def shuffled(sample: Sample, seed: int) -> Sample:
    """The question with its options drawn into another order by (seed, id), and the gold letters moved with them."""
    if not sample.options or sample.question_type not in ("multiple_choice", "multi_answer"):
        return sample
    order = generator(stable_seed(seed, "options", sample.id)).permutation(len(sample.options)).tolist()
    place = {letter_of(old): letter_of(new) for new, old in enumerate(order)}
    answer = ",".join(sorted(place[letter] for letter in sample.answer.split(",")))
    meta = {**sample.meta, ORDER: order}
    return replace(sample, options=tuple(sample.options[old] for old in order), answer=answer, meta=meta)
