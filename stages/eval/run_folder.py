"""The files of an evaluation run, and whether the same command may go on with it.

RUN/config.yaml          resolved config, each value with its source
RUN/recipe.json          what the figures depend on; a resume must agree with it
RUN/predictions.jsonl    one row an answered sample, durable before it is counted
RUN/results.json         figures and recipe; `complete` is false while questions that were asked for have no answer
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from strive.cache.atomic import write_bytes, write_json
from strive.cache.ledger import append_line, read_jsonl
from strive.configs.errors import UsageError, VerificationError
from strive.configs.render import render
from strive.configs.schema import Config
from strive.stages.eval.recipe import differences

DTYPE = "dtype"  # what eval.dtype came to on the machine that gave the first answer
OURS = ("recipe.json", "predictions.jsonl", "results.json", "config.yaml")


class EvalFolder:
    """One run folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recipe, self.predictions, self.results, self.config = (root / name for name in OURS)
        self.lock = root / ".lock"

    def open(self, recipe: Mapping[str, Any], config: Config, sources: Mapping[str, str]) -> None:
        """Start the run, or check that this command is the one it was started with.

        Raises `UsageError` naming the keys that differ, or when the folder holds a training run.
        """
        if (self.root / "metrics.jsonl").exists() or (self.root / "run.json").exists():
            raise UsageError(
                f"{self.root}: this is a training run", "a folder of its own for an evaluation", "Choose another --run."
            )
        if self.recipe.is_file():
            past = self.read_recipe()
            self.refuse_differences(past, {**recipe, **{name: past[name] for name in (DTYPE,) if name in past}})
        elif self.predictions.exists():
            raise VerificationError(
                f"{self.root}: predictions.jsonl without recipe.json",
                "both files of a run",
                "Use another --run folder, or --force to start over.",
            )
        else:
            write_json(self.recipe, dict(recipe))
        write_bytes(self.config, render(config, sources).encode())

    def refuse_differences(self, past: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """`UsageError` naming the keys that differ."""
        if found := differences(past, now):
            raise UsageError(
                f"{self.root}: this run was started with another recipe: {'; '.join(found)}",
                "the recipe it was started with",
                "Use another --run folder, or --force to start over.",
            )

    def settle_dtype(self, dtype: str) -> None:
        """Note in which dtype answers are computed; `UsageError` when those there are were computed in another."""
        past = self.read_recipe()
        now = {**past, DTYPE: dtype}
        if DTYPE in past:
            self.refuse_differences(past, now)
        else:
            write_json(self.recipe, now)

    def read_recipe(self) -> dict[str, Any]:
        """The recipe the run was started with."""
        try:
            return dict(json.loads(self.recipe.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise VerificationError(
                f"{self.recipe}: not JSON", "the recipe of a run", "Use --force to start over."
            ) from error

    def clear(self) -> None:
        """Forget the run: the files of this stage, nothing else."""
        for name in OURS[1:] + OURS[:1]:  # predictions before the recipe that explains them
            (self.root / name).unlink(missing_ok=True)

    def answered(self, keys: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Rows of the samples that have an answer, by sample id; `keys` are the identities of the samples asked now.

        A row of a sample that is not asked now is left out. Raises `UsageError` when a sample or its video changed
        since it was answered.
        """
        rows: dict[str, dict[str, Any]] = {}
        for row in read_jsonl(self.predictions):
            name = str(row.get("id"))
            if name in keys and row.get("key") != keys[name]:
                raise UsageError(
                    f"{self.root}: sample {name!r} or its video changed since it was answered",
                    "the dataset the run was started with",
                    "Use another --run folder, or --force to start over.",
                )
            if name in keys:
                rows.setdefault(name, row)
        return rows

    def append(self, row: Mapping[str, Any]) -> None:
        """Make one answer durable."""
        append_line(self.predictions, json.dumps(dict(row), ensure_ascii=False, allow_nan=False))

    def finish(self, results: Mapping[str, Any]) -> None:
        """Write the figures."""
        write_json(self.results, dict(results))

    def reopen(self, asked: Iterable[str]) -> None:
        """Say of figures that lie there that they are not those of the samples asked now, if one has no answer."""
        if not self.results.is_file() or set(asked) <= {str(row.get("id")) for row in read_jsonl(self.predictions)}:
            return
        try:
            self.finish({**json.loads(self.results.read_text("utf-8")), "complete": False})
        except (ValueError, TypeError):
            self.results.unlink()  # not ours to read; it is written anew at the end
