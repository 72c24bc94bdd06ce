"""URLs are shown without what could be a secret, and stay apart from each other."""

import pytest

from strive.configs.urls import is_url, shown_command, shown_url

SECRETS = ("pa55", "t0ken", "s1gned")


@pytest.mark.parametrize("text", ["videos/a.mp4", "a?b=c.mp4", "https://host/a.mp4", "s3://b/deep/a b.mp4", "c:\\a",
                                  "http://host:8080/a%20b.mp4", "", "://", "a.zip::b.mp4"])
def test_what_hides_nothing_is_shown_as_it_is(text: str) -> None:
    assert shown_url(text) == text


@pytest.mark.parametrize(("url", "shown"), [
    ("https://me:pa55@host/a.mp4", "https://host/a.mp4"),
    ("https://pa55@host:99/a.mp4", "https://host:99/a.mp4"),
    ("https://host/a.mp4?t0ken", "https://host/a.mp4?…"),
    ("HTTPS://host/a.mp4?X-Amz-Signature=s1gned&v=1", "https://host/a.mp4?X-Amz-Signature=…&v=…"),
    ("https://host/a.mp4#access_token=t0ken", "https://host/a.mp4"),
    ("https://me:pa55@host/a.mp4?k=t0ken=s1gned", "https://host/a.mp4?k=…"),
    ("s3://pa55:t0ken@bucket/a.mp4", "s3://bucket/a.mp4"),
    ("https://[pa55/a.mp4?k=t0ken", "https://…"),
])
def test_users_passwords_and_values_are_left_out(url: str, shown: str) -> None:
    found = shown_url(url)
    assert found.partition("#")[0] == shown and len(found.partition("#")[2]) == 12
    assert not any(secret in found for secret in SECRETS)


def test_urls_that_differ_in_what_is_hidden_have_two_names() -> None:
    assert shown_url("https://host/get?id=1") != shown_url("https://host/get?id=2")
    assert shown_url("https://host/get?id=1") == shown_url("https://host/get?id=1")


def test_commands_are_shown_without_secrets() -> None:
    words = ["strive", "extract", "https://me:pa55@host/a.mp4", "--data=https://host/d?k=t0ken", "-s", "a.b=1", "a b"]
    shown = shown_command(words)
    assert not any(secret in shown for secret in SECRETS) and shown.endswith("-s a.b=1 'a b'")
    assert "--data=https://host/d" in shown


def test_paths_are_not_taken_for_urls() -> None:
    assert is_url("s3://b/k") and is_url("HTTP://x") and not is_url("/a://b") and not is_url("a b://c")
