"""Data stage "fetch": the file behind each URL, once, in the cache."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any

from strive.cache.digest import digest_bytes
from strive.cache.key import make_key
from strive.cache.store import Store
from strive.configs.schema import Config
from strive.stages.fetch.partial import Partial, sweep_partials
from strive.stages.plan import Item, Job, Product

if TYPE_CHECKING:
    from strive.stages.fetch.download import Download

FILE = "video"


class FetchStage:
    """Items are the videos named by a URL; the key is of the whole URL, of which only a digest is stored.

    What lies behind a URL may change; what was fetched once stays until `--force`.
    """

    name = "fetch"
    version = 1
    upstream: tuple[str, ...] = ()
    parallel = True

    def settings(self, config: Config) -> dict[str, Any]:
        """No setting changes what is fetched."""
        return config.fetch.result_keys()

    def items(self, job: Job) -> list[Item]:
        """One item a URL."""
        return [self.item(ref.id, ref.url) for ref in job.videos if ref.url]

    def item(self, name: str, url: str) -> Item:
        """The item of one URL; `name` is the URL as it may be shown."""
        digest = digest_bytes(url.encode())
        return Item(name, make_key(self.name, self.version, {}, {"url": digest}), {"url": url, "url_digest": digest})

    @contextmanager
    def open(self, job: Job) -> Iterator["FetchMaker"]:
        """Connections are opened with the first item; downloads that still go are stopped with the block."""
        from strive.stages.fetch.download import Download

        sweep_partials(job.store)
        with closing(Download(job.config.fetch)) as download, closing(FetchMaker(job.store, download)) as maker:
            yield maker


class FetchMaker:
    """Downloads one URL. The partial file stays until its copy is an artefact, as it is when its thread comes back."""

    def __init__(self, store: Store, download: "Download") -> None:
        self.store, self.download = store, download
        self._made: dict[int, Partial] = {}

    def make(self, item: Item) -> Product:
        """Raises `ItemError` with the reason, in which no part of the URL occurs, `MissingError` without space."""
        self.drop(get_ident())
        partial = Partial(self.store, item.key or "")
        if self.store.find("fetch", partial.key):
            partial.discard()  # asked to fetch it again: from the first byte
        meta = self.download.run(item.inputs["url"], partial)
        self._made[get_ident()] = partial
        return Product({FILE: partial.path}, meta)

    def drop(self, thread: int) -> None:
        """Remove what a thread downloaded last, if it is an artefact now."""
        partial = self._made.pop(thread, None)
        if partial is not None and self.store.find("fetch", partial.key):
            partial.discard()

    def close(self) -> None:
        """Remove what became artefacts."""
        for thread in list(self._made):
            self.drop(thread)


STAGE = FetchStage()
