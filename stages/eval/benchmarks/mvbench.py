"""MVBench in its published layout (OpenGVLab/MVBench): 20 tasks of 200 questions about videos of other datasets.

DATA/json/<task>.json            [{video, question, candidates, answer (its text), and start, end in seconds where a
                                 part of the video is asked about}]
DATA/video/<source>/…            videos, or zips of them: DATA/video/<source>.zip
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from strive.configs.errors import ItemError, MissingError, UsageError
from strive.stages.eval.benchmarks.assemble import Row, assemble, list_column, text_column
from strive.stages.eval.benchmarks.data import BenchData, need_folder
from strive.stages.eval.benchmarks.json_tables import read_json, with_columns
from strive.stages.eval.benchmarks.zips import Member, all_members, unpack
from strive.stages.eval.figures.statistics import mean
from strive.stages.eval.figures.tally import Tally
from strive.stages.eval.published import Published
from strive.stages.tasks.prompt import letter_of
from strive.stages.tasks.sample import Sample
from strive.stages.tasks.sample_rows import RowError, sample_of

COLUMNS = ("video", "question", "candidates", "answer")
LAYOUT = "json/<task>.json and video/, as published in OpenGVLab/MVBench"
FOLDERS = {
    "action_antonym": ("ssv2_video", "ssv2_video_mp4"),
    "action_count": ("perception/videos",),
    "action_localization": ("sta/sta_video", "sta/sta_video_segment"),
    "action_prediction": ("star/Charades_v1_480", "star/Charades_segment"),
    "action_sequence": ("star/Charades_v1_480", "star/Charades_segment"),
    "character_order": ("perception/videos",),
    "counterfactual_inference": ("clevrer/video_validation",),
    "egocentric_navigation": ("vlnqa",),
    "episodic_reasoning": ("tvqa/frames_fps3_hq", "tvqa/video_fps3_hq_segment"),
    "fine_grained_action": ("Moments_in_Time_Raw/videos",),
    "fine_grained_pose": ("nturgbd", "nturgbd_convert"),
    "moving_attribute": ("clevrer/video_validation",),
    "moving_count": ("clevrer/video_validation",),
    "moving_direction": ("clevrer/video_validation",),
    "object_existence": ("clevrer/video_validation",),
    "object_interaction": ("star/Charades_v1_480", "star/Charades_segment"),
    "object_shuffle": ("perception/videos",),
    "scene_transition": ("scene_qa/video",),
    "state_change": ("perception/videos",),
    "unexpected_action": ("FunQA_test/test",),
}
"""Task → where its whole videos lie; a second folder holds the same already cut to the part asked about."""
SEGMENTS = "_segment"


def read(data: Path, work: Path) -> BenchData:
    """The questions of every task whose file is there. Raises `MissingError` without any, or without videos."""
    need_folder(data, LAYOUT)
    tables = {task: path for task in FOLDERS for path in (data / "json" / f"{task}.json", data / f"{task}.json")
              if path.is_file()}
    if not tables:
        raise MissingError(f"{data}: no json/<task>.json", LAYOUT, "Download the folder json.")
    rows = (row for task, path in tables.items() for row in rows_in(task, path))
    found = VideoFiles(data, work)
    return assemble(rows, partial(placed, found), found, "mvbench", ("task",))


def rows_in(task: str, path: Path) -> Iterator[Row]:
    """The questions of one task."""
    value = read_json(path)
    if not isinstance(value, list):
        raise UsageError(f"{path}: not a list of questions", f"objects with {', '.join(COLUMNS)}", "Download it again.")
    for number, found in enumerate(value):
        place = f"{path}, row {number + 1}"
        yield place, partial(published, {**with_columns(found, COLUMNS, place), "task": task, "number": number})


def published(columns: Mapping[str, Any]) -> Published:
    """A row as it is published; its id is the task and the place in the task's file. Raises `RowError`."""
    name = PurePosixPath(str(columns["video"]))
    if name.is_absolute() or ".." in name.parts or "\\" in str(name) or "\0" in str(name) or not name.parts:
        raise RowError(f"video {columns['video']!r}"[:200], "a plain file name")
    task = str(columns.get("task") or "")
    meta = {"task": task, "video": str(name)}
    meta |= {key: columns[key] for key in ("start", "end") if columns.get(key) is not None}
    for key in ("start", "end"):
        if key in meta and (isinstance(meta[key], bool) or not isinstance(meta[key], int | float)):
            raise RowError(f"{key} is {meta[key]!r}"[:200], "seconds")
    return Published(f"{task}/{columns.get('number', columns.get('index'))}", "mvbench", task,
                     text_column(columns, "question"), list_column(columns, "candidates"),
                     text_column(columns, "answer"), meta)


