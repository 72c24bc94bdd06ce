"""What extract has to do: one item per video, keyed by the digest of its bytes, wherever they lie."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.cache.store import Store
from strive.configs.errors import ItemError, MissingError
from strive.stages.archive.contents import contents, entry_of
from strive.stages.archive.digest import member_digest
from strive.stages.archive.member import refuse as refuse_member
from strive.stages.extract.probe import refuse
from strive.stages.plan import Item, VideoRef

VERSION = 2
FETCHED = "video"  # the file of a fetch artefact
GONE = ("no such file", "broken symbolic link")


def item_of(
    ref: VideoRef, store: Store, settings: dict[str, Any], series: dict[str, str],
    fetched: Artefact | str | None = None,
) -> Item:
    """The item of one video; `fetched` is what stage fetch says of one behind a URL.

    A video that is gone is known by its last digest, so its frames stay usable.
    """
    if ref.url and not isinstance(fetched, Artefact):
        return Item(ref.id, None, blocked=f"not fetched: {fetched}" if fetched else None)
    found = fetched if isinstance(fetched, Artefact) else None
    try:
        digest = digest_in(found) if found else digest_of(ref, store)
    except ItemError as error:
        return Item(ref.id, None, blocked=str(error))
    key = make_key("extract", VERSION, settings, {"video": digest, "series": series})
    return Item(ref.id, key, {"video": ref, "digest": digest, **({"fetched": found} if found else {})})


def digest_in(fetched: Artefact) -> str:
    """The digest of a fetched video's bytes: the same as of a file that holds them."""
    return next(str(out["digest"]) for out in fetched.manifest["outputs"] if out["path"] == FETCHED)


def digest_of(ref: VideoRef, store: Store) -> str:
    """The digest of a file's or a member's bytes. Raises `ItemError` with the reason when there is none."""
    reason = refuse(ref.path)
    if reason and reason not in GONE:
        raise ItemError(reason)
    if ref.member is not None:
        return member_digest(store, ref.path, ref.member)
    if not reason and ref.path.suffix.lower() == ".zip":
        refuse_archive(ref)
    try:
        return store.video_digest(ref.path)
    except MissingError as error:
        raise ItemError(reason or "no such file") from error


def refuse_archive(ref: VideoRef) -> None:
    """`ItemError` for a zip archive that is named as if it were a video; a video of that name is none."""
    with ref.path.open("rb") as file:
        is_archive = file.read(2) == b"PK"
    if is_archive:
        contents(ref.path)
        raise ItemError(f"a zip archive, not a video; name a member: {ref.id}::path/in/zip")


def source_of(item: Item, store: Store) -> dict[str, Any]:
    """Where a decode child finds the bytes: `path`, and for a zip member `entry` and the folder to unpack into.

    Raises `ItemError` when the video is gone or cannot be read, `VerificationError` for a damaged fetched one.
    """
    ref: VideoRef = item.inputs["video"]
    if fetched := item.inputs.get("fetched"):
        return {"path": str(fetched.file(FETCHED))}
    if reason := refuse(ref.path):
        raise ItemError(reason)
    if ref.member is None:
        return {"path": str(ref.path)}
    entry = entry_of(ref.path, ref.member)
    refuse_member(entry)
    return {"path": str(ref.path), "entry": asdict(entry), "spill": str(spill_folder(store))}


def spill_folder(store: Store) -> Path:
    """A folder on the cache's file system, where unpacked bytes of a member have room while it is read."""
    store.root.mkdir(parents=True, exist_ok=True)
    return store.root


def is_unchanged(item: Item, store: Store) -> bool:
    """Whether the bytes are still those of the item's key; a fetched file cannot change unseen."""
    if fetched := item.inputs.get("fetched"):
        return bool(fetched.file(FETCHED))
    return digest_of(item.inputs["video"], store) == item.inputs["digest"]
