"""Artefacts of one stage that become durable and visible together: two syncs for all of them, not several for each."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strive.cache import fault, sync
from strive.cache.draft import Draft
from strive.cache.flush import Flush, flushing
from strive.cache.sweep import temporary_in


class Batch:
    """Sealed drafts in one temporary folder, which `reveal` renames to where they belong once all bytes are on disk."""

    def __init__(self, folder: Path, flush: Flush) -> None:
        fault.point()
        folder.mkdir()
        self.folder, self._flush = folder, flush
        self._drafts: list[Draft] = []

    def draft(self) -> Draft:
        """A new artefact folder, to be filled and sealed."""
        self._drafts.append(Draft(self.folder / str(len(self._drafts)), durable=False))
        return self._drafts[-1]

    def reveal(self, targets: list[Path]) -> list[bool]:
        """Make the n-th draft appear at the n-th target; False for one where another writer was faster.

        What lies at a target gives way between two renames.
        """
        shelves = sorted({target.parent for target in targets})
        for shelf in shelves:
            _make_shelf(shelf)
        self._flush([self.folder], sorted({shelf.parent for shelf in shelves}))
        moved = [self._move(draft, target) for draft, target in zip(self._drafts, targets, strict=True)]
        self._flush([], shelves)
        return moved

    def _move(self, draft: Draft, target: Path) -> bool:
        if target.exists():
            self._set_aside(draft, target)
        try:
            draft.reveal(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        return True

    def _set_aside(self, draft: Draft, target: Path) -> None:
        """What was there lies in the batch's folder until the batch ends: a power cut may still bring it back whole."""
        fault.point()
        try:
            os.rename(target, draft.folder.with_suffix(".old"))
        except FileNotFoundError:
            return


@contextmanager
def batch(stage_folder: Path) -> Iterator[Batch]:
    """An empty batch in a stage's folder; what is not revealed by the end of the block goes."""
    sync.make_folder(stage_folder)
    with flushing(stage_folder) as flush:
        folder = temporary_in(stage_folder)
        try:
            yield Batch(folder, flush)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _make_shelf(shelf: Path) -> None:
    if not shelf.is_dir():
        fault.point()
        shelf.mkdir(exist_ok=True)
