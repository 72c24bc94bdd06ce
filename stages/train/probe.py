"""What a policy's groups look like before training: every question rolled out several times as `train` would.

    RUN/probe.json    what a resume must agree with, as `run.json` of a training run
    RUN/config.yaml   resolved config            RUN/last_item.json   questions of the batch at work
    RUN/groups.jsonl  a row a group: {"id", "round", "rewards": [[G] a variant], "accuracy": the same shape}, rewards
                      null where there is none, or {"id", "round", "reason"} for what could not be rolled out

Nothing is trained on. Group rewards (`train.group_rewards`) and contrast views are left out: they look at a group as
training does, this looks at what rollouts by themselves are worth.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strive.cache.ledger import read_jsonl
from strive.cache.lock import hold
from strive.cache.store import Artefact
from strive.configs.errors import UsageError
from strive.stages.tasks.prompt import PromptFormat, format_named
from strive.stages.train.job import TrainJob
from strive.stages.train.metrics import plain
from strive.stages.train.questions.asking import Asking, Survey, in_batches
from strive.stages.train.questions.order import derive_seed
from strive.stages.train.reward.rewards import RewardSet, Scored, load_rewards
from strive.stages.train.run_folder import RunFolder, refuse_changes
from strive.stages.train.signals import Stop
from strive.stages.train.stage import check_count, check_settings, describe, verify, warn_of_libraries
from strive.stages.train.threads import repeatable

if TYPE_CHECKING:
    from strive.stages.train.engine.rollout import Row
    from strive.stages.vlm.policy import Policy

Rows = dict[str, list[dict[str, Any]]]
"""The ledger's rows of each question in the order of rounds, without those that failed."""


@dataclass(frozen=True)
class ProbeFolder(RunFolder):
    """A run folder that holds groups and no policy."""

    @property
    def record(self) -> Path:
        return self.root / "probe.json"

    @property
    def groups(self) -> Path:
        return self.root / "groups.jsonl"

    def refuse_other_kinds(self) -> None:
        """`UsageError` when the folder holds an evaluation or a training run."""
        super().refuse_other_kinds()
        if RunFolder(self.root).record.exists():
            raise UsageError(f"{self.root}: this is a training run", "a folder of its own for a probe",
                             "Choose another folder.")

    def clear(self) -> None:
        """Forget the groups."""
        for file in (self.groups, self.last_item, self.config, self.record):
            file.unlink(missing_ok=True)


def probe(job: TrainJob, rounds: int) -> Rows:
    """Roll every question out `rounds` times (at least 1) under `job.model`; returns the groups.

    Goes on where it was stopped; more rounds add to those that are there, fewer return fewer. What a round draws
    depends on (seed, question, variant, round) alone. Raises UsageError (2) for a wrong setting or one that differs
    from the folder's, MissingError (5) for too few bundles, VerificationError (6) for damaged ones, LockedError (7)
    when the folder is in use, InterruptedRun (130, 143) when asked to stop.
    """
    if rounds < 1:
        raise UsageError(f"{rounds} rounds of a probe", "at least 1", "Ask for 1 or more.")
    check_settings(job)
    bundles = dict(job.bundles)
    check_count(len(bundles), job.config.train.prompts_per_step)
    folder = ProbeFolder(job.run)
    folder.refuse_other_kinds()
    with hold(folder.lock, timeout_s=0) if job.ranks.is_first else nullcontext():
        past = None if job.force else folder.read_record()
        record = describe(job, bundles, past)
        if past is not None:
            refuse_changes(folder, past, record)
            warn_of_libraries(job, past, record)
        job.ranks.barrier()  # what stood in the folder has been read by all before the first one writes
        verify(bundles)
        if job.ranks.is_first:
            if job.force:
                folder.clear()
            folder.start(record, job.config, job.sources)
        job.ranks.barrier()
        known = {(row["round"], row["id"]): row for row in read_jsonl(folder.groups)}
        wanted = [(number, name) for number in range(rounds) for name in bundles]
        if all(item in known for item in wanted):
            return by_question(known[item] for item in wanted)
        return _carry_out(job, folder, bundles, record, rounds)


