"""What a finished demo is: its figures with all they depend on, written last, so that their presence means done."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strive.cache.atomic import write_json
from strive.cache.digest import digest_file
from strive.configs.errors import UsageError
from strive.configs.load import SECTIONS
from strive.configs.schema import Config
from strive.stages.demo.world import WORLD_VERSION
from strive.stages.vlm.resolve import model_identity

RECORD = "demo.json"
STARTED = "started.json"


def identity(config: Config, model: str) -> dict[str, Any]:
    """Every setting that the figures depend on, flat, and the identities of the shipped weights."""
    flat = {
        f"{section}.{key}": value
        for section in SECTIONS
        for key, value in getattr(config, section).result_keys().items()
    }
    return {**flat, "train.steps": config.train.steps, "world": WORLD_VERSION, "model": model_identity(model)}


@dataclass(frozen=True)
class Record:
    """The two small files of a demo folder."""

    folder: Path

    def begin(self, settings: dict[str, Any]) -> None:
        """Note the settings; `UsageError` naming the differences when the folder was begun with others."""
        started = self.folder / STARTED
        before = read(started)
        if before is None:
            self.refuse_foreign()
            write_json(started, settings)
            return
        changed = [
            f"{k}: {before.get(k)} → {settings.get(k)}"
            for k in sorted({*before, *settings})
            if before.get(k) != settings.get(k)
        ]
        if changed:
            raise UsageError(
                f"{self.folder}: begun with other settings ({'; '.join(changed[:4])})",
                "the settings it was begun with",
                "Choose another --out folder, or give --force to start over.",
            )

    def refuse_foreign(self) -> None:
        """`UsageError` when names that a demo would use are taken by something else."""
        taken = [name for name in ("world", "run", "eval", "report.html", RECORD) if (self.folder / name).exists()]
        if taken:
            raise UsageError(f"{self.folder}: holds {', '.join(taken)}, but no demo was begun here",
                             "an empty or new folder, or a demo's", "Choose another --out folder.")

    def finished(self) -> dict[str, Any] | None:
        """The figures of a finished demo whose outputs are still what they were, else None."""
        found = read(self.folder / RECORD)
        if found is None or any(
            not (self.folder / name).is_file() or digest_file(self.folder / name) != digest
            for name, digest in found["outputs"].items()
        ):
            return None
        return dict(found["figures"])

    def finish(self, figures: dict[str, Any], outputs: list[str]) -> None:
        """Write the figures with the digests of the outputs they belong to."""
        write_json(
            self.folder / RECORD,
            {"figures": figures, "outputs": {name: digest_file(self.folder / name) for name in outputs}},
        )


def read(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None when it is not there."""
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
