"""What a view becomes: tokens, pixels, positions; compared with the processor's own output and with stored values."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, QWEN
from transformers.video_utils import VideoMetadata
from vlm_views import clip, mixed_views

from strive.configs.errors import ItemError, UsageError
from strive.stages.vlm import Policy, load_policy
from strive.stages.vlm.sizing import resize_frames

# 8 frames of 90 x 160 at 0.5-second steps, "What colour?": a change here means that a new transformers release counts
# or places visual tokens differently, or that the chat's frame changed.
STORED = {
    "qwen2_vl": {"grid": [[4, 6, 10]], "visual_tokens": 60, "length": 99, "next_position": 44,
                 "temporal": [24, 25, 26, 27], "rows": [24, 26], "columns": [24, 28]},
    "qwen2_5_vl": {"grid": [[4, 6, 10]], "visual_tokens": 60, "length": 99, "next_position": 46,
                   "temporal": [24, 26, 28, 30], "rows": [24, 26], "columns": [24, 28]},
    "qwen3_vl": {"grid": [[4, 6, 10]], "visual_tokens": 60, "length": 137, "next_position": 97,
                 "temporal": [32, 47, 62, 77], "rows": [32, 79], "columns": [32, 81]},
    "internvl": {"grid": [[8, 4, 4]], "visual_tokens": 32, "length": 139, "next_position": 139},
    "llava_onevision": {"grid": [[8, 3, 3]], "visual_tokens": 33, "length": 53, "next_position": 53},
}
SHOWN = {"internvl": (56, 56), "llava_onevision": (42, 42)}  # else by the pixel budget: 90 x 160 → 84 x 140


def load(folder: Path, **modes: str) -> Policy:
    return load_policy(str(folder), max_pixels=64 * 14 * 14, min_pixels=784, **modes)  # type: ignore[arg-type]


def family_of(policy: Policy) -> str:
    return str(policy.core.config.model_type)


def test_token_counts_and_positions_are_the_stored_ones(policy: Policy) -> None:
    view = policy.encode_view([clip(8, height=90, width=160)], np.arange(8) * 0.5, "What colour?")
    assert view.grid_thw is not None
    found = {"grid": view.grid_thw.tolist(), "visual_tokens": view.visual_tokens, "length": len(view),
             "next_position": view.next_position}
    if policy.adapter.axes == 3:
        seen = view.position_ids[:, view.mm_token_type_ids == 2]
        found |= {"temporal": seen[0].unique().tolist(), "rows": [int(seen[1].min()), int(seen[1].max())],
                  "columns": [int(seen[2].min()), int(seen[2].max())]}
    assert STORED[family_of(policy)] == found


def test_the_prompt_is_the_processors_own(policy: Policy) -> None:
    """Two clips of different length; frames that already have their size go through the processor as they are."""
    family, clips = family_of(policy), [clip(6, height=90, width=160), clip(6, 1, height=90, width=160)]
    view = policy.encode_view(clips, np.arange(12) * 0.5, "What colour?")
    shown = [resize_frames(frames, SHOWN.get(family, (84, 140))) for frames in clips]
    text = policy.processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "video"}] * 2 + [{"type": "text", "text": "What colour?"}]}],
        tokenize=False, add_generation_prompt=True)
    metadata = [VideoMetadata(total_num_frames=6, fps=2.0, frames_indices=list(range(start, start + 6)))
                for start in (0, 6)]
    theirs = policy.processor(text=[text], videos=shown, do_resize=False, do_sample_frames=False,
                              video_metadata=metadata, return_tensors="pt")
    ids = theirs["input_ids"][0].tolist()
    if family == "qwen3_vl":  # 5.23 wraps each whole video in one more pair, see qwen3_vl.py
        ids = without_outer_pairs(ids, policy.core.config)
    assert view.input_ids.tolist() == ids
    pixels = theirs["pixel_values" if family == "internvl" else "pixel_values_videos"]
    assert torch.equal(view.pixel_values, pixels.flatten(0, 1) if family == "llava_onevision" else pixels)
    if family in QWEN:
        assert torch.equal(view.grid_thw, theirs["video_grid_thw"])


def without_outer_pairs(ids: list[int], config: object) -> list[int]:
    start, end = config.vision_start_token_id, config.vision_end_token_id  # type: ignore[attr-defined]
    keep = [not (token == start and ids[at + 1] != config.video_token_id)  # type: ignore[attr-defined]
            and not (token == end and ids[at - 1] == end) for at, token in enumerate(ids)]
    return [token for token, kept in zip(ids, keep, strict=True) if kept]


@pytest.mark.parametrize("family", QWEN)
def test_frames_as_images_are_the_processors_own(family: str, model_folders: dict[str, Path]) -> None:
    policy, frames = load(model_folders[family], frame_pairing="images"), clip(3, height=90, width=160)
    view = policy.encode_view([frames], np.arange(3) * 0.5, "What colour?")
    shown = resize_frames(frames, (84, 140))
    text = policy.processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}] * 3 + [{"type": "text", "text": "What colour?"}]}],
        tokenize=False, add_generation_prompt=True)
    theirs = policy.processor(text=[text], images=list(shown), do_resize=False, return_tensors="pt")
    assert view.input_ids.tolist() == theirs["input_ids"][0].tolist()
    assert torch.equal(view.pixel_values, theirs["pixel_values"])
    assert torch.equal(view.grid_thw, theirs["image_grid_thw"])
    assert view.mm_token_type_ids.unique().tolist() == [0, 1] and view.visual_tokens == 3 * 15
    assert view.extra["clips"][0]["patch_times"] == [0.0, 0.5, 1.0] and view.extra["frame_pairing"] == "images"


@pytest.mark.parametrize("family", QWEN)
def test_a_repeated_frame_is_a_still_pair_at_its_own_time(family: str, model_folders: dict[str, Path]) -> None:
    frames, times = clip(3), np.array([0.0, 100.0, 101.5])
    repeat = load(model_folders[family], frame_pairing="repeat").encode_view([frames], times, "What?")
    video = load(model_folders[family]).encode_view([frames.repeat(2, axis=0)], times.repeat(2), "What?")
    for name in ("input_ids", "position_ids", "pixel_values", "grid_thw", "mm_token_type_ids"):
        assert torch.equal(getattr(repeat, name), getattr(video, name)), name
    assert repeat.extra["clips"] == [{"frames": 3, "repeated": 0, "size": [56, 84], "patch_times": times.tolist()}]


def test_placeholders_are_as_many_as_features(policy: Policy) -> None:
    views = mixed_views(policy)
    with torch.no_grad():
        features = policy.encode_vision(views)
    for view, own in zip(views, features, strict=True):
        placeholders = int((view.input_ids == policy.adapter.placeholder_id).sum())
        assert view.visual_tokens == placeholders == (0 if own is None else len(own.tokens))
        assert (view.mm_token_type_ids == 2).sum() == placeholders
        assert view.position_ids.shape == (policy.adapter.axes, len(view))


@pytest.mark.parametrize("family", FAMILIES)
def test_two_samplings_of_one_video_reach_the_model_as_different_times(
    family: str, model_folders: dict[str, Path]
) -> None:
    """By positions (Qwen2.5-VL), by the family's own text (Qwen3-VL), else by the text that was asked for."""
    told = family in ("qwen2_5_vl", "qwen3_vl")
    policy = load(model_folders[family], time_text="none" if told else "seconds")
    frames = clip(4)
    early, late = (policy.encode_view([frames], np.arange(4) * step, "What colour?") for step in (1.0, 7.0))
    if family == "qwen2_5_vl":
        assert torch.equal(early.input_ids, late.input_ids)
        assert not torch.equal(early.position_ids, late.position_ids)
    else:
        words = {"qwen3_vl": ("<0.5 seconds>", "<17.5 seconds>"),
                 "internvl": ("Frame2 at 1.0s: <img>", "Frame4 at 21.0s: <img>")}
        sooner, later = words.get(family, ("at 0.0s, 1.0s, 2.0s, 3.0s.\n", "at 0.0s, 7.0s, 14.0s, 21.0s.\n"))
        assert sooner in policy.tokenizer.decode(early.input_ids)
        assert later in policy.tokenizer.decode(late.input_ids)
    tokens = torch.tensor([40, 41, 42])
    with torch.no_grad():
        scores = policy.logprobs([early, late], [tokens, tokens]).logprobs
    assert (scores[0] - scores[1]).abs().max() > 1e-3


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ("qwen2_5_vl", "qwen3_vl")])
def test_without_times_as_text_only_the_frames_are_seen(family: str, policies: dict[str, Policy]) -> None:
    views = [policies[family].encode_view([clip(4)], np.arange(4) * step, "Why?") for step in (1.0, 7.0)]
    assert torch.equal(views[0].input_ids, views[1].input_ids)
    assert torch.equal(views[0].position_ids, views[1].position_ids)


