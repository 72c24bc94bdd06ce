"""S1, S2, S6: nothing that is read can run code, wherever a user can point at it; only the user names plug-ins."""

import ast
import io
import json
import pickle  # noqa: TID251 (makes the poison that must never be opened)
import zipfile
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_line import QUICK, artefacts, strive, write_rows
from videos import make_video

from strive.cache.digest import digest_bytes

PACKAGES = ("cli", "stages", "cache", "configs")
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "np.load", "numpy.load", "yaml.load", "yaml.unsafe_load",
                   "yaml.full_load", "os.system", "os.popen"}
QUICK_ENTRIES = (("extract", "hdf5"), ("variants", "pickle"))
FORBIDDEN_KEYWORDS = {"shell": True, "trust_remote_code": True, "weights_only": False, "allow_pickle": True}


class Poison:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return open, (str(self.canary), "w")


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A path that must not exist when the test is over; that the poison works is tried beforehand."""
    path = tmp_path / "canary"
    pickle.loads(pickle.dumps(Poison(path)))
    assert path.exists()
    path.unlink()
    yield path
    assert not path.exists(), "code ran"


def poisons(canary: Path) -> dict[str, bytes]:
    """A poisoned pickle as it is, as torch writes it, as NumPy writes it, and inside an HDF5 file."""
    plain = pickle.dumps(Poison(canary))
    packed, arrays, tree = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3\n")
    np.save(arrays, np.array([Poison(canary)], dtype=object), allow_pickle=True)
    with h5py.File(tree, "w") as file:
        file.attrs["format"] = "strive.bundle/1"
        file.attrs["sample"] = np.void(plain)
        for name in ("times", "source_index", "pool/bytes"):
            file.create_dataset(name, (1,), h5py.vlen_dtype(np.uint8))[0] = np.frombuffer(plain, np.uint8)
    return {"pickle": plain, "torch": packed.getvalue(), "npy": arrays.getvalue(), "hdf5": tree.getvalue()}


@pytest.mark.parametrize("kind", ["pickle", "torch", "npy", "hdf5"])
def test_s1_a_poisoned_file_in_place_of_any_input_is_refused(tmp_path: Path, canary: Path, kind: str) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(poisons(canary)[kind])
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "a.mp4", 3)
    data = write_rows(tmp_path / "d.jsonl", {"q": "a.mp4"})
    for arguments in (
        ("extract", bad), ("extract", "--data", bad), ("check", bad), ("grade", bad),
        ("inspect", bad, "--out", tmp_path / "x.png"),
        ("extract", tmp_path / "v", "--config", bad), ("config", "diff", bad, "strive"),
        ("score", "--data", data, "--videos", tmp_path / "v", "--set", f"score.model={bad}"),
        ("cache", "import", bad),
    ):
        done = strive(*arguments)
        assert done.code in (2, 3, 5, 6), (arguments, done)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pickle", "torch", "npy"])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "weights.bin"])
def test_s1_poisoned_weights_of_a_model_are_refused_with_the_format_that_is_read(
    tmp_path: Path, canary: Path, kind: str, name: str
) -> None:
    model, shipped = tmp_path / "model", Path(str(files("strive.stages.demo.models"))) / "policy"
    model.mkdir()
    for path in shipped.iterdir():
        if path.suffix != ".safetensors":
            (model / path.name).write_bytes(path.read_bytes())
    (model / name).write_bytes(poisons(canary)[kind])
    done = strive("ask", make_video(tmp_path / "a.mp4", 3), "What is shown?", "--model", model)
    assert done.code in (2, 5, 6) and "safetensors" in done.err, done


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pickle", "torch", "npy"])
@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "open_clip_model.safetensors"])
def test_s1_poisoned_weights_of_the_scorer_are_refused(tmp_path: Path, canary: Path, kind: str, name: str) -> None:
    model, shipped = tmp_path / "clip", Path(str(files("strive.stages.demo.models"))) / "clip"
    model.mkdir()
    for path in shipped.iterdir():
        if path.suffix != ".safetensors":
            (model / path.name).write_bytes(path.read_bytes())
    (model / name).write_bytes(poisons(canary)[kind])
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "a.mp4", 3)
    data = write_rows(tmp_path / "d.jsonl", {"q": "a.mp4"})
    done = strive("score", "--data", data, "--videos", tmp_path / "v", "--set", f"score.model={model}")
    assert done.code in (2, 5, 6), done


@pytest.mark.parametrize(("stage", "kind"), [
    pytest.param(stage, kind, marks=() if (stage, kind) in QUICK_ENTRIES else pytest.mark.slow)
    for stage in ("extract", "embed", "score", "variants") for kind in ("pickle", "npy", "hdf5")
])
def test_s1_a_poisoned_cache_entry_with_a_fitting_manifest_is_refused(
    tmp_path: Path, own_cache: Path, canary: Path, kind: str, stage: str
) -> None:
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "a.mp4", 3)
    data = write_rows(tmp_path / "d.jsonl", {"q": "a.mp4"})
    given = ("--data", data, "--videos", tmp_path / "v")
    assert strive("variants", *given, sets=QUICK).code == 0
    for one in artefacts(own_cache, stage):
        replace_with(one.path, poisons(canary)[kind])
    if stage == "variants":
        assert strive("inspect", "q", "--out", tmp_path / "x.png").code in (2, 5, 6)
    assert strive("variants", *given, "--json", sets=(*QUICK, "variants.seed=5", "score.seed=9")).code in (0, 3, 6)
    assert strive("cache", "verify", "--deep").code in (0, 6)


def replace_with(artefact: Path, data: bytes) -> None:
    """Other bytes in every file of an artefact, and a manifest that agrees with them."""
    place = artefact / "manifest.json"
    manifest = json.loads(place.read_text())
    for output in manifest["outputs"]:
        (artefact / output["path"]).chmod(0o644)
        (artefact / output["path"]).write_bytes(data)
        output.update(bytes=len(data), digest=digest_bytes(data))
    place.chmod(0o644)
    place.write_text(json.dumps(manifest))


def test_s1_yaml_constructs_no_object_wherever_it_is_read(
    tmp_path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"!!python/object/apply:builtins.open [{canary}, w]"
    (tmp_path / "evil.yaml").write_text(f"extract:\n  fps: {text}\n")
    video = make_video(tmp_path / "a.mp4", 3)
    assert strive("extract", video, "--config", tmp_path / "evil.yaml").code == 2
    assert strive("extract", video, "--set", f"extract.fps={text}").code == 2
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(f"train:\n  steps: {text}\n")
    (run / "metrics.jsonl").write_text("")
    assert strive("report", run, "--out", tmp_path / "page.html").code in (2, 5, 6)
    assert strive("config", "diff", run, "strive").code == 2
    monkeypatch.setenv("STRIVE_EXTRACT_FPS", text)
    assert strive("extract", video).code == 2


def test_s6_data_bundles_and_runs_can_name_no_plug_in(
    tmp_path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil_plugin.py").write_text(f"open({str(canary)!r}, 'w')\ndef reward(sample, reply): return 1.0\n")
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "a.mp4", 3)
    row = {"id": "q", "video": "a.mp4", "question": "?", "options": None, "answer": "x", "question_type": "open",
           "meta": {"metric": "evil_plugin:reward", "rewards": {"evil_plugin:reward": 1.0}}}
    (tmp_path / "d.jsonl").write_text(json.dumps(row) + "\n")
    strive("variants", "--data", "d.jsonl", "--videos", "v", sets=QUICK)
    strive("check", "d.jsonl", "--videos", "v")
    run = tmp_path / "run"
    run.mkdir()
    named = "prompt_format: evil_plugin:reward"
    (run / "config.yaml").write_text(f"train:\n  rewards: {{'evil_plugin:reward': 1.0}}\n  {named}\neval:\n  {named}\n")
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    strive("report", run, "--out", "page.html")
    strive("config", "diff", run, "strive")


def test_s2_the_code_calls_nothing_that_could_run_what_it_reads() -> None:
    root, found = Path(__file__).parents[2], []
    sources = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    for path in sources:
        found += [f"{path.relative_to(root)}:{line}: {what}" for line, what in suspicious(path.read_text("utf-8"))]
    assert len(sources) > 300 and found == []


@pytest.mark.parametrize("text", [
    "import pickle", "from pickle import loads", "eval('1')", "exec(x)", "torch.load(f)", "np.load(f)", "yaml.load(f)",
    "run(x, shell=True)", "AutoModel.from_pretrained(m, trust_remote_code=True)", "load(f, weights_only=False)",
])
def test_s2_the_search_finds_each_of_them(text: str) -> None:
    assert suspicious(text)


def suspicious(text: str) -> list[tuple[int, str]]:
    """(line, what) of every import, call or argument in a Python source that could run data as code."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names if name.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            found.append((node.lineno, str(node.module)))
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) in FORBIDDEN_CALLS:
                found.append((node.lineno, ast.unparse(node.func)))
            found += [(node.lineno, f"{one.arg}={one.value.value}") for one in node.keywords
                      if isinstance(one.value, ast.Constant) and one.arg in FORBIDDEN_KEYWORDS
                      and FORBIDDEN_KEYWORDS[one.arg] is one.value.value]
    return found
