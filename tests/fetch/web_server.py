"""A loopback HTTP server that behaves as told: it cuts, ignores ranges, changes files, lies, is slow, says no."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DATE = "Mon, 01 Jan 2024 00:00:00 GMT"
PIECE = 1 << 14


@dataclass
class Behaviour:
    """How one file is served. `cuts`: bytes after which a connection is dropped, one for each of the first requests."""

    data: bytes
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: bool = True
    modified: bool = True
    lengths: list[int] = field(default_factory=list)  # announced instead, as `statuses`
    statuses: list[int] = field(default_factory=list)  # answered instead, for each of the first requests
    stalls: list[int] = field(default_factory=list)  # bytes after which nothing more comes, as `cuts`
    type: str = "video/mp4"
    chunked: bool = False
    forgets: bool = False  # the condition of a range
    endless: bool = False  # neither a length nor chunks
    location: str = ""
    pause_s: float = 0.0  # between pieces
    changed: bytes | None = None  # the file after the first request
    header: tuple[str, str] | None = None


@dataclass
class Seen:
    """One request and what was sent for it."""

    path: str
    headers: dict[str, str]
    sent: int = 0


class Quiet(ThreadingHTTPServer):
    """Says nothing of connections that its clients drop."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Server:
    """Serves files by path; `seen` lists the requests."""

    def __init__(self) -> None:
        self.files: dict[str, Behaviour] = {}
        self.seen: list[Seen] = []
        self.leave = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]

    def put(self, path: str, data: bytes, **how: Any) -> str:
        """Serve `data` at `path`; returns the URL."""
        self.files[path] = Behaviour(data, **how)
        return f"http://127.0.0.1:{self.port}/{path}"

    @property
    def sent(self) -> int:
        """Bytes of all bodies so far."""
        return sum(one.sent for one in self.seen)

    def answer(self, handler: Any) -> None:
        """One request."""
        path = handler.path.partition("?")[0].lstrip("/")
        seen = Seen(handler.path, dict(handler.headers))
        self.seen.append(seen)
        how = self.files.get(path)
        if how is None:
            return say(handler, seen, 404, b"gone")
        if how.statuses:
            status = how.statuses.pop(0)
            if status:
                return say(handler, seen, status, b"<html>no</html>", how.location)
        self.send(handler, seen, how)
        if how.changed is not None:
            how.data, how.changed = how.changed, None

    def send(self, handler: Any, seen: Seen, how: Behaviour) -> None:
        """The file, or the part that was asked for."""
        etag = f'"{hashlib.sha256(how.data).hexdigest()[:16]}"'
        start = first_byte(seen.headers, "" if how.forgets else etag) if how.ranges else 0
        if start > 0 and start >= len(how.data):
            return say(handler, seen, 416, b"")
        body = how.data[start:]
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Type", how.type)
        if how.etag:
            handler.send_header("ETag", etag)
        if how.modified:
            handler.send_header("Last-Modified", DATE)
        if how.header:
            handler.send_header(*how.header)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(how.data) - 1}/{len(how.data)}")
        if how.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif not how.endless:
            handler.send_header("Content-Length", str(how.lengths.pop(0) if how.lengths else len(body)))
        handler.end_headers()
        cut = how.cuts.pop(0) if how.cuts else len(body) + 1
        stall = how.stalls.pop(0) if how.stalls else len(body) + 1
        self.pour(handler, seen, body[: min(cut, stall)], how)
        if stall <= len(body):
            self.leave.wait(20)
        if how.chunked and cut > len(body):
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = handler.close_connection or cut <= len(body) or how.endless

    def pour(self, handler: Any, seen: Seen, data: bytes, how: Behaviour) -> None:
        """Write bytes until the other side has enough."""
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            try:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if how.chunked else piece)
            except OSError:
                handler.close_connection = True
                return
            seen.sent += len(piece)
            self.leave.wait(how.pause_s)


def first_byte(headers: dict[str, str], etag: str) -> int:
    """Where a range begins, 0 when its condition does not hold."""
    asked = headers.get("Range", "")
    if not asked or (etag and headers.get("If-Range", etag) not in (etag, DATE)):
        return 0
    return int(asked.removeprefix("bytes=").partition("-")[0])


def say(handler: Any, seen: Seen, status: int, body: bytes, location: str = "") -> None:
    """A short answer."""
    handler.send_response(status)
    if location:
        handler.send_header("Location", location)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    seen.sent += len(body)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Answer requests while the block runs."""
    thread = threading.Thread(target=server.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.leave.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def wait_for(what: Any, limit_s: float = 20.0) -> None:
    """Wait until `what()` is true."""
    until = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)
