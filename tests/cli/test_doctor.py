"""`strive doctor` names what is there and what is missing, and reads no secret."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strive.cache.key import make_key
from strive.cache.store import Store
from strive.stages.report.health import attempt, cache_check, environment_check, package_check

MAIN = "from strive.cli.main import main; main()"


def test_doctor_answers_for_this_machine(own_cache: Path) -> None:
    env = {**os.environ, "HF_TOKEN": "hf_secret", "STRIVE_SECRET": "s3cr3t", "AWS_SECRET_ACCESS_KEY": "k3y"}
    done = subprocess.run([sys.executable, "-c", MAIN, "doctor", "--json"], capture_output=True, text=True, timeout=300,
                          stdin=subprocess.DEVNULL, env=env)
    found = json.loads(done.stdout)
    by_name = {one["name"]: one for one in found["checks"]}
    assert done.returncode == 0 and found["status"] == "ok", found
    assert "HDF5" in by_name["h5py"]["detail"]
    for decoder in ("decoder opencv", "decoder pyav"):
        assert by_name[decoder]["detail"].startswith("decoded 10 of 10 frames")
    assert "parameters" in by_name["shipped policy"]["detail"] and "parameters" in by_name["shipped CLIP"]["detail"]
    assert not any(secret in done.stdout + done.stderr for secret in ("hf_secret", "s3cr3t", "k3y"))
    assert list(Store(own_cache).places()) == [], "the probes work in a cache of their own"


def test_a_package_that_cannot_be_imported_is_a_line_with_the_way_out() -> None:
    check = attempt("nowhere", lambda: package_check("strive_nowhere", "nowhere"), "pip install nowhere")
    assert (check.status, check.do) == ("missing", "pip install nowhere")
    assert "strive_nowhere" in check.detail


def test_damage_in_the_cache_is_a_warning_that_names_the_repair(own_cache: Path) -> None:
    store = Store(own_cache)
    made = store.publish("extract", make_key("extract", 1, {}, {}), {"frames.h5": b"f" * 50}, {})
    assert cache_check(store).status == "ok"
    (made.path / "frames.h5").unlink()
    check = cache_check(store)
    assert check.status == "warn" and "--repair" in check.do


def test_only_listed_variables_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIVE_API_TOKEN", "t0ken")
    assert "t0ken" not in environment_check().detail
