"""What a person reads in a reply, line by line: (options, reply, expected letter | status)."""

import pytest
from strive.stages.tasks.grade import grade
from strive.stages.tasks.prompt import PROMPT_FORMATS
from strive.stages.tasks.sample import Sample

FRUIT = ("Apples.", "Pears.", "Plums.", "None of the above.")
ACTS = ("A man opens the door.", "A dog barks.", "A woman sings.", "The car stops.")
CAMERA = ("Tracking shot", "Tilt", "Dutch angle", "Dolly zoom")
METRES = ("10.0", "5.0 m", "12.0", "15.0", "20.0")
VITAMINS = ("Vitamin C", "Vitamin A", "Vitamin D", "Iron")
MANY = tuple(f"thing {name}" for name in ("uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci",
                                          "undici", "dodici", "tredici", "quattordici"))
YESNO = ("Yes", "No", "Cannot be determined", "Only at the end")

LETTERS = [
    # bare
    (FRUIT, "B", "B"), (FRUIT, "B.", "B"), (FRUIT, "(B)", "B"), (FRUIT, "b", "B"), (FRUIT, "[B]", "B"), (FRUIT, " B\n", "B"),
    (FRUIT, "B)", "B"), (FRUIT, "B:", "B"), (FRUIT, "**B**", "B"), (FRUIT, "**B.** Pears.", "B"), (FRUIT, "`B`", "B"),
    (FRUIT, "$\\boxed{B}$", "B"), (FRUIT, "\\boxed{\\text{B}}", "B"), (FRUIT, "\\text{B}", "B"), (FRUIT, "\\(B\\)", "B"),
    (FRUIT, "Ｂ", "B"), (FRUIT, "（B）", "B"), (FRUIT, "\"B\"", "B"), (FRUIT, "'B'", "B"), (FRUIT, "<B>", "B"), (FRUIT, "{B}", "B"),
    (FRUIT, "A", "A"), (FRUIT, "a", "A"), (FRUIT, "A.", "A"), (MANY, "N", "N"), (MANY, "I", "I"),
    (FRUIT, "C<|im_end|>", "C"), (FRUIT, "B</s>", "B"), (FRUIT, "B<|endoftext|>", "B"),
    (FRUIT, "Option B", "B"), (FRUIT, "option b", "B"), (FRUIT, "Answer: B", "B"), (FRUIT, "Answer - B", "B"),
    (FRUIT, "The letter is B.", "B"), (FRUIT, "Choice B", "B"),
    # with the option's text
    (FRUIT, "B. Pears.", "B"), (FRUIT, "B) Pears", "B"), (FRUIT, "(B) Pears.", "B"), (FRUIT, "B: Pears", "B"), (FRUIT, "B - Pears", "B"),
    (FRUIT, "b. pears", "B"), (FRUIT, "B, Pears", "B"), (FRUIT, "B Pears", "B"), (CAMERA, "C. Dutch angle, not a dolly zoom", "C"),
    (CAMERA, "B. Dutch angle", "ambiguous"), (FRUIT, "A. Plums.", "ambiguous"),
    # statements
    (FRUIT, "The answer is C.", "C"), (FRUIT, "the answer is c", "C"), (FRUIT, "The correct answer is (C).", "C"),
    (FRUIT, "The correct option is C", "C"), (FRUIT, "My answer: C", "C"), (FRUIT, "Final answer: **C**", "C"),
    (FRUIT, "I choose C.", "C"), (FRUIT, "I would go with option C.", "C"), (FRUIT, "I think it is (B).", "B"),
    (FRUIT, "After watching, I think it is (B).", "B"), (FRUIT, "Based on the video, the answer is D.", "D"),
    (FRUIT, "Therefore, the final answer is: $C$", "C"), (FRUIT, "So the answer should be B", "B"), (FRUIT, "It's B.", "B"),
    (FRUIT, "The answer must be option (D).", "D"), (FRUIT, "Answer is \\boxed{C}", "C"), (FRUIT, "C is correct.", "C"),
    (FRUIT, "C is the correct answer.", "C"), (FRUIT, "Option C is the best choice.", "C"), (FRUIT, "C seems to be right", "C"),
    (FRUIT, "The best answer is:\n\nC", "C"), (FRUIT, "Let me think.\nThe fruit is small.\nC", "C"),
    (FRUIT, "The fruit is purple, hence C.", "C"), (FRUIT, "The correct answer to this question is C", "C"),
    (FRUIT, "The answer is (C) Plums.", "C"), (FRUIT, "The answer is C: Plums.", "C"), (FRUIT, "The answer is C, because A is wrong.", "C"),
    (FRUIT, "C because A looks wrong", "C"), (FRUIT, "C, since the fruit is purple", "C"), (FRUIT, "Probably C", "C"),
    (FRUIT, "First I thought the answer is A. Now I see the answer is B.", "B"),
    (FRUIT, "The answer is A. Wait, no, the answer is B.", "B"), (FRUIT, "The answer is B. Note that A is a distractor.", "B"),
    (FRUIT, "The answer is the second option.", "B"), (FRUIT, "The second option", "B"), (FRUIT, "Option 2", "B"),
    (FRUIT, "the last option is right", "D"), (FRUIT, "The third choice is correct", "C"),
    # articles and words
    (ACTS, "A man opens the door, so the answer is C.", "C"), (FRUIT, "A camera pans to the left, so C.", "C"),
    (ACTS, "A dog barks.", "B"), (ACTS, "A dog barks", "B"), (ACTS, "a woman sings", "C"), (FRUIT, "A man eats something.", "unparsed"),
    (FRUIT, "A fruit that I cannot see", "unparsed"), (FRUIT, "I am not sure.", "unparsed"), (MANY, "I think the answer is F", "F"),
    (FRUIT, "USA.", "unparsed"), (FRUIT, "Cannot be determined from the video.", "unparsed"), (FRUIT, "Based on what I see", "unparsed"),
    (YESNO, "Cannot be determined.", "C"), (YESNO, "Yes", "A"), (YESNO, "No.", "B"), (YESNO, "no", "B"), (YESNO, "Yes, he does.", "A"),
    (VITAMINS, "Vitamin A", "B"), (VITAMINS, "vitamin C", "A"), (VITAMINS, "The answer is Vitamin A.", "B"),
    (VITAMINS, "It contains vitamin D", "C"), (ACTS, "The answer is A dog barks.", "B"),
    (FRUIT, "Dolly moves around", "unparsed"), (FRUIT, "After the cut", "unparsed"),
    # negation
    (FRUIT, "It is not C; it is B.", "B"), (FRUIT, "Not C but B", "B"), (FRUIT, "not A, but C", "C"), (FRUIT, "The answer is not C.", "unparsed"),
    (FRUIT, "The correct answer is (B) 2, not (C) 3.", "B"), (FRUIT, "B, not C", "B"), (FRUIT, "B rather than C", "B"),
    (FRUIT, "The answer isn't A, it's D", "D"), (FRUIT, "I don't think the answer is A. The answer is D.", "D"),
    (FRUIT, "A is wrong, B is wrong, C is right, D is wrong.", "C"), (FRUIT, "A: incorrect\nB: correct\nC: incorrect\nD: incorrect", "B"),
    (FRUIT, "A. Apples. - wrong\nB. Pears. - correct\nC. Plums. - wrong", "B"), (FRUIT, "A ✗ B ✓ C ✗ D ✗", "B"),
    (FRUIT, "A and B are wrong, so C.", "C"), (FRUIT, "A, B and D can be ruled out. C.", "C"), (FRUIT, "Eliminating A and D leaves B.", "B"),
    (FRUIT, "It is not pears but plums.", "C"), (FRUIT, "These are pears, not plums.", "B"), (FRUIT, "There are no apples; they are pears.", "B"),
    (FRUIT, "Neither A nor B", "unparsed"), (FRUIT, "The answer is not B but D.", "D"), (FRUIT, "D can't be right. The answer is A.", "A"),
    # several
    (FRUIT, "Both A and B", "ambiguous"), (FRUIT, "A or C", "ambiguous"), (FRUIT, "A, C", "ambiguous"), (FRUIT, "AC", "ambiguous"),
    (FRUIT, "The answer is A or B.", "ambiguous"), (FRUIT, "Either B or C", "ambiguous"), (FRUIT, "B/C", "ambiguous"), (FRUIT, "B and C", "ambiguous"),
    (FRUIT, "The answer is A and B", "ambiguous"), (FRUIT, "A is correct. B is correct.", "ambiguous"),
    (FRUIT, "A. Apples.\nB. Pears.\nC. Plums.\nD. None of the above.", "ambiguous"), (FRUIT, "Pears or plums", "ambiguous"),
    (FRUIT, "A or C? Probably C, as the Dog barks", "C"), (FRUIT, "Is it A? No. The answer is B.", "B"),
    (FRUIT, "A. Apples.\nB. Pears.\nC. Plums.\nD. None of the above.\nAnswer: C", "C"),
    (FRUIT, "(A) Apples (B) Pears (C) Plums (D) None of the above. The answer is (B).", "B"),
    # option text, numbers
    (FRUIT, "Pears", "B"), (FRUIT, "pears.", "B"), (FRUIT, "They are eating plums in the garden.", "C"), (FRUIT, "The answer is pears", "B"),
    (FRUIT, "None of the above", "D"), (METRES, "5", "B"), (METRES, "12", "C"), (METRES, "about 15 m", "D"), (METRES, "5.0 m", "B"), (METRES, "7", "unparsed"),
    (("left", "right"), "left", "A"), (("left", "right"), "to the left", "A"), (("a red ball", "a ball"), "a red ball", "A"), (("a red ball", "a ball"), "it was a ball", "B"),
    # other languages
    (FRUIT, "答案是B，因为A不对", "B"), (FRUIT, "答案：B", "B"), (FRUIT, "选C", "C"), (FRUIT, "我认为正确答案是 C。", "C"), (FRUIT, "不是A，而是B", "B"),
    (FRUIT, "Die richtige Antwort ist B.", "B"), (FRUIT, "La respuesta correcta es C.", "C"), (FRUIT, "La réponse est D", "D"),
    # out of range
    (FRUIT, "F", "unparsed"), (FRUIT, "The answer is E.", "unparsed"), (("left", "right"), "C", "unparsed"),
    (FRUIT, "...", "unparsed"), (FRUIT, "-", "unparsed"),
]


@pytest.mark.parametrize(("options", "reply", "expected"), LETTERS)
def test_a_letter_is_read_as_a_person_would(options: tuple[str, ...], reply: str, expected: str) -> None:
    sample = Sample("1", "v.mp4", "Which?", options, "A", "multiple_choice")
    for text in (reply, f"<answer>{reply}</answer>", f"<think>Is it A, B, C or D? The answer is D.</think>\n<answer>{reply}</answer>"):
        mark = grade(sample, PROMPT_FORMATS["think_answer"].parse(text, truncated=False))
        assert (mark.parsed or mark.status) == expected, text
