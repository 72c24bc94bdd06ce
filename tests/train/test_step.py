"""The engine: own-view log-probs, micro-batches that add up, one look per view, GRPO with one variant."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training_world import busy, make_job

from strive.configs.run_stages import TrainConfig
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.train.engine import chunks
from strive.stages.train.engine.optimizer import Optimizer
from strive.stages.train.engine.prefix_engine import PrefixEngine
from strive.stages.train.engine.rollout import Example, Row, collect
from strive.stages.train.job import TrainJob
from strive.stages.train.objective.advantages import Advantages, compute
from strive.stages.train.questions.examples import Examples
from strive.stages.train.questions.prompt_plan import longest_prompt
from strive.stages.vlm.load import load_policy
from strive.stages.vlm.policy import Policy

FORMAT = PROMPT_FORMATS["think_answer"]


@pytest.fixture(scope="module", params=["qwen25", "qwen3"])
def family(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def policy_of(folder: Path, **options: Any) -> Policy:
    return load_policy(str(folder), max_pixels=3136, min_pixels=784, trainable=True, **options)


def examples_of(job: TrainJob, policy: Policy) -> list[Example]:
    made = Examples(policy, dict(job.bundles), FORMAT, job.config.train)
    return [made.get(name) for name, _ in job.bundles]


class Step:
    """A policy with an engine, rollouts of two questions and their advantages."""

    def __init__(self, folder: Path, model: Path, bundles: int = 2, **changes: Any) -> None:
        job = make_job(folder, model, bundles=bundles, **changes)
        self.config: TrainConfig = job.config.train
        self.policy = policy_of(model, freeze_vision=self.config.freeze_vision)
        self.examples = examples_of(job, self.policy)
        optimizer = Optimizer(self.policy.model.named_parameters(), self.config)
        self.engine = PrefixEngine(self.policy, optimizer, self.config)
        self.rows = collect(self.engine, self.examples, self.config.rollouts, seed=1)
        self.rewards = [busy(row.example.sample, FORMAT.parse(row.completion.text, True)) for row in self.rows]
        self.advantages = self.normalised(self.rewards)

    def normalised(self, rewards: Sequence[float]) -> Advantages:
        return compute(rewards, [r.sample_id for r in self.rows], [r.variant_id for r in self.rows], self.config)

    def gradients(self) -> dict[str, Tensor]:
        """The gradients of one update, before clipping."""
        kept: dict[str, Tensor] = {}
        optimizer = self.engine.optimizer
        plain = optimizer.apply

        def spy(step: int) -> Any:
            kept.update({name: p.grad.clone() for name, p in optimizer.params.items() if p.grad is not None})
            return plain(step)

        optimizer.apply = spy  # type: ignore[method-assign]
        self.update = self.engine.update(self.rows, self.advantages, 0)
        return kept


def test_rows_name_question_variant_and_generation(tmp_path: Path, qwen25: Path) -> None:
    step = Step(tmp_path, qwen25)
    assert [(r.sample_id, r.variant_id, r.gen_id) for r in step.rows] == [
        (f"q{q}", v, g) for q in range(2) for v in range(4) for g in range(2)]
    assert all(row.view is row.example.views[row.variant_id] for row in step.rows)


def test_own_view_reproduces_the_rollout_and_another_view_does_not(tmp_path: Path, family: Path) -> None:
    step = Step(tmp_path, family)
    own = step.engine.update(step.rows, step.advantages, 0)
    assert own.gap_max < 1e-4
    swapped = Step(tmp_path / "swapped", family)
    turned = [replace(row, variant_id=(row.variant_id + 1) % 4) for row in swapped.rows]
    other = swapped.engine.update(turned, swapped.advantages, 0)
    assert other.gap_mean > 1e-3 and other.gap_mean > 100 * own.gap_mean


def test_a_frozen_tower_sees_each_view_once_a_step(tmp_path: Path, qwen25: Path) -> None:
    step = Step(tmp_path, qwen25, train__inner_epochs=2)
    step.engine.update(step.rows, step.advantages, 0)
    assert step.policy.encoder_calls == 2 * 4


@pytest.mark.parametrize("changes", [{}, {"train__freeze_vision": False}])
def test_micro_batches_give_the_gradient_of_the_whole_batch(
    tmp_path: Path, family: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row at a time on leaves that collect the prefix's gradient, and views read one by one, change nothing."""
    whole, split = Step(tmp_path, family, **changes), Step(tmp_path, family, **changes)
    ours = whole.gradients()
    monkeypatch.setattr(chunks, "LEAST_TOKENS", 1)
    monkeypatch.setattr(chunks, "PROMPT_PARTS", 100)
    split.engine.forget()
    split.engine.token_budget = 300
    made = split.engine._chunks(split.rows, range(len(split.rows)), split.advantages)
    assert 2 < len(made) < len(split.rows) == sum(len(own.places) for own in made)
    assert sum(len(own.batches) for own in made) > len(made)
    theirs = split.gradients()
    assert whole.update.loss == pytest.approx(split.update.loss, abs=1e-6)
    assert ours and ours.keys() == theirs.keys()
    largest = max(float(g.abs().max()) for g in ours.values())
    for name, gradient in ours.items():
        assert float((theirs[name] - gradient).abs().max()) < 1e-5 * largest, name


