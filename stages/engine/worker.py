"""What runs on a machine of the cluster: the local engine over the shared cache, one call after the other."""

import socket
from pathlib import Path
from typing import Any

from strive.cache.store import Artefact, Store
from strive.configs.errors import MissingError, StriveError
from strive.configs.schema import Config
from strive.stages import registry
from strive.stages.engine.local import LocalEngine
from strive.stages.interrupt import StopFlag
from strive.stages.plan import Item, Job
from strive.stages.reporter import Silent


class Told(Silent):
    """A reporter that keeps what is said until the answer goes back."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.infos: list[str] = []

    def info(self, text: str) -> None:
        self.infos.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Worker:
    """Makes items of any stage; a stage's maker is opened by its first call and kept."""

    def __init__(self, config: dict[str, Any], root: str, token: str) -> None:
        self.token, self.told = token, Told()
        self.job = Job(Config.model_validate(config), Store(Path(root)), workers=1, cores=1, reporter=self.told)
        self.engine = LocalEngine(self.job)

    def make(self, stage: str, items: list[Item], replace: bool) -> dict[str, Any]:
        """`results`: (key, "made" | "there" | "failed", reason or None) of each item that was reached; what was said;
        the `error` that stopped it, if one did."""
        results: list[tuple[str | None, str, str | None]] = []
        error: dict[str, Any] | None = None
        self.job.todo = len(items)
        try:
            self.check_cache()
            self.engine.make_all(registry.stage(stage), self.job, items, replace,
                                 lambda item, result: results.append((item.key, *state_of(result))), StopFlag())
        except StriveError as raised:
            error = {"code": raised.code, **raised.as_dict()}
        said = {"warnings": list(self.told.warnings), "infos": list(self.told.infos)}
        self.told.warnings.clear()
        self.told.infos.clear()
        return {"results": results, "error": error, **said}

    def check_cache(self) -> None:
        """`MissingError` where this machine's folder is not the cache of the command."""
        if self.job.store.recall(f"cluster/{self.token}") is None:
            raise MissingError(
                f"{self.job.store.root} on {socket.gethostname()} is not the cache of this command",
                "one cache that all machines of the cluster see under the same path",
                "Put it on a shared file system and name it with --cache-dir DIR.")


def state_of(result: Artefact | str | None) -> tuple[str, str | None]:
    """A result as it travels: artefacts are looked up again by their key."""
    if isinstance(result, Artefact):
        return "made", None
    return ("there", None) if result is None else ("failed", result)
