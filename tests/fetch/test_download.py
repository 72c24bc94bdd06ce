"""The bytes behind a URL come whole or not at all, whatever the connection does, and never twice without need."""

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fetch.conftest import digest, noise
from fetch.web_server import Server

from strive.configs.errors import MissingError

DATA = noise(1_000_000)


def left_over(tmp_path: Path) -> list[Path]:
    """Files of unfinished downloads."""
    return [path for path in (tmp_path / "cache" / "fetch" / ".partial").rglob("*") if path.is_file()]


def test_a_file_is_fetched_once_with_its_facts(tmp_path: Path, server: Server, fetch: Callable[..., Any]) -> None:
    url = server.put("a.mp4", DATA)
    found = fetch(url)
    assert found.data == DATA and found.artefact.manifest["outputs"][0]["digest"] == digest(DATA)
    assert found.artefact.meta["size_bytes"] == len(DATA) and found.artefact.meta["etag"].startswith('"')
    assert found.artefact.meta["last_modified"].endswith("GMT") and left_over(tmp_path) == []
    assert fetch(url).outcome.cached == 1 and len(server.seen) == 1


@pytest.mark.parametrize("seed", range(3))
def test_cut_connections_are_taken_up_where_they_broke(seed: int, server: Server, fetch: Callable[..., Any]) -> None:
    draw = random.Random(seed)
    cuts = [draw.randrange(1, 300_000) for _ in range(3)]
    found = fetch(server.put("a.mp4", DATA, cuts=list(cuts), etag=bool(seed)))
    assert found.data == DATA
    assert server.sent == len(DATA) and len(server.seen) == 4, "every byte was sent once"
    assert [int(one.headers["Range"][6:-1]) for one in server.seen[1:]] == [sum(cuts[:n]) for n in (1, 2, 3)]


def test_a_server_that_ignores_ranges_sends_it_all_again(server: Server, fetch: Callable[..., Any]) -> None:
    found = fetch(server.put("a.mp4", DATA, cuts=[400_000, 500_000], ranges=False))
    assert found.data == DATA and server.sent == 900_000 + len(DATA)


@pytest.mark.parametrize("size", [1_000_000, 700_000, 200_000])
def test_bytes_of_two_versions_are_never_put_together(size: int, server: Server, fetch: Callable[..., Any]) -> None:
    new = noise(size, seed=1)
    found = fetch(server.put("a.mp4", DATA, cuts=[300_000], changed=new))
    assert found.data == new


def test_without_a_validator_a_download_starts_again(server: Server, fetch: Callable[..., Any]) -> None:
    found = fetch(server.put("a.mp4", DATA, cuts=[300_000], etag=False, modified=False))
    assert found.data == DATA and all("Range" not in one.headers for one in server.seen)


def test_a_server_that_forgets_the_condition_is_caught(server: Server, fetch: Callable[..., Any]) -> None:
    new = noise(len(DATA), seed=1)
    assert fetch(server.put("a.mp4", DATA, cuts=[300_000], changed=new, forgets=True)).data == new


def test_an_announced_length_that_never_comes_fails_with_both_numbers(
    server: Server, fetch: Callable[..., Any]
) -> None:
    found = fetch(server.put("a.mp4", DATA, lengths=[1_200_000] * 9, cuts=[1_000_000] * 9, etag=False, modified=False),
                  retries=1)
    assert found.reason == "the connection broke off; 1000000 of 1200000 bytes came (tried 2 times)"


def test_a_length_that_was_wrong_once_is_forgiven(server: Server, fetch: Callable[..., Any]) -> None:
    assert fetch(server.put("a.mp4", DATA, lengths=[1_200_000], cuts=[1_000_000])).data == DATA


def test_chunks_without_a_length_are_taken_and_cut_ones_are_not(server: Server, fetch: Callable[..., Any]) -> None:
    assert fetch(server.put("a.mp4", DATA, chunked=True)).data == DATA
    assert fetch(server.put("b.mp4", DATA, chunked=True, cuts=[300_000])).data == DATA
    assert fetch(server.put("c.mp4", DATA, chunked=True, cuts=[9] * 9, ranges=False), retries=1).reason == (
        "the connection broke off; 9 bytes came (tried 2 times)")
    assert "half a file would pass for a whole one" in fetch(server.put("d.mp4", DATA, endless=True)).reason


@pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (403, "403 Forbidden"), (401, "401 Unauth")])
def test_a_no_is_not_asked_again(status: int, words: str, server: Server, fetch: Callable[..., Any]) -> None:
    found = fetch(server.put("a.mp4", DATA, statuses=[status] * 9))
    assert found.reason.startswith(f"the server answered {words}") and len(server.seen) == 1


