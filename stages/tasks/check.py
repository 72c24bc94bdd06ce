"""Looks a dataset over before money is spent: rows, videos, duplicates, answer priors, overlap with an eval set."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strive.configs.errors import StriveError, UsageError
from strive.stages.archive.contents import entry_of
from strive.stages.archive.digest import read_digest
from strive.stages.plan import VideoRef
from strive.stages.tasks.dataset import checked_rows
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.videos import video_ref

Digest = Callable[[Path], str]


@dataclass
class Findings:
    """What was found.

    problems: rows that cannot be used, `{"row", "what"}`. failed: samples whose video is missing, unreadable, outside
    the folder, or also in the eval set, `{"id", "reason"}`. warnings: what a person should know, one sentence each.
    """

    samples: list[Sample] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    types: dict[str, int] = field(default_factory=dict)
    priors: dict[str, dict[str, Any]] = field(default_factory=dict)
    duplicate_questions: list[list[str]] = field(default_factory=list)
    duplicate_videos: list[list[str]] = field(default_factory=list)
    overlap: list[dict[str, Any]] = field(default_factory=list)
    videos: int = 0


def check_dataset(
    path: Path,
    videos_dir: Path,
    digest: Digest,
    *,
    against: Path | None = None,
    against_videos: Path | None = None,
    follow_links: bool = False,
) -> Findings:
    """Read every row and every video's digest. Raises only when the file itself can't be read."""
    found = Findings()
    found.samples, found.problems = read_all(path)
    found.types = dict(sorted(Counter(sample.question_type for sample in found.samples).items()))
    found.priors = {kind: prior([s for s in found.samples if s.question_type == kind]) for kind in found.types}
    digests, reasons = digests_of(found.samples, videos_dir, digest, follow_links)
    found.videos = len(digests)
    found.failed = [{"id": s.id, "reason": reasons[s.video]} for s in found.samples if s.video in reasons]
    found.duplicate_questions = same_questions(found.samples)
    found.duplicate_videos = same_videos(digests)
    if against is not None:
        compare(found, digests, against, against_videos or videos_dir, digest, follow_links)
    found.warnings += sentences(found)
    return found


def read_all(path: Path) -> tuple[list[Sample], list[dict[str, Any]]]:
    """Every usable sample, and every unusable row with what is wrong."""
    samples: list[Sample] = []
    problems: list[dict[str, Any]] = []
    for number, row in checked_rows(path):
        if isinstance(row, UsageError):
            problems.append({"row": number, "what": row.what, "expected": row.expected})
        else:
            samples.append(row)
    if not samples and not problems:
        problems.append({"row": 0, "what": f"{path}: no rows", "expected": "at least one row"})
    return samples, problems


def digests_of(
    samples: Sequence[Sample], folder: Path, digest: Digest, follow_links: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Digest of every video that is there, and the reason for every one that is not; URLs are not asked."""
    digests: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for video, located in {sample.video: sample.located for sample in samples}.items():
        try:
            ref = video_ref(located, folder, follow_links)
            if ref.url:
                continue
            if reason := unusable(ref.path):
                reasons[video] = reason
            else:
                digests[video] = digest(ref.path) if ref.member is None else digest_in(ref)
        except StriveError as error:
            reasons[video] = error.what
        except OSError as error:
            reasons[video] = f"{video}: {error.strerror}"
    return digests, reasons


def unusable(path: Path) -> str | None:
    """Why there are no bytes to look at, or None."""
    if not path.is_file():
        return f"no such file: {path}" if not path.exists() else f"not a regular file: {path}"
    return f"empty file: {path}" if path.stat().st_size == 0 else None


def digest_in(ref: VideoRef) -> str:
    """The digest of a zip member. Raises `ItemError` with the reason when it cannot be read."""
    return read_digest(ref.path, entry_of(ref.path, ref.member or ""))


def prior(samples: Sequence[Sample]) -> dict[str, Any]:
    """How often each answer is right, the most frequent one's share, and what blind guessing would give."""
    counts = Counter(sample.answer.strip().lower() if sample.options is None else sample.answer for sample in samples)
    answer, most = counts.most_common(1)[0]
    guesses = [1 / len(sample.options) for sample in samples if sample.options]
    return {
        "n": len(samples),
        "distinct": len(counts),
        "most_common": answer,
        "share": most / len(samples),
        "chance": sum(guesses) / len(guesses) if len(guesses) == len(samples) else None,
        "counts": dict(counts.most_common(10)),
    }


def same_questions(samples: Sequence[Sample]) -> list[list[str]]:
    """Ids of samples that ask the same about the same video."""
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for sample in samples:
        groups[(sample.video, " ".join(sample.question.lower().split()), sample.options)].append(sample.id)
    return [ids for ids in groups.values() if len(ids) > 1]


def same_videos(digests: Mapping[str, str]) -> list[list[str]]:
    """Names that hold the same bytes."""
    groups: dict[str, list[str]] = defaultdict(list)
    for video, value in digests.items():
        groups[value].append(video)
    return [sorted(names) for names in groups.values() if len(names) > 1]


def compare(
    found: Findings, digests: Mapping[str, str], against: Path, folder: Path, digest: Digest, follow_links: bool
) -> None:
    """Fill in the videos that both files use, by their bytes; their samples are failed."""
    others, problems = read_all(against)
    other_digests, reasons = digests_of(others, folder, digest, follow_links)
    by_digest = {value: video for video, value in other_digests.items()}
    for video, value in digests.items():
        if value in by_digest:
            ids = [sample.id for sample in found.samples if sample.video == video]
            found.overlap.append({"video": video, "same_as": by_digest[value], "samples": len(ids)})
            found.failed += [
                {"id": name, "reason": f"its video is also in {against.name} ({by_digest[value]})"} for name in ids
            ]
    if problems:
        found.warnings.append(f"{against.name}: {len(problems)} rows cannot be used; the first: {problems[0]['what']}")
    if reasons:
        found.warnings.append(
            f"{against.name}: {len(reasons)} videos not compared; the first: {next(iter(reasons.values()))}"
        )


def sentences(found: Findings) -> list[str]:
    """Warnings about duplicates and priors."""
    told = []
    urls = len({sample.video for sample in found.samples if sample.url})
    if urls:
        told.append(f"{urls} videos are URLs and were not looked at; strive extract fetches them")
    if found.duplicate_questions:
        told.append(
            f"{len(found.duplicate_questions)} questions are asked more than once, {first(found.duplicate_questions)}"
        )
    if found.duplicate_videos:
        told.append(
            f"{len(found.duplicate_videos)} videos lie there under several names, {first(found.duplicate_videos)}"
        )
    for kind, one in found.priors.items():
        limit = 1.5 * one["chance"] if one["chance"] else 0.5
        if one["n"] >= 20 and one["share"] > limit:
            share = f"{100 * one['share']:.0f} % of {one['n']} questions"
            told.append(f"{kind}: always answering {one['most_common']!r} would be right in {share}")
    return told


def first(groups: Sequence[Sequence[str]]) -> str:
    """The first group, shortened."""
    return f"first: {', '.join(groups[0][:3])}"
