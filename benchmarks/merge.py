"""Puts figures of quality that were measured anew in the place of the old ones: not every play changes with the engine.

    python -m benchmarks.merge OLD.json NEW.json

Rows of NEW replace those of OLD about the same play, and everything is written to OLD; where the rest was measured stays
said. Both must have been played with the same cap.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from benchmarks.summary import as_json

Figures = dict[str, Any]  # of one result file
OF = ("stream", "damage", "policy", "corrections")  # what a row is about


def merged(old: Figures, new: Figures) -> Figures:
    """The figures of both. Raises ValueError where they cannot stand in one table."""
    if old["cap"] != new["cap"]:
        raise ValueError(f"cap: {old['cap']} and {new['cap']}; play both with the same")
    before = {"commit": old["machine"]["commit"], "day": old["machine"]["day"]}
    rows = {tuple(row[name] for name in OF): {"measured": before} | row for row in old["rows"]}
    rows |= {tuple(row[name] for name in OF): row for row in new["rows"]}
    return {**new, "rows": list(rows.values())}


@click.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(old: Path, new: Path) -> None:
    """Write the figures of NEW into OLD."""
    try:
        found = merged(*(json.loads(path.read_text()) for path in (old, new)))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    rows = found.pop("rows")
    old.write_text(as_json(found, rows=rows))


if __name__ == "__main__":
    main()
