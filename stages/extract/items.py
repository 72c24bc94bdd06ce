"""What extract has to do: one item per video, keyed by the digest of its bytes."""

from typing import Any

from strive.cache.key import make_key
from strive.cache.store import Store
from strive.configs.errors import ItemError, MissingError
from strive.stages.extract.probe import refuse
from strive.stages.plan import Item, VideoRef

VERSION = 1


def item_of(ref: VideoRef, store: Store, settings: dict[str, Any], series: dict[str, str]) -> Item:
    """The item of one video. A video that is gone is known by its last digest, so its frames stay usable."""
    reason = refuse(ref.path)
    gone = reason in ("no such file", "broken symbolic link")
    if reason and not gone:
        return Item(ref.id, None, blocked=reason)
    try:
        digest = store.video_digest(ref.path)
    except MissingError:
        return Item(ref.id, None, blocked=reason or "no such file")
    except ItemError as error:
        return Item(ref.id, None, blocked=str(error))
    key = make_key("extract", VERSION, settings, {"video": digest, "series": series})
    return Item(ref.id, key, {"video": ref, "digest": digest})
