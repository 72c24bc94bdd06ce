"""Where a comparison keeps what: one folder, whose parts have names that do not depend on the machine.

OUT/world/                      the demo world, without --data
OUT/runs/RECIPE/seed_N/         a training run, as `strive train` writes it
OUT/runs/RECIPE/seed_N/eval/    uniform/, importance/, agreement/: the final policy
OUT/groups/                     groups of the base policy (--groups), for recipes that make the same ones once
OUT/base/                       uniform/, importance/: the policy before training
OUT/work/                       what runs are told, their logs; done/ says which are finished
OUT/compare.json, compare.html
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from strive.cache.digest import digest_json

STARTED = "compare_started.json"
OURS = ("world", "runs", "groups", "base", "work", STARTED, "compare.json", "compare.html")


@dataclass(frozen=True)
class Layout:
    """The paths inside the folder of a comparison."""

    out: Path

    @property
    def world(self) -> Path:
        return self.out / "world"

    @property
    def base(self) -> Path:
        return self.out / "base"

    @property
    def work(self) -> Path:
        return self.out / "work"

    @property
    def started(self) -> Path:
        return self.out / STARTED

    @property
    def summary(self) -> Path:
        return self.out / "compare.json"

    @property
    def page(self) -> Path:
        return self.out / "compare.html"

    @property
    def lock(self) -> Path:
        return self.out / ".lock"

    def run(self, arm: str, seed: int) -> Path:
        """One training run."""
        return self.out / "runs" / safe(arm) / f"seed_{seed}"

    def clear(self) -> None:
        """Forget the comparison. A folder that none was begun in is left as it is: it is somebody's own."""
        if not self.started.is_file():
            return
        for name in reversed(OURS):
            path = self.out / name
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def safe(name: str) -> str:
    """A folder's name for a recipe as it was typed; different recipes get different ones on any file system."""
    plain = re.sub(r"[^a-z0-9._-]+", "_", name).strip("._")[:60]
    return name if plain == name else f"{plain}-{digest_json(name)[7:15]}"
