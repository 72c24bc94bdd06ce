"""Makes an answer plain: markup, LaTeX and look-alike characters are removed, so that the readers see words."""

import re
import unicodedata
from functools import lru_cache
from html import unescape

SUPERSCRIPTS = str.maketrans({c: f"^{d}" for d, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
MIXED = re.compile(r"(?<=\d)(?=[¼½¾⅓⅔⅛⅜⅝⅞])")  # 1½ is 1 1/2, not 11/2
DASHES = str.maketrans({"−": "-", "–": "-", "—": " - ", "’": "'", "‘": "'", "“": '"', "”": '"', "。": ". ",
                         "，": ", ", "、": ", ", "\ufeff": "", "\u200b": "", "\u200e": "", "\u200f": "",
                         "【": "(", "】": ")", "「": "(", "」": ")"})
WRAPPED = re.compile(
    r"\\(?:boxed|fbox|text|textbf|textit|mathrm|mathbf|mathit|operatorname|bm|mbox|"
    r"boldsymbol|mathsf|mathtt|textsf|texttt|emph|underline)\s*\{([^{}]*)\}"
)
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
MATH = re.compile(r"\\[()\[\]]|\$+")
LATEX_SPACE = re.compile(r"\\[,;:!\s]|~(?=\\|\{)|\\(?:quad|qquad|left|right|displaystyle)\b")
MARKDOWN = re.compile(r"\*+|(?<![^\W_])_{1,4}(?=\w)|(?<=[^\W_])_{1,4}(?!\w)|`+|^#+\s*", re.MULTILINE)
MARKED = re.compile(r"[*_`#]")
STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
HTML = re.compile(
    r"</?(?:result|choice|option|output|final|letter|response|b|i|em|strong|u|br|p|span|code|sup|sub)\s*/?>"
)
RAISED = re.compile(r"<sup>\s*(-?\w{1,4})\s*</sup>", re.IGNORECASE)
ARTICLES = re.compile(r"\b(?:a|an|the)\b(?=\s+\w)")  # "vitamin A" ends in a name, not in an article
PUNCTUATION = re.compile(r"[^\w\s%.+\-/]|(?<!\d)[.\-/+]|[.\-/+](?!\d)")


def plain(text: str) -> str:
    """`text` with the same words and none of the dress: bold, `\\boxed{}`, `$`, full-width letters, curly quotes."""
    if "&" in text:
        text = unescape(text)
    if not text.isascii():
        text = MIXED.sub(" ", text.translate(SUPERSCRIPTS))
        text = unicodedata.normalize("NFKC", text).translate(DASHES).replace("×", "x")
    if "~~" in text:
        text = STRUCK.sub(" ", text)
    if "<" in text:
        text = HTML.sub(" ", RAISED.sub(r"^\1", text))
    if "\\" in text or "$" in text or "{" in text:
        text = without_latex(text)
    return MARKDOWN.sub("", text).strip() if MARKED.search(text) else text.strip()


def without_latex(text: str) -> str:
    """The text without mathematical markup: `\\frac{1}{2}` is 1/2, `m^{2}` is m^2, `7{,}000` is 7,000."""
    text = MATH.sub(" ", text.replace("{,}", ",").replace("\\%", "%"))
    text = LATEX_SPACE.sub(" ", text.replace("\\times", "x").replace("\\cdot", "x"))
    text = re.sub(r"\^\{(-?\w+)\}", r"^\1", text)
    text = re.sub(r"\\n(?![a-z])", "\n", text)  # a newline that was escaped once too often
    for _ in range(4):  # nested wrappers such as \boxed{\text{B}}
        text, changed = WRAPPED.subn(r"\1", FRACTION.sub(r"\1/\2", text))
        if not changed:
            break
    return text


@lru_cache(4096)
def normal(text: str) -> str:
    """For equality: plain, lower case, no articles, no punctuation except inside numbers, single spaces."""
    text = PUNCTUATION.sub(" ", plain(text).lower().replace("'", ""))
    words = text.split()
    kept = ARTICLES.sub(" ", " ".join(words)).split()
    return " ".join(kept or words)


REFUSED = re.compile(  # "I cannot tell whether it moves": what follows is no claim
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|impossible to|hard to|difficult to|"
    r"not (?:able|possible) to|"
    r"not (?:clear|sure|certain)|unclear|don't know|do not know)\b[^.!?;\n]{0,40}?"
    r"\b(?:whether|if|which|what|where|how|who|when|between|determined?|measured?|estimated?|answer(?:ed)?)\b"
    r"(?:(?!\b(?:but|however|though)\b)[^.!?;\n])*",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"\b(?:cannot|can't|could not|couldn't|unable to|not able to) (?:be )?(?:answer|determine|tell|say|see|view|watch)",
    re.IGNORECASE,
)
CONDITION = re.compile(r"\bif\b[^,.;\n]*,", re.IGNORECASE)
CONCEDED = re.compile(  # "at first it looks like 3, but …"
    r"\b(?:could|might|may|initially|at first|first|tempting|seems?|looks?|appears?|similar)\b[^.;\n]*?\bbut\b"
    r"(?!\s+(?:not|also|could|might|may|maybe|possibly|perhaps)\b)",
    re.IGNORECASE,
)
CORRECTED = re.compile(
    r"(?:[.!?;,…)\-]|\n)\s*(?:(?:oh|hmm+|no|but|well)\b[,.]*\s*)?"
    r"(?:wait|sorry|hmm+|scratch that|correction|on (?:second thought|reflection))\b[,:.!]*\s+"
    r"|(?:[.!]|--|\s-)\s+no[:,]\s+",
    re.IGNORECASE,
)
TURNS = ("wait", "sorry", "hmm", "scratch", "correction", "on second", "on reflection", "no:", "no,")
"""One of them is in every text that corrects itself (`CORRECTED`)."""
ASKED = re.compile(r"[^.!?\n]*\?(?=\s|$)")


def asserted(text: str) -> str:
    """Plain `text` without questions, conditions and what it says that it cannot tell; all of it if nothing is left."""
    if "?" in text:
        text = said(ASKED, text) or text
    for pattern in (REFUSED, CONDITION, CONCEDED):
        text = said(pattern, text)
    return text


def correction(text: str) -> str:
    """What follows the last "wait", "sorry", "on second thought" or "No:" that opens a clause; "" without one."""
    low = text.lower()
    if not any(word in low for word in TURNS):
        return ""
    places = [match.end() for match in CORRECTED.finditer(text)]
    return text[places[-1] :].strip() if places else ""


def said(pattern: re.Pattern[str], text: str) -> str:
    """What is left without the matches of `pattern`."""
    return pattern.sub(" ", text).strip()
