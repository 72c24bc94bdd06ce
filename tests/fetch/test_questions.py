"""Questions that a policy is measured on may be about videos behind URLs and in archives."""

import json
import zipfile
from pathlib import Path

from fetch.web_server import Server
from videos import make_video

from strive.cache.store import Store
from strive.configs.schema import Config
from strive.stages.eval.answering.footage import footage_of
from strive.stages.eval.benchmarks.data import from_dataset
from strive.stages.plan import Job


def test_footage_of_urls_and_members_is_that_of_the_file(tmp_path: Path, server: Server) -> None:
    video = make_video(tmp_path / "plain.mp4", 12)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(video, "in.mp4")
    names = ["plain.mp4", "a.zip::in.mp4", server.put("a.mp4", video.read_bytes()) + "?k=t0psecret",
             server.put("no.mp4", b"", statuses=[404])]
    asked = {"question": "How many?", "answer": "1", "question_type": "numerical"}
    data = tmp_path / "d.jsonl"
    data.write_text("".join(json.dumps({"id": str(i), "video": name, **asked}) + "\n" for i, name in enumerate(names)))
    questions = from_dataset(data, tmp_path)
    footage = footage_of(questions, Job(Config(), Store(tmp_path / "cache")))
    digests = {footage.digest(sample) for sample in questions.samples[:3]}
    assert len(digests) == 1 and "" not in digests
    assert footage.reasons == {"3": "not fetched: the server answered 404 Not Found"}
    assert "t0psecret" not in str([sample.to_json() for sample in questions.samples])
