"""Keys and digests depend on content and nothing else: not on order, hash seed, locale, time zone or folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from strive.cache import digest, key
from strive.configs.errors import MissingError


def test_every_part_of_a_key_counts_and_order_does_not() -> None:
    base = key.make_key("extract", 1, {"fps": 1.0, "codec": "jpeg"}, {"video": "sha256:a"})
    assert key.KEY.fullmatch(base)
    assert key.make_key("extract", 1, {"codec": "jpeg", "fps": 1.0}, {"video": "sha256:a"}) == base
    others = [
        key.make_key("score", 1, {"fps": 1.0, "codec": "jpeg"}, {"video": "sha256:a"}),
        key.make_key("extract", 2, {"fps": 1.0, "codec": "jpeg"}, {"video": "sha256:a"}),
        key.make_key("extract", 1, {"fps": 2.0, "codec": "jpeg"}, {"video": "sha256:a"}),
        key.make_key("extract", 1, {"fps": 1.0, "codec": "jpeg"}, {"video": "sha256:b"}),
    ]
    assert len({base, *others}) == 5


def test_a_value_that_is_not_json_is_refused() -> None:
    for value in (float("nan"), Path("a"), {1, 2}):
        with pytest.raises((ValueError, TypeError)):
            key.make_key("extract", 1, {"x": value}, {})


def test_keys_do_not_depend_on_the_environment(tmp_path: Path) -> None:
    code = (
        "from strive.cache.key import make_key\n"
        "print(make_key('extract', 1, {'é': 0.1, 'b': [1, None, True]}, {'video': 'sha256:a'}))"
    )
    settings = [{"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}, {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF8"}]
    keys = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **one}, cwd=tmp_path, capture_output=True,
                       text=True, check=True).stdout
        for one in settings
    }
    assert len(keys) == 1


def test_digests_are_sha256_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest.digest_bytes(b"abc") == digest.digest_file(tmp_path / "a") == expected


def test_a_folder_digest_covers_names_and_bytes_of_the_matching_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.safetensors").write_bytes(b"1")
    (tmp_path / "notes.txt").write_text("x")
    patterns = ("*.safetensors", "*.json")
    before = digest.digest_folder(tmp_path, patterns)
    (tmp_path / "notes.txt").write_text("y")
    assert digest.digest_folder(tmp_path, patterns) == before
    (tmp_path / "sub" / "w.safetensors").rename(tmp_path / "w.safetensors")
    moved = digest.digest_folder(tmp_path, patterns)
    (tmp_path / "w.safetensors").write_bytes(b"2")
    assert len({before, moved, digest.digest_folder(tmp_path, patterns)}) == 3


def test_library_series_are_major_minor_and_alternatives_are_tried_in_order() -> None:
    found = key.library_series("numpy", "no-such-package|pytest")
    assert all(len(series.split(".")) == 2 for series in found.values())
    assert found["no-such-package"] == key.library_series("pytest")["pytest"]
    with pytest.raises(MissingError, match="no-such-package"):
        key.library_series("no-such-package")


@pytest.mark.parametrize("stage", ["../x", "Extract", "", "a/b", "a b", "x" * 40])
def test_a_stage_name_that_could_be_a_path_is_refused(stage: str) -> None:
    with pytest.raises(ValueError):
        key.check_stage(stage)
