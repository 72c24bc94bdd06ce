"""Tells a page that says what went wrong from a video: some servers send it with the status of success."""

from strive.stages.fetch.partial import Partial

HEAD_BYTES = 512
PAGES = ((b"<", "an HTML or XML page"), (b"{", "a JSON text"), (b"[", "a JSON text"), (b"#EXTM3U", "a playlist"))


def not_a_video(partial: Partial) -> str | None:
    """Why the downloaded bytes are certainly no video, or None."""
    if not partial.length:
        return "empty file"
    head = partial.head(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"\0" in head:
        return None
    kind = next((name for start, name in PAGES if head.startswith(start)), None)
    return f"the server answered with {kind} instead of a video" if kind else None
