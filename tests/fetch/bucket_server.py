"""A loopback server that speaks as much S3 as reading an object takes: GET with ranges, errors as XML, path style."""

from typing import Any
from urllib.parse import unquote

from fetch.web_server import Behaviour, Seen, Server, say

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message></Error>"


class BucketServer(Server):
    """Serves `bucket/key` paths as `Server` does; a status to answer may be the code of an S3 error."""

    def put_object(self, bucket: str, key: str, data: bytes, **how: Any) -> str:
        """Serve an object; returns its URL."""
        self.put(f"{bucket}/{key}", data, **how)
        return f"s3://{bucket}/{key}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, handler: Any) -> None:
        path = unquote(handler.path.partition("?")[0].lstrip("/"))
        seen = Seen(handler.path, dict(handler.headers))
        self.seen.append(seen)
        how: Behaviour | None = self.files.get(path)
        if how is None:
            return say(handler, seen, 404, ERROR.format("NoSuchKey").encode())
        if how.statuses:
            status = how.statuses.pop(0)
            if status:
                code = {403: "AccessDenied", 503: "SlowDown", 500: "InternalError"}[status]
                return say(handler, seen, status, ERROR.format(code).encode())
        self.send(handler, seen, how)
        if how.changed is not None:
            how.data, how.changed = how.changed, None
