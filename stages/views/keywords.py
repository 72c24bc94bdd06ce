"""The words by which a question tells what it is about: one list of regular expressions per topic (lower case)."""

import re

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "violet", "pink", "brown", "black", "white", "gr[ae]y",
    "cyan", "magenta", "beige", "gold(?:en)?", "silver", "maroon", "turquoise", "teal", "navy", "tan",
    "blonde?", "hues?",
)
MOTION = (
    "mov(?:e|es|ed|ing)", "go(?:es|ing)?", "head(?:s|ed|ing)", "fl(?:y|ies|ying)", "turn(?:s|ed|ing)?", r"travel\w*",
    "run(?:s|ning)?", r"walk\w*", "driv(?:e|es|ing)", r"rotat\w+", r"spin\w*", "slid(?:e|es|ing)", r"roll\w*",
    r"swing\w*", "direction", "which way",
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
        "which (?:side|corner|half)",
    ),
    "direction": (
        "directions?", "which way", "(?:counter-?|anti-?)?clockwise", "towards?",
        "(?:left|right|up|down|for|back)wards?", "north|south|east|west", "fac(?:es|ing)", r"approach\w*", "away from",
        "which (?:side|hand|arm|leg|foot|eye|ear|shoulder|knee)", "(?:left|right)[ -]handed",
    ),
    "counting": ("how many", "number of", "counts?", "counting"),
    "repetition": ("how many times", "how often", "number of (?:times|repetitions)", "repetitions?", "repeatedly",
                   "once", "twice", r"(?:\d+|two|three|four|five|six|several|many) times"),
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
        "logos?", "labels?", "plate number", "numbers? (?:on|shown|written)", "clock", "map", "watch", "brands?",
        "spell(?:s|ed|ing)?", r"scoreboards?", "jersey", r"print\w*", "what time",
    ),
    "colour": (r"colou?r\w*", *COLOURS),
    "order": (
        "first", "second", "third", "last", "final(?:ly)?", "before", "after", "then", "order", "sequence", "earlier",
        "later", "next", r"begin\w*", r"start\w*", "end(?:s|ed|ing)?", "fourth", "fifth", "previous(?:ly)?", "steps?",
        r"chronolog\w*", "while", "until", "when", "at the same time", "simultaneous(?:ly)?", "subsequent(?:ly)?",
        "follow(?:s|ed|ing)", "opening", "eventually",
    ),
    "whole": (
        "first", "last", "final(?:ly)?", r"begin\w*", "at the (?:start|end)", "throughout", "in total", "total",
        "overall", "altogether", "(?:whole|entire|full|complete) (?:video|clip|film|movie|scene|recording)", "mainly",
        "mostly", "most", "main", "always", "never", "ever", "only", "all the time", r"summar\w+",
        "(?:video|clip|film|movie) (?:about|show)",
    ),
    "speed": (
        "(?:fast|slow|quick|rapid)(?:er|est|ly)?", "speeds?", "how long", "duration", "seconds?", r"accelerat\w+",
        r"decelerat\w+", "minutes?", "hours?", "frame rate", "slow[ -]motion", "velocity",
    ),
    "motion": (
        *MOTION, r"motions?", r"actions?", r"gestures?", r"danc\w+", r"jump\w*", r"climb\w*", "doing",
        "happen(?:s|ed|ing)?",
    ),
    "change": (
        r"open\w*", r"clos(?:e|es|ed|ing)", r"enter\w*", r"leav(?:e|es|ing)", r"exit\w*", r"pick\w*", r"put\w*",
        r"plac(?:es|ing)", r"tak(?:e|es|ing)", r"giv(?:e|es|ing)", r"push\w*", r"pull\w*", r"fill\w*", r"empt\w+",
        r"pour\w*", r"increas\w+", r"decreas\w+", r"grow\w*", r"shrink\w*", r"chang\w+", r"becom\w+", r"disappear\w*",
        r"vanish\w*", r"switch\w*", r"add(?:s|ed|ing)?", r"remov\w+", r"assembl\w+", r"break\w*", r"tear\w*",
        r"cut\w*", r"fold\w*", r"unfold\w*", r"sit\w*", r"stand\w*", r"lift\w*", r"lower(?:s|ed|ing)",
        r"rais(?:e|es|ed|ing)", r"throw\w*", r"catch\w*", r"load\w*", r"unload\w*", r"tie[sd]?", r"wrap\w*",
        r"unwrap\w*", r"zoom\w*", r"approach\w*", r"melt\w*", r"freez\w*",
    ),
    "cause": (
        "why", "because", r"caus\w+", r"results?(?: in|ed)?", "lead(?:s|ing)? to", "reasons?", "purpose",
        r"predict\w*", "if", "how do(?:es)?",
    ),
    "gravity": (
        r"gravit\w+", r"fall\w*", "fell", r"drop\w*", "upside", r"bounc\w+", r"sink\w*", r"float\w*", r"physic\w*",
        r"balanc\w+", r"tilt\w*", r"lean\w*", "(?:rise|rises|rising)", r"ascend\w*", r"descend\w*", r"pour\w*",
        r"hang\w*", r"thrown?",
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


def first_hit(words: tuple[str, ...], text: str) -> str | None:
    """The first place where one of `words` stands in `text` (lower case) as whole words; None when there is none."""
    hit = re.search(rf"\b(?:{'|'.join(words)})\b", text)
    return hit.group() if hit else None