def placed(videos: "VideoFiles", row: Published) -> Sample:
    """The question about its part of the video: `meta.clip` where the video is not cut to it already."""
    made = sample(row)
    name, is_cut = videos.look(made)
    meta = {key: value for key, value in made.meta.items() if key != "clip" or not is_cut}
    return Sample(made.id, name, made.question, made.options, made.answer, made.question_type, meta)


def sample(row: Published) -> Sample:
    """Multiple choice; the answer is one of the candidates, by its text or its letter. Raises `RowError`."""
    options = [str(one) for one in row.options or []]
    answer = str(row.answer)
    if answer in options:
        answer = letter_of(options.index(answer))
    meta = dict(row.meta)
    if isinstance(meta.get("start"), int | float) and isinstance(meta.get("end"), int | float):
        meta["clip"] = [float(meta["start"]), float(meta["end"])]
    return sample_of({"id": row.id, "video": video(row), "question": row.question, "answer": answer, "options": options,
                      "question_type": "multiple_choice", "meta": meta})


def video(row: Published) -> str:
    """The video's name, or the row's id where the row does not tell."""
    return str(row.meta.get("video") or row.id)


def categories(row: Published) -> Mapping[str, str | tuple[str, ...]]:
    """The task."""
    task = row.meta.get("task") or row.meta.get("task_type") or row.question_type
    return {"task": str(task)} if task else {}


def headline(tally: Tally, protocol: str) -> dict[str, Any]:
    """The mean over tasks, which is the accuracy over all questions where every task has 200."""
    tasks = tally.means("task")
    found = {"mean_of_tasks": mean(list(tasks.values())), "micro": tally.whole.mean}
    return {**found, **({"note": f"{len(tasks)} of 20 tasks"} if len(tasks) < len(FOLDERS) else {})}


class VideoFiles:
    """MVBench's videos, unpacked or in zips."""

    def __init__(self, data: Path, work: Path) -> None:
        self.roots = [one for one in (data / "video", data, data / "video" / "data0613") if one.is_dir()]
        self.work = work
        archives = sorted([*data.glob("video/*.zip"), *data.glob("*.zip")])
        self.packed: dict[str, Member] = all_members(archives)
        if not archives and not (data / "video").is_dir() and not any((data / first.split("/")[0]).is_dir()
                                                                      for first, *_ in FOLDERS.values()):
            raise MissingError(f"{data}: no folder video and no zips", LAYOUT, "Download the folder video.")

    def look(self, sample: Sample) -> tuple[str, bool]:
        """Where the video lies below the data folder's `video`, and whether it is cut to the part asked about."""
        folders = FOLDERS.get(str(sample.meta.get("task")), ("",))
        for folder in folders:
            name = f"{folder}/{sample.video}".lstrip("/")
            if self.path(name) is not None or name in self.packed:
                return name, folder.endswith(SEGMENTS)
        return f"{folders[0]}/{sample.video}".lstrip("/"), False

    def path(self, name: str) -> Path | None:
        """The unpacked file or folder of frames."""
        return next((root / name for root in self.roots if (root / name).exists()), None)

    def __call__(self, sample: Sample) -> Path:
        """The video's file. `ItemError` for one that isn't there, and for a folder of frames."""
        path = self.path(sample.video)
        if path is None and sample.video in self.packed:
            return unpack(self.packed[sample.video], self.work)
        if path is None:
            raise ItemError(f"no video {sample.video}")
        if path.is_dir():
            raise ItemError(f"{sample.video} is a folder of frames", "a video file",
                            "Use the published cut videos, tvqa/video_fps3_hq_segment.")
        return path


