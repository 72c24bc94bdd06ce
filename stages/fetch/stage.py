"""Data stage "fetch": the file behind each URL, once, in the cache."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from strive.cache.artefact import Artefact
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
        with closing(Download(job.config.fetch)) as download:
            yield FetchMaker(job.store, download)

    def note(self, job: Job, item: Item, artefact: Artefact) -> None:
        """Drop the download that the artefact was made of."""
        Partial(job.store, artefact.key).discard()


class FetchMaker:
    """Downloads one URL."""

    def __init__(self, store: Store, download: "Download") -> None:
        self.store, self.download = store, download

    def make(self, item: Item) -> Product:
        """Raises `ItemError` with the reason, in which no part of the URL occurs, `MissingError` without space."""
        partial = Partial(self.store, item.key or "")
        meta = self.download.run(item.inputs["url"], partial)
        return Product({FILE: partial.path}, meta)


STAGE = FetchStage()