def test_the_rollouts_prefill_serves_the_update(tmp_path: Path, family: Path) -> None:
    """Kept or read again: the same gradient; kept: the tower has seen each view once, though it is trained."""
    kept, again = (Step(tmp_path, family, train__freeze_vision=False) for _ in range(2))
    again.engine.forget()
    ours, theirs = kept.gradients(), again.gradients()
    assert kept.policy.encoder_calls == 2 * 4 and again.policy.encoder_calls == 2 * 2 * 4
    for name, gradient in ours.items():
        torch.testing.assert_close(theirs[name], gradient, rtol=1e-5, atol=1e-6)


def test_recomputed_layers_give_the_same_gradient(tmp_path: Path, family: Path) -> None:
    plain, saving = Step(tmp_path, family), Step(tmp_path, family)
    saving.engine.forget()
    saving.policy.recompute()
    ours, theirs = plain.gradients(), saving.gradients()
    for name, gradient in ours.items():
        torch.testing.assert_close(theirs[name], gradient, rtol=1e-5, atol=1e-6)


def test_rows_without_advantage_are_not_computed_and_their_tokens_still_count(tmp_path: Path, qwen25: Path) -> None:
    """Half of the groups equal: the other half's gradient is what it is when every row goes through."""
    few, all_rows = Step(tmp_path, qwen25), Step(tmp_path, qwen25)
    rewards = [0.3] * 8 + few.rewards[8:]
    few.advantages = all_rows.advantages = few.normalised(rewards)
    ours = few.gradients()
    assert few.update.rows == 8
    reference = policy_of(qwen25)
    logp = [reference.logprobs([r.view.inputs], [r.completion.ids], features=[r.view.features]).logprobs[0]
            for r in all_rows.rows]
    tokens = sum(map(len, logp))
    loss = -sum(((own - own.detach()).exp() * float(a)).sum() / tokens
                for own, a in zip(logp, all_rows.advantages.values, strict=True))
    loss.backward()
    for name, parameter in reference.model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_rows_in_any_order_give_the_same_gradient(tmp_path: Path, qwen25: Path) -> None:
    straight, mixed = Step(tmp_path, qwen25), Step(tmp_path, qwen25)
    order = torch.randperm(len(mixed.rows), generator=torch.Generator().manual_seed(0)).tolist()
    mixed.rows = [mixed.rows[i] for i in order]
    values, counted = mixed.advantages.values[order], mixed.advantages.counted[order]
    mixed.advantages = Advantages(values, counted, mixed.advantages.stats)
    ours, theirs = straight.gradients(), mixed.gradients()
    for name, gradient in ours.items():
        torch.testing.assert_close(theirs[name], gradient, rtol=1e-4, atol=1e-5)


def grpo_step(policy: Policy, rows: Sequence[Row], rewards: Sequence[float], group: int) -> Tensor:
    """GRPO (arXiv 2402.03300, eq. 3 with beta = 0, old = new), a completion at a time, each with its whole prompt."""
    loss = torch.zeros(())
    for start in range(0, len(rows), group):
        own = torch.tensor(rewards[start : start + group], dtype=torch.float64)
        advantages = ((own - own.mean()) / (own.std() + 1e-4)).float()
        for row, advantage in zip(rows[start : start + group], advantages, strict=True):
            logp = policy.logprobs([row.view.inputs], [row.completion.ids], features=[row.view.features],
                                   share_prefix=False).logprobs[0]
            ratio = torch.exp(logp - logp.detach())
            loss = loss - torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.28) * advantage).mean() / len(rows)
    return loss


