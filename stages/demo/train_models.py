"""Makes the two shipped models from nothing: ``python -m strive.stages.demo.train_models --out DIR``.

    DIR/policy/        a Qwen2.5-VL of a million parameters (from_pretrained folder)
    DIR/clip/          an open_clip model (local-dir: folder)
    DIR/lessons/       what is finished so far: an interrupted call goes on from there

About half an hour on one core. Same seeds and thread count give the same models on the same machine, and accuracies
within 0.02 elsewhere (floating-point sums differ).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from strive.cache.atomic import write_bytes
from strive.stages.demo.lesson import many_views, prompt_text
from strive.stages.demo.material import Material, make_material
from strive.stages.demo.pictures import prepare_tower
from strive.stages.demo.policy_model import policy_config, processor_for, save_policy
from strive.stages.demo.questions import FAMILIES
from strive.stages.demo.teach_clip import clip_config, clip_tokenizer, new_clip, save_clip, teach_clip
from strive.stages.demo.teach_policy import PolicyLesson, exercises, teach_policy
from strive.stages.demo.teach_vision import teach_vision
from strive.stages.demo.tokenizer import learn_tokenizer

SEED = 20_001  # the lessons' worlds; the demo's own world has another seed, so no video is shared
VIDEOS = 800
VISION_LESSONS = ((900, ""), (500, "counting"))  # steps, and what is shown more often
POLICY_LESSONS = (
    PolicyLesson(steps=600, rate=1e-3),
    # the habit that is left to reinforcement learning to break, stronger in some wordings than in others
    PolicyLesson(steps=200, rate=5e-4, guesses=(0.3, 0.5, 0.65), loose=0.3),
)
CLIP_STEPS = 700
VIEWS_PER_VIDEO = 6


def main() -> None:
    """Parse the command line and make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for both models")
    parser.add_argument("--only", choices=("policy", "clip"), help="make one of the two")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lessons = arguments.out / "lessons"
    lessons.mkdir(parents=True, exist_ok=True)
    material = make_material(SEED, "train", VIDEOS)
    log("material: ready")
    if arguments.only != "clip":
        make_policy(material, lessons, arguments.out / "policy")
    if arguments.only != "policy":
        make_clip(material, arguments.out / "clip")


def log(text: str) -> None:
    """A line of progress on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def demo_tokenizer() -> Qwen2Tokenizer:
    """The policy's tokenizer."""
    return learn_tokenizer([prompt_text(wording, one) for one in FAMILIES.values() for wording in one.wordings])


def make_policy(material: Material, lessons: Path, folder: Path) -> None:
    """Vision first, then language on top of the frozen tower."""
    tokenizer = demo_tokenizer()
    model = sighted_model(tokenizer, material, lessons)
    language = model.model.language_model
    for number, plan in enumerate(POLICY_LESSONS):
        finished = lessons / f"policy_{number}.safetensors"
        if not finished.exists():
            views = many_views(model.model.visual, material, SEED + number, VIEWS_PER_VIDEO, plan.loose)
            log(f"policy: {len(views)} views encoded")
            teach_policy(model, tokenizer, exercises(material, views), plan, SEED + number, log)
            write_bytes(finished, save(dict(language.state_dict())))
        language.load_state_dict(load_file(finished))
    save_policy(model, processor_for(tokenizer), folder)


def sighted_model(tokenizer: Qwen2Tokenizer, material: Material, lessons: Path) -> Any:
    """A new model whose vision tower has had its lessons; finished ones are not repeated."""
    torch.manual_seed(SEED)
    model = Qwen2_5_VLForConditionalGeneration(policy_config(tokenizer))
    visual = model.model.visual
    prepare_tower(visual)
    for number, (steps, focus) in enumerate(VISION_LESSONS):
        finished = lessons / f"vision_{number}.safetensors"
        if not finished.exists():
            teach_vision(visual, material, SEED + number, steps, log, focus)
            write_bytes(finished, save(dict(visual.state_dict())))
        visual.load_state_dict(load_file(finished))
    return model


def make_clip(material: Material, folder: Path) -> None:
    """Train and save the scorer."""
    tokenizer = clip_tokenizer(demo_tokenizer())
    config = clip_config(len(tokenizer))
    model = new_clip(config, SEED)
    teach_clip(model, tokenizer, material, SEED, CLIP_STEPS, log)
    save_clip(model, tokenizer, config, folder)


if __name__ == "__main__":
    main()
