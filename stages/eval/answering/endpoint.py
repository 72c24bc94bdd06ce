"""A server of the OpenAI kind (vLLM, SGLang, `transformers serve`) as the answerer: several questions at once."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.configs.run_stages import EvalConfig
from strive.stages.eval.answering.answers import Answer, Ask, Unanswered
from strive.stages.eval.answering.chat_request import images_of, reply_of, request_of
from strive.stages.eval.answering.shown import Place, Screen, Shown

POLL_S = 0.5
"""How long a stop that was asked for waits at most."""
HOPELESS = (401, 403, 404)
"""HTTP statuses that every question would meet."""
KEY = "OPENAI_API_KEY"


class EndpointAnswerer:
    """Asks `config.endpoint` for `model`, `config.concurrency` questions at once.

    A request that the server could not take (busy, down, too slow) is tried `config.retries` times more, with longer
    and longer waits; one that it refuses fails its question with the server's words. Raises `MissingError` when the
    server can't be reached, `UsageError` when it does not know the model or the key.
    """

    def __init__(self, model: str, screen: Screen, config: EvalConfig) -> None:
        self.model, self.screen, self.config = model, screen, config
        self.client = client_of(config)
        self.silent = 0  # questions lost in a row because nobody answered
        self.patience = config.concurrency
        self.held: tuple[Place, Shown, list[str]] | None = None

    def answers(self, asks: Sequence[Ask], noted: Mapping[str, int]) -> Iterator[Sequence[Answer | Unanswered]]:
        """See `Answerer`: outcomes as they come."""
        owed = [ask for ask in asks if ask.sample.id not in noted]
        self.patience, todo = min(self.config.concurrency, len(owed)), iter(owed)
        running: set[asyncio.Task[Answer | Unanswered]] = set()
        with asyncio.Runner() as runner:  # leaving it cancels what still runs
            loop, one_at_a_time = runner.get_loop(), asyncio.Lock()
            while True:
                while len(running) < self.config.concurrency and (ask := next(todo, None)) is not None:
                    running.add(loop.create_task(self.answer(ask, one_at_a_time)))
                if not running:
                    break
                done, running = runner.run(some_of(running))
                yield [task.result() for task in done]
            runner.run(self.client.close())

    async def answer(self, ask: Ask, frames: asyncio.Lock) -> Answer | Unanswered:
        """One question's outcome. `frames`: held while a video is read."""
        import openai

        try:
            async with frames:
                shown, images = await asyncio.to_thread(self.look, ask)
            body = request_of(ask, shown, images, self.model, self.config)
            found = (await self.client.chat.completions.create(**body)).model_dump()
        except ItemError as error:
            return Unanswered(ask.sample, error.what)
        except openai.APIStatusError as error:
            return self.refused(ask, error)
        except openai.APIConnectionError as error:
            return self.unheard(ask, error)
        self.silent = 0
        return answer_of(ask, shown, found)

    def look(self, ask: Ask) -> tuple[Shown, list[str]]:
        """What is shown, encoded once for the questions that follow each other about it."""
        place = self.screen.place(ask.sample)
        if self.held is None or self.held[0] != place:
            shown = self.screen.show(ask.sample)
            self.held = (place, shown, images_of(shown, self.config.max_pixels))
        return self.held[1], self.held[2]

    def refused(self, ask: Ask, error: Any) -> Unanswered:
        """The server's refusal of one question, or the end where it would refuse all of them."""
        words = error.response.text or error.message  # the message leaves out a body that isn't of OpenAI's form
        said = f"{self.config.endpoint} refused: HTTP {error.status_code}: {words}"[:600]
        if error.status_code in HOPELESS:
            raise UsageError(said, f"a server that has the model {self.model} for this key",
                             f"Check --model (its name there), --endpoint, and the variable {KEY}.")
        return Unanswered(ask.sample, said)

    def unheard(self, ask: Ask, error: Exception) -> Unanswered:
        """Nobody answered this question; the server is given up after as many in a row as are asked at once, or all."""
        self.silent += 1
        said = f"{self.config.endpoint}: {error} after {self.config.retries + 1} tries"
        if self.silent >= self.patience:
            raise MissingError(said, "a server that answers", "Start it, or raise eval.request_timeout_s and "
                               "eval.retries; then run again: what was answered is kept.")
        return Unanswered(ask.sample, said)


async def some_of(running: set[asyncio.Task[Any]]) -> tuple[set[asyncio.Task[Any]], set[asyncio.Task[Any]]]:
    """Those that are done, after a while perhaps none, and the others."""
    return await asyncio.wait(running, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)


def client_of(config: EvalConfig) -> Any:
    """The client, which waits and tries again by itself. `UsageError` for what is no URL."""
    url = urlsplit(config.endpoint)
    if url.scheme not in ("http", "https") or not url.netloc:
        raise UsageError(f"--endpoint {config.endpoint!r}", "a URL, as http://localhost:8000/v1", "Check --endpoint.")
    try:
        from openai import AsyncOpenAI
    except ImportError as error:
        raise MissingError("the package openai is not installed", "the client of --endpoint",
                           "pip install 'strive[endpoint]'") from error
    base = config.endpoint if url.path.strip("/") else config.endpoint.rstrip("/") + "/v1"
    return AsyncOpenAI(base_url=base, api_key=os.environ.get(KEY) or "none", max_retries=config.retries,
                       timeout=config.request_timeout_s)


def answer_of(ask: Ask, shown: Shown, found: Mapping[str, Any]) -> Answer | Unanswered:
    """The server's completion as an answer."""
    choices = found.get("choices") or []
    if not choices:
        return Unanswered(ask.sample, f"the server sent no choice: {str(found.get('error') or found)[:300]}")
    used = found.get("usage") or {}
    return Answer(ask.sample, reply_of(choices[0].get("message") or {}), choices[0].get("finish_reason") != "length",
                  int(used.get("prompt_tokens") or 0), int(used.get("completion_tokens") or 0), shown.video,
                  tuple(shown.seconds))
