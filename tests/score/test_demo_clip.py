"""Long questions with the shipped CLIP on the built-in world: what is at the end counts only when nothing is cut."""

from collections.abc import Iterator
from itertools import cycle

import numpy as np
import pytest

from strive.configs.data_stages import ScoreConfig
from strive.stages.demo.material import POOL_TIMES, shown_at
from strive.stages.demo.questions import FAMILIES
from strive.stages.demo.scene import draw_frame, scenery
from strive.stages.demo.script import Script, write_script
from strive.stages.score.clip import ClipEncoder, open_clip_encoder
from strive.stages.score.text import question_vector
from strive.stages.score.tiles import cut_tiles, tile_boxes
from strive.stages.tasks.sample import Question

VIDEOS = [write_script(77, "eval", index) for index in range(8)]


@pytest.fixture(scope="module")
def encoder() -> ClipEncoder:
    return open_clip_encoder(ScoreConfig(model="demo", batch=33, device="cpu"))


def frames_of(script: Script) -> list[np.ndarray]:
    background = scenery(script)
    return [np.ascontiguousarray(draw_frame(script, background, float(time))) for time in POOL_TIMES]


def late_questions(script: Script, encoder: ClipEncoder) -> Iterator[tuple[str, np.ndarray]]:
    """200 tokens about things that the video does not show, then a question about one that it does; where that is."""
    kinds = {showing.kind for showing in script.showings}
    for asked in sorted(kinds & set(FAMILIES)):
        evidence = np.array([any(one.kind == asked for one in shown_at(script, time)) for time in POOL_TIMES])
        for absent in sorted(set(FAMILIES) - kinds):
            text, talk = "", cycle(FAMILIES[absent].wordings)
            while encoder.tokens(text + FAMILIES[asked].wordings[0]) < 200:
                text += next(talk) + " "
            yield text + FAMILIES[asked].wordings[0], evidence


def found(encoder: ClipEncoder, rows: np.ndarray, text: str, evidence: np.ndarray, policy: str) -> tuple[bool, float]:
    """Whether the best frame shows what is asked for, and how often such a frame is above another one."""
    compared = question_vector(encoder, Question("q", "v", text, None, "open"), ScoreConfig(long_text=policy))
    assert (compared.facts["truncated"] > 0.5) == (policy == "truncate")
    score = rows @ compared.vector
    return bool(evidence[score.argmax()]), float((score[evidence][:, None] > score[~evidence][None]).mean())


def test_a_key_word_after_200_tokens_finds_its_frames_more_often_in_pieces_than_cut(encoder: ClipEncoder) -> None:
    pieces, cut = [], []
    for script in VIDEOS:
        rows = encoder.images(frames_of(script), "")
        for text, evidence in late_questions(script, encoder):
            pieces.append(found(encoder, rows, text, evidence, "chunk_mean"))
            cut.append(found(encoder, rows, text, evidence, "truncate"))
    gain = np.array([one[1] for one in pieces]) - np.array([one[1] for one in cut])
    assert len(gain) >= 30 and gain.mean() > 2.6 * gain.std(ddof=1) / np.sqrt(len(gain))
    assert sum(one[0] for one in pieces) > sum(one[0] for one in cut)
    assert any(one[0] and not other[0] for one, other in zip(pieces, cut, strict=True))


def test_the_same_short_question_is_scored_alike_by_both(encoder: ClipEncoder) -> None:
    question = Question("q", "v", FAMILIES["colour"].wordings[0], None, "open")
    one, two = (question_vector(encoder, question, ScoreConfig(long_text=policy)).vector
                for policy in ("chunk_mean", "truncate"))
    assert (one == two).all()


def test_the_best_tile_of_a_frame_holds_the_disc_that_is_asked_for_more_often_than_chance(encoder: ClipEncoder) -> None:
    boxes, hits, chance = tile_boxes(3, 0.4), [], []
    vector = question_vector(encoder, Question("q", "v", FAMILIES["colour"].wordings[0], None, "open"), ScoreConfig())
    for script in (write_script(78, "eval", index) for index in range(40)):
        for disc in (one for one in script.showings if one.kind == "colour"):
            frame = np.ascontiguousarray(draw_frame(script, scenery(script), (disc.start_s + disc.end_s) / 2))
            saliency = encoder.images(cut_tiles([frame], boxes), "") @ vector.vector
            holds = ((boxes[:, :2] <= (disc.x, disc.y)) & ((disc.x, disc.y) <= boxes[:, 2:])).all(axis=1)
            hits.append(bool(holds[saliency.argmax()]))
            chance.append(float(holds.mean()))
    gain = np.array(hits) - np.array(chance)
    assert len(gain) >= 20 and gain.mean() > 5 * gain.std(ddof=1) / np.sqrt(len(gain))
