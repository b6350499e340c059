"""The table of settings in docs/operations.md, from the code: each with its default and what is said beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operations.md"
SOURCES = {"": ROOT / "grouping" / "config.py", "service.": ROOT / "grouping" / "runtimes" / "settings.py"}
_FIELD = re.compile(r"^    (?P<name>\w+): (?:int|float|str|bool) = (?P<default>.+?)  # (?P<says>.+)$", re.MULTILINE)
_PLACE = re.compile(r"(<!-- settings -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with the table as the code has it."""
    table = ["| setting | default | |", "|---|--:|---|", *_rows()]
    return _PLACE.sub(lambda match: match[1] + "\n".join(table) + "\n" + match[2], page)


def _rows() -> Iterator[str]:
    for prefix, source in SOURCES.items():
        for field in _FIELD.finditer(source.read_text()):
            default = field["default"].replace("_", "").replace('"', "").replace(" * MIB", " MiB")
            yield f"| `{prefix}{field['name']}` | {default} | {field['says']} |"
