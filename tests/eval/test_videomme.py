"""Video-MME's published layout: read, counted, asked; what is missing or hostile is named."""

import json
import shutil
import struct
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from eval_jobs import small_config

from strive.cache.ledger import read_jsonl
from strive.cache.store import Store
from strive.configs.errors import ItemError, MissingError, StriveError, UsageError, VerificationError
from strive.stages.eval.benchmarks import BENCHMARKS, benchmark
from strive.stages.eval.benchmarks.zips import Member, members, unpack
from strive.stages.eval.stage import EvalJob, run_eval

LAYOUT = Path(__file__).parents[1] / "data" / "layouts" / "videomme"
TABLE = "videomme/test-00000-of-00001.parquet"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LAYOUT, tmp_path / "Video-MME"))


def rewrite(layout: Path, **columns: list[object]) -> None:
    table = pq.read_table(layout / TABLE).to_pydict()
    pq.write_table(pa.table({**table, **columns}), layout / TABLE)


def test_every_registered_benchmark_has_a_reader() -> None:
    for name in BENCHMARKS:
        assert callable(benchmark(name))
    with pytest.raises(UsageError, match="videomm"):
        benchmark("videomm")


def test_the_published_rows_become_samples(layout: Path, tmp_path: Path) -> None:
    data = benchmark("videomme")(layout, tmp_path / "work")
    assert [sample.id for sample in data.samples] == ["001-1", "001-2", "301-1", "301-2", "601-1", "601-2"]
    first = data.samples[0]
    assert (first.answer, first.question_type, first.video) == ("C", "multiple_choice", "data/fakeAAAAAA1.mp4")
    assert first.options == ("One thing.", "Another thing.", "A third thing.", "None of the above.")
    assert (first.meta["duration"], first.meta["domain"], first.meta["task_type"]) == (
        "short",
        "Knowledge",
        "Counting Problem",
    )


def test_videos_come_out_of_the_zips_once_under_names_that_are_no_ids(layout: Path, tmp_path: Path) -> None:
    data = benchmark("videomme")(layout, tmp_path / "work")
    paths = {sample.video: data.video_path(sample) for sample in data.samples}
    assert len(paths) == 3 and all(path.is_file() and path.is_relative_to(tmp_path / "work") for path in paths.values())
    with zipfile.ZipFile(layout / "videos_chunked_02.zip") as opened:
        assert paths["data/fake-BBBB_2.mp4"].read_bytes() == opened.read("data/fake-BBBB_2.mp4")
    assert not any("BBBB" in str(path.relative_to(tmp_path / "work")) for path in paths.values())
    stamps = {path: path.stat().st_mtime_ns for path in paths.values()}
    again = benchmark("videomme")(layout, tmp_path / "work")
    assert {again.video_path(sample).stat().st_mtime_ns for sample in again.samples} == set(stamps.values())


def test_an_unpacked_folder_is_read_too(layout: Path, tmp_path: Path) -> None:
    for archive in layout.glob("videos_chunked_*.zip"):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(layout)
        archive.unlink()
    data = benchmark("videomme")(layout, tmp_path / "work")
    assert data.video_path(data.samples[0]) == layout / "data" / "fakeAAAAAA1.mp4"


def test_the_miniature_is_evaluated_with_its_categories(
    layout: Path, tmp_path: Path, tiny: Path, own_cache: Path
) -> None:
    (layout / "videos_chunked_01.zip").unlink()  # one video of three is missing
    data = benchmark("videomme")(layout, tmp_path / "work")
    outcome = run_eval(EvalJob(small_config(), Store(own_cache), tmp_path / "run", str(tiny), "videomme", data))
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["n"], results["n_total"], results["n_undecodable"], results["chance"]) == (4, 6, 2, 0.25)
    assert {one["id"] for one in outcome.failed} == {"001-1", "001-2"} and "fakeAAAAAA1" in outcome.failed[0]["reason"]
    assert set(results["groups"]) == {"duration", "domain", "sub_category", "task_type"}
    assert {name: one["n"] for name, one in results["groups"]["duration"].items()} == {"medium": 2, "long": 2}
    assert len(read_jsonl(tmp_path / "run" / "predictions.jsonl")) == 4


