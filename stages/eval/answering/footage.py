"""The frames, and where they are chosen by importance the scores, of the questions that a policy is measured on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strive.cache.store import Artefact, Store
from strive.configs.errors import ItemError
from strive.configs.schema import Config
from strive.stages import registry
from strive.stages.eval.answering.choosing import frame_choice
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.frames.frameset import FrameSet, read_frames
from strive.stages.frames.scores import Scores, read_scores
from strive.stages.plan import Job, VideoRef
from strive.stages.runner import run_chain
from strive.stages.tasks.sample import Question, Sample


@dataclass(frozen=True)
class Footage:
    """`artefacts`: frames by video; `scores` by sample id. `reasons` names the samples (by id) that cannot be shown,
    `unscored` those of them whose video decoded but whose frames have no scores."""

    artefacts: Mapping[str, Artefact]
    reasons: Mapping[str, str]
    scores: Mapping[str, Artefact] = field(default_factory=dict)
    unscored: frozenset[str] = frozenset()

    def frames_of(self, sample: Sample) -> FrameSet:
        """The frames of a sample's video; `ItemError` when there are none."""
        if sample.video not in self.artefacts:
            raise ItemError(self.reasons.get(sample.id, "no frames"))
        return read_frames(self.artefacts[sample.video])

    def scores_of(self, question: Question) -> Scores:
        """How much each frame matters to a question; `ItemError` when that is not known."""
        if question.id not in self.scores:
            raise ItemError(self.reasons.get(question.id, "not scored"))
        return read_scores(self.scores[question.id])

    def digest(self, sample: Sample) -> str:
        """Content digest of the frames, "" when there are none."""
        return self.artefacts[sample.video].digest if sample.video in self.artefacts else ""


def needs_scores(config: Config) -> bool:
    """Whether the questions must be scored before they are asked."""
    return config.eval.control != "text_only" and frame_choice(config.eval, config.variants).by_question


def chosen_by(config: Config, store: Store) -> dict[str, Any]:
    """What a recipe says of frames that are chosen by scores: sampler, its settings, scorer and text; {} if not."""
    if not needs_scores(config):
        return {}
    score = config.score
    return {**frame_choice(config.eval, config.variants).recipe(), "scorer": registry.run("scorer")(score, store),
            "text": score.text, "long_text": score.long_text}


def footage_of(data: BenchData, job: Job) -> Footage:
    """The footage of a benchmark; `job.samples` and `job.videos` are filled in here."""
    missing: dict[str, str] = {}
    videos: dict[str, VideoRef] = {}
    for sample in data.samples:
        if sample.video not in videos and sample.video not in missing:
            try:
                videos[sample.video] = data.video(sample)
            except ItemError as error:
                missing[sample.video] = error.what
    job.samples, job.videos = data.samples, list(videos.values())
    return footage(job, missing)


def footage(job: Job, missing: Mapping[str, str] | None = None) -> Footage:
    """Extract the job's videos and, where `eval.sampler` needs it, score its questions; what is cached is not redone.

    `missing`: videos that are known not to be there, with the reason.
    """
    scored = needs_scores(job.config)
    if job.videos:
        run_chain("score" if scored else "extract", job)
    found, graded = job.results.get("extract", {}), job.results.get("score", {}) if scored else {}
    artefacts = {name: one for name, one in found.items() if isinstance(one, Artefact)}
    scores = {name: one for name, one in graded.items() if isinstance(one, Artefact)}
    reasons = {s.id: (missing or {}).get(s.video) or str(found.get(s.video, "no frames"))
               for s in job.samples if s.video not in artefacts}
    unscored = {s.id for s in job.samples if scored and s.video in artefacts and s.id not in scores}
    reasons |= {name: f"not scored: {graded.get(name, 'the stage before gave nothing')}" for name in sorted(unscored)}
    return Footage(artefacts, reasons, scores, frozenset(unscored))
