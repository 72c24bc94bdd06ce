"""An exported tar brings over what it names and nothing else: checked, complete, never outside the cache."""

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strive.cache import pack, runs, tar, unpack
from strive.cache.artefact import Artefact
from strive.cache.key import make_key
from strive.cache.store import Store
from strive.configs.errors import MissingError, VerificationError

Rows = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "b")


def publish(store: Store, stage: str, number: int, *before: Artefact) -> Artefact:
    inputs = [{"name": "before", "stage": one.stage, "digest": one.digest} for one in before]
    files: dict[str, bytes | Path] = {"z.bin": f"{stage} {number} ".encode() * 700, "sub/none": b"", "a.json": b"{}"}
    return store.publish(stage, make_key(stage, 1, {"n": number}, {}), files, {"inputs": inputs})


def export(store: Store, target: Path) -> Path:
    pack.write(store, pack.choose(store, everything=True), target)
    return target


def rows(source: Path) -> Rows:
    with tarfile.open(source) as opened:
        return [(one, opened.extractfile(one).read()) for one in opened]  # type: ignore[union-attr]


def rewrite(target: Path, some: Rows) -> Path:
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as opened:
        for info, data in some:
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return target


def files(store: Store) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in sorted(store.root.rglob("*"))
            if path.is_file() and path.relative_to(store.root).parts[0] not in store.RESERVED}


def test_a_runs_artefacts_bring_what_they_were_made_from_and_nothing_else(store: Store, other: Store) -> None:
    frames = publish(store, "extract", 0)
    scores = publish(store, "score", 0, frames)
    bundle = publish(store, "variants", 0, scores, frames)
    publish(store, "variants", 1, publish(store, "extract", 1))
    run, target = store.root.parent / "run", store.root.parent / "x.tar"
    runs.record_run(store, run, [bundle])
    chosen = pack.choose(store, folders=[run])
    assert [(one.stage, one.key) for one in chosen.artefacts] == sorted(
        (one.stage, one.key) for one in (frames, scores, bundle))
    pack.write(store, chosen, target)
    assert unpack.read(other, target).done == 3
    assert files(other) == {name: data for name, data in files(store).items()
                            if any(one.key in name for one in chosen.artefacts)}
    assert all(one.damage() == [] for one in other.entries())
    with pytest.raises(MissingError, match="no run of this folder"):
        pack.choose(store, folders=[run / "other"])


def test_what_a_run_names_and_is_gone_is_counted(store: Store) -> None:
    kept, gone = publish(store, "variants", 0), publish(store, "variants", 1)
    runs.record_run(store, store.root / "run", [kept, gone])
    store.drop("variants", gone.key)
    chosen = pack.choose(store, folders=[store.root / "run"])
    assert ([one.key for one in chosen.artefacts], chosen.missing) == ([kept.key], 1)


def test_the_tar_is_the_same_whenever_and_wherever_it_is_written(store: Store, other: Store, tmp_path: Path) -> None:
    for n in range(5):
        publish(store, "score", n)
    first = export(store, tmp_path / "1.tar")
    unpack.read(other, first)
    os.utime(next(store.entries()).path, (0, 0))
    assert export(other, tmp_path / "2.tar").read_bytes() == first.read_bytes()
    infos = [info for info, _data in rows(first)]
    assert {(info.mtime, info.uid, info.gid, info.uname, info.mode) for info in infos} == {(0, 0, 0, "", 0o444)}
    assert [info.name for info in infos[2:6]] == [
        f"score/{infos[2].name.split('/')[1]}/{name}" for name in ("a.json", "sub/none", "z.bin", "manifest.json")]


def test_a_damaged_artefact_is_not_exported_and_the_old_tar_stays(store: Store, tmp_path: Path) -> None:
    made = publish(store, "score", 0)
    target = export(store, tmp_path / "x.tar")
    before = target.read_bytes()
    place = made.path / "z.bin"
    place.chmod(0o644)
    place.write_bytes(b"S" + place.read_bytes()[1:])
    with pytest.raises(VerificationError, match=r"z\.bin"):
        export(store, target)
    assert target.read_bytes() == before and sorted(os.listdir(tmp_path)) == ["a", "x.tar"]