def _carry_out(job: TrainJob, folder: ProbeFolder, bundles: Mapping[str, Artefact], record: Mapping[str, Any],
               rounds: int) -> Rows:
    """Under the folder's lock; `record` holds the thread count to use."""
    from strive.stages.train.assembly import left_out, load
    from strive.stages.vlm.load import choose_device

    device = choose_device(job.config.train.device).type
    with repeatable(record["train"]["threads"], device), Stop(job.max_time_s, job.spent_s) as stop:
        policy, prompt = load(job, trainable=True), format_named(job.config.train.prompt_format)
        names = sorted(set(bundles) - set(left_out(job, bundles, policy, prompt)))
        batches: list[Sequence[tuple[int, str]]] = []
        for number in range(rounds):
            batches += in_batches([(number, name) for name in names], job.config.train.prompts_per_step)
        survey = Survey("probe", ("groups", "groups"), folder.groups, folder, job.reporter, stop, job.ranks)
        with Prober.of(job, bundles, policy, prompt) as prober:
            rows = survey.ask(batches, prober.groups, lambda row: (int(row["round"]), str(row["id"])))
    return by_question(rows.values())


@dataclass
class Prober:
    """Rolls batches of questions out and scores them."""

    job: TrainJob
    asking: Asking
    prompt: PromptFormat
    rewards: RewardSet

    @classmethod
    @contextmanager
    def of(cls, job: TrainJob, bundles: Mapping[str, Artefact], policy: "Policy",
           prompt: PromptFormat) -> Iterator["Prober"]:
        """With the engine of training, no reference, and the job's rewards, which are closed at the end."""
        from strive.stages.train.engine.optimizer import Optimizer
        from strive.stages.train.engine.prefix_engine import PrefixEngine
        from strive.stages.train.questions.examples import Examples
        from strive.stages.train.vision.plan import open_cache

        config = job.config.train.model_copy(update={"kl_beta": 0.0, "optimizer": "adamw"})  # neither is used
        engine = PrefixEngine(policy, Optimizer(policy.model.named_parameters(), config), config, ranks=job.ranks)
        vision = open_cache(policy, bundles, config, job.run, job.reporter)
        rewards = load_rewards(config.rewards, config.reward_timeout_s)
        try:
            yield cls(job, Asking("probe", engine, Examples(policy, bundles, prompt, config, vision=vision),
                                  job.reporter), prompt, rewards)
        finally:
            rewards.close()

    def groups(self, items: Sequence[tuple[int, str]]) -> list[dict[str, Any]]:
        """The ledger's rows of these questions of one round."""
        if not items:
            return []
        from strive.stages.train.engine.rollout import collect
        from strive.stages.train.scoring import score_rows

        config, number = self.job.config.train, items[0][0]
        seed, engine = derive_seed(config.seed, "train", "probe", number), self.asking.engine
        rows, reasons = self.asking.rows([name for _, name in items],
                                         lambda examples: collect(engine, examples, config.rollouts, seed))
        scored = score_rows(rows, self.prompt, self.rewards)
        for text in self.rewards.take_warnings():
            self.job.reporter.warn(f"probe, round {number}: {text}")
        for name, reason in reasons.items():
            self.job.reporter.warn(f"{name}: {reason}; left out of round {number}")
        return [{"id": name, "round": number, "reason": reasons[name]} if name in reasons else
                {"id": name, "round": number,
                 **group_of([(row, one) for row, one in zip(rows, scored, strict=True) if row.sample_id == name])}
                for _, name in items]


def group_of(scored: Sequence[tuple["Row", Scored]]) -> dict[str, list[list[float | None]]]:
    """One group's rewards and accuracies, a list a variant."""
    count = 1 + max(row.variant_id for row, _ in scored)
    rewards: list[list[float | None]] = [[] for _ in range(count)]
    hits: list[list[float | None]] = [[] for _ in range(count)]
    for row, one in scored:
        rewards[row.variant_id].append(plain(one.total))
        hits[row.variant_id].append(plain(one.accuracy))
    return {"rewards": rewards, "accuracy": hits}


def by_question(rows: Iterable[dict[str, Any]]) -> Rows:
    """The rows that hold a group by question, in the order of rounds."""
    found: Rows = {}
    for row in sorted(rows, key=lambda row: (row["id"], row["round"])):
        if "reason" not in row:
            found.setdefault(row["id"], []).append(row)
    return found
