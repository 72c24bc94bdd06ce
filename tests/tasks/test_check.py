"""`strive check` finds what costs money later: bad rows, missing and duplicate videos, answer priors, overlap."""

import json
import zipfile
from pathlib import Path
from typing import Any

from strive.cache.digest import digest_file
from strive.stages.tasks.check import Findings, check_dataset


def row(name: str, video: str = "a.mp4", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "video": video,
        "question": f"What is {name}?",
        "options": ["x", "y"],
        "answer": "A",
        "question_type": "multiple_choice",
        **more,
    }


def look(tmp_path: Path, rows: list[Any], against: list[Any] | None = None) -> Findings:
    for k, name in enumerate("abc"):
        (tmp_path / f"{name}.mp4").write_bytes(bytes([k]) * 9)
    (tmp_path / "copy-of-a.mp4").write_bytes(bytes([0]) * 9)
    (tmp_path / "empty.mp4").touch()
    paths = []
    for name, content in (("train.jsonl", rows), ("eval.jsonl", against or [])):
        (tmp_path / name).write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in content))
        paths.append(tmp_path / name)
    return check_dataset(paths[0], tmp_path, digest_file, against=paths[1] if against else None)


def test_a_sound_dataset_has_nothing_to_say(tmp_path: Path) -> None:
    found = look(tmp_path, [row("1"), row("2", "b.mp4", answer="B")], [row("3", "c.mp4")])
    assert (len(found.samples), found.videos, found.problems, found.failed, found.warnings) == (2, 2, [], [], [])


def test_every_bad_row_is_listed_not_only_the_first(tmp_path: Path) -> None:
    found = look(tmp_path, [row("1"), "{broken", row("1"), row("2", answer="F"), row("3")])
    assert [one["row"] for one in found.problems] == [2, 3, 4] and [s.id for s in found.samples] == ["1", "3"]


def test_missing_empty_and_leaving_videos_fail_their_samples(tmp_path: Path) -> None:
    found = look(tmp_path, [row("1", "gone.mp4"), row("2", "empty.mp4"), row("3", "../x.mp4"), row("4")])
    reasons = {one["id"]: one["reason"] for one in found.failed}
    assert set(reasons) == {"1", "2", "3"}
    assert "no such file" in reasons["1"] and "empty" in reasons["2"] and "leaves" in reasons["3"]


def test_duplicates_are_found_by_question_and_by_bytes(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        [row("1", question="What?"), row("2", question="what?  "), row("3", "copy-of-a.mp4", question="What?")],
    )
    assert found.duplicate_questions == [["1", "2"]] and found.duplicate_videos == [["a.mp4", "copy-of-a.mp4"]]
    assert len(found.warnings) == 2


def test_overlap_with_the_eval_set_is_by_bytes_and_fails_the_samples(tmp_path: Path) -> None:
    found = look(tmp_path, [row("1"), row("2", "b.mp4")], [row("e", "copy-of-a.mp4")])
    assert found.overlap == [{"video": "a.mp4", "same_as": "copy-of-a.mp4", "samples": 1}]
    assert [one["id"] for one in found.failed] == ["1"] and "eval.jsonl" in found.failed[0]["reason"]


def test_a_lopsided_answer_prior_is_told(tmp_path: Path) -> None:
    found = look(tmp_path, [row(str(i), answer="A" if i < 27 else "B") for i in range(30)])
    assert found.priors["multiple_choice"]["share"] == 0.9 and found.priors["multiple_choice"]["chance"] == 0.5
    assert any("always answering 'A'" in text for text in found.warnings)


def test_members_are_compared_by_their_bytes_and_urls_are_not_asked(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"same")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/b.mp4", b"same")
    names = ["a.mp4", "a.zip::in/b.mp4", "a.zip::none.mp4", "https://me:pa55@127.0.0.1:1/c.mp4", "ftp://h/d.mp4"]
    asked = {"question": "How many?", "answer": "1", "question_type": "numerical"}
    data = tmp_path / "d.jsonl"
    data.write_text("".join(json.dumps({"id": str(i), "video": name, **asked}) + "\n" for i, name in enumerate(names)))
    found = check_dataset(data, tmp_path, digest_file)
    assert found.duplicate_videos == [["a.mp4", "a.zip::in/b.mp4"]]
    assert {one["id"]: one["reason"] for one in found.failed} == {
        "2": "no 'none.mp4' in a.zip", "4": "video ftp://h/d.mp4: URLs of scheme 'ftp' are not read"}
    assert "2 videos are URLs and were not looked at; strive extract fetches them" in found.warnings
    assert "pa55" not in repr(found)
