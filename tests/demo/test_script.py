"""What happens in the demo's videos: reproducible, uniform answers, no answer in any text."""

from collections import Counter

from strive.stages.demo.questions import FAMILIES
from strive.stages.demo.script import DURATION_S, write_script
from strive.stages.demo.world import is_evidence_shown, rows_of


def test_the_same_seed_split_and_index_give_the_same_script() -> None:
    assert write_script(3, "eval", 7) == write_script(3, "eval", 7)
    assert write_script(3, "eval", 7) != write_script(4, "eval", 7)
    assert write_script(3, "eval", 7).scenery_seed != write_script(3, "train", 7).scenery_seed


def test_every_family_is_asked_equally_often_and_its_answers_are_uniform() -> None:
    asked = [one for index in range(100) for one in write_script(5, "eval", index).asked]
    assert Counter(one.family.name for one in asked) == dict.fromkeys(FAMILIES, 60)
    for name, family in FAMILIES.items():
        counts = Counter(one.answer for one in asked if one.family.name == name)
        assert counts == dict.fromkeys(family.choices, 60 // len(family.choices))


def test_the_answer_is_independent_of_the_wording() -> None:
    table: Counter[tuple[str, str, str]] = Counter()
    for index in range(2000):
        table.update((one.family.name, one.wording, one.answer) for one in write_script(6, "train", index).asked)
    for family in FAMILIES.values():
        expected = 1200 / len(family.wordings) / len(family.choices)
        for wording in family.wordings:
            for choice in family.choices:
                assert abs(table[family.name, wording, choice] - expected) < 5 * expected**0.5


def test_the_second_shape_of_an_order_question_says_nothing_more_than_what_it_is_not() -> None:
    pairs: Counter[tuple[str, str]] = Counter()
    for index in range(3000):
        for one in write_script(7, "train", index).asked:
            if one.family.name == "order":
                pairs[one.showings[0].value, one.showings[1].value] += 1
    assert all(first != second for first, second in pairs)
    assert len(pairs) == 12
    assert max(pairs.values()) - min(pairs.values()) < 60  # 150 each, standard deviation about 12


def test_no_row_tells_its_answer_outside_the_answer_and_the_list_of_choices() -> None:
    for index in range(50):
        for row in rows_of(write_script(8, "eval", index)):
            words = row["question"].lower().replace("?", " ").replace(".", " ").split()
            assert row["answer"] not in words
            assert row["options"] is None
            assert row["meta"]["choices"] == list(FAMILIES[row["meta"]["family"]].choices)
            assert row["question_type"] == ("numerical" if row["meta"]["family"] == "counting" else "open")


def test_showings_lie_inside_the_video_and_never_overlap() -> None:
    for index in range(200):
        spans = sorted((one.start_s, one.end_s) for one in write_script(9, "train", index).showings)
        assert spans[0][0] >= 0 and spans[-1][1] < DURATION_S
        assert all(end < start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))


def test_evidence_is_on_screen_for_few_seconds_of_the_video() -> None:
    for index in range(50):
        for asked in write_script(10, "train", index).asked:
            assert sum(one.end_s - one.start_s for one in asked.showings) < 0.3 * DURATION_S


def test_evidence_counts_as_shown_only_when_every_span_has_a_frame() -> None:
    assert is_evidence_shown([[2.0, 5.0]], [0.0, 4.0])
    assert not is_evidence_shown([[2.0, 5.0]], [0.0, 6.0])
    assert not is_evidence_shown([[2.0, 5.0], [8.0, 9.0]], [4.0])
    assert is_evidence_shown([[2.0, 5.0], [8.0, 9.0]], [4.0, 8.5])
    assert not is_evidence_shown([[2.0, 5.0]], [])
