"""What of a stage is done and what is not: items looked up in the cache, counted into a plan, nothing made."""

from dataclasses import dataclass, field, replace

from strive.cache.store import Artefact
from strive.stages import registry
from strive.stages.outlook import item_bytes
from strive.stages.plan import DataStage, Item, Job, StagePlan
from strive.stages.windows import Firsts, videos_of, windows


@dataclass
class Looked:
    """The items of one stage in one window by what must happen to them."""

    cached: list[Item] = field(default_factory=list)
    todo: list[Item] = field(default_factory=list)
    blocked: list[Item] = field(default_factory=list)
    waiting: list[Item] = field(default_factory=list)

    def counted(self, stage: str, firsts: Firsts | None) -> StagePlan:
        """The numbers, without the items that an earlier window had."""
        unit = registry.UNITS[stage]

        def count(items: list[Item]) -> int:
            if firsts is None or unit != "videos":
                return len(items)
            return sum(firsts.is_first(stage, item.id) for item in items)

        return StagePlan(stage, unit, count(self.cached), count(self.todo), count(self.blocked), count(self.waiting))


def look(stage: DataStage, job: Job, is_noted: bool = True) -> Looked:
    """Every item of the window by its state; what is there goes into `job.results`, and to the stage's `note`."""
    found, results = Looked(), job.results.setdefault(stage.name, {})
    note = getattr(stage, "note", None) if is_noted else None
    for item in stage.items(job):
        artefact = job.store.find(stage.name, item.key) if item.key and not item.blocked else None
        state_of(item, artefact, found).append(item)
        if item.blocked:
            results[item.id] = item.blocked
        elif artefact:
            if note is not None:
                note(job, item, artefact)
            results[item.id] = artefact.light()
    return found


def state_of(item: Item, artefact: Artefact | None, found: Looked) -> list[Item]:
    """The list that the item belongs to."""
    if item.blocked:
        return found.blocked
    if item.key is None:
        return found.waiting
    return found.cached if artefact else found.todo


def plan_stage(name: str, job: Job) -> StagePlan:
    """The plan of one stage of a job without windows; upstream results are looked up, nothing is made."""
    stage = registry.stage(name)
    job.videos = job.videos or videos_of(job)
    for before in stage.upstream:
        if before not in job.results:
            plan_stage(before, job)
    plan = look(stage, job, is_noted=False).counted(name, None)
    return with_outlook(plan, stage, job)


def plan_chain(name: str, job: Job) -> list[StagePlan]:
    """The plans of a stage and of everything upstream of it, over all windows; notes the totals in `job.planned`."""
    stages = [registry.stage(one) for one in registry.chain(name)]
    plans = {stage.name: StagePlan(stage.name, registry.UNITS[stage.name]) for stage in stages}
    firsts: Firsts | None = None
    for part, is_last in windows(job):
        if firsts is None and not is_last:
            firsts = Firsts()
        for stage in stages:
            plans[stage.name] = plans[stage.name].plus(look(stage, part, False).counted(stage.name, firsts))
    job.planned.update({one: plan.total for one, plan in plans.items()})
    return [with_outlook(plans[stage.name], stage, job) for stage in stages]


def with_outlook(plan: StagePlan, stage: DataStage, job: Job) -> StagePlan:
    """The plan with the settings that changed since the last run, and the size to expect of an item."""
    size, measured = item_bytes(stage.name, job)
    return replace(plan, changed=changed_settings(stage, job), item_bytes=size, measured=measured)


def changed_settings(stage: DataStage, job: Job) -> tuple[str, ...]:
    """What differs from the last run of this stage and makes its results stale, as `name old → new`."""
    last = job.store.recall(f"last-run/{stage.name}") or {}
    before, now = last.get("settings") or {}, stage.settings(job.config)
    changed = [f"{stage.name}.{k} {before[k]} → {now[k]}" for k in sorted(now) if k in before and before[k] != now[k]]
    if last.get("version", stage.version) != stage.version:
        changed.append(f"{stage.name} of strive's own version {last['version']} → {stage.version}")
    return tuple(changed)