def test_what_is_not_there_is_named(layout: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        benchmark("videomme")(tmp_path / "nowhere", tmp_path)
    (layout / "empty").mkdir()
    with pytest.raises(MissingError, match="parquet"):
        benchmark("videomme")(layout / "empty", tmp_path)
    for archive in layout.glob("videos_chunked_*.zip"):
        archive.unlink()
    with pytest.raises(MissingError, match="videos_chunked"):
        benchmark("videomme")(layout, tmp_path)


def test_wrong_columns_and_rows_are_named(layout: Path, tmp_path: Path) -> None:
    rewrite(layout, answer=["C", "B", "C", "B", "C", "G"])
    with pytest.raises(UsageError, match="row 6.*'G'"):
        benchmark("videomme")(layout, tmp_path)
    rewrite(layout, answer=["A"] * 6, question_id=["1"] * 6)
    with pytest.raises(UsageError, match="twice"):
        benchmark("videomme")(layout, tmp_path)
    rewrite(layout, question_id=[str(i) for i in range(6)], videoID=["../../etc/passwd"] * 6)
    with pytest.raises(UsageError, match="videoID"):
        benchmark("videomme")(layout, tmp_path)
    pq.write_table(pq.read_table(layout / TABLE).drop_columns(["options", "answer"]), layout / TABLE)
    with pytest.raises(UsageError, match="no column options, answer"):
        benchmark("videomme")(layout, tmp_path)
    (layout / TABLE).write_bytes(b"PAR1 not really")
    with pytest.raises(VerificationError, match="not a readable parquet"):
        benchmark("videomme")(layout, tmp_path)


def zipped(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["../out.mp4", "/etc/out.mp4", "data/../../out.mp4", "data\\..\\out.mp4"])
def test_a_member_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "a.zip", **{name: b"x"})
    with pytest.raises(VerificationError, match="leaves the archive"):
        members([archive], "data")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_junk_and_other_folders_are_skipped(tmp_path: Path) -> None:
    archive = zipped(
        tmp_path / "a.zip",
        **{"__MACOSX/data/._x.mp4": b"j", "data/._x.mp4": b"j", "data/x.mp4": b"v", "other/y.mp4": b"w"},
    )
    assert list(members([archive], "data")) == ["x.mp4"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", **{"data/x.mp4": b"\0" * 50_000_000})
    with pytest.raises(ItemError, match="unpack to"):
        unpack(members([archive], "data")["x.mp4"], tmp_path / "work")
    assert not [path for path in (tmp_path / "work").rglob("*.mp4")]


def test_a_member_longer_than_it_says_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", **{"data/x.mp4": bytes(range(256)) * 40})
    found = members([archive], "data")["x.mp4"]
    with pytest.raises(ItemError, match="longer than"):
        unpack(Member(found.archive, found.name, 100, found.crc), tmp_path / "work")


def test_a_damaged_member_is_an_item_that_failed_and_leaves_nothing(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", **{"data/x.mp4": bytes(range(256)) * 40})
    found = members([archive], "data")["x.mp4"]
    data = bytearray(archive.read_bytes())
    offset = 30 + struct.unpack("<H", data[26:28])[0] + 20
    data[offset] ^= 0xFF
    archive.write_bytes(bytes(data))
    with pytest.raises(StriveError) as caught:
        unpack(found, tmp_path / "work")
    assert isinstance(caught.value, ItemError) and "damaged" in caught.value.what
    assert not [path for path in (tmp_path / "work").rglob("*") if path.suffix in (".mp4", ".tmp")]


def test_a_file_that_is_no_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"<html>404</html>")
    with pytest.raises(VerificationError, match="not a readable zip"):
        members([tmp_path / "a.zip"], "data")
