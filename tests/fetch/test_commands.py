"""The real command line over URLs and zip members: the frames of the plain file, no secrets, and kills survived."""

import hashlib
import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fetch.web_server import Server, wait_for
from videos import make_video

MAIN = "from strive.cli.main import main; main()"
SMALL = ("-s", "extract.min_frames=8", "-s", "score.scorer=hash", "-s", "variants.frames=4", "-s", "variants.count=2")


def start(*arguments: str | Path, cwd: Path, before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", before + MAIN, *map(str, arguments), "--json"], cwd=cwd, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def strive(*arguments: str | Path, cwd: Path, before: str = "") -> tuple[int, dict[str, Any], str]:
    process = start(*arguments, cwd=cwd, before=before)
    out, err = process.communicate(timeout=60)
    return process.returncode, json.loads(out), out + err


def digests(cache: Path, stage: str) -> dict[str, str]:
    """Digest of every data file of a stage, by key and name."""
    return {f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((cache / stage).rglob("*")) if path.is_file() and path.name != "manifest.json"}


def files_with(text: str, folder: Path) -> list[Path]:
    """The files in which a text occurs."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "plain.mp4", 40, bframes=2)


def test_a_url_gives_the_frames_of_the_file_and_its_secrets_stay_secret(
    tmp_path: Path, own_cache: Path, server: Server, video: Path
) -> None:
    server.put("a.mp4", video.read_bytes(), cuts=[1_000])
    url = f"http://me:pa55word@127.0.0.1:{server.port}/a.mp4?token=t0psecret&n=1"
    code, said, text = strive("extract", url, *SMALL[:2], cwd=tmp_path)
    assert code == 0 and said["done"] == 1, text
    assert server.seen[0].path.endswith("?token=t0psecret&n=1") and server.seen[0].headers["Authorization"]
    server.put("b.mp4", b"", statuses=[403] * 9)
    code, said, more = strive("extract", url.replace("a.mp4", "b.mp4"), video, *SMALL[:2], cwd=tmp_path)
    assert code == 3 and (said["done"], said["cached"]) == (0, 1), "the file's frames are the URL's"
    (failed,) = said["failed"]
    assert failed["id"].startswith(f"http://127.0.0.1:{server.port}/b.mp4?token=…&n=…#")
    assert failed["reason"] == "not fetched: the server answered 403 Forbidden"
    for secret in ("pa55word", "t0psecret"):
        assert secret not in text + more and files_with(secret, own_cache) == []


def test_urls_and_members_in_a_dataset_give_the_bundles_of_their_files(
    tmp_path: Path, own_cache: Path, server: Server, video: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.write(video, "in/a.mp4", zipfile.ZIP_STORED)
        archive.write(video, "in/b.mp4", zipfile.ZIP_DEFLATED)
    names = [server.put("a.mp4", video.read_bytes()) + "?key=t0psecret", "films.zip::in/a.mp4", "films.zip::in/b.mp4",
             "plain.mp4", "films.zip::in/none.mp4"]
    asked = {"question": "What is shown?", "options": ["a board", "a cat"], "answer": "A",
             "question_type": "multiple_choice"}
    rows = [{"id": str(i), "video": name, **asked} for i, name in enumerate(names)]
    data = tmp_path / "d.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, said, text = strive("variants", "--data", data, *SMALL, cwd=tmp_path)
    assert code == 3 and said["done"] == 4, text
    (failed,) = said["failed"]
    assert failed["id"] == "4" and "no 'in/none.mp4' in films.zip" in failed["reason"]
    assert len(digests(own_cache, "extract")) == 1, "four names, one video"
    assert files_with("t0psecret", own_cache) == []


def test_a_killed_download_is_taken_up_by_the_next_run(
    tmp_path: Path, own_cache: Path, server: Server, video: Path
) -> None:
    padding = 2_000_000  # a box that players skip
    data = video.read_bytes() + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8)
    url = server.put("a.mp4", data, pause_s=0.02)
    process = start("extract", url, cwd=tmp_path)
    partials = own_cache / "fetch" / ".partial"
    wait_for(lambda: any(json.loads(path.read_bytes())["synced"] for path in partials.rglob("*.json")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list((own_cache / "fetch").glob("[0-9a-f][0-9a-f]/*")) == [], "nothing half is to be seen"
    server.files["a.mp4"].pause_s = 0.0
    code, said, text = strive("extract", url, cwd=tmp_path)
    assert code == 0 and said["done"] == 1, text
    taken_up = int(server.seen[1].headers["Range"][6:-1])
    assert 0 < taken_up < len(data) and server.seen[1].sent == len(data) - taken_up
    (fetched,) = (own_cache / "fetch").glob("[0-9a-f][0-9a-f]/*/video")
    assert fetched.read_bytes() == data and [path for path in partials.rglob("*") if path.is_file()] == []


def test_without_the_extra_the_command_that_installs_it_is_told(tmp_path: Path, video: Path) -> None:
    code, said, text = strive("extract", "http://127.0.0.1:1/a.mp4", cwd=tmp_path,
                              before="import sys; sys.modules['aiohttp'] = None; ")
    assert code == 5 and "pip install 'strive[remote]'" in text