def test_times_as_text_stand_before_the_visual_they_belong_to(model_folders: dict[str, Path]) -> None:
    policy = load(model_folders["llava_onevision"], time_text="seconds")
    view = policy.encode_view([clip(1), clip(2)], np.array([4.0, 9.04, 12.46]), "Why?")
    assert policy.tokenizer.decode(view.input_ids).startswith(
        "<|im_start|>user\nThe frames of this video are located at 4.0s.\n" + "<video>" * 5 +
        "\nThe frames of this video are located at 9.0s, 12.5s.\n" + "<video>" * 9 + "\nWhy?<|im_end|>")
    qwen = load(model_folders["qwen2_vl"], time_text="seconds")
    odd = qwen.tokenizer.decode(qwen.encode_view([clip(3)], np.arange(3), "Why?").input_ids)
    assert "located at 0.0s, 1.0s, 2.0s.\n<|vision_start|><|video_pad|>" in odd
    images = load(model_folders["qwen2_5_vl"], time_text="seconds", frame_pairing="images")
    shown = images.tokenizer.decode(images.encode_view([clip(2)], np.array([4.0, 9.0]), "Why?").input_ids)
    assert "<4.0 seconds><|vision_start|><|image_pad|>" in shown and "<|vision_end|><9.0 seconds><|vision" in shown


