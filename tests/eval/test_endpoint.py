"""A served policy answers as the same policy here; a server's faults cost a question at most, never the run."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eval_jobs import job_of

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.errors import MissingError, UsageError
from strive.stages.eval.stage import EvalJob, run_eval
from strive.stages.vlm.resolve import resolve_model

pytest.importorskip("openai")


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def job(run: Path, dataset: Path, store: Store, url: str, *sets: str, model: str = "demo") -> EvalJob:
    made = job_of(run, Path("unused"), dataset, store, f"eval.endpoint={url}", "eval.retries=2", *sets)
    return replace(made, model=model)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """`transformers serve` with the shipped policy: its URL, and the name it goes by."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    folder, port = str(resolve_model("demo")), free_port()
    hub = tmp_path_factory.mktemp("hub")
    log = (hub / "serve.log").open("w")
    command = [str(Path(sys.executable).with_name("transformers")), "serve", folder, "--port", str(port), "--device",
               "cpu", "--dtype", "float32"]
    server = subprocess.Popen(command, stdout=log, stderr=log,
                              env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(hub)})
    try:
        deadline = time.monotonic() + 120
        while server.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.3)
        assert server.poll() is None, (hub / "serve.log").read_text()[-2000:]
        yield f"http://127.0.0.1:{port}/v1", folder
    finally:
        server.terminate()
        server.wait(30)


def test_a_served_policy_answers_as_it_does_here(
    tmp_path: Path, dataset: Path, shared_store: Store, served: tuple[str, str]
) -> None:
    url, name = served
    shown = ("eval.frame_pairing=images", "eval.max_new_tokens=24", "eval.concurrency=3")
    outcome = run_eval(job(tmp_path / "served", dataset, shared_store, url, *shown, model=name))
    assert (outcome.done, outcome.failed) == (9, []) and outcome.results["recipe"]["model"] == f"endpoint:{name}"
    here = replace(job_of(tmp_path / "here", Path("unused"), dataset, shared_store, *shown), model="demo")
    run_eval(here)
    said, local = ({row["id"]: row for row in read_jsonl(tmp_path / folder / "predictions.jsonl")}
                   for folder in ("served", "here"))
    same = [said[name]["prediction"] == local[name]["prediction"] for name in local]
    assert sum(same) >= 8, [(said[k]["prediction"], local[k]["prediction"]) for k in local]  # frames pass as JPEG
    assert {row["prompt_tokens"] for row in said.values()} and all(row["times"] for row in said.values())


