"""Carries an answer from the client's thread to ours, with somebody listening from the first byte to the last.

The clients drop what they have received and not handed out when a connection breaks. So one task asks, and takes what
comes the moment it comes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, TypeVar, cast

from strive.configs.errors import ItemError
from strive.stages.fetch.answer import STOPPED, Broken

T = TypeVar("T")
Pull = Callable[[], Awaitable[bytes]]
LOOK_S = 0.25
ROOM_BYTES = 8 << 20


class Line:
    """The client's event loop, which runs in a thread of its own, and how long to wait for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, silence_s: float, stop: Event) -> None:
        self.loop, self.silence_s, self.stop = loop, silence_s, stop

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that asks nobody, such as the making of a client."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


class Pump:
    """Asks, then pulls bytes as they come, up to `ROOM_BYTES` ahead of `read`."""

    def __init__(self, line: Line, begin: Callable[[], Coroutine[Any, Any, tuple[Any, Pull]]]) -> None:
        """`begin` asks; it gives the response and what pulls its next bytes (b"" at the end)."""
        self.line = line
        self.there: SimpleQueue[Any] = SimpleQueue()
        self.ahead = 0
        self.future: Future[None] = asyncio.run_coroutine_threadsafe(self.run(begin), line.loop)

    async def run(self, begin: Callable[[], Coroutine[Any, Any, tuple[Any, Pull]]]) -> None:
        """Pass on the response, then bytes, then the end or the error that ended it."""
        self.room = asyncio.Event()
        try:
            async with asyncio.timeout(self.line.silence_s) as limit:
                response, pull = await begin()
                self.there.put(response)
                while data := await pull():
                    self.there.put(data)
                    limit.reschedule(None)
                    await self.wait_for_room(len(data))
                    limit.reschedule(self.line.loop.time() + self.line.silence_s)
            self.there.put(b"")
        except TimeoutError:
            self.there.put(Broken(f"nothing came for {self.line.silence_s:g} s"))
        except Exception as error:  # whatever it is, the reader raises it
            self.there.put(error)

    async def wait_for_room(self, size: int) -> None:
        """Count `size` more bytes; wait while the reader is too far behind."""
        self.ahead += size
        while self.ahead > ROOM_BYTES:
            self.room.clear()
            await self.room.wait()

    def took(self, size: int) -> None:
        """Make room, in the loop's thread."""
        self.ahead -= size
        self.room.set()

    def next(self) -> Any:
        """The response, then its bytes; raises what `begin` and the pulling raised, `ItemError` once the stage is left,
        `Broken` after the longest silence."""
        while True:
            try:
                found = self.there.get(timeout=LOOK_S)
            except Empty:
                if self.line.stop.is_set():
                    raise ItemError(STOPPED) from None
                continue
            if isinstance(found, Exception):
                raise found
            return found

    def read(self) -> bytes:
        """The next bytes, b"" at the end; raises as `next` does."""
        found = cast(bytes, self.next())
        self.line.loop.call_soon_threadsafe(self.took, len(found))
        return found

    def close(self, let_go: Callable[[], Any] | None = None) -> None:
        """Stop pulling, then call `let_go` in the loop's thread."""
        self.future.cancel()
        if let_go is not None:
            self.line.loop.call_soon_threadsafe(let_go)