def test_a_server_in_trouble_is_asked_again_a_few_times(server: Server, fetch: Callable[..., Any]) -> None:
    assert fetch(server.put("a.mp4", DATA, statuses=[500, 503, 429])).data == DATA
    found = fetch(server.put("b.mp4", DATA, statuses=[500] * 9), retries=2)
    assert found.reason == "the server answered 500 Internal Server Error (tried 3 times)" and len(server.seen) == 4 + 3


@pytest.mark.parametrize(("body", "words"), [
    (b"<!DOCTYPE html><html>Please log in</html>", "an HTML or XML page"), (b'{"error": "expired"}', "a JSON text"),
    (b"\xef\xbb\xbf\n <?xml version='1.0'?>", "an HTML or XML page"), (b"#EXTM3U\n/etc/passwd", "a playlist"),
])
def test_a_page_that_says_what_went_wrong_is_no_video(
    body: bytes, words: str, tmp_path: Path, server: Server, fetch: Callable[..., Any]
) -> None:
    found = fetch(server.put("a.mp4", body))
    assert found.reason == f"the server answered with {words} instead of a video" and left_over(tmp_path) == []


def test_silence_is_a_broken_connection(server: Server, fetch: Callable[..., Any]) -> None:
    found = fetch(server.put("a.mp4", DATA, stalls=[300_000]), silence_s=0.4)
    assert found.data == DATA and server.seen[1].headers["Range"] == "bytes=300000-"
    found = fetch(server.put("b.mp4", DATA, stalls=[9] * 9), silence_s=0.3, retries=0)
    assert found.reason == "nothing came for 0.3 s; 9 of 1000000 bytes came (tried once)"


@pytest.mark.parametrize("how", [{}, {"chunked": True}])
def test_a_file_above_the_limit_is_refused(how: Any, tmp_path: Path, server: Server, fetch: Callable[..., Any]) -> None:
    size = 40 << 20
    found = fetch(server.put("a.mp4", bytes(size), **how), max_mib=1)
    assert "more than fetch.max_mib=1 allows" in found.reason and left_over(tmp_path) == []
    assert server.sent < size / 2


def test_no_room_is_said_before_anything_is_written(tmp_path: Path, server: Server, fetch: Callable[..., Any]) -> None:
    stat = os.statvfs(tmp_path)
    huge = stat.f_bavail * stat.f_frsize
    url = server.put("a.mp4", DATA, lengths=[huge] * 9)
    with pytest.raises(MissingError, match="no space left"):
        fetch(url, max_mib=1 << 40)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp4", "gopher://x/"])
def test_redirects_stay_on_the_web(target: str, server: Server, fetch: Callable[..., Any]) -> None:
    found = fetch(server.put("a.mp4", DATA, statuses=[302], location=target))
    assert found.reason == "redirected to what is no http or https URL"
    there = server.put("b.mp4", DATA)
    assert fetch(server.put("c.mp4", b"", statuses=[307], location=there)).data == DATA
    loop = server.put("d.mp4", b"", statuses=[302] * 9, location="/d.mp4")
    assert fetch(loop).reason == "redirected more than 5 times"


def test_packed_answers_and_closed_ports_are_named(server: Server, fetch: Callable[..., Any]) -> None:
    assert "packs" in fetch(server.put("a.mp4", DATA, header=("Content-Encoding", "gzip"))).reason
    assert fetch("http://127.0.0.1:1/a.mp4", retries=0).reason == "cannot connect (Connection refused) (tried once)"
    assert fetch(server.put("b.mp4", b"")).reason == "empty file"


def test_force_fetches_again(server: Server, fetch: Callable[..., Any]) -> None:
    url = server.put("a.mp4", DATA)
    fetch(url)
    new = noise(500, seed=2)
    server.put("a.mp4", new)
    assert fetch(url).data == DATA and fetch(url, force=True).data == new


def test_two_runs_at_once_download_once(server: Server, fetch: Callable[..., Any]) -> None:
    url = server.put("a.mp4", DATA, pause_s=0.005)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(fetch, [url, url]))
    assert [one.data == DATA for one in found] == [True, True] and server.sent == len(DATA)
    assert sorted((one.outcome.done, one.outcome.cached) for one in found) == [(0, 1), (1, 0)]


def test_several_at_a_time_and_one_bad_one(server: Server, fetch: Callable[..., Any]) -> None:
    urls = [server.put(f"{n}.mp4", noise(200_000, n), cuts=[50_000]) for n in range(6)]
    found = fetch(*urls, server.put("no.mp4", b"", statuses=[404]), workers=4)
    assert found.outcome.done == 6 and [one["reason"] for one in found.outcome.failed] == [
        "the server answered 404 Not Found"]
    assert [found.results[url].file("video").read_bytes() for url in urls] == [noise(200_000, n) for n in range(6)]
