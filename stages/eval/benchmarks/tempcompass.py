"""TempCompass in its published layouts: four ways to ask what happens in time.

DATA/<task>/test-*.parquet     lmms-lab, <task> multi-choice, yes_no, caption_matching, captioning: video_id, question,
                               answer, dim; captioning also mc_question, mc_answer
DATA/questions/<task>.json     GitHub: {video_id: {dim: [{question, answer}]}}
DATA/meta_info.json            {video_id: {"eval_dim": {dim: {"type": aspect}}}}
DATA/tempcompass_videos.zip    members videos/<video_id>.mp4
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from strive.configs.errors import MissingError, UsageError
from strive.stages.eval.benchmarks.assemble import Row, assemble, text_column
from strive.stages.eval.benchmarks.data import BenchData, need_folder
from strive.stages.eval.benchmarks.json_tables import read_json, with_columns
from strive.stages.eval.benchmarks.option_lines import labelled_lines, split_options
from strive.stages.eval.benchmarks.tables import read_parquet
from strive.stages.eval.benchmarks.videos import plain_name, video_finder
from strive.stages.eval.figures.statistics import mean
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.tasks.prompt import letter_of
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of

CHOICE, YES_NO, MATCHING, CAPTIONING = "multi-choice", "yes_no", "caption_matching", "captioning"
TASKS = (CHOICE, YES_NO, MATCHING, CAPTIONING)
SPELLINGS = {task.replace("-", "_"): task for task in TASKS} | {"multiple_choice": CHOICE}
COLUMNS = ("video_id", "question", "answer", "dim")
LAYOUT = "<task>/test-*.parquet or questions/<task>.json for the four tasks, and tempcompass_videos.zip or videos/"


def read(data: Path, work: Path) -> BenchData:
    """The questions of every task whose table is there; captions are asked for, and scored only with a judge's answer.

    Raises `MissingError` without tables or videos.
    """
    need_folder(data, LAYOUT)
    aspects = aspects_in(data)
    rows = [row for task in TASKS for row in rows_of(data, task, aspects)]
    if not rows:
        raise MissingError(f"{data}: no tables of {', '.join(TASKS)}", LAYOUT, "Download the tables into the folder.")
    root = next((one for one in (data, data.parent) if (one / "tempcompass_videos.zip").is_file()), data)
    archives = [root / "tempcompass_videos.zip"] if (root / "tempcompass_videos.zip").is_file() else []
    find = video_finder(root, work, archives, ("videos",), LAYOUT)
    return assemble(rows, sample, find, "tempcompass", ("task", "dim"))


def read_as_choices(data: Path, work: Path) -> BenchData:
    """All questions as Video-R1 asks them: yes or no as two options, a caption's question instead of the caption."""
    found = read(data, work)
    samples = [as_choice(one, found.published[one.id]) for one in found.samples]
    return replace(found, samples=samples, published={}, bench="demo", fields=("task", "dim"))


def as_choice(asked: Sample, row: Published) -> Sample:
    """The question with lettered options."""
    if asked.question_type == "yes_no":
        letter = {"yes": "A", "no": "B"}[asked.answer]
        return replace(asked, options=("yes", "no"), answer=letter, question_type="multiple_choice")
    return asked


def rows_of(data: Path, task: str, aspects: Mapping[tuple[str, str], str]) -> Iterator[Row]:
    """The rows of one task, none where its table is not there."""
    columns = (*COLUMNS, "mc_question", "mc_answer") if task == CAPTIONING else COLUMNS
    tables = sorted(data.glob(f"{task}/test-*.parquet"))
    plain = next((one for one in (data / "questions" / f"{task}.json", data / f"{task}.json") if one.is_file()), None)
    count: Counter[tuple[str, str]] = Counter()
    found: Iterator[tuple[str, dict[str, Any]]] = iter(())
    if tables:
        found = ((f"{one}, row {n}", row) for one in tables for n, row in enumerate(read_parquet(one, columns), 1))
    elif plain:
        found = github_rows(plain, columns)
    for place, row in found:
        key = (str(row["video_id"]), str(row["dim"]))
        yield place, partial(published, {**row, "task": task, "number": count[key], "aspect": aspects.get(key)})
        count[key] += 1


