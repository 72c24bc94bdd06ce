"""Has every question answered and marked; an answer is durable before it counts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from strive.stages.eval.answering.answers import Answer, Answerer, Unanswered
from strive.stages.eval.benchmarks.data import BenchData
from strive.stages.eval.figures.metrics import summarise
from strive.stages.eval.inquiry import Inquiry
from strive.stages.eval.run_folder import EvalFolder
from strive.stages.interrupt import StopFlag
from strive.stages.reporter import Reporter, Silent


@dataclass
class Evaluation:
    """Answers by sample id, failures as `{"id", "reason"}`, how many were asked now; `results` are the figures."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    too_large: int = 0
    results: dict[str, Any] = field(default_factory=dict)


def evaluate(
    answerer: Answerer,
    data: BenchData,
    inquiry: Inquiry,
    out: EvalFolder | None = None,
    *,
    control: str = "none",
    keys: Mapping[str, str] | None = None,
    unavailable: Mapping[str, str] | None = None,
    unscored: Collection[str] = (),
    reporter: Reporter | None = None,
    stop: StopFlag | None = None,
) -> Evaluation:
    """Ask what has no answer yet in `out` and summarise everything.

    `unavailable`: samples (id → reason) whose frames can't be had; they are reported apart, never asked without frames
    (the control text_only needs none). `unscored`: those of them whose video has frames, but no scores. `keys`:
    identity of each sample's answer (`recipe.sample_key`), needed with `out`; without `out` nothing is written.
    """
    told, keys = reporter or Silent(), keys or {}
    barred = {} if control == "text_only" else dict(unavailable or {})
    before = out.answered(keys) if out else {}
    done = Evaluation({s.id: before[s.id] for s in data.samples if s.id in before and s.id not in barred},
                      [{"id": s.id, "reason": barred[s.id]} for s in data.samples if s.id in barred])
    asks = [inquiry.ask(sample) for sample in data.samples if sample.id not in barred]
    noted = {name: int(row["prompt_tokens"]) for name, row in done.rows.items()}
    for outcomes in answerer.answers(asks, noted):
        for one in outcomes:
            note(done, one, inquiry, control, keys, out)
            told.progress("eval", len(done.rows), len(data.samples), len(done.failed), one.sample.id)
        if stop:
            stop.check()
    without_scores = len(barred.keys() & set(unscored))
    done.results = summarise(data, done.rows, done.failed, inquiry.protocol, done.too_large, without_scores)
    return done


def note(done: Evaluation, one: Answer | Unanswered, inquiry: Inquiry, control: str, keys: Mapping[str, str],
         out: EvalFolder | None) -> None:
    """Take an outcome in; an answer is on the disk first."""
    if isinstance(one, Unanswered):
        done.failed.append({"id": one.sample.id, "reason": one.reason})
        done.too_large += one.too_large
        return
    row = {"key": keys.get(one.sample.id, ""), **row_of(one, inquiry), "control": control}
    if out:
        out.append(row)
    done.rows[one.sample.id] = row
    done.asked += 1


def row_of(one: Answer, inquiry: Inquiry) -> dict[str, Any]:
    """One line of predictions.jsonl: a row of `strive grade`, the question in our words (`asked`, `choices`, `gold`),
    what was made of the reply, and what was shown."""
    sample, marked = one.sample, inquiry.mark(one.sample, one.text, one.finished)
    verdict = marked.verdict
    return {
        **inquiry.row(sample).to_json(),
        "video": sample.video,
        "asked": sample.question,
        "choices": list(sample.options) if sample.options else None,
        "gold": sample.answer,
        "prediction": one.text,
        "parsed": verdict.parsed,
        "status": verdict.status,
        "score": verdict.score,
        "rule": verdict.rule,
        "counted": verdict.counted,
        "well_formed": marked.well_formed,
        "shown_video": one.shown_video,
        "times": list(one.times),
        "prompt_tokens": one.prompt_tokens,
        "completion_tokens": one.completion_tokens,
        "finished": one.finished,
    }