def test_what_was_done_to_the_frames_is_recorded(policy: Policy) -> None:
    odd, single = mixed_views(policy)[1:3]
    assert single.grid_thw is not None and odd.extra["frame_pairing"] == "video" and odd.extra["time_text"] == "none"
    if family_of(policy) in QWEN:
        assert odd.extra["clips"] == [{"frames": 5, "repeated": 1, "size": [56, 84], "patch_times": [0.25, 1.25, 2.0]}]
        assert single.extra["clips"][0]["repeated"] == 1 and single.grid_thw.tolist() == [[1, 4, 6]]
    else:  # every frame by itself, at the tower's own size
        side = SHOWN[family_of(policy)]
        assert odd.extra["clips"] == [{"frames": 5, "repeated": 0, "size": list(side),
                                       "patch_times": [0.0, 0.5, 1.0, 1.5, 2.0]}]
        assert single.grid_thw.tolist() == [[1, side[0] // 14, side[1] // 14]]


@pytest.mark.parametrize("family", QWEN)
def test_a_single_frame_is_its_own_pair(family: str, policies: dict[str, Policy]) -> None:
    policy, frame = policies[family], clip(1)
    one = policy.encode_view([frame], np.array([3.0]), "Why?")
    two = policy.encode_view([np.concatenate([frame, frame])], np.array([3.0, 3.0]), "Why?")
    assert torch.equal(one.pixel_values, two.pixel_values) and torch.equal(one.position_ids, two.position_ids)


def test_the_layout_of_a_clip_is_known_without_its_pixels(policy: Policy) -> None:
    times = np.arange(5) * 0.5
    layout = policy.adapter.layout(90, 160, times)
    view = policy.encode_view([clip(5, height=90, width=160)], times, "What?")
    written = "".join(policy.adapter.visuals(layout))
    assert view.grid_thw is not None and list(layout.grid) == view.grid_thw[0].tolist()
    assert written in policy.tokenizer.decode(view.input_ids)
    assert view.visual_tokens == written.count(policy.adapter.token_of["video"])
    assert policy.adapter.frame_tokens * 5 + 1 >= view.visual_tokens


@pytest.mark.parametrize(("family", "pairing"), [(family, "video") for family in FAMILIES] +
                         [(family, pairing) for family in QWEN for pairing in ("repeat", "images")])
def test_a_view_can_be_encoded_without_its_pixels(family: str, pairing: str, model_folders: dict[str, Path]) -> None:
    policy, times = load(model_folders[family], frame_pairing=pairing), np.arange(5) * 0.5
    seen = policy.encode_view([clip(3, height=90, width=160), clip(2)], times, "What?")
    layouts = [policy.adapter.layout(90, 160, times[:3]), policy.adapter.layout(56, 84, times[3:])]
    unseen = policy.adapter.encode_unseen(layouts, "What?")
    for name in ("input_ids", "position_ids", "grid_thw", "mm_token_type_ids"):
        assert torch.equal(getattr(seen, name), getattr(unseen, name)), name
    assert unseen.pixel_values is None and unseen.next_position == seen.next_position and unseen.extra == seen.extra


@pytest.mark.parametrize(("clips", "times"), [([], 0), ([0], 0), ([2], 3), ([2, 0], 2)])
def test_frames_and_times_that_do_not_match_are_refused(policy: Policy, clips: list[int], times: int) -> None:
    with pytest.raises(ItemError, match="frames and"):
        policy.encode_view([clip(count) for count in clips], np.arange(times), "What?")


@pytest.mark.parametrize("token", ["<|video_pad|>", "<|im_end|>", "<|vision_start|>"])
def test_a_question_can_not_smuggle_control_tokens(policy: Policy, token: str) -> None:
    with pytest.raises(ItemError, match="control token"):
        policy.encode_view([clip(2)], np.arange(2), f"What colour? {token}")


@pytest.mark.parametrize(("family", "token"), [("internvl", "<IMG_CONTEXT>"), ("internvl", "<video>"),
                                               ("internvl", "</img>"), ("llava_onevision", "<video>")])
def test_a_familys_own_tokens_are_control_tokens_too(family: str, token: str, policies: dict[str, Policy]) -> None:
    with pytest.raises(ItemError, match="control token"):
        policies[family].encode_view([clip(2)], np.arange(2), f"What colour? {token}")


def test_a_budget_below_one_token_is_refused(model_folders: dict) -> None:
    with pytest.raises(UsageError, match="max_pixels"):
        load_policy(str(model_folders["qwen2_5_vl"]), max_pixels=500, min_pixels=1)


@pytest.mark.parametrize(("family", "modes", "said"), [
    ("qwen2_5_vl", {"time_text": "seconds"}, "already reach"),
    ("qwen3_vl", {"time_text": "seconds", "frame_pairing": "repeat"}, "already reach"),
    ("internvl", {"frame_pairing": "repeat"}, "by itself"),
    ("llava_onevision", {"frame_pairing": "images"}, "by itself"),
    ("qwen2_vl", {"frame_pairing": "pairs"}, "video, repeat, images"),
    ("qwen2_vl", {"time_text": "minutes"}, "none or seconds"),
])
def test_a_mode_that_a_family_has_no_use_for_is_refused(
    family: str, modes: dict[str, str], said: str, model_folders: dict[str, Path]
) -> None:
    with pytest.raises(UsageError) as error:
        load(model_folders[family], **modes)
    assert said in error.value.expected and error.value.do.startswith("Set the ")
