"""One run of a comparison: `python -m strive.stages.compare.child SPEC PARENT_PID` trains and measures, then says how
it ended.

It dies with its parent. Its answers are JSON lines on stdout, apart from whatever a library prints.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strive.cache.store import Store
from strive.configs.errors import StriveError
from strive.configs.schema import Config
from strive.stages import registry
from strive.stages.compare.material import read_list
from strive.stages.compare.plan import changed
from strive.stages.compare.tasks import Spec, read_spec
from strive.stages.extract.child import die_with_parent, own_stdout
from strive.stages.plan import Job

PROGRESS_S = 0.5


class Telling:
    """A stage's reporter whose words go to the parent as JSON lines."""

    def __init__(self, fd: int) -> None:
        self.fd, self.last = fd, 0.0

    def say(self, **words: Any) -> None:
        """One line."""
        os.write(self.fd, (json.dumps(words) + "\n").encode())

    def plan(self, lines: list[str]) -> None:
        """Into the log."""
        for line in lines:
            self.info(line)

    def info(self, text: str) -> None:
        """Into the log."""
        sys.stderr.write(text + "\n")

    def warn(self, text: str) -> None:
        """Into the log, and to the parent."""
        self.info(f"warning: {text}")
        self.say(warning=text)

    def progress(self, stage: str, done: int, total: int, failed: int = 0, current: str = "") -> None:
        """At most twice a second, and at the end of a stage."""
        if done + failed >= total or time.monotonic() - self.last > PROGRESS_S:
            self.last = time.monotonic()
            self.say(stage=stage, done=done, total=total)

    def metrics(self, row: dict[str, Any]) -> None:
        """The figures that show how it goes."""
        shown = {name: row[name] for name in ("reward_mean", "eval_accuracy") if row.get(name) is not None}
        self.say(step=row["step"], **shown)

    def rollout(self, line: Mapping[str, Any]) -> None:
        """Nobody looks at single replies here."""


@dataclass(frozen=True)
class Run:
    """The work of one spec."""

    spec: Spec
    config: Config
    reference: Config
    store: Store
    reporter: Telling

    @property
    def folder(self) -> Path:
        """Where the results lie."""
        return Path(self.spec.folder)

    def carry_out(self) -> None:
        """Train and measure, measure the base policy, or roll out groups."""
        if self.spec.kind == "groups":
            registry.run("probe")(self.job(), self.spec.rounds)
            return
        if self.spec.kind == "base":
            self.measure(self.config.model, self.folder)
            return
        registry.run("train")(self.job())
        self.measure(str(self.folder), self.folder / "eval")
        self.agree(str(self.folder), self.folder / "eval" / "agreement")

    def job(self) -> Any:
        """The training run, measured while it goes on."""
        from dataclasses import replace

        from strive.stages.train.job import TrainJob

        bundles = list(read_list(Path(self.spec.bundles), self.store).items())
        job = TrainJob(self.config, self.folder, bundles, self.config.model, self.reporter)
        if self.spec.kind == "groups":
            return job
        measured = registry.run("in_training")(self.held_out())
        return replace(job, evaluate=measured.evaluate, eval_digest=measured.digest)

    def held_out(self) -> Job:
        """The held-out questions as training measures on them: uniform view."""
        data = self.questions()
        videos = {sample.video: data.video(sample) for sample in data.samples}
        return Job(changed(self.reference, "eval", {"sampler": "uniform"}), self.store, samples=data.samples,
                   videos=list(videos.values()), reporter=self.reporter)

    def questions(self) -> Any:
        """The held-out questions."""
        from strive.stages.eval.benchmarks.data import from_dataset

        spec = self.spec
        return from_dataset(Path(spec.evaluation), Path(spec.eval_videos), spec.follow_links)

    def measure(self, model: str, folder: Path) -> None:
        """Evaluate a policy on every view."""
        from strive.stages.eval.stage import EvalJob

        for view in self.spec.views:
            config = changed(self.reference, "eval", {"sampler": view})
            registry.run("eval")(EvalJob(config, self.store, folder / view, model, "dataset", self.questions(),
                                         self.reporter))

    def agree(self, model: str, folder: Path) -> None:
        """Ask every held-out question on each variant of its bundle; nothing without bundles."""
        from strive.stages.eval.agreement_run import AgreementJob

        bundles = read_list(Path(self.spec.held_out), self.store)
        if bundles:
            registry.run("agreement")(AgreementJob(self.reference, folder, model, bundles, self.reporter))


def main() -> int:
    """Carry the spec out; the exit code is the error's."""
    reporter = Telling(own_stdout())
    die_with_parent(int(sys.argv[2]))
    spec = read_spec(Path(sys.argv[1]))
    try:
        Run(spec, Config.model_validate(spec.config), Config.model_validate(spec.reference), Store(Path(spec.cache)),
            reporter).carry_out()
    except StriveError as error:
        reporter.info(str(error))
        reporter.say(reason=error.what, code=error.code)
        return error.code
    except Exception as error:  # the parent lists it with its reason, the log has the rest
        traceback.print_exc()
        reporter.say(reason=f"unexpected {type(error).__name__}: {error}", code=1)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
