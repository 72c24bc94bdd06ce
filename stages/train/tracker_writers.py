"""One small class for each tracker: opens it for a run, hands it figures, ends it in bounded time."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol

from strive.cache.atomic import write_json
from strive.configs.schema import Config
from strive.stages.reporter import Reporter
from strive.stages.train.run_folder import RunFolder

PROJECT = "strive"
WAIT_S = 30.0
"""Seconds that W&B may take to answer, and in the end for what is left."""


@dataclass(frozen=True)
class Place:
    """What a tracker is opened with; `after_step` steps are there already, 0 for a fresh start."""

    run: RunFolder
    config: Config
    after_step: int
    reporter: Reporter


class Writer(Protocol):
    """An open tracker."""

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """A step's figures; steps come in rising order."""

    def close(self, code: int) -> None:
        """Hand over what is left; `code` is the run's exit code."""


class TensorBoard:
    """Events in RUN/tensorboard; what an earlier process wrote beyond `after_step` is hidden by `purge_step`."""

    def __init__(self, place: Place) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(place.run.board), purge_step=place.after_step + 1)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self, code: int) -> None:
        self._writer.close()


class Remembered:
    """RUN/<tracker>.json: the tracker's id for this run, and the newest step it was given.

    A resume goes on with the same id, and makes the steps after its checkpoint again: the tracker, which only appends,
    has had those.
    """

    def __init__(self, path: Path, id: str | None = None) -> None:
        self.path = path
        try:
            held = json.loads(path.read_bytes())
            self.id, self.step = str(held["id"]), int(held["step"])
        except (OSError, ValueError, KeyError, TypeError):
            self.id, self.step = secrets.token_hex(4), 0
        self.id = id or self.id
        self._save()

    def is_new(self, step: int) -> bool:
        """Whether the tracker lacks this step; it is taken for given from now on."""
        if step <= self.step:
            return False
        self.step = step
        self._save()
        return True

    def _save(self) -> None:
        write_json(self.path, {"id": self.id, "step": self.step})


class WandB:
    """A W&B run with the run folder's name; the WANDB_* variables have their say, WANDB_MODE=offline among them."""

    def __init__(self, place: Place) -> None:
        import wandb

        self._wandb, self._reporter, root = wandb, place.reporter, place.run.root
        self._known = Remembered(root / "wandb.json", os.environ.get("WANDB_RUN_ID"))
        about = {
            "project": os.environ.get("WANDB_PROJECT", PROJECT), "name": os.environ.get("WANDB_NAME", root.name),
            "dir": os.environ.get("WANDB_DIR", str(root)), "id": self._known.id, "resume": "allow",
            "config": shareable(place.config), "settings": self._settings(),
        }
        self._run = self._started(about)
        if self._run.settings.mode == "offline":
            self._reporter.info(f"W&B: offline; to send it: {self._sync}")
        elif self._run.settings.mode == "online":
            self._reporter.info(f"W&B: {self._run.url}")

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        if self._known.is_new(step):
            self._run.log(dict(figures), step=step, commit=True)

    def close(self, code: int) -> None:
        try:
            self._run.finish(exit_code=code)
        except TimeoutError as error:
            raise TimeoutError(f"{error} To send the rest: {self._sync}") from error

    @property
    def _sync(self) -> str:
        """The command that sends what lies on the disk."""
        return f"wandb sync {Path(self._run.dir).parent}"

    def _started(self, about: dict[str, Any]) -> Any:
        """The run, recorded on disk alone when W&B cannot be reached or knows no key."""
        self._wandb.setup(settings=about["settings"])  # silent already here, or it asks for a key on a terminal
        try:
            return self._wandb.init(**about)
        except (self._wandb.Error, OSError) as error:
            reason = " ".join(str(error).split())[:160]
            self._reporter.warn(f"W&B cannot be used now ({reason}); the run is recorded for `wandb sync`")
            return self._wandb.init(**about, mode="offline")

    def _settings(self) -> Any:
        """Quiet, bounded in time, and nothing about this machine's paths, code or repository leaves it."""
        wanted = {
            "silent": True, "console": "off", "disable_git": True, "disable_code": True, "x_disable_meta": True,
            "x_disable_machine_info": True, "init_timeout": WAIT_S, "finish_timeout": WAIT_S,
            "finish_timeout_raises": True,
        }
        known = self._wandb.Settings.model_fields
        return self._wandb.Settings(**{name: value for name, value in wanted.items() if name in known})


class Trackio:
    """A trackio run in its own database (TRACKIO_DIR) or, with TRACKIO_SPACE_ID, in a Space."""

    def __init__(self, place: Place) -> None:
        import trackio

        self._known = Remembered(place.run.root / "trackio.json")
        name = f"{place.run.root.name}-{self._known.id}"  # trackio finds a run again by its name
        with redirect_stdout(StringIO()):  # it greets on stdout, which belongs to the command's result
            self._run = trackio.init(project=PROJECT, name=name, resume="allow", config=shareable(place.config))
        place.reporter.info(f"trackio: run {name}; to see it: trackio show --project {PROJECT}")

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        if self._known.is_new(step):
            self._run.log(dict(figures), step=step)

    def close(self, code: int) -> None:
        import trackio

        with redirect_stdout(StringIO()):
            trackio.finish()


SECRET = re.compile(r"(password|passwd|secret|credential|api_?key|access_?key)|(^|_)(auth|token)$", re.IGNORECASE)
USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


def shareable(config: Config) -> dict[str, Any]:
    """The resolved config without secrets, and of absolute paths their last name only."""
    return dict(without_secrets(config.model_dump(mode="json")))


def without_secrets(value: Any) -> Any:
    """`value`, made of JSON's types, as it may be shown to others."""
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(one) for key, one in value.items() if not SECRET.search(key)}
    if isinstance(value, list):
        return [without_secrets(one) for one in value]
    if not isinstance(value, str):
        return value
    for path in (PurePosixPath(value), PureWindowsPath(value)):
        if path.is_absolute() or value.startswith("~"):
            return path.name
    return USER_IN_URL.sub("", value)
