"""Files behind s3 URLs, by s3fs: credentials, region and endpoint come from the environment or AWS's own files.

Where there are no credentials the bucket is asked without any, as public ones allow.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import aiohttp
import fsspec
import s3fs  # noqa: F401 (fsspec would tell of its absence in other words)
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from strive.configs.data_stages import FetchConfig
from strive.configs.errors import ItemError
from strive.stages.fetch.answer import CHANGED, Answer, Broken, Outdated, bounds
from strive.stages.fetch.partial import Note
from strive.stages.fetch.pump import Line, Pull, Pump

BLOCK = 1 << 18
GONE = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404"}
FORBIDDEN = {"AccessDenied", "403"}
RANGE = {"InvalidRange", "PreconditionFailed", "416", "412"}
VERSION = "?versionId="


class Bucket:
    """One client with credentials; it gives way to one without when there are none."""

    def __init__(self, config: FetchConfig, stop: Event) -> None:
        self.config, self.stop = config, stop
        self.become(is_anonymous=False)

    def become(self, is_anonymous: bool) -> None:
        """Take an s3fs file system that leaves trying again to the caller."""
        waits = {"connect_timeout": self.config.silence_s, "read_timeout": self.config.silence_s}
        self.files = fsspec.filesystem("s3", anon=is_anonymous, skip_instance_cache=True,
                                       config_kwargs={**waits, "retries": {"max_attempts": 0}})
        self.files.retries = 1
        self.line = Line(self.files.loop, self.config.silence_s, self.stop)
        self.line.call(self.files.set_session())  # takes a second, which is no silence of the bucket's

    def ask(self, url: str, start: int, note: Note) -> Answer:
        """See `Place`. A key may end in `?versionId=…`."""
        bucket, _, key = url[len("s3://"):].partition("/")
        key, _, version = key.partition(VERSION)
        request = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
        if start:
            request["Range"] = f"bytes={start}-"
        with our_words():
            try:
                return self.body(request)
            except NoCredentialsError:
                self.become(is_anonymous=True)
                return self.body(request)

    def body(self, request: dict[str, str]) -> "Body":
        """Ask once."""
        pump = Pump(self.line, lambda: self.begin(request))
        return Body(pump.next(), pump)

    async def begin(self, request: dict[str, str]) -> tuple[dict[str, Any], Pull]:
        """Ask, in the client's thread."""
        response = await self.files._call_s3("get_object", **request)
        return response, lambda: response["Body"].read(BLOCK)

    def close(self) -> None:
        """s3fs closes its connections itself."""


class Body(Answer):
    """The body of one response."""

    def __init__(self, response: dict[str, Any], pump: Pump) -> None:
        self.content, self.pump, self.start = response["Body"], pump, 0
        size, changed = response.get("ContentLength"), response.get("LastModified")
        if response.get("ContentRange"):
            self.start, size = bounds(response["ContentRange"])
        self.note = Note(response.get("ETag", ""), changed.isoformat() if changed else "", size)

    def read(self) -> bytes:
        with our_words():
            return self.pump.read()

    def close(self) -> None:
        self.pump.close(self.content.close)


@contextmanager
def our_words() -> Iterator[None]:
    """Turn the errors of s3fs, its client and the client's client into ours."""
    try:
        yield
    except (ItemError, Broken):
        raise
    except (OSError, BotoCoreError, ClientError, aiohttp.ClientError) as error:
        raise said(error) from None


def said(error: Exception) -> Exception:
    """What a failed request means, by the code in the bucket's answer."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    code = cause.response.get("Error", {}).get("Code", "") if isinstance(cause, ClientError) else ""
    if code in RANGE:
        return Outdated(CHANGED)
    if code in GONE or isinstance(error, FileNotFoundError):
        return ItemError("not in the bucket (404 Not Found)")
    if code in FORBIDDEN or isinstance(error, PermissionError):
        return ItemError(f"the bucket refuses it ({code or '403 Forbidden'})")
    return Broken(f"the bucket answered {code}" if code else "the connection broke off")