def github_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of the GitHub layout, video by video."""
    own = ("question", "answer")
    value = read_json(path)
    for video_id, dims in value.items() if isinstance(value, dict) else [("", None)]:
        if not isinstance(dims, dict) or not all(isinstance(listed, list) for listed in dims.values()):
            raise UsageError(f"{path}: no lists of questions {video_id}", "{video_id: {dim: [{question, answer}]}}",
                             "Download it again.")
        for dim, listed in dims.items():
            for number, found in enumerate(listed, 1):
                place = f"{path}, {video_id}, {dim} {number}"
                yield place, {**with_columns(found, own, place), "video_id": video_id, "dim": dim}


def aspects_in(data: Path) -> dict[tuple[str, str], str]:
    """(video id, dim) → fine aspect, where meta_info.json lies in the folder."""
    path = next((one for one in (data / "meta_info.json", data / "github_layout" / "meta_info.json")
                 if one.is_file()), None)
    info = dict(read_json(path)) if path else {}
    return {(str(name), str(dim)): str(one["type"]) for name, told in info.items()
            for dim, one in (told.get("eval_dim") or {}).items() if isinstance(one, dict) and one.get("type")}


def published(columns: Mapping[str, Any]) -> Published:
    """A row as it is published; its id is task, video, dimension and place. Raises `RowError`."""
    video_id = plain_name(columns["video_id"], "video_id")
    task, dim = str(columns.get("task") or columns.get("task_type") or CHOICE), str(columns["dim"])
    meta = {"video_id": video_id, "dim": dim}
    meta |= {key: columns[key] for key in ("aspect", "mc_question", "mc_answer", "judge_output")
             if columns.get(key) is not None}
    return Published(f"{task}/{video_id}/{dim}/{columns.get('number', 0)}", "tempcompass", task,
                     text_column(columns, "question"), None, text_column(columns, "answer"), meta)


def task_of(row: Published) -> str:
    """The row's task, whichever way its type is spelled ("multi_choice", "yes-no"); another type as it is."""
    name = row.question_type.lower().replace("-", "_")
    return SPELLINGS.get(name, row.question_type)


def sample(row: Published) -> Sample:
    """The question with its options taken out of the text. A caption's sample is the question that a judge is asked
    about the caption: the model itself is asked what the row says.

    Raises `RowError`.
    """
    base = {"id": row.id, "video": video(row), "meta": {**row.meta, "task": task_of(row)}}
    if task_of(row) == YES_NO:
        return sample_of({**base, "question": row.question, "answer": str(row.answer).strip().rstrip(".").lower(),
                          "question_type": "yes_no"})
    is_caption = task_of(row) == CAPTIONING
    text, gold = (row.meta.get("mc_question"), row.meta.get("mc_answer")) if is_caption else (row.question, row.answer)
    if not isinstance(text, str) or not isinstance(gold, str):  # as on GitHub, where the judge's question is elsewhere
        return sample_of({**base, "question": row.question, "answer": row.answer, "question_type": "open"})
    if task_of(row) == MATCHING:
        return matching(base, text, gold)
    question, options = split_options(text)
    return sample_of({**base, "question": question, "options": options, "answer": gold,
                      "question_type": "multiple_choice"})


def matching(base: Mapping[str, Any], text: str, gold: str) -> Sample:
    """Caption matching: "Option 1: …", "Sentence A: …", "Caption B: …" lines are the options, their labels kept."""
    question, lines = labelled_lines(text)
    labels, captions = [label for label, _ in lines], [caption for _, caption in lines]
    whole = [f"{label}: {caption}" for label, caption in lines]
    place = next((k for k, line in enumerate(whole) if line.strip() == gold.strip()), None)
    if place is None:
        raise RowError(f"answer {gold!r}"[:200], "one of the question's lines")
    return sample_of({**base, "question": question, "options": captions, "answer": letter_of(place),
                      "question_type": "multiple_choice", "meta": {**base["meta"], "option_labels": labels}})


def video(row: Published) -> str:
    """videos/<video_id>.mp4, or the row's id where the row does not tell."""
    name = row.meta.get("video_id")
    return f"videos/{name}.mp4" if name else row.id


def categories(row: Published) -> Mapping[str, str | tuple[str, ...]]:
    """Task, dimension, both together, and the fine aspect where it is known."""
    task = task_of(row)
    found = {"task": task}
    if isinstance(row.meta.get("dim"), str):
        found |= {"dim": row.meta["dim"], "task_dim": f"{task}/{row.meta['dim']}"}
    return {**found, **({"aspect": row.meta["aspect"]} if isinstance(row.meta.get("aspect"), str) else {})}


def headline(tally: Tally, protocol: str) -> dict[str, Any]:
    """Accuracy by task, the unweighted mean of the three that need no judge, and the pooled one over them.

    match_success: share of rows whose reply a rule could read (the official Match Success Rate is by task). Captioning
    is None without a judge's answers.
    """
    tasks, cells = tally.means("task"), tally.tables.get("task", {})
    ruled = [cells[name] for name in TASKS[:3] if name in cells]
    rows = sum(cell.n for cell in ruled)
    seen = sum(sum(cell.statuses.values()) for cell in ruled)
    three = [tasks[name] for name in TASKS[:3] if name in tasks]
    found = {"avg3": mean(three) if len(three) == 3 else None,
             "micro3": sum(cell.total for cell in ruled) / rows if rows else None,
             **{name: tasks.get(name) for name in TASKS},
             "match_success": sum(cell.statuses["ok"] for cell in ruled) / seen if seen else None,
             **{f"match_success_{name}": cells[name].statuses["ok"] / sum(cells[name].statuses.values())
                for name in TASKS[:3] if name in cells}}
    return {**found, **({"note": "captioning: n/a without a judge's answers"} if tasks.get(CAPTIONING) is None else {})}
