"""The loop around data stages: cached items are left alone, failures are listed, force redoes, signals stop."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from strive.cache.key import make_key
from strive.cache.store import Store
from strive.configs.errors import InterruptedRun, ItemError, StoppedError
from strive.configs.schema import Config
from strive.stages import registry, runner
from strive.stages.plan import Item, Job, Product


class Doubling:
    """A small real stage: doubles a number; odd items above 90 fail."""

    version, parallel = 1, False

    def __init__(self, name: str, numbers: list[int], upstream: tuple[str, ...] = ()) -> None:
        self.name, self.numbers, self.upstream = name, numbers, upstream
        self.made: list[str] = []
        self.opened = 0

    def settings(self, config: Config) -> dict[str, Any]:
        return {"fps": config.extract.fps}

    def items(self, job: Job) -> list[Item]:
        items = []
        for number in self.numbers:
            before = job.upstream(self.upstream[0], str(number)) if self.upstream else "none"
            if self.upstream and isinstance(before, str):
                items.append(Item(str(number), None, blocked=before))
            elif before is None:
                items.append(Item(str(number), None))
            else:
                digest = "none" if isinstance(before, str) else before.digest
                items.append(
                    Item(
                        str(number),
                        make_key(self.name, 1, self.settings(job.config), {"n": number % 1000, "up": digest}),
                    )
                )
        return items

    @contextmanager
    def open(self, job: Job) -> Iterator["Doubling"]:
        self.opened += 1
        yield self

    def make(self, item: Item) -> Product:
        self.made.append(item.id)
        if int(item.id) > 90 and int(item.id) % 2:
            raise ItemError(f"{item.id} is odd")
        return Product({"double.txt": str(2 * int(item.id)).encode()}, {"n": int(item.id)})


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Doubling]:
    table = {"first": Doubling("first", [1, 2, 91]), "second": Doubling("second", [1, 2, 91], ("first",))}
    monkeypatch.setattr(registry, "stage", table.__getitem__)
    monkeypatch.setattr(registry, "UNITS", {"first": "numbers", "second": "numbers"})
    return table


def job(cache: Path, **more: Any) -> Job:
    return Job(Config(), Store(cache), **more)


def test_a_second_run_makes_nothing_and_opens_nothing(stages: dict[str, Doubling], own_cache: Path) -> None:
    first = runner.run_chain("second", job(own_cache))
    assert (first["first"].done, first["second"].done) == (2, 2)
    again = runner.run_chain("second", job(own_cache))
    assert (again["second"].done, again["second"].cached, stages["second"].opened) == (0, 2, 1)
    assert stages["first"].made == ["1", "2", "91", "91"], "only the failed item is tried again"


def test_an_upstream_failure_fails_its_items_with_the_same_reason(stages: dict[str, Doubling], own_cache: Path) -> None:
    outcome = runner.run_chain("second", job(own_cache))
    assert outcome["first"].failed == [{"id": "91", "reason": "91 is odd"}]
    assert outcome["second"].failed == [{"id": "91", "reason": "91 is odd"}]
    assert "91" not in stages["second"].made


def test_the_plan_says_what_is_cached_what_waits_and_what_changed(stages: dict[str, Doubling], own_cache: Path) -> None:
    assert runner.plan_stage("second", job(own_cache)).waiting == 3
    runner.run_chain("second", job(own_cache))
    plan = runner.plan_stage("second", job(own_cache))
    assert (plan.cached, plan.waiting) == (2, 1)
    changed = Job(Config.model_validate({"extract": {"fps": 2.0}}), Store(own_cache))
    assert runner.plan_stage("first", changed).changed == ("first.fps 1.0 → 2.0",)
    stages["first"].version = 2  # type: ignore[misc]
    assert runner.plan_stage("first", job(own_cache)).changed == ("first of strive's own version 1 → 2",)


def test_force_makes_the_named_stage_again_and_only_that(stages: dict[str, Doubling], own_cache: Path) -> None:
    runner.run_chain("second", job(own_cache))
    runner.run_chain("second", job(own_cache, force=True))
    assert stages["second"].made.count("1") == 2 and stages["first"].made.count("1") == 1


def test_the_same_key_under_two_names_is_made_once(stages: dict[str, Doubling], own_cache: Path) -> None:
    stages["first"].numbers = [5, 1005]
    outcome = runner.run_chain("first", job(own_cache))["first"]
    assert stages["first"].made == ["5"] and (outcome.done, outcome.cached) == (1, 1)


def test_fail_fast_stops_with_exit_4(stages: dict[str, Doubling], own_cache: Path) -> None:
    with pytest.raises(StoppedError) as error:
        runner.run_chain("first", job(own_cache, fail_fast=True))
    assert error.value.code == 4


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_finishes_the_current_item_and_keeps_it(
    stages: dict[str, Doubling], own_cache: Path, number: signal.Signals, code: int
) -> None:
    stages["first"].numbers = [1, 2, 3, 4]
    make = stages["first"].make

    def make_then_signal(item: Item) -> Product:
        os.kill(os.getpid(), number)
        return make(item)

    stages["first"].make = make_then_signal  # type: ignore[method-assign]
    with pytest.raises(InterruptedRun) as error:
        runner.run_chain("first", job(own_cache))
    assert error.value.code == code and stages["first"].made == ["1"]
    stages["first"].make = make  # type: ignore[method-assign]
    assert runner.run_chain("first", job(own_cache))["first"].cached == 1


def test_parallel_items_are_all_made_and_counted(stages: dict[str, Doubling], own_cache: Path) -> None:
    stages["first"].parallel, stages["first"].numbers = True, list(range(40))  # type: ignore[misc]
    threads: set[int] = set()
    make = stages["first"].make

    def noting(item: Item) -> Product:
        threads.add(threading.get_ident())
        return make(item)

    stages["first"].make = noting  # type: ignore[method-assign]
    outcome = runner.run_chain("first", job(own_cache, workers=3))["first"]
    assert (
        outcome.done == 40 and sorted(stages["first"].made, key=int) == [str(n) for n in range(40)] and len(threads) > 1
    )
