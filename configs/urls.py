"""How URLs are shown: without user, password and the values of the query, which may be secrets.

A URL that lost something this way ends in `#` and the first digits of its digest, so that two of them stay two names.
"""

import hashlib
import re
import shlex
from collections.abc import Sequence
from urllib.parse import urlsplit

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
HIDDEN = "…"
MARK_DIGITS = 12


def is_url(text: str) -> bool:
    """Whether a text is a URL of any scheme, not a path."""
    return URL.match(text) is not None


def shown_url(text: str) -> str:
    """The URL as it may be printed and stored; a text that is no URL, or one that hides nothing, as it is."""
    if not is_url(text):
        return text
    scheme, _, rest = text.partition("://")
    try:
        parts = urlsplit(text)
        host, path, query = parts.netloc.rpartition("@")[2], parts.path, parts.query
    except ValueError:
        host, path, query = HIDDEN, "", ""
    shown = f"{scheme.lower()}://{host}{path}" + (f"?{shown_query(query)}" if query else "")
    if shown == f"{scheme.lower()}://{rest}":
        return text
    return f"{shown}#{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:MARK_DIGITS]}"


def shown_query(query: str) -> str:
    """The names of a query's values."""
    return "&".join(name + "=" + HIDDEN if sign else HIDDEN for name, sign, _ in
                    (pair.partition("=") for pair in query.split("&")))


def shown_command(words: Sequence[str]) -> str:
    """A command line as it may be stored: its URLs as `shown_url` has them, also behind `--option=`."""
    return shlex.join(["=".join([*before, shown_url(last)]) if is_url(last) else word for word, before, last in
                       ((word, *split_option(word)) for word in words)])


def split_option(word: str) -> tuple[list[str], str]:
    """An argument's `--option` and value; no option where the word is a URL itself."""
    name, sign, value = word.partition("=")
    return ([name], value) if sign and not is_url(word) else ([], word)
