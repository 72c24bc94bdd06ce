"""Reads a benchmark's parquet table as plain rows, after its columns were checked."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from strive.configs.errors import UsageError, VerificationError

MAX_ROWS = 10_000_000


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows as dicts, in order. Raises `UsageError` for missing columns, `VerificationError` for a broken file."""
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise VerificationError(
            f"{path}: not a readable parquet file ({error})", "the published table", "Download it again."
        ) from error
    with file:
        present = set(file.schema_arrow.names)
        missing = [name for name in columns if name not in present]
        if missing:
            raise UsageError(
                f"{path}: no column {', '.join(missing)}",
                f"the columns {', '.join(columns)}",
                "Check that this is the benchmark's table, then download it again.",
            )
        if file.metadata.num_rows > MAX_ROWS:
            raise UsageError(f"{path}: {file.metadata.num_rows} rows", f"at most {MAX_ROWS}", "Check the file.")
        batches = file.iter_batches(1024)
        while rows := next_rows(path, batches):
            yield from rows


def next_rows(path: Path, batches: Iterator[Any]) -> list[dict[str, Any]]:
    """The rows of the next batch, [] after the last. `VerificationError` for a damaged one."""
    import pyarrow

    try:
        batch = next(batches, None)
        return [] if batch is None else list(batch.to_pylist())
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        what = f"{path}: damaged ({error})"[:300]
        raise VerificationError(what, "the published table", "Download it again.") from error
