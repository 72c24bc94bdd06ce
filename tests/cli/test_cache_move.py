"""What one machine made goes on in another's cache: through the real commands, with and without the videos."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typed import typed
from videos import make_video


def strive(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = typed(*arguments, "--json")
    return done.returncode, json.loads(done.stdout)


def variants(data: Path, videos: Path, cache: Path) -> dict[str, Any]:
    code, said = strive("variants", "--data", data, "--videos", videos, "--preset", "demo", "--cache-dir", cache)
    assert code == 0, said
    return said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.jsonl, videos and the cache that `strive variants` left."""
    folder = tmp_path_factory.mktemp("machine")
    rows = []
    for name in ("a.mp4", "more/b.mp4"):
        (folder / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        make_video(folder / "videos" / name, 24, 8, numbers=[len(rows) * 100 + n for n in range(24)])
        rows += [{"id": f"{name}-{n}", "video": name, "question": f"What is in corner {n}?", "options": ["red", "blue"],
                  "answer": "A", "question_type": "multiple_choice"} for n in range(2)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert variants(folder / "data.jsonl", folder / "videos", folder / "cache")["done"] == 4
    code, said = strive("cache", "export", "--stage", "variants", "--out", folder / "v.tar", "--cache-dir",
                        folder / "cache")
    assert code == 0 and said["stages"] == {"embed": 2, "extract": 2, "score": 4, "variants": 4} and not said["missing"]
    return folder


def test_the_next_machine_finds_everything_cached_and_exports_the_same_file(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "videos", tmp_path / "elsewhere")
    code, said = strive("cache", "import", made / "v.tar", "--cache-dir", tmp_path / "cache")
    assert (code, said["done"], said["cached"]) == (0, 12, 0)
    again = variants(made / "data.jsonl", tmp_path / "elsewhere", tmp_path / "cache")
    assert (again["done"], again["cached"], again["failed"]) == (0, 4, [])
    assert strive("cache", "verify", "--deep", "--cache-dir", tmp_path / "cache")[1]["done"] == 12
    strive("cache", "export", "--stage", "variants", "--out", tmp_path / "v.tar", "--cache-dir", tmp_path / "cache")
    assert (tmp_path / "v.tar").read_bytes() == (made / "v.tar").read_bytes()


def test_it_goes_on_without_the_videos_when_it_is_told_where_they_would_be(made: Path, tmp_path: Path) -> None:
    code, said = strive("cache", "import", made / "v.tar", "--videos", tmp_path / "none", "--cache-dir", tmp_path / "c")
    assert (code, said["videos"]) == (0, 2) and not (tmp_path / "none").exists()
    again = variants(made / "data.jsonl", tmp_path / "none", tmp_path / "c")
    assert (again["done"], again["cached"], again["failed"]) == (0, 4, [])


def test_a_second_import_finds_all_there_and_a_dry_run_takes_nothing_in(made: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    code, said = strive("cache", "import", made / "v.tar", "-n", "--cache-dir", cache)
    assert (code, said["done"], said["cached"], said["dry_run"]) == (0, 0, 0, True) and not cache.exists()
    assert strive("cache", "import", made / "v.tar", "--cache-dir", cache)[1]["done"] == 12
    code, said = strive("cache", "import", made / "v.tar", "--cache-dir", cache)
    assert (code, said["done"], said["cached"]) == (0, 0, 12)


def test_nothing_is_overwritten_or_guessed(made: Path, tmp_path: Path) -> None:
    cache = ("--cache-dir", made / "cache")
    assert strive("cache", "export", "--all", "--out", made / "v.tar", *cache)[0] == 2
    assert strive("cache", "export", "--out", tmp_path / "x.tar", *cache)[0] == 2
    for wrong in (("never-trained",), ("--stage", "train")):
        code, said = strive("cache", "export", *wrong, "--out", tmp_path / "x.tar", *cache)
        assert code == 5 and "is known" in said["error"]["what"]
    code, said = strive("cache", "import", made / "data.jsonl", "--cache-dir", tmp_path / "cache")
    assert code == 6 and "not a tar" in said["error"]["what"]
    assert strive("cache", "import", tmp_path / "no.tar", "--cache-dir", tmp_path / "cache")[0] == 5
    assert list(tmp_path.iterdir()) == []
