"""The words by which a question tells what it is about: one list of regular expressions per topic (lower case)."""

import re

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "violet", "pink", "brown", "black", "white", "gr[ae]y",
    "cyan", "magenta", "beige", "gold(?:en)?", "silver",
)
KEYWORDS: dict[str, tuple[str, ...]] = {
    "position": (
        r"(?:on|to|at|in|from) (?:the|his|her|its|their|my|your) (?:far |lower |upper |bottom |top )?"
        r"(?:left|right|top|bottom|cent(?:er|re)|middle|corner|edge|foreground)"
        r"(?! of the (?:video|clip|film|movie|game|match|story|recording))",
        r"(?:left|right)(?:most|-hand)", "(?:left|right) of",
        r"(?:top|bottom|upper|lower)[ -](?:left|right|half|part|corner)",
        "(?<!the )above", "below", "beneath", "underneath", "next to", "beside", "adjacent", "in front of",
        r"(?<!reason )(?<!idea )(?<!meaning )behind(?! the scenes)", "position", "coordinates?", "bounding box",
    ),
    "direction": (
        "directions?", "which way", "(?:counter-?|anti-?)?clockwise", "towards?", "(?:left|right|up|down)wards?",
    ),
    "counting": ("how many", "number of", "counts?", "counting"),
    "repetition": ("how many times", "how often", "number of (?:times|repetitions)", "repetitions?", "repeatedly"),
    "distance": (
        "how (?:far|close|big|large|tall|wide|high|near)", "distances?", "(?:near|clos|farth|furth)est",
        "closer", "nearer", "farther", "further", "(?:centi|milli)?met(?:er|re)s?", r"(?:\d+|in|many|square) feet",
        "inches", "size of", "longest dimension",
    ),
    "scene": (
        "(?:what|which) (?:else|other)", "anything else", "background", r"surround\w*", "tak(?:e|es|ing) place",
        "what (?:kind of |type of )?(?:place|room|location|setting|environment)", "weather", "(?:in|out)doors?",
    ),
    "text": (
        "reads?", "reading", "texts?", "signs?", "written", "words?", "letters?", "captions?", "subtitles?", "titles?",
        "logos?", "labels?", "plate number", "numbers? (?:on|shown|written)", "clock", "map",
    ),
    "colour": ("colou?r(?:s|ed)?", *COLOURS),
    "order": (
        "first", "second", "third", "last", "final(?:ly)?", "before", "after", "then", "order", "sequence", "earlier",
        "later", "next", r"begin\w*", r"start\w*", "end(?:s|ed|ing)?",
    ),
    "speed": (
        "(?:fast|slow|quick|rapid)(?:er|est|ly)?", "speeds?", "how long", "duration", "seconds?", r"accelerat\w+",
    ),
}
SIDES = (
    "(?<!all )right(?! (?:after|before|now|away|when|as|answer|option|choice|order))",
    "(?<!he )(?<!she )(?<!they )(?<!who )(?<!it )(?<!has )(?<!have )(?<!is )left(?! (?:the|behind|over|out|for))",
)
PLACES = frozenset({
    "left", "right", "up", "down", "top", "bottom", "center", "centre", "middle", "forward", "backward",
})
WHERE = ("where",)
MOTION = (
    "mov(?:e|es|ed|ing)", "go(?:es|ing)?", "head(?:s|ed|ing)", "fl(?:y|ies|ying)", "turn(?:s|ed|ing)?", r"travel\w*",
    "run(?:s|ning)?", r"walk\w*", "driv(?:e|es|ing)", r"rotat\w+", r"spin\w*", "slid(?:e|es|ing)", r"roll\w*",
    r"swing\w*", "direction", "which way",
)


def first_hit(words: tuple[str, ...], text: str) -> str | None:
    """The first place where one of `words` stands in `text` (lower case) as whole words; None when there is none."""
    hit = re.search(rf"\b(?:{'|'.join(words)})\b", text)
    return hit.group() if hit else None
