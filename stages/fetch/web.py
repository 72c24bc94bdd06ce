"""Files behind http and https URLs, by the client of fsspec: ranges, validators, redirects, silence.

Messages of the client's errors hold URLs, so none of them is passed on.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from threading import Event

import aiohttp
import fsspec
from yarl import URL

from strive.configs.data_stages import FetchConfig
from strive.configs.errors import ItemError
from strive.stages.fetch.answer import CHANGED, Answer, Broken, Outdated, bounds
from strive.stages.fetch.partial import Note
from strive.stages.fetch.pump import Line, Pull, Pump

MOST_REDIRECTS = 5
AGAIN = {408, 425, 429}
LONGEST_WAIT_S = 30.0
ENDLESS = "the server tells neither a length nor an end: half a file would pass for a whole one"


class Web:
    """One client for all URLs; proxies are taken from the environment."""

    def __init__(self, config: FetchConfig, stop: Event) -> None:
        options = {"auto_decompress": False, "trust_env": True}
        files = fsspec.filesystem("http", client_kwargs=options, skip_instance_cache=True)
        self.line = Line(files.loop, config.silence_s, stop)
        self.files, self.session = files, self.line.call(files.set_session())

    def ask(self, url: str, start: int, note: Note) -> Answer:
        """See `Place`; a range is asked for under the condition that the file is the same."""
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": note.validator}
        pump = Pump(self.line, lambda: self.begin(URL(url, encoded=url.isascii()), headers))
        with our_words():
            return Body(pump.next(), pump)

    async def begin(self, url: URL, headers: Mapping[str, str]) -> tuple[aiohttp.ClientResponse, Pull]:
        """Ask; a response that says no is let go of at once."""
        limits = aiohttp.ClientTimeout(total=None)
        response = await self.session.get(url, headers=headers, max_redirects=MOST_REDIRECTS, timeout=limits)
        try:
            check_status(response.status, response.headers)
        except BaseException:
            response.close()
            raise
        return response, response.content.readany

    def close(self) -> None:
        """Let go of all connections."""
        self.line.call(self.session.close())


class Body(Answer):
    """The body of one response."""

    def __init__(self, response: aiohttp.ClientResponse, pump: Pump) -> None:
        self.response, self.pump, self.start = response, pump, 0
        headers = response.headers
        told = headers.get("Content-Length", "")
        size = int(told) if told.isdecimal() else None
        if size is None and "chunked" not in headers.get("Transfer-Encoding", "").lower():
            self.close()
            raise ItemError(ENDLESS)
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            self.start, size = bounds(headers.get("Content-Range", ""))
        self.note = Note(headers.get("ETag", ""), headers.get("Last-Modified", ""), size)

    def read(self) -> bytes:
        with our_words():
            return self.pump.read()

    def close(self) -> None:
        self.pump.close(self.response.close)


@contextmanager
def our_words() -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except (aiohttp.NonHttpUrlClientError, aiohttp.InvalidUrlClientError):
        raise ItemError("redirected to what is no http or https URL") from None
    except aiohttp.TooManyRedirects:
        raise ItemError(f"redirected more than {MOST_REDIRECTS} times") from None
    except aiohttp.ClientSSLError as error:
        raise ItemError(f"no secure connection ({type(error).__name__})") from None
    except aiohttp.ClientConnectorDNSError:
        raise Broken("its host was not found") from None
    except aiohttp.ClientConnectorError as error:
        raise Broken(f"cannot connect ({os.strerror(error.errno or 0)})") from None
    except aiohttp.ClientError:
        raise Broken("the connection broke off") from None


def check_status(status: int, headers: Mapping[str, str]) -> None:
    """`ItemError` for a no, `Broken` for a "not now", `Outdated` for a range that is not there."""
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise Outdated(CHANGED)
    words = f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)
    if status in AGAIN or status >= 500:
        raise Broken(f"the server answered {words}", retry_after(headers.get("Retry-After", "")))
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise ItemError(f"the server answered {words}")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ItemError("the server packs what was asked for as it is")


def retry_after(text: str) -> float:
    """Seconds of a `Retry-After`, at most half a minute; 0 where it says none, or a date."""
    return min(float(text), LONGEST_WAIT_S) if text.isdecimal() else 0.0
