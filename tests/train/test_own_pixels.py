"""Training on a toy task raises the reward, and stops doing so once log-probs are computed on another video's pixels.

The policy is a table: the colour of a variant's one pixel selects a row of logits, a reply is one token that names a
colour. Rollouts, advantages and loss are those of training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from token_batches import settings
from torch import Tensor

from strive.configs.run_stages import TrainConfig
from strive.stages.tasks.sample import Sample
from strive.stages.train.engine.rollout import Example, Row, collect
from strive.stages.train.objective.advantages import compute
from strive.stages.train.objective.inputs import TokenBatch, Totals
from strive.stages.train.objective.objectives import loss_named
from strive.stages.vlm.interface import Completion

COLOURS, BLANK, VARIANTS, QUESTIONS, STEPS = 4, 4, 4, 8, 40


@dataclass(frozen=True, eq=False)
class Pixel:
    """What a variant shows: the colour that is asked for, or `BLANK` where it misses the moment."""

    colour: int


class Table:
    """The policy, an engine as far as rollouts need one."""

    def __init__(self) -> None:
        self.logits = torch.zeros(COLOURS + 1, COLOURS, requires_grad=True)

    def rollout(self, views: Sequence[Pixel], n: int, seeds: Sequence[int]) -> list[list[Completion]]:
        return [self.replies(view, n, torch.Generator().manual_seed(seed))
                for view, seed in zip(views, seeds, strict=True)]

    def replies(self, view: Pixel, n: int, draw: torch.Generator) -> list[Completion]:
        logp = self.logits[view.colour].detach().log_softmax(0)
        ids = torch.multinomial(logp.exp(), n, replacement=True, generator=draw)
        return [Completion(one[None], logp[one][None], True, str(int(one))) for one in ids]

    def logprobs(self, views: Sequence[Pixel], rows: Sequence[Row]) -> Tensor:
        """[R, 1], of each row's token on the given pixels."""
        chosen = torch.cat([row.completion.ids for row in rows])
        return self.logits.log_softmax(1)[[view.colour for view in views], chosen][:, None]


def question(step: int, number: int, draw: torch.Generator) -> Example:
    """A colour, shown by every variant that does not miss it; a quarter of them do."""
    colour = int(torch.randint(COLOURS, (1,), generator=draw))
    missed = torch.rand(VARIANTS, generator=draw) < 0.25
    views = tuple(Pixel(BLANK if gone else colour) for gone in missed)
    sample = Sample(f"{step}-{number}", "v.mp4", "Which colour?", None, str(colour), "open")
    return Example(sample, views)  # type: ignore[arg-type]


def rewards_of(seed: int, own_pixels: bool) -> list[float]:
    """Mean reward of each step; without `own_pixels` a row's log-probs are those on the next question's variant."""
    draw, policy, config = torch.Generator().manual_seed(seed), Table(), TrainConfig(rollouts=8)
    optimizer, found = torch.optim.SGD([policy.logits], lr=2.0), []
    for step in range(STEPS):
        examples = [question(step, number, draw) for number in range(QUESTIONS)]
        rows = collect(policy, examples, config.rollouts, seed)  # type: ignore[arg-type]
        rewards = [float(row.completion.text == row.example.sample.answer) for row in rows]
        made = compute(rewards, [row.sample_id for row in rows], [row.variant_id for row in rows], config)
        places = range(len(rows)) if own_pixels else [(i + config.rollouts) % len(rows) for i in range(len(rows))]
        logp = policy.logprobs([rows[i].view for i in places], rows)  # type: ignore[misc]
        mask = torch.ones_like(logp, dtype=torch.bool)
        tokens = TokenBatch(logp, logp.detach(), torch.tensor(made.values, dtype=torch.float32), mask)
        optimizer.zero_grad()
        loss_named("dapo")(tokens, settings("dapo"), Totals.of(mask, QUESTIONS)).backward()
        optimizer.step()
        found.append(sum(rewards) / len(rewards))
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_joint_advantages_raise_the_reward_on_own_pixels_and_not_on_those_of_another_video(seed: int) -> None:
    """Chance is 0.25; three in four variants show the colour, so the best policy has about 0.81."""
    own, others = rewards_of(seed, own_pixels=True), rewards_of(seed, own_pixels=False)
    assert abs(sum(own[:3]) / 3 - 0.25) < 0.15
    assert sum(own[-10:]) / 10 > 0.65
    assert sum(others[-10:]) / 10 < 0.4
