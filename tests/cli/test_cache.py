"""`strive cache` as users call it: exit codes, one JSON object, nothing removed unasked."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from typed import typed

from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.cache.store import Store


def strive(*arguments: str) -> subprocess.CompletedProcess[str]:
    return typed(*arguments)


def answer(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = strive(*arguments, "--json")
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def made(own_cache: Path) -> Artefact:
    store = Store(own_cache)
    store.publish("score", make_key("score", 1, {}, {}), {"score.h5": b"s" * 10}, {})
    return store.publish("extract", make_key("extract", 1, {}, {}), {"frames.h5": b"f" * 5000}, {})


def flip(made: Artefact) -> None:
    place = made.path / "frames.h5"
    place.chmod(0o644)
    place.write_bytes(b"f" * 4999 + b"g")


def test_path_prints_the_folder_alone(own_cache: Path) -> None:
    assert strive("cache", "path").stdout == f"{own_cache}\n"
    assert strive("cache", "path", "--cache-dir", "/some/where").stdout == "/some/where\n"


def test_ls_counts_by_stage_and_lists_one_stage(made: Artefact) -> None:
    text = strive("cache", "ls").stdout
    assert "extract" in text and "score" in text and all(len(line) <= 80 or "/" in line for line in text.splitlines())
    code, all_stages = answer("cache", "ls")
    assert code == 0 and all_stages["stages"]["extract"]["artefacts"] == 1
    assert all_stages["stages"]["extract"]["bytes"] > 5000
    code, one_stage = answer("cache", "ls", "extract")
    assert code == 0 and [(e["key"], e["bytes"]) for e in one_stage["entries"]] == [(made.key, 5000)]


def test_listings_are_the_same_after_the_index_is_lost(made: Artefact, own_cache: Path) -> None:
    before = [answer("cache", "ls")[1]["stages"], answer("cache", "ls", "extract")[1]["entries"]]
    shutil.rmtree(own_cache / "index")
    assert [answer("cache", "ls")[1]["stages"], answer("cache", "ls", "extract")[1]["entries"]] == before
    assert answer("cache", "ls")[1]["stages"] == before[0] and (own_cache / "index" / "catalogue").is_dir()


def test_a_stage_name_that_is_a_path_is_a_usage_error(made: Artefact) -> None:
    code, said = answer("cache", "ls", "../..")
    assert code == 2 and said["status"] == "failed" and said["error"]["what"]


def test_verify_is_quiet_about_an_intact_cache(made: Artefact) -> None:
    code, said = answer("cache", "verify", "--deep")
    assert (code, said["status"], said["done"], said["failed"]) == (0, "ok", 2, [])


def test_verify_finds_a_flipped_bit_with_exit_6_and_repair_drops_it(made: Artefact) -> None:
    flip(made)
    assert answer("cache", "verify")[0] == 0
    code, said = answer("cache", "verify", "--deep")
    assert code == 6 and said["status"] == "failed" and said["damaged"] == 1
    assert [item["id"] for item in said["failed"]] == [f"extract/{made.key}"]
    assert "--repair" in said["error"]["do"]
    plain = strive("cache", "verify", "--deep")
    assert plain.returncode == 6 and made.key in plain.stdout and "error:" in plain.stderr
    assert answer("cache", "verify", "--deep", "--repair", "--dry-run")[0] == 6 and made.path.exists()
    code, said = answer("cache", "verify", "--deep", "--repair")
    assert (code, said["dropped"], made.path.exists()) == (0, 1, False)
    assert answer("cache", "verify", "--deep")[0] == 0


def test_gc_shows_bytes_first_and_removes_only_with_a_yes(made: Artefact) -> None:
    os.utime(made.path, (time.time() - 3 * 86400,) * 2)
    code, said = answer("cache", "gc", "--dry-run")
    assert code == 0 and said["bytes"] > 5000 and said["bytes_removed"] == 0 and made.path.exists()
    code, said = answer("cache", "gc")
    assert code == 2 and "--yes" in said["error"]["do"] and made.path.exists()
    assert answer("cache", "gc", "--older-than", "5", "--yes")[1]["done"] == 0 and made.path.exists()
    code, said = answer("cache", "gc", "--yes")
    assert (code, said["done"], made.path.exists()) == (0, 1, False) and said["bytes_removed"] == said["bytes"]


def test_gc_by_age_and_by_size_reads_both_as_people_write_them(made: Artefact) -> None:
    os.utime(made.path, (time.time() - 3 * 86400,) * 2)
    for old in ("12h", "0d", "soon", "-1", "3w"):
        assert answer("cache", "gc", "--older-than", old)[0] == 2
    assert answer("cache", "gc", "--older-than", "90h", "-n")[1]["garbage"] == []
    assert len(answer("cache", "gc", "--older-than", "70h", "-n")[1]["garbage"]) == 1
    assert answer("cache", "gc", "--max-size", "much")[0] == 2
    assert answer("cache", "gc", "--max-size", "1GiB", "-n")[1]["garbage"] == []
    code, said = answer("cache", "gc", "--max-size", "1kB", "--yes")
    assert (code, said["done"], made.path.exists()) == (0, 1, False) and said["bytes_left"] > 0
    plain = strive("cache", "gc", "--max-size", "0", "-n")
    assert "nothing to remove" in plain.stdout and "remain, more than 0 B" in plain.stdout


def test_gc_with_nothing_to_remove_does_not_ask(made: Artefact) -> None:
    done = strive("cache", "gc")
    assert done.returncode == 0 and "nothing to remove" in done.stdout
    assert strive("cache", "gc", "--older-than", "0").returncode == 2


def test_listing_a_large_cache_stays_quick(own_cache: Path) -> None:
    store = Store(own_cache)
    for n in range(1000):
        place = store.root / "extract" / f"{n % 256:02x}" / f"{n % 256:02x}{n:062x}"
        place.mkdir(parents=True)
        (place / "manifest.json").write_text("{}")
    started = time.monotonic()
    assert answer("cache", "ls")[1]["stages"]["extract"]["artefacts"] == 1000
    assert time.monotonic() - started < 3
