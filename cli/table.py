"""Rows of text as aligned columns."""


def table(rows: list[list[str]], right: tuple[int, ...] = ()) -> list[str]:
    """One line a row; the columns named in `right` are aligned to the right. The first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return ["  ".join(_cell(text, widths[i], i in right) for i, text in enumerate(row)).rstrip() for row in rows]


def _cell(text: str, width: int, is_right: bool) -> str:
    return text.rjust(width) if is_right else text.ljust(width)
