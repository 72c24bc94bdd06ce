"""Makes one item under its key's lock and publishes it; what every engine has in common."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from strive.cache.store import Artefact, Store
from strive.configs.errors import ItemError
from strive.configs.schema import Config
from strive.stages.interrupt import StopFlag
from strive.stages.plan import DataStage, Item, Job, Maker, Product
from strive.stages.reporter import Reporter

Result = Artefact | str | None
"""A new artefact, the reason of a failure, or None when another run made it meanwhile."""
Record = Callable[[Item, Result], None]


@dataclass(frozen=True)
class Press:
    """A stage, the cache it publishes to, and who is told. With `replace` what is there is made again."""

    stage: DataStage
    config: Config
    store: Store
    reporter: Reporter
    stop: StopFlag
    replace: bool = False

    @staticmethod
    def of(stage: DataStage, job: Job, replace: bool, stop: StopFlag) -> "Press":
        """The press of a job."""
        return Press(stage, job.config, job.store, job.reporter, stop, replace)

    def make_one(self, maker: Maker, item: Item) -> Result:
        """The new artefact, the reason of a failure, or None when another run made it meanwhile.

        Raises `LockedError` when another run holds the item for an hour, or until a signal came.
        """
        started = time.monotonic()
        with self.store.claim(
            self.stage.name, item.key or "", on_wait=self.reporter.info, give_up=lambda: self.stop.code is not None,
            under=self.claimed_under(item),
        ) as made_meanwhile:
            if made_meanwhile and not self.replace:
                return None
            try:
                product = maker.make(item)
            except ItemError as error:
                return str(error)
            return self.publish([(item, product, time.monotonic() - started)])[0]

    def claimed_under(self, item: Item) -> str:
        """The key that is claimed for the item: its own, or the one of its group where the stage has groups."""
        group = getattr(self.stage, "group", None)
        return (group(item) if group is not None else item.key) or ""

    def publish(self, finished: Sequence[tuple[Item, Product, float]]) -> list[Artefact]:
        """The artefacts of products whose keys are claimed, with the seconds that each took."""
        for item, product, _ in finished:
            for warning in product.warnings:
                self.reporter.warn(f"{item.id}: {warning}")
        entries = [(item.key or "", product.files, self.provenance(item, product, took))
                   for item, product, took in finished]
        if len(entries) == 1:
            key, files, provenance = entries[0]
            return [self.store.publish(self.stage.name, key, files, provenance, replace=self.replace)]
        return self.store.publish_many(self.stage.name, entries, replace=self.replace)

    def provenance(self, item: Item, product: Product, seconds: float) -> dict[str, Any]:
        """Where the artefact came from, for its manifest."""
        return {
            "version": self.stage.version, "config": self.stage.settings(self.config), "inputs": input_digests(item),
            "seconds": round(seconds, 3), "warnings": list(product.warnings), "meta": dict(product.meta),
        }


def input_digests(item: Item) -> list[dict[str, Any]]:
    """The digests of what an item was made from, for its manifest."""
    rows = []
    for name, value in sorted(item.inputs.items()):
        if isinstance(value, Artefact):
            rows.append({"name": name, "stage": value.stage, "digest": value.digest})
        elif isinstance(value, str) and value.startswith("sha256:"):
            rows.append({"name": name, "digest": value})
    return rows
