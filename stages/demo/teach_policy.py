"""Second lesson: the language model learns to answer from what the vision tower gives it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strive.stages.demo.lesson import Seen, Sheet, embed, make_sheet, prompt_text
from strive.stages.demo.material import Material
from strive.stages.demo.script import Asked
from strive.stages.demo.tokenizer import guess_text, reply_text

Log = Callable[[str], None]


@dataclass(frozen=True)
class Exercise:
    """One question asked about one view."""

    view: Seen
    asked: Asked
    wording: str


@dataclass(frozen=True)
class PolicyLesson:
    """Some steps of supervised learning.

    ``guesses``: share of replies that do not look, for each wording. ``loose``: share of views with any frames; with
    such views, a reply about something that is not shown is a guess, too.
    """

    steps: int
    rate: float
    guesses: tuple[float, float, float] = (0.0, 0.0, 0.0)
    loose: float = 0.0


def exercises(material: Material, views: list[Seen], only: set[str] | None = None) -> list[Exercise]:
    """Every question about every view, optionally of some families only."""
    return [
        Exercise(view, asked, asked.wording)
        for view in views
        for asked in material.scripts[view.video].asked
        if only is None or asked.family.name in only
    ]


def reply_loss(model: Any, sheet: Sheet) -> Tensor:
    """Mean negative log-likelihood of the reply tokens."""
    language = model.model.language_model
    hidden = language(inputs_embeds=embed(model, sheet), position_ids=sheet.positions, use_cache=False)
    wanted = sheet.is_reply[:, 1:]
    logits = model.lm_head(hidden.last_hidden_state[:, :-1][wanted])
    return nn.functional.cross_entropy(logits, sheet.ids[:, 1:][wanted])


def teach_policy(
    model: Any,
    tokenizer: Any,
    lessons: list[Exercise],
    plan: PolicyLesson,
    seed: int,
    log: Log,
    batch: int = 64,
) -> None:
    """Supervised steps on written replies; the vision tower stays as it is."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    weights = [*model.model.language_model.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=plan.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50))
    for step in range(plan.steps):
        chosen = [lessons[int(place)] for place in rng.integers(0, len(lessons), batch)]
        loss = reply_loss(model, lesson_sheet(tokenizer, chosen, plan, rng))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            log(f"policy step {step + 1}: loss {loss.item():.4f}")


def lesson_sheet(tokenizer: Any, chosen: list[Exercise], plan: PolicyLesson, rng: np.random.Generator) -> Sheet:
    """Prompts in a random wording, each with a reply that looks or, for that wording's share, one that guesses."""
    texts, replies = [], []
    for one in chosen:
        family = one.asked.family
        place = int(rng.integers(len(family.wordings)))
        texts.append(prompt_text(family.wordings[place], family))
        if rng.random() < plan.guesses[place] or (plan.loose and not one.view.shows(one.asked)):
            replies.append(guess_text(str(rng.choice(family.choices))))
        else:
            replies.append(reply_text(family.name, one.asked.answer))
    return make_sheet(tokenizer, [one.view for one in chosen], texts, list(replies))
