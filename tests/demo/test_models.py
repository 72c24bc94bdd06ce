"""The shipped models: loaded by the ordinary loaders, small, and able to see what the world shows."""

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, Qwen2_5_VLProcessor

import strive.stages.demo.models as models
from strive.stages.demo.material import POOL_TIMES, Material, make_material, shown_at
from strive.stages.demo.policy_model import VIEW_FRAMES, VIEW_SIDE
from strive.stages.demo.questions import FAMILIES
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import Question
from strive.stages.vlm.interface import Sampling
from strive.stages.vlm.load import load_policy

FOLDER = Path(str(models.__path__[0]))
FORMAT = PROMPT_FORMATS["think_answer"]


@pytest.fixture(scope="module")
def material() -> Material:
    return make_material(seed=77, split="eval", videos=20)


def test_both_model_folders_together_are_at_most_ten_megabytes() -> None:
    files = [path for name in ("policy", "clip") for path in (FOLDER / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 10_000_000
    assert not [path for path in files if path.suffix in {".bin", ".pt", ".pth", ".pkl", ".py"}]


def test_the_policy_is_an_ordinary_folder_that_transformers_loads() -> None:
    model = AutoModelForImageTextToText.from_pretrained(FOLDER / "policy", local_files_only=True)
    processor = AutoProcessor.from_pretrained(FOLDER / "policy", local_files_only=True)
    assert model.config.model_type == "qwen2_5_vl"
    assert isinstance(processor, Qwen2_5_VLProcessor) and processor.video_processor is not None
    assert 1_000_000 <= sum(weight.numel() for weight in model.parameters()) <= 3_500_000


@pytest.mark.parametrize("text", ["Ünïcødé 你好 \n\t x^2", "", "def f(x):\n    return 1", "🎥 naïve"])
def test_the_tokenizer_encodes_any_text_and_gives_it_back(text: str) -> None:
    tokenizer = AutoProcessor.from_pretrained(FOLDER / "policy", local_files_only=True).tokenizer
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_tags_of_a_reply_survive_decoding_and_chat_marks_do_not() -> None:
    tokenizer = AutoProcessor.from_pretrained(FOLDER / "policy", local_files_only=True).tokenizer
    reply = "<think>red disc</think><answer>red</answer>"
    ids = tokenizer(reply + "<|im_end|>").input_ids
    assert len(ids) <= 24 and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == reply


def shown_views(policy: Any, material: Material) -> tuple[list[Any], list[str], list[float]]:
    """Every question of the material over eight frames that include its evidence; answers and chances."""
    views, answers, chances = [], [], []
    for video, script in enumerate(material.scripts):
        for asked in script.asked:
            proof = [next(place for place, time in enumerate(POOL_TIMES) if one.start_s <= time <= one.end_s)
                     for one in asked.showings]  # fmt: skip
            spread = np.linspace(0, len(POOL_TIMES) - 1, VIEW_FRAMES - len(proof)).round().astype(int)
            frames = np.unique([*proof, *spread])
            question = Question("q", "v", asked.wording, None, asked.family.question_type)
            pictures = material.frames[video, frames]
            views.append(policy.encode_view([pictures], POOL_TIMES[frames], FORMAT.render(question)))
            answers.append(asked.answer)
            chances.append(1 / len(asked.family.choices))
    return views, answers, chances


def test_the_policy_answers_far_above_chance_when_the_evidence_is_shown(material: Material) -> None:
    policy = load_policy("demo", device="cpu", max_pixels=VIEW_SIDE**2, min_pixels=28 * 28)
    views, answers, chances = shown_views(policy, material)
    replies = [rows[0] for rows in policy.generate(views, 1, Sampling(32, temperature=0.0), None)]
    parsed = [FORMAT.parse(reply.text, not reply.finished) for reply in replies]
    assert np.mean([one.well_formed for one in parsed]) > 0.9
    accuracy = np.mean([one.answer == answer for one, answer in zip(parsed, answers, strict=True)])
    assert accuracy > np.mean(chances) + 0.15


def test_the_policy_is_at_chance_when_the_frames_are_grey(material: Material) -> None:
    policy = load_policy("demo", device="cpu", max_pixels=VIEW_SIDE**2, min_pixels=28 * 28)
    grey = Material(material.scripts, np.full_like(material.frames, 128))
    views, answers, chances = shown_views(policy, grey)
    replies = [FORMAT.parse(rows[0].text, False).answer for rows in policy.generate(views, 1, Sampling(32, 0.0), None)]
    right = [reply == answer for reply, answer in zip(replies, answers, strict=True)]
    assert np.mean(right) < np.mean(chances) + 3 * (np.mean(chances) / len(right)) ** 0.5


def test_the_scorer_ranks_the_frames_with_the_evidence_first(material: Material) -> None:
    name = f"local-dir:{FOLDER / 'clip'}"
    model, _, prepare = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()
    with torch.inference_mode():
        for video, script in enumerate(material.scripts[:6]):
            pictures = torch.stack([prepare(Image.fromarray(frame)) for frame in material.frames[video]])
            images = model.encode_image(pictures, normalize=True)
            for asked in script.asked:
                near = (images @ model.encode_text(tokenizer([asked.wording]), normalize=True).T)[:, 0]
                on = torch.tensor([any(one in asked.showings for one in shown_at(script, float(time)))
                                   for time in POOL_TIMES])  # fmt: skip
                assert near[on].min() > near[~on].max(), (asked.family.name, video)


def test_every_family_is_asked_in_the_material(material: Material) -> None:
    assert {asked.family.name for script in material.scripts for asked in script.asked} == set(FAMILIES)
