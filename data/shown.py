"""What the demo gives, as README.md and docs/ show it: between <!-- shown: NAME --> and <!-- end -->, by `make data`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from grouping import Config, Engine, emit, parse

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "data" / "demo.jsonl"
PAGES = (ROOT / "docs" / "tuning.md",)
KEYS = 3  # fields that the policy line is shortened to
_PLACE = re.compile(r"(<!-- shown: (?P<name>[\w-]+) -->\n)(?:.*?\n)??(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with everything shown anew."""
    return _PLACE.sub(lambda place: f"{place[1]}{SHOWN[place['name']]()}{place[3]}", page)


@cache
def outputs() -> tuple[dict[str, Any], ...]:
    """The output lines of the demo."""
    return tuple(_outputs())


def _outputs() -> Iterator[dict[str, Any]]:
    engine = Engine(Config())
    with DEMO.open("rb") as file:
        for number, line in enumerate(file, 1):
            for output in engine.step(parse(line)):
                yield orjson.loads(emit(number, output))


def _policy() -> str:
    """The first policy line of the demo, with the best few of its keys and without what is there to be drawn."""
    line = dict(next(one for one in outputs() if one["kind"] == "policy"))
    evidence = line.pop("evidence")
    best = sorted(evidence["keys"].items(), key=lambda item: -item[1]["score"])[:KEYS]
    drawn = ("scores", "incidents")
    keys = [f'"{name}":{_text({k: v for k, v in key.items() if k not in drawn})}' for name, key in best]
    head, rest = _text(line)[:-1], f'"alerts":{evidence["alerts"]},"refused":{_text(evidence["refused"])}'
    lines = [f'{head},"evidence":{{{rest},', ' "keys":{' + ",\n         ".join(keys) + "}}}"]
    return "```jsonc\n" + "\n".join(lines) + "\n```\n"


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


SHOWN: dict[str, Callable[[], str]] = {"policy": _policy}
