"""Makes an answer plain: markup, LaTeX and look-alike characters are removed, so that the readers see words."""

import re
import unicodedata

SUPERSCRIPTS = str.maketrans({c: f"^{d}" for d, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
DASHES = str.maketrans({"−": "-", "–": "-", "—": " - ", "’": "'", "‘": "'", "“": '"', "”": '"', "。": ". ", "，": ", "})
WRAPPED = re.compile(r"\\(?:boxed|fbox|text|textbf|textit|mathrm|mathbf|mathit|operatorname|bm|mbox)\s*\{([^{}]*)\}")
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
MATH = re.compile(r"\\[()\[\]]|\$+")
LATEX_SPACE = re.compile(r"\\[,;:!\s]|~(?=\\|\{)|\\(?:quad|qquad|left|right|displaystyle)\b")
MARKDOWN = re.compile(r"\*+|(?<!\w)_{1,2}(?=\w)|(?<=\w)_{1,2}(?!\w)|`+|^#+\s*", re.MULTILINE)
HTML = re.compile(r"</?(?:b|i|em|strong|u|br|p|span|code|sup|sub)\s*/?>")
ARTICLES = re.compile(r"\b(?:a|an|the)\b")
PUNCTUATION = re.compile(r"[^\w\s%.+\-/]|(?<!\d)[.\-/+]|[.\-/+](?!\d)")


def plain(text: str) -> str:
    """`text` with the same words and none of the dress: bold, `\\boxed{}`, `$`, full-width letters, curly quotes."""
    text = unicodedata.normalize("NFKC", text.translate(SUPERSCRIPTS)).translate(DASHES)
    text = MATH.sub(" ", HTML.sub(" ", text))
    text = text.replace("\\%", "%").replace("\\times", "x").replace("×", "x").replace("\\cdot", "x")
    text = LATEX_SPACE.sub(" ", text)
    text = re.sub(r"\\n(?![a-z])", "\n", text)  # a newline that was escaped once too often
    for _ in range(4):  # nested wrappers such as \boxed{\text{B}}
        text, changed = WRAPPED.subn(r"\1", FRACTION.sub(r"\1/\2", text))
        if not changed:
            break
    return MARKDOWN.sub("", text).strip()


def normal(text: str) -> str:
    """For equality: plain, lower case, no articles, no punctuation except inside numbers, single spaces."""
    text = PUNCTUATION.sub(" ", plain(text).lower().replace("'", ""))
    words = text.split()
    kept = ARTICLES.sub(" ", " ".join(words)).split()
    return " ".join(kept or words)
