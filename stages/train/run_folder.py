"""The files of a training run, what the run was started with, and whether the same command may go on with it.

    RUN/config.yaml           resolved config, each value with its source
    RUN/run.json              what a resume must agree with: train keys, model and data by digest, threads
    RUN/metrics.jsonl         one row a step            RUN/rollouts.jsonl   best and worst rollout of each group
    RUN/checkpoints/step_000100/                        RUN/best/, best.json policy with the highest evaluation
    RUN/policy/               the trained policy        RUN/adapter/         its LoRA alone, where there is one
    RUN/tensorboard/          the metrics again           RUN/last_item.json   questions of the step at work
    RUN/pass_rates.jsonl      accuracy of each question before training, with `train.pass_rate`
    RUN/results.json          last metrics, written when finished; names the policy's digest
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strive.cache.atomic import json_bytes, remove_folder, write_bytes, write_json
from strive.cache.digest import digest_bytes
from strive.cache.ledger import read_jsonl
from strive.configs.errors import UsageError, VerificationError
from strive.configs.render import one_line, render
from strive.configs.schema import Config
from strive.stages.train import checkpoint

FORMAT = 1
OTHER_FILES = ("pass_rates.jsonl", "wandb.json", "trackio.json")


@dataclass(frozen=True)
class RunFolder:
    """Where everything of one run lies."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def record(self) -> Path:
        return self.root / "run.json"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def rollouts(self) -> Path:
        return self.root / "rollouts.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def policy(self) -> Path:
        return self.root / "policy"

    @property
    def best(self) -> Path:
        return self.root / "best"

    @property
    def best_record(self) -> Path:
        return self.root / "best.json"

    @property
    def adapter(self) -> Path:
        return self.root / "adapter"

    @property
    def results(self) -> Path:
        return self.root / "results.json"

    @property
    def board(self) -> Path:
        return self.root / "tensorboard"

    @property
    def last_item(self) -> Path:
        return self.root / "last_item.json"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def clear(self) -> None:
        """Forget the run: everything this stage writes, nothing else in the folder."""
        for file in (self.results, self.metrics, self.rollouts, self.last_item, self.best_record, self.config,
                     *(self.root / name for name in OTHER_FILES)):
            file.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.policy, self.adapter, self.best, self.board):
            remove_folder(folder)
        self.record.unlink(missing_ok=True)

    def tidy(self) -> list[str]:
        """Remove what a killed run left half-written; returns the names of torn checkpoints. Hold the lock."""
        for left in self.root.glob(".tmp-*"):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        return checkpoint.tidy(self.checkpoints)

    def finished(self) -> dict[str, Any] | None:
        """`results.json` when it stands for the policy that lies beside it."""
        try:
            results = json.loads(self.results.read_bytes())
            manifest = (self.policy / "manifest.json").read_bytes()
        except (OSError, ValueError):
            return None
        return dict(results) if results.get("policy") == digest_bytes(manifest) else None

    def read_record(self) -> dict[str, Any] | None:
        """What the run was started with, or None for a new run."""
        if not self.record.is_file():
            return None
        try:
            past = json.loads(self.record.read_bytes())
        except ValueError as error:
            raise VerificationError(f"{self.record}: not JSON", "the record of a run",
                                    "Use --force to start over.") from error
        if past.get("format") != FORMAT:
            raise UsageError(f"{self.record}: made by another strive (format {past.get('format')})", f"format {FORMAT}",
                             "Use the strive that made it, or another --run folder.")
        return dict(past)

    def refuse_other_kinds(self) -> None:
        """`UsageError` when the folder holds an evaluation: the two write files of the same names."""
        if (self.root / "recipe.json").exists() or (self.root / "predictions.jsonl").exists():
            raise UsageError(f"{self.root}: this is an evaluation", "a folder of its own for a training run",
                             "Choose another --run.")

    def start(self, record: Mapping[str, Any], config: Config, sources: Mapping[str, str]) -> None:
        """Write record and config; the record first, so that a folder with metrics always has one."""
        if not self.record.is_file() or self.record.read_bytes() != json_bytes(dict(record)):
            write_json(self.record, dict(record))
        write_bytes(self.config, render(config, sources).encode())

    def rewind(self, step: int) -> None:
        """Drop the rows of metrics and rollouts after `step`: they will be made again."""
        for ledger in (self.metrics, self.rollouts):
            if ledger.is_file():
                rows = read_jsonl(ledger)
                kept = [row for row in rows if row["step"] <= step]
                text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
                if text.encode("utf-8", "surrogatepass") != ledger.read_bytes():
                    write_bytes(ledger, text.encode("utf-8", "surrogatepass"))

    def in_flight(self) -> str:
        """What a run that was killed had in hand, in words; "" when the last one ended by itself."""
        try:
            item = json.loads(self.last_item.read_bytes())
            return f"step {item['step']}: {', '.join(item['samples'])}"
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def last_metrics(self) -> dict[str, Any]:
        """The newest row, {} when there is none."""
        rows = read_jsonl(self.metrics)
        return rows[-1] if rows else {}


def differences(past: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What keeps `now` from going on with `past`, each as `name: old -> new`."""
    # a key that is younger than the run had its default then
    before = {**Config().train.result_keys(), **past["train"]}
    keys = sorted(set(before) | set(now["train"]))
    found = [f"train.{key}: {one_line(before.get(key))} -> {one_line(now['train'].get(key))}"
             for key in keys if before.get(key) != now["train"].get(key)]
    found += [f"{name}: its file has changed" if name in now.get("own_code", {}) else f"{name}: no longer used"
              for name, digest in past.get("own_code", {}).items() if now.get("own_code", {}).get(name) != digest]
    if past.get("sources") != now.get("sources"):
        found.append(f"data files: {one_line(past.get('sources'))} -> {one_line(now.get('sources'))}")
    if past["model"] != now["model"]:
        found.append(f"model weights: {past['model']} -> {now['model']}")
    if past["data"] != now["data"]:
        found.append(f"data: {past['samples']} bundles ({past['data']}) -> {now['samples']} bundles ({now['data']})")
        found += [f"{key}: {one_line(past['upstream'].get(key))} -> {one_line(value)}"
                  for key, value in now["upstream"].items() if past["upstream"].get(key) != value]
    return found


def refuse_changes(run: RunFolder, past: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """`UsageError` naming every difference between the run and the command."""
    found = differences(past, now)
    if found:
        raise UsageError(f"{run.root}: this run was started with other settings: {'; '.join(found)}",
                         "the settings it was started with (train.steps and what cannot change the result may differ)",
                         "Use another --run folder, or --force to start this one over.")
