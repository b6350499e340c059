"""The known groups of alerts, from a file."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

from grouping.parse import MAX_NAME
from grouping.runtimes.replay import BadInput


def read_truth(path: Path) -> dict[str, str | None]:
    """The group of each alert, None for noise, from a CSV file with the header alert,group; .gz is understood.

    Raises BadInput, OSError.
    """
    csv.field_size_limit(MAX_NAME)
    truth: dict[str, str | None] = {}
    with path.open("rb") as file:
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        text = io.TextIOWrapper(gzip.open(file) if packed else file, "utf-8-sig", newline="")
        rows = csv.reader(text)
        try:
            if [name.strip() for name in next(rows, [])] != ["alert", "group"]:
                raise BadInput(f"{path}: line 1: expected the header alert,group; add it")
            for row in rows:
                if not row:
                    continue
                if len(row) != 2 or not row[0]:
                    raise BadInput(f"{path}: line {rows.line_num}: expected alert,group, got {len(row)} fields")
                if truth.setdefault(row[0], row[1] or None) != (row[1] or None):
                    raise BadInput(f"{path}: line {rows.line_num}: alert {row[0]!r} has two groups; keep one")
        except (csv.Error, UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
            raise BadInput(f"{path}: line {rows.line_num}: {error}; write it as CSV in UTF-8") from None
    return truth