def test_one_variant_is_a_grpo_step_in_advantage_loss_and_gradient(tmp_path: Path, family: Path) -> None:
    """Tolerance: 1e-6 of the largest gradient entry (float32 sums in another order)."""
    step = Step(tmp_path, family, variants__count=1, train__loss="grpo")
    reference = policy_of(family)
    loss = grpo_step(reference, step.rows, step.rewards, group=8)
    loss.backward()
    theirs = {name: p.grad for name, p in reference.model.named_parameters() if p.grad is not None}
    ours = step.gradients()
    assert step.update.loss == pytest.approx(loss.item(), abs=1e-6)
    assert ours.keys() == theirs.keys()
    largest = max(float(g.abs().max()) for g in theirs.values())
    for name, gradient in theirs.items():
        assert float((ours[name] - gradient).abs().max()) < 1e-6 * max(largest, 1.0) + 1e-6, name


def test_equal_rewards_move_nothing(tmp_path: Path, qwen25: Path) -> None:
    step = Step(tmp_path, qwen25)
    before = {name: p.detach().clone() for name, p in step.engine.optimizer.params.items()}
    step.advantages = step.normalised([0.1] * len(step.rows))
    update = step.engine.update(step.rows, step.advantages, 0)
    assert update.loss == 0 and update.grad_norm == 0 and update.applied
    assert all(torch.equal(before[name], p) for name, p in step.engine.optimizer.params.items())


def test_several_inner_epochs_use_the_log_probs_from_before_the_first_update(tmp_path: Path, qwen25: Path) -> None:
    """The second epoch's ratio is new / old: with old taken anew each time nothing could ever be clipped."""
    step = Step(tmp_path, qwen25, train__inner_epochs=3, train__learning_rate=0.02)
    update = step.engine.update(step.rows, step.advantages, 0)
    assert update.clip_frac > 0.05 and update.gap_max < 1e-4
    assert set(step.engine.optimizer.counts().values()) == {3}


def test_kl_needs_a_reference_and_is_zero_before_the_first_update(tmp_path: Path, qwen25: Path) -> None:
    step = Step(tmp_path, qwen25)
    config = step.config.model_copy(update={"kl_beta": 0.5})
    with pytest.raises(ValueError, match="reference"):
        PrefixEngine(step.policy, step.engine.optimizer, config)
    from contextlib import nullcontext

    frozen = policy_of(qwen25)
    engine = PrefixEngine(step.policy, step.engine.optimizer, config, lambda: nullcontext(frozen))
    assert engine.update(step.rows, step.advantages, 0).kl == pytest.approx(0, abs=1e-9)
    assert engine.update(step.rows, step.advantages, 1).kl > 1e-4


@pytest.mark.parametrize("where", ["loss", "reward"])
def test_the_reference_sees_the_video_though_the_tower_is_trained(tmp_path: Path, family: Path, where: str) -> None:
    """Policy and reference are one before the first update: a reference that read the text alone would differ."""
    from contextlib import nullcontext

    step = Step(tmp_path, family, train__freeze_vision=False, train__kl_beta=0.0)
    config = step.config.model_copy(update={"kl_beta": 0.5, "kl_in": where, "kl_estimator": "k1"})
    reference = load_policy(str(family), max_pixels=3136, min_pixels=784)
    engine = PrefixEngine(step.policy, step.engine.optimizer, config, lambda: nullcontext(reference))
    charged = engine.reference_kl(step.rows)
    assert max(map(abs, charged)) < 1e-3 and reference.encoder_calls == 2 * 4
    if where == "loss":
        assert engine.update(step.rows, step.advantages, 0).kl == pytest.approx(0, abs=1e-4)


def test_the_plan_counts_the_tokens_that_the_encoder_makes(tmp_path: Path, family: Path) -> None:
    job = make_job(tmp_path, family, bundles=3, variants__frames=5)
    policy = policy_of(family)
    for (_, artefact), example in zip(job.bundles, examples_of(job, policy), strict=True):
        planned = longest_prompt(policy, artefact.path / "bundle.h5", FORMAT)
        assert planned == max(len(view) for view in example.views)


def test_views_are_kept_within_the_memory_bound(tmp_path: Path, qwen25: Path) -> None:
    job = make_job(tmp_path, qwen25, bundles=4)
    policy = policy_of(qwen25)
    one = Examples(policy, dict(job.bundles), FORMAT, job.config.train)
    first = one.get("q0")
    assert one.get("q0") is first
    tight = Examples(policy, dict(job.bundles), FORMAT, job.config.train, cache_bytes=1)
    kept = tight.get("q0")
    tight.get("q1")
    assert tight.get("q0") is not kept
    again, before = tight.get("q0").views[0], first.views[0]
    assert torch.equal(again.inputs.input_ids, before.inputs.input_ids)
    assert again.features is not None and before.features is not None
    assert torch.equal(again.features.tokens, before.features.tokens)
