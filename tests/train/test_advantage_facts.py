"""The facts that docs/advantages.md states: proven on all outcomes, and the same figures as the page's."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from strive.configs.run_stages import TrainConfig
from strive.stages.train.objective.advantages import compute

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def facts() -> ModuleType:
    """The script that prints the figures."""
    spec = importlib.util.spec_from_file_location("advantage_facts", ROOT / "tests/benchmarks/advantage_facts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_share_of_equal_rewards_is_what_joint_leaves_without_advantage(facts: ModuleType) -> None:
    """Summed over all outcomes; at most what one view of the mean accuracy gives at the same N (AM-GM)."""
    rng = np.random.default_rng(0)
    for count, each in ((1, 8), (2, 4), (4, 2), (8, 1)):
        for _ in range(3):
            views = rng.uniform(0.05, 0.95, count).tolist()
            _, silent = facts.gradient(views, each, TrainConfig())
            assert silent == pytest.approx(facts.equal_share(views, each), abs=1e-12)
            mean = float(np.mean(views))
            assert silent <= facts.equal_share((mean,), 8) + 1e-12


def test_a_constant_for_a_variant_has_no_expected_gradient(facts: ModuleType) -> None:
    assert facts.offset_gradient(facts.VIEWS, 2) < 1e-12
    assert facts.offset_gradient((0.3, 0.9), 5) < 1e-12


def test_joint_has_the_better_signal_where_a_variant_has_few_rollouts(facts: ModuleType) -> None:
    joint, each = (facts.gradient(facts.VIEWS, 2, TrainConfig.model_validate({"advantage_scope": scope}))
                   for scope in ("joint", "per_variant"))
    assert joint[0] > 2 * each[0] and joint[1] < 0.05 * each[1]


@pytest.mark.parametrize("size", [2, 8, 16, 32, 64])
def test_one_right_reply_among_n_has_an_advantage_of_n_minus_one_over_root_n(size: int) -> None:
    rewards = [0.0] * (size - 1) + [1.0]
    got = compute(rewards, ["q"] * size, list(range(size)), TrainConfig(advantage_eps=0.0)).values
    assert got[-1] == pytest.approx((size - 1) / math.sqrt(size), abs=1e-12)


def test_the_page_states_the_figures_that_the_script_prints(
    facts: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "advantages.md").read_text()
    facts.collapse()
    facts.outliers()
    printed = capsys.readouterr().out.replace("%", " %")
    facts.signal()
    rows = capsys.readouterr().out.replace("%", " %").splitlines()[1:-1]
    shown = [line.split() for line in rows]
    figures = [word for words in shown for word in (words[-3], f"{words[-2]} %")]
    figures += [line.split()[-1] for line in printed.splitlines() if line.startswith(("  1 x", "  4 x", "  min_std"))]
    assert len(figures) > 30
    missing = [one for one in figures if one not in page]
    assert not missing
