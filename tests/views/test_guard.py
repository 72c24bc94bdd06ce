"""What the guard reads out of questions."""

import pytest

from strive.stages.tasks.sample import Question
from strive.stages.views.guard import evidence, topics, veto
from strive.stages.views.keywords import KEYWORDS
from strive.stages.views.operators import OPERATORS


def ask(text: str, *options: str, question_type: str = "open") -> Question:
    return Question("q", "v.mp4", text, options or None, question_type)


@pytest.mark.parametrize(("text", "topic"), [
    ("How many people enter the room?", "counting"),
    ("How many times does the dog jump?", "repetition"),
    ("What is on the left of the table?", "position"),
    ("Where is the cat?", "position"),
    ("Which way does the comet fly?", "direction"),
    ("Is the wheel turning clockwise?", "direction"),
    ("What colour is the disc?", "colour"),
    ("What happens after the man sits down?", "order"),
    ("What does the sign say?", "text"),
    ("Is the car going fast?", "speed"),
    ("What else is in the scene?", "scene"),
    ("How far is the chair from the door in meters?", "distance"),
    ("屏幕上有多少人？", "unreadable"),
    ("A comet crosses the picture. Where is it heading?", "direction"),
    ("Which letter is written first in the whole video?", "whole"),
    ("How does the recipe begin?", "whole"),
    ("What is the man doing?", "motion"),
    ("Is the door being opened or closed?", "change"),
    ("Why does the crowd cheer?", "cause"),
    ("Does the apple fall from the tree?", "gravity"),
    ("Does he jump twice?", "repetition"),
    ("Which hand does she write with?", "direction"),
    ("On which side of the road does the car stop?", "direction"),
    ("On which side of the road does the car stop?", "position"),
    ("How colourful is the coat?", "colour"),
])
def test_a_question_is_tagged_by_its_words(text: str, topic: str) -> None:
    assert topic in topics(ask(text))


@pytest.mark.parametrize(("text", "options"), [
    ("What colour is the small spot on the plate?", ()),
    ("Which white shape appears first?", ()),
    ("A comet crosses the picture. Where is it heading?", ()),
    ("Which way does the comet fly?", ("left", "right", "up", "down")),
    ("What happens right after the goal?", ("He cheers", "He left the pitch")),
    ("What is the person holding?", ("a cup", "a book")),
    ("What happens after the man sits down?", ("He picks up a phone",)),
    ("What is shown in the middle of the video?", ()),
    ("What did she do before she left?", ()),
    ("What is it?", ("a dog", "None of the above")),
    ("What does he wear on his feet?", ()),
])
def test_the_crop_is_allowed_where_it_cannot_change_the_answer(text: str, options: tuple[str, ...]) -> None:
    assert veto(OPERATORS["salient_crop"], evidence(ask(text, *options))) is None


@pytest.mark.parametrize(("text", "options"), [
    ("How many dots are on the card?", ()),
    ("Where does the ball appear?", ("left", "right")),
    ("What is shown?", ("A cat on the left", "A cat on the right")),
    ("How far away is the tree?", ()),
    ("Which side is it?", ("Top.", "Bottom.")),
    ("Is the cup left of the bowl?", ()),
    ("What is the length in feet?", ()),
    ("Who stands in the middle of the group?", ()),
    ("Сколько людей в кадре?", ()),
])
def test_the_crop_is_vetoed_with_the_words_that_made_it_unsafe(text: str, options: tuple[str, ...]) -> None:
    refused = veto(OPERATORS["salient_crop"], evidence(ask(text, *options)))
    assert refused is not None and refused["operator"] == "salient_crop"
    assert refused["topic"] in refused["reason"]


@pytest.mark.parametrize("name", ["shuffle", "reverse"])
@pytest.mark.parametrize(("text", "options"), [
    ("Which white shape appears first?", ()),
    ("In which direction does the comet move?", ()),
    ("A comet crosses the picture. Where is it heading?", ()),
    ("What is the man doing with the box?", ("Putting it down", "Picking it up")),
    ("Is the water filling the glass?", ("yes", "no")),
    ("Is the ball rolling to the left?", ()),
    ("What is the speed of the car?", ("Accelerating", "Decelerating")),
    ("In what order do the fruits appear?", ("Apple, pear", "Pear, apple")),
    ("What happened before the fire broke out?", ()),
    ("Why did the cup break?", ()),
    ("Does the leaf float upwards?", ()),
    ("屏幕上是什么颜色？", ()),
])
def test_frames_in_another_order_are_vetoed_wherever_time_matters(
    name: str, text: str, options: tuple[str, ...]
) -> None:
    refused = veto(OPERATORS[name], evidence(ask(text, *options)))
    assert refused is not None and refused["operator"] == name and refused["topic"] in refused["reason"]


@pytest.mark.parametrize("name", ["shuffle", "reverse"])
@pytest.mark.parametrize("text", ["Which colour does the disc have?", "What breed is the dog?",
                                  "Who is in the picture?"])
def test_frames_in_another_order_are_allowed_where_one_frame_tells(name: str, text: str) -> None:
    assert veto(OPERATORS[name], evidence(ask(text))) is None


@pytest.mark.parametrize(("text", "vetoed"), [
    ("Which shape appears last?", {"segment"}),
    ("How many people are in the whole video?", {"segment"}),
    ("How long does the man run?", {"segment", "drop", "frame_count"}),
    ("How many times does the bell ring?", {"segment", "drop", "frame_count", "draw"}),
    ("What is the person holding?", set()),
])
def test_operators_that_leave_frames_out_are_vetoed_where_a_part_of_the_video_is_not_enough(
    text: str, vetoed: set[str]
) -> None:
    names = ("canonical", "phase", "draw", "segment", "drop", "frame_count")
    assert {name for name in names if veto(OPERATORS[name], evidence(ask(text)))} == vetoed


def test_operators_name_only_topics_that_a_question_can_have() -> None:
    known = {*KEYWORDS, "unreadable"}
    assert all(operator.unsafe_topics <= known for operator in OPERATORS.values())
    assert all(operator.unsafe_topics for operator in OPERATORS.values() if operator.contrast_only)
    assert not OPERATORS["canonical"].unsafe_topics and not OPERATORS["phase"].unsafe_topics


def test_boxes_are_positions_whatever_the_words() -> None:
    assert "position" in topics(ask("Find the dog.", question_type="box"))


def test_words_inside_words_do_not_count() -> None:
    assert topics(ask("Is the copyright holder hired upstream?")) == set()


def test_the_order_of_options_does_not_matter() -> None:
    one, two = ask("What is it?", "left", "blue"), ask("What is it?", "blue", "left")
    assert topics(one) == topics(two) == {"position", "direction", "colour"}