def test_a_second_run_asks_a_server_nothing_and_a_third_of_the_answers_is_asked_again_where_it_is_owed(
    tmp_path: Path, dataset: Path, shared_store: Store
) -> None:
    with Faulty() as server:
        first = run_eval(job(tmp_path / "run", dataset, shared_store, server.url))
        assert (first.done, len(server.bodies)) == (9, 9)
        assert run_eval(job(tmp_path / "run", dataset, shared_store, server.url)).done == 0 and len(server.bodies) == 9
        rows = (tmp_path / "run/predictions.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "run/predictions.jsonl").write_bytes(b"".join(rows[:6]) + rows[6][:40])
        assert run_eval(job(tmp_path / "run", dataset, shared_store, server.url)).done == 3 and len(server.bodies) == 12
    ids = [row["id"] for row in read_jsonl(tmp_path / "run/predictions.jsonl")]
    assert len(ids) == len(set(ids)) == 9


def test_frames_come_before_the_question_as_images(tmp_path: Path, dataset: Path, shared_store: Store) -> None:
    with Faulty() as server:
        run_eval(job(tmp_path / "run", dataset, shared_store, server.url, "eval.concurrency=1"))
    parts = server.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["image_url"] * 4 + ["text"] and server.bodies[0]["temperature"] == 0
    assert all(part["image_url"]["url"].startswith("data:image/jpeg;base64,") for part in parts[:4])
    assert "gold" not in json.dumps(server.bodies[0]) and len(server.bodies) == 9


@pytest.mark.parametrize("fault", [429, 500, 503, "hang up"])
def test_what_a_server_can_not_take_is_tried_again(
    tmp_path: Path, dataset: Path, shared_store: Store, fault: Any
) -> None:
    with Faulty({0: fault, 4: fault}) as server:
        outcome = run_eval(job(tmp_path / "run", dataset, shared_store, server.url, "eval.concurrency=1"))
    assert (outcome.done, outcome.failed, len(server.bodies)) == (9, [], 11)


def test_a_question_that_a_server_refuses_fails_alone_with_its_words(
    tmp_path: Path, dataset: Path, shared_store: Store
) -> None:
    with Faulty({2: 400}) as server:
        outcome = run_eval(job(tmp_path / "run", dataset, shared_store, server.url, "eval.concurrency=1"))
        assert outcome.done == 8 and len(outcome.failed) == 1
        assert "HTTP 400" in outcome.failed[0]["reason"] and "longer than the context" in outcome.failed[0]["reason"]
        assert run_eval(job(tmp_path / "run", dataset, shared_store, server.url)).done == 1  # asked again, and taken


def test_a_refusal_in_another_servers_form_is_told_too(tmp_path: Path, dataset: Path, shared_store: Store) -> None:
    with Faulty({2: 400}, refusal={"detail": "pinned to another model"}) as server:
        outcome = run_eval(job(tmp_path / "run", dataset, shared_store, server.url, "eval.concurrency=1"))
    assert "pinned to another model" in outcome.failed[0]["reason"]


@pytest.mark.parametrize(("fault", "kind"), [(401, UsageError), (404, UsageError)])
def test_what_every_question_would_meet_ends_the_run(
    tmp_path: Path, dataset: Path, shared_store: Store, fault: int, kind: type[Exception]
) -> None:
    with Faulty(dict.fromkeys(range(9), fault)) as server, pytest.raises(kind, match=f"HTTP {fault}"):
        run_eval(job(tmp_path / "run", dataset, shared_store, server.url, "eval.concurrency=1"))
    assert len(server.bodies) == 1


def test_a_server_that_is_not_there_ends_the_run_and_says_so(
    tmp_path: Path, dataset: Path, shared_store: Store
) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(MissingError, match="after 1 tries"):
        run_eval(job(tmp_path / "run", dataset, shared_store, url, "eval.retries=0", "eval.concurrency=2"))
    with pytest.raises(MissingError, match="after 1 tries"):  # fewer questions than would be asked at once
        run_eval(job(tmp_path / "run", dataset, shared_store, url, "eval.retries=0", "eval.concurrency=64"))
    with pytest.raises(UsageError, match="--endpoint"):
        run_eval(job(tmp_path / "other", dataset, shared_store, "localhost:8000"))


def test_a_thought_that_a_server_took_out_is_put_back(tmp_path: Path, dataset: Path, shared_store: Store) -> None:
    with Faulty(message={"content": "<answer>A</answer>", "reasoning_content": "red"}, finish="length") as server:
        run_eval(job(tmp_path / "run", dataset, shared_store, server.url))
    row = read_jsonl(tmp_path / "run/predictions.jsonl")[0]
    assert row["prediction"] == "<think>red</think><answer>A</answer>" and row["finished"] is False


class Faulty:
    """A server of the OpenAI kind whose n-th request meets `faults[n]`: an HTTP status, or a connection cut."""

    def __init__(self, faults: dict[int, Any] | None = None, message: Any = None, finish: str = "stop",
                 refusal: Any = None) -> None:
        self.faults, self.finish = faults or {}, finish
        self.refusal = refusal or {"error": {"message": "longer than the context"}}
        self.message = message or {"content": "<think>red</think><answer>A</answer>"}
        self.bodies: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        fault = self.faults.get(len(self.bodies))
        self.bodies.append(body)
        if fault == "hang up":
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        found: dict[str, Any] = self.refusal if fault else {
            "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", **self.message}, "finish_reason": self.finish}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
        data = json.dumps(found).encode()
        request.send_response(fault or 200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.send_header("Retry-After-Ms", "10")
        request.end_headers()
        request.wfile.write(data)

    def __enter__(self) -> "Faulty":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()
