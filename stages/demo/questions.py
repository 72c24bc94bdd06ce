"""What the demo world asks: five families of questions, their wordings and their possible answers."""

from dataclasses import dataclass

COLOURS: dict[str, tuple[int, int, int]] = {  # RGB
    "red": (230, 40, 40),
    "green": (40, 200, 60),
    "blue": (50, 80, 240),
    "yellow": (240, 220, 40),
    "purple": (190, 60, 220),
    "cyan": (40, 220, 230),
}
SHAPES = ("square", "triangle", "cross", "ring")
WAYS = ("left", "right", "up", "down")
COUNTS = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class Family:
    """One kind of question: what is shown for it, how it is asked, what may be answered."""

    name: str
    question_type: str  # of the dataset format: open | numerical
    choices: tuple[str, ...]  # all possible answers; chance is 1 / len(choices)
    wordings: tuple[str, ...]
    noun: str  # the thing the policy's thought names: "red disc"
    seconds: tuple[tuple[float, float], ...]  # shortest and longest duration of each showing, s
    scale: float = 1.0  # size of the thing against the usual third of the picture

    def thought(self, answer: str) -> str:
        """The short thought that goes with an answer, e.g. ``red disc`` or ``3 dots``."""
        return f"{answer} {self.noun}"


FAMILIES: dict[str, Family] = {
    "colour": Family(
        name="colour",
        question_type="open",
        choices=tuple(COLOURS),
        wordings=(
            "What colour is the disc that appears?",
            "Which colour does the disc have?",
            "A disc appears for a moment. What is its colour?",
        ),
        noun="disc",
        seconds=((2.5, 3.5),),
    ),
    "order": Family(
        name="order",
        question_type="open",
        choices=SHAPES,
        wordings=(
            "Which white shape appears first?",
            "Two white shapes appear one after the other. Which comes first?",
            "What is the first white shape in the video?",
        ),
        noun="first",
        seconds=((3.5, 4.5), (3.5, 4.5)),
    ),
    "direction": Family(
        name="direction",
        question_type="open",
        choices=WAYS,
        wordings=(
            "Which way does the comet fly?",
            "In which direction does the comet move?",
            "A comet crosses the picture. Where is it heading?",
        ),
        noun="comet",
        seconds=((3.0, 4.0),),
    ),
    "counting": Family(
        name="counting",
        question_type="numerical",
        choices=COUNTS,
        wordings=(
            "How many dots are on the card?",
            "How many dots does the card show?",
            "A card with dots appears. How many dots are there?",
        ),
        noun="dots",
        seconds=((2.5, 3.5),),
        scale=1.3,
    ),
    "detail": Family(
        name="detail",
        question_type="open",
        choices=tuple(COLOURS),
        wordings=(
            "What colour is the small spot on the plate?",
            "Which colour does the spot on the plate have?",
            "A plate with a small spot appears. What colour is the spot?",
        ),
        noun="spot",
        seconds=((3.0, 4.0),),
        scale=1.15,
    ),
}
