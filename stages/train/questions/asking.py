"""Rolls questions out without training on them: batch by batch, each written down before the next, with less when
memory ends.

The pass-rate filter (`pass_rate.py`) and the probe (`probe.py`) ask in this way.
"""

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from strive.cache.atomic import write_json
from strive.cache.ledger import append_line, read_jsonl
from strive.configs.errors import InterruptedRun
from strive.stages.train.engine.ranks import Ranks
from strive.stages.train.engine.rollout import Example, Generates, Row
from strive.stages.train.questions.usable import Finds, read_usable

if TYPE_CHECKING:
    from strive.stages.reporter import Reporter
    from strive.stages.train.run_folder import RunFolder
    from strive.stages.train.signals import Stop

Item = TypeVar("Item", bound=Hashable)


class RollsOut(Generates, Protocol):
    """The part of an engine that is needed here."""

    def shrink(self) -> None:
        """Use about half the memory from now on."""


@dataclass
class Asking:
    """Reads batches of questions and rolls them out, the policy staying as it is; `shrunk` once memory was short."""

    title: str
    engine: RollsOut
    examples: Finds
    reporter: "Reporter"
    shrunk: bool = False

    def rows(self, names: Sequence[str],
             roll_out: Callable[[Sequence[Example]], list[Row]]) -> tuple[list[Row], dict[str, str]]:
        """What `roll_out` makes of the questions, and id -> reason of those that it could not be asked of.

        Out of memory, the engine shrinks once; then the largest questions are left out until the others fit.
        """
        import torch

        from strive.stages.train.engine import memory

        usable, reasons = read_usable(self.examples, names)
        examples = list(usable.values())
        while examples:
            try:
                with torch.no_grad(), torch.random.fork_rng():
                    return roll_out(examples), reasons
            except (RuntimeError, MemoryError) as error:
                if not memory.is_out_of_memory(error):
                    raise
            memory.give_back()
            if self.shrunk:
                name, reasons[name] = memory.largest(examples)
                examples = [one for one in examples if one.sample.id != name]
            else:
                self.engine.shrink()
                self.shrunk = True
                self.reporter.warn(f"{self.title}: out of memory; from now on half the tokens a forward")
        return [], reasons


@dataclass(frozen=True)
class Survey:
    """A ledger with a row for each item that is asked, filled batch by batch; what it holds is not asked again.

    title, kept: how it is called while it goes on, and in the message when it is stopped ("pass rates", "questions").
    """

    title: str
    kept: tuple[str, str]
    ledger: Path
    run_folder: "RunFolder"
    reporter: "Reporter"
    stop: "Stop"
    ranks: Ranks

    def ask(self, batches: Sequence[Sequence[Item]], answer: Callable[[Sequence[Item]], list[dict[str, Any]]],
            key: Callable[[dict[str, Any]], Item]) -> dict[Item, dict[str, Any]]:
        """The ledger's rows by item, `answer` giving one for each item of a batch; rows with a `reason` have failed.

        A batch cut short by a kill is asked whole again: its completions then have the same neighbours. With several
        processes each takes its share of a batch and the first one writes. Raises `InterruptedRun` between batches when
        it is time to stop.
        """
        rows = self.ranks.gather(read_jsonl(self.ledger))[0]
        known, total = {key(row): row for row in rows}, sum(map(len, batches))
        wanted = {item for batch in batches for item in batch}
        for batch in batches:
            if all(item in known for item in batch):
                continue
            done = len(known.keys() & wanted)
            self._check_stop(f"{self.kept[0]} of {done} of {total} {self.kept[1]} are kept")
            if self.ranks.is_first:
                write_json(self.run_folder.last_item, {"step": 0, "samples": [str(item) for item in batch]})
            made = self.ranks.gather(answer([batch[place] for place in self.ranks.share(len(batch))]))
            fresh = {key(row): row for part in made for row in part if key(row) not in known}
            for item in batch:
                if item in fresh and self.ranks.is_first:
                    append_line(self.ledger, json.dumps(fresh[item], ensure_ascii=False, allow_nan=False))
            known |= fresh
            failed = sum("reason" in known[item] for item in known.keys() & wanted)
            self.reporter.progress(self.title, len(known.keys() & wanted) - failed, total, failed)
        self.run_folder.last_item.unlink(missing_ok=True)
        self.ranks.barrier()  # from here on every process may read the whole ledger
        return {item: known[item] for batch in batches for item in batch}

    def _check_stop(self, kept: str) -> None:
        """Raise `InterruptedRun` in every process when one of them is asked to stop."""
        code = int(self.ranks.max(self.stop.code or 0))
        if code:
            self.run_folder.last_item.unlink(missing_ok=True)
            self.stop.check(kept)
            raise InterruptedRun(f"another process was asked to stop; {kept}", code)


def in_batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items, `size` at a time, in their order."""
    return [items[start : start + size] for start in range(0, len(items), size)]
