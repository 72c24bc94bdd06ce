"""Objects behind s3 URLs, read through s3fs from an S3-compatible server that the environment names."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fetch.bucket_server import BucketServer
from fetch.conftest import digest, noise
from fetch.web_server import serving

pytest.importorskip("s3fs", reason="the extra remote is not installed")
DATA = noise(600_000)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    """The server and the credentials are named by the environment."""
    with serving(BucketServer()) as server:
        assert isinstance(server, BucketServer)
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAKNOWN")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "VERYSECRET")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, "/nowhere")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        yield server


def test_an_object_is_fetched_without_credentials(
    bucket: BucketServer, fetch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    found = fetch(bucket.put_object("films", "deep/ü.mp4", DATA))
    assert found.data == DATA and found.artefact.manifest["outputs"][0]["digest"] == digest(DATA)
    assert "Authorization" not in bucket.seen[-1].headers and found.artefact.meta["last_modified"].startswith("2024")


def test_with_credentials_the_request_is_signed(bucket: BucketServer, fetch: Callable[..., Any]) -> None:
    found = fetch(bucket.put_object("films", "a.mp4", DATA))
    assert found.data == DATA and "AKIAKNOWN" in bucket.seen[-1].headers["Authorization"]


def test_a_cut_object_is_taken_up_and_a_changed_one_started_again(
    bucket: BucketServer, fetch: Callable[..., Any]
) -> None:
    found = fetch(bucket.put_object("films", "a.mp4", DATA, cuts=[200_000]))
    assert found.data == DATA and bucket.seen[-1].headers["Range"] == "bytes=200000-" and bucket.sent == len(DATA)
    new = noise(500_000, seed=3)
    assert fetch(bucket.put_object("films", "b.mp4", DATA, cuts=[200_000], changed=new)).data == new
    short = noise(1_000, seed=4)
    assert fetch(bucket.put_object("films", "c.mp4", DATA, cuts=[200_000], changed=short)).data == short


def test_what_a_bucket_refuses_is_told_with_its_reason(bucket: BucketServer, fetch: Callable[..., Any]) -> None:
    assert fetch("s3://films/gone.mp4").reason == "not in the bucket (404 Not Found)"
    asked = len(bucket.seen)
    assert fetch(bucket.put_object("films", "a.mp4", DATA, statuses=[403] * 9)).reason == (
        "the bucket refuses it (AccessDenied)")
    assert len(bucket.seen) == asked + 1
    assert fetch(bucket.put_object("films", "b.mp4", DATA, statuses=[503, 500])).data == DATA
    assert fetch(bucket.put_object("films", "c.mp4", DATA, statuses=[503] * 9), retries=1).reason == (
        "the bucket answered SlowDown (tried 2 times)")


def test_a_silent_bucket_is_given_up(bucket: BucketServer, fetch: Callable[..., Any]) -> None:
    found = fetch(bucket.put_object("films", "a.mp4", DATA, stalls=[1000] * 3), silence_s=0.4, retries=0)
    assert found.reason == "nothing came for 0.4 s; 1000 of 600000 bytes came (tried once)"
