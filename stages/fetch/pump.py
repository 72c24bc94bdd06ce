"""Carries bytes from the client's thread to ours, with somebody listening at all times.

The clients drop what they have received and not handed out when a connection breaks, so it is taken from them at once.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, TypeVar

from strive.configs.errors import ItemError
from strive.stages.fetch.answer import STOPPED, Broken

T = TypeVar("T")
LOOK_S = 0.25
ROOM_BYTES = 8 << 20


class Line:
    """The client's event loop, which runs in a thread of its own, and how long to wait for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, silence_s: float, stop: Event) -> None:
        self.loop, self.silence_s, self.stop = loop, silence_s, stop

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine. Raises `Broken` after the longest silence, `ItemError` once `stop` is set."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, self.silence_s), self.loop)
        while not wait([future], LOOK_S).done:
            if self.stop.is_set():
                future.cancel()
                raise ItemError(STOPPED)
        try:
            return future.result()
        except TimeoutError:
            raise self.silence() from None

    def silence(self) -> Broken:
        """The reason when nothing comes."""
        return Broken(f"nothing came for {self.silence_s:g} s")


class Pump:
    """Pulls bytes as they come, up to `ROOM_BYTES` ahead of `read`. Made and started in the client's loop."""

    def __init__(self, line: Line, pull: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        self.line, self.pull = line, pull
        self.there: SimpleQueue[bytes | Exception] = SimpleQueue()
        self.ahead = 0
        self.room = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self.run())

    async def run(self) -> None:
        """Pull until the end or an error, either of which is passed on."""
        try:
            while data := await asyncio.wait_for(self.pull(), self.line.silence_s):
                self.there.put(data)
                self.ahead += len(data)
                while self.ahead > ROOM_BYTES:
                    self.room.clear()
                    await self.room.wait()
            self.there.put(b"")
        except TimeoutError:
            self.there.put(self.line.silence())
        except Exception as error:  # whatever it is, the reader raises it
            self.there.put(error)

    def read(self) -> bytes:
        """The next bytes, b"" at the end; raises what ended the pulling, `ItemError` once the stage is left."""
        while True:
            try:
                found = self.there.get(timeout=LOOK_S)
            except Empty:
                if self.line.stop.is_set():
                    raise ItemError(STOPPED) from None
                continue
            if isinstance(found, Exception):
                raise found
            self.line.loop.call_soon_threadsafe(self.took, len(found))
            return found

    def took(self, size: int) -> None:
        """Make room, in the loop's thread."""
        self.ahead -= size
        self.room.set()

    def close(self, let_go: Callable[[], Any]) -> None:
        """Stop pulling, then call `let_go`, both in the loop's thread."""
        self.line.loop.call_soon_threadsafe(self.task.cancel)
        self.line.loop.call_soon_threadsafe(let_go)