def test_each_of_50_flipped_bytes_is_refused_or_changes_nothing(store: Store, tmp_path: Path) -> None:
    publish(store, "score", 0)
    data = export(store, tmp_path / "x.tar").read_bytes()
    whole, refused = files(store), 0
    for n, place in enumerate(range(0, len(data), len(data) // 50)):
        (tmp_path / "bad.tar").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
        target = Store(tmp_path / f"to-{n}")
        try:
            unpack.read(target, tmp_path / "bad.tar")
        except VerificationError:
            refused += 1
        found = list(target.entries())
        assert all(one.damage() == [] for one in found)
        if found:  # a manifest's note, such as its time, is not covered by a digest
            assert {name: one for name, one in files(target).items() if "manifest" not in name} == {
                name: one for name, one in whole.items() if "manifest" not in name}
    assert refused > 25


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.85])
def test_a_tar_that_is_cut_short_is_refused_before_anything_is_written(
    store: Store, other: Store, tmp_path: Path, share: float
) -> None:
    for n in range(3):
        publish(store, "score", n)
    data = export(store, tmp_path / "x.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VerificationError, match="too early"):
        unpack.read(other, tmp_path / "cut.tar")
    assert not other.root.exists()


def outside(some: Rows) -> Iterator[tuple[str, Rows]]:
    """Names that leave the artefact's folder or the cache, or are none of an artefact."""
    (head, videos, first), rest = some[:3], some[3:]
    key = first[0].name.split("/")[1]
    for name in ("../../etc/x", "/etc/x", f"score/{key}/../../x", f"score/{key}/../manifest.json", f"index/{key}/a",
                 f"locks/{key}/a", f"score/{key[:-1]}/a", f"SCORE/{key}/a", "x", f"score/{key}", f"score/{key}/",
                 f"score/{key}/a//b", f"score/{key}/.tmp-1/a", "strive-cache.json"):
        yield name, [head, videos, (tarfile.TarInfo(name), b"x"), first, *rest]


def wrong_order(some: Rows) -> Iterator[tuple[str, Rows]]:
    manifests = [one for one in some if one[0].name.endswith("manifest.json")]
    yield "manifest first", [*some[:2], manifests[0], *(one for one in some[2:] if one is not manifests[0])]
    yield "no manifest", [one for one in some if one not in manifests]
    yield "a file twice", [*some[:3], *some[2:]]
    yield "an artefact twice", [*some, *some[2:]]
    yield "no head", some[1:]
    yield "newer", [(some[0][0], b'{"format": 2}'), *some[1:]]
    yield "head is no object", [(some[0][0], b"[" * 50_000), *some[1:]]


def wrong_bytes(some: Rows) -> Iterator[tuple[str, Rows]]:
    place = next(n for n, (info, _data) in enumerate(some) if info.name.endswith("z.bin"))
    last = next(n for n, (info, _data) in enumerate(some) if info.name.endswith("manifest.json"))
    info, data = some[place]
    yield "other bytes", [*some[:place], (info, b"S" + data[1:]), *some[place + 1:]]
    yield "a file that no manifest names", [*some[:place], (tarfile.TarInfo(f"{info.name[:-5]}m"), b""), *some[place:]]
    yield "a file is missing", [*some[:place], *some[place + 1:]]
    for text in (b"{", b"[]", json.dumps({**json.loads(some[last][1]), "key": "0" * 64}).encode(),
                 json.dumps({**json.loads(some[last][1]), "format": 2}).encode()):
        yield f"manifest {text[:9]!r}", [*some[:last], (some[last][0], text), *some[last + 1:]]


@pytest.mark.parametrize("wrong", [outside, wrong_order, wrong_bytes], ids=lambda one: one.__name__)
def test_a_tar_that_is_no_export_is_refused_and_nothing_of_it_is_seen(
    store: Store, tmp_path: Path, wrong: Callable[[Rows], Iterator[tuple[str, Rows]]]
) -> None:
    publish(store, "score", 0)
    source = export(store, tmp_path / "x.tar")
    for n, (name, some) in enumerate(wrong(rows(source))):
        target = Store(tmp_path / "deep" / str(n))
        with pytest.raises(VerificationError):
            unpack.read(target, rewrite(tmp_path / "bad.tar", some))
        assert list(target.entries()) == [], name
        assert not [path for path in target.root.rglob("*") if path.is_file() and "index" not in path.parts], name
    assert set(os.listdir(tmp_path)) <= {"a", "bad.tar", "deep", "x.tar"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE,
                                  tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_links_devices_folders_and_extensions_are_refused(
    store: Store, other: Store, tmp_path: Path, kind: bytes
) -> None:
    made = publish(store, "score", 0)
    data = export(store, tmp_path / "x.tar").read_bytes()
    info = tarfile.TarInfo(f"score/{made.key}/a")
    info.type, info.linkname = kind, "/etc/passwd"
    (tmp_path / "bad.tar").write_bytes(data[:1536] + info.tobuf(tarfile.USTAR_FORMAT) + data[1536:])
    with pytest.raises(VerificationError, match="not a plain file"):
        unpack.read(other, tmp_path / "bad.tar")
    assert not other.root.exists()


@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0", b"            "])
def test_a_size_that_lies_allocates_nothing(store: Store, other: Store, tmp_path: Path, size: bytes) -> None:
    publish(store, "score", 0)
    data = bytearray(export(store, tmp_path / "x.tar").read_bytes())
    data[124:136] = size
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    (tmp_path / "bad.tar").write_bytes(data)
    with pytest.raises(VerificationError):
        unpack.read(other, tmp_path / "bad.tar")
    assert not other.root.exists()


def test_a_compressed_tar_is_refused(store: Store, other: Store, tmp_path: Path) -> None:
    import gzip

    publish(store, "score", 0)
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(export(store, tmp_path / "x.tar").read_bytes()))
    with pytest.raises(VerificationError, match="compressed"):
        unpack.read(other, tmp_path / "x.tar.gz")


def test_one_that_is_there_but_damaged_in_size_is_taken_in_again(store: Store, other: Store, tmp_path: Path) -> None:
    made = publish(store, "score", 0)
    source = export(store, tmp_path / "x.tar")
    unpack.read(other, source)
    place = other.root / made.path.relative_to(store.root) / "z.bin"
    place.chmod(0o644)
    place.write_bytes(b"short")
    assert unpack.read(other, source).done == 1 and files(other) == files(store)


def test_a_full_disk_is_refused_before_anything_is_written(
    store: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, "score", 0)
    source = export(store, tmp_path / "x.tar")
    monkeypatch.setattr("strive.cache.disk.free_bytes", lambda path: 1000)
    with pytest.raises(MissingError, match="1000 bytes free"):
        unpack.read(other, source)
    assert not other.root.exists()


def test_missing_videos_become_known_and_those_that_are_there_are_read(
    store: Store, other: Store, tmp_path: Path
) -> None:
    rows_of = []
    for name, digit in (("gone.mp4", "1"), ("sub/there.mp4", "2"), ("../out.mp4", "3"), ("https://x/y.mp4", "4")):
        key = make_key("extract", 1, {"n": digit}, {})
        inputs = [{"name": "digest", "digest": f"sha256:{digit * 64}"}]
        rows_of.append((store.publish("extract", key, {"f": digit.encode()}, {"inputs": inputs}).key, name))
    store.remember("last-run/extract", {})
    store.index.remember_list("last-run/extract", rows_of)
    videos = tmp_path / "videos"
    (videos / "sub").mkdir(parents=True)
    (videos / "sub" / "there.mp4").write_bytes(b"other")
    assert unpack.read(other, export(store, tmp_path / "x.tar"), videos).videos == 1
    assert other.video_digest(videos / "gone.mp4") == f"sha256:{'1' * 64}"
    assert other.video_digest(videos / "sub" / "there.mp4") != f"sha256:{'2' * 64}"
    with pytest.raises(MissingError):
        other.video_digest(tmp_path / "out.mp4")
    (videos / "gone.mp4").write_bytes(b"here now")
    assert other.video_digest(videos / "gone.mp4") != f"sha256:{'1' * 64}"


def test_a_file_that_is_too_large_for_a_plain_tar_is_refused() -> None:
    assert len(tar.header("a/b", 8 << 30 - 1)) == tar.BLOCK
    for name, size in (("a", 9 << 30), ("n" * 300, 1)):
        with pytest.raises(Exception, match="cannot be exported") as caught:
            tar.header(name, size)
        assert getattr(caught.value, "code", None) == 2
