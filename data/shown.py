"""What the demo gives, as README.md and docs/ show it: between <!-- shown: NAME --> and <!-- end -->, by `make data`."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from grouping import Config, Engine, emit, parse

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "data" / "demo.jsonl"
PAGES = (ROOT / "README.md", ROOT / "docs" / "tuning.md")
ALERT = "demo-1-386"  # shown with its decision: a pod restarts amid a bad rollout
KEYS = 3  # fields that the policy line is shortened to
WIDTH = 128
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


def caption() -> str:
    """What the picture of the report shows."""
    decisions = [line for line in outputs() if line["kind"] == "decision"]
    opened = sum(line["action"] == "open" for line in decisions)
    fewer = f"{100 * (1 - opened / len(decisions)):.2f} %"
    return f"A replayed morning: {len(decisions)} alert events, {opened} incidents, {fewer} fewer"


def _picture() -> str:
    return f"![{caption()}](docs/report.png)\n"


def _alert() -> str:
    with DEMO.open("rb") as file:
        return _json(next(event for event in map(orjson.loads, file) if event.get("id") == ALERT))


def _decision() -> str:
    return _json(next(line for line in outputs() if line["kind"] == "decision" and line["alert"] == ALERT))


def _explained() -> str:
    """What `grouping explain` prints of it, from a state that the demo left."""
    with tempfile.TemporaryDirectory() as state:
        _run("replay", str(DEMO), "--out", "/dev/null", "--state", state)
        said = _run("explain", ALERT, "--scope", "demo", "--state", state)
    return f"```console\n$ grouping explain {ALERT} --scope demo --state state/\n{_wrapped(said)}```\n"


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", "grouping", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _wrapped(said: str) -> str:
    """Long lines broken after a semicolon."""
    lines: list[str] = []
    for line in said.splitlines():
        for part in re.split(r"(?<=;) ", line) if len(line) > WIDTH else [line]:
            if lines and len(line) > WIDTH and lines[-1].endswith(";") and len(lines[-1]) + len(part) < WIDTH:
                lines[-1] += f" {part}"
            else:
                lines.append(part)
    return "".join(f"{line.rstrip()}\n" for line in lines)


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


def _json(line: dict[str, Any]) -> str:
    """One line of JSON, broken between its members."""
    lines = ["{"]
    for place, (key, value) in enumerate(line.items()):
        member = f'"{key}":{_text(value)}' + ("," if place < len(line) - 1 else "}")
        if len(lines[-1]) + len(member) > WIDTH:
            lines.append(" ")
        lines[-1] += member
    return "```jsonc\n" + "\n".join(lines) + "\n```\n"


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


SHOWN: dict[str, Callable[[], str]] = {
    "picture": _picture,
    "alert": _alert,
    "decision": _decision,
    "explained": _explained,
    "policy": _policy,
}
