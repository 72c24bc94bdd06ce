"""What a comparison was begun with: recipes and seeds may be added in the same folder, settings may not change."""

import json
from collections.abc import Mapping
from typing import Any

from strive.cache.atomic import write_json
from strive.cache.digest import digest_file
from strive.configs.errors import UsageError, VerificationError
from strive.configs.render import one_line
from strive.configs.schema import Config
from strive.stages.compare.layout import OURS, Layout
from strive.stages.compare.material import Material
from strive.stages.compare.plan import Plan, flat
from strive.stages.demo.world import WORLD_VERSION
from strive.stages.vlm.resolve import model_identity

FORMAT = 1


def identity(plan: Plan, material: Material) -> dict[str, Any]:
    """All that the results depend on but the seeds: data by digest, settings of each recipe and of evaluations."""
    files = {"train": material.train, "eval": material.evaluation}
    data = {"world": WORLD_VERSION} if material.is_demo else {name: digest_file(path) for name, path in files.items()}
    return {
        "format": FORMAT, "model": model_identity(plan.base.config.model), "limit": material.limit, "data": data,
        "evaluation": settings_of(plan.reference, ("extract", "score", "variants", "eval")),
        "arms": {entry.arm.name: settings_of(entry.config, ("demo", "extract", "score", "variants", "train", "eval"))
                 for entry in plan.entries},
    }


def settings_of(config: Config, sections: tuple[str, ...]) -> dict[str, Any]:
    """What changes results, by dotted key; with steps and evaluations, without the seed."""
    found = {f"{s}.{key}": value for s in sections for key, value in getattr(config, s).result_keys().items()}
    if "train" in sections:
        del found["train.seed"]
        found |= {"train.steps": config.train.steps, "train.eval_every": config.train.eval_every}
    return found


def begin(layout: Layout, now: Mapping[str, Any]) -> None:
    """Note the settings, or check that they are those of before; `UsageError` naming the keys that differ."""
    past = read(layout)
    if past is None:
        refuse_foreign(layout)
        write_json(layout.started, dict(now))
        return
    differ = differences(past, now)
    if differ:
        raise UsageError(f"{layout.out}: begun with other settings: {'; '.join(differ[:6])}",
                         "the settings it was begun with; recipes and seeds may be added",
                         "Choose another --out folder, or give --force to start over.")
    merged = {**now, "arms": {**past["arms"], **now["arms"]}}
    if merged != past:
        write_json(layout.started, merged)


def read(layout: Layout) -> dict[str, Any] | None:
    """What the folder was begun with, None for a new one."""
    try:
        found = json.loads(layout.started.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise VerificationError(f"{layout.started}: not JSON", "the settings of a comparison",
                                "Use --force to start over.") from error
    return dict(found)


def refuse_foreign(layout: Layout) -> None:
    """`UsageError` when names that a comparison would use are taken by something else."""
    taken = [name for name in OURS if (layout.out / name).exists()]
    if taken:
        raise UsageError(f"{layout.out}: holds {', '.join(taken)}, but no comparison was begun here",
                         "an empty or new folder, or a comparison's", "Choose another --out folder.")


def differences(past: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What keeps `now` from going on with `past`, each as `key: old -> new`."""
    found = [f"{key}: {one_line(past.get(key))} -> {one_line(now[key])}"
             for key in ("format", "model", "limit", "data") if past.get(key) != now[key]]
    found += between(past["evaluation"], now["evaluation"], "evaluation ")
    for name, settings in now["arms"].items():
        if name in past["arms"]:
            found += between(past["arms"][name], settings, f"{name}: ")
    return found


def between(past: Mapping[str, Any], now: Mapping[str, Any], where: str) -> list[str]:
    """The keys of two flat mappings that differ; one that is younger than the folder had its default then."""
    before = {**{key: value for key, value in flat(Config()).items() if key in now}, **past}
    return [f"{where}{key} {one_line(before.get(key))} -> {one_line(now.get(key))}" for key in sorted({*before, *now})
            if before.get(key) != now.get(key)]
