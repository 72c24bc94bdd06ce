"""Data parallel training over processes gives what one process gives."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_world import make_job

from strive.cache.ledger import read_jsonl
from strive.stages.train.stage import train

SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from training_world import make_job
from strive.configs.errors import StriveError
from strive.stages.train.engine.ranks import joined
from strive.stages.train.stage import train
ranks = joined()
try:
    train(make_job(Path({folder!r}) / f"rank{{ranks.rank}}", {model!r}, run="../both", ranks=ranks, **{changes!r}))
except StriveError as error:
    print(error, file=sys.stderr)
    sys.exit(error.code)
"""
STEP = {"train__prompts_per_step": 4, "train__steps": 3, "bundles": 6, "train__learning_rate": 1e-4}
"""Sums in another order differ in their last digit; AdamW makes of that up to a learning rate where a gradient is 0."""
OF_ONE = {"rollout_s", "update_s", "step_s", "peak_rss_bytes", "encoder_calls"}


def together(folder: Path, model: Path, processes: int = 2, **changes: Any) -> subprocess.CompletedProcess[str]:
    """The run in `folder`/both by as many processes as torchrun starts."""
    script = folder / "script.py"
    folder.mkdir(exist_ok=True)
    script.write_text(SCRIPT.format(paths=[str(Path(__file__).parent), str(Path(__file__).parents[1])],
                                    folder=str(folder), model=str(model), changes=changes))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port",
               str(29500 + os.getpid() % 2000), str(script)]
    return subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)


@pytest.mark.parametrize("changes", [
    pytest.param({"train__loss": "grpo"}, marks=pytest.mark.slow),
    {"train__freeze_vision": False, "train__inner_epochs": 2, "train__zero_std": "resample"},
    pytest.param({"train__lora_rank": 2, "train__kl_beta": 0.1}, marks=pytest.mark.slow),
    pytest.param({"train__rewards": {"late": 1.0}, "train__weight_decay": 0.1}, marks=pytest.mark.slow),
])
def test_two_processes_give_the_losses_and_weights_of_one(
    tmp_path: Path, qwen25: Path, changes: dict[str, Any]
) -> None:
    ran = together(tmp_path, qwen25, **STEP, **changes)
    assert ran.returncode == 0, ran.stderr
    alone = make_job(tmp_path / "rank0", qwen25, run="../one", **STEP, **changes)
    train(alone)
    theirs, ours = read_jsonl(alone.run / "metrics.jsonl"), read_jsonl(tmp_path / "both" / "metrics.jsonl")
    assert len(ours) == len(theirs) == 3
    for one, two in zip(theirs, ours, strict=True):
        assert one.keys() == two.keys()
        for name in one.keys() - OF_ONE:
            assert two[name] == (one[name] if one[name] is None else pytest.approx(one[name], abs=1e-5)), name
    weights, expected = (load_file(run / "policy" / "model.safetensors") for run in (tmp_path / "both", alone.run))
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-5, rtol=1e-5)
    lines, wanted = (read_jsonl(run / "rollouts.jsonl") for run in (tmp_path / "both", alone.run))
    assert [(line["step"], line["id"], line["rank"]) for line in lines] != [] and len(lines) == len(wanted)


def test_fewer_questions_than_processes_is_refused(tmp_path: Path, qwen25: Path) -> None:
    ran = together(tmp_path, qwen25, train__prompts_per_step=1)
    assert ran.returncode != 0 and "train.prompts_per_step = 1 over 2 processes" in ran.stderr
