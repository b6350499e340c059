"""The pages for whoever starts and runs the service: their commands are run, their tables are those of the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import orjson
import pytest

from data import operations, picture, shown
from grouping import Config, Engine, emit, parse
from grouping.__main__ import COMMANDS
from grouping.model import exported
from grouping.parse import _ALERT_KEYS
from grouping.records import (
    Action,
    Bound,
    Change,
    Choice,
    Decision,
    IncidentLine,
    LeftOut,
    Merged,
    Mode,
    Moved,
    Output,
    PolicyLine,
    Reason,
    Refused,
    Severity,
    Status,
    Suggestion,
    Undone,
    Verb,
)
from grouping.runtimes.kafka.metrics import Metrics
from tests.golden.check import logs, played
from tests.live import Live

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with Live(tmp_path_factory.mktemp("docs") / "state") as service:
        yield service


def test_the_first_ten_minutes_go_as_the_page_says(live):
    """Every command in docs/start.md, however slowly it is typed: three alerts, one incident, a correction that holds."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "start.md").read_text(), re.DOTALL)
    (sent,), (opened, third), (split,), (_, fourth), (words, _) = (_run(block, live) for block in blocks)
    assert orjson.loads(sent)["accepted"] == 3
    (incident,) = orjson.loads(opened)["incidents"]
    assert (incident["alerts"], incident["scope"]) == (3, "try")
    assert orjson.loads(third)["incident"] == incident["id"]
    assert f"/incidents/{incident['id']}/split" in blocks[2]
    lines = {line["kind"]: line for line in orjson.loads(split)["outputs"]}
    assert set(lines) == {"incident", "moved"}
    decided = orjson.loads(fourth)
    assert (decided["decision"]["reason"], decided["incident"]) == ("told", incident["id"])
    fifth = live.ask("GET", "/alerts/a5?scope=try").json
    assert (fifth["decision"]["reason"], fifth["incident"]) == ("told", lines["moved"]["into"])
    assert "f1 by ana said that these do not belong together" in words
    assert live.ask("GET", "/alerts/a3?scope=try").json["incident"] == incident["id"]  # undone


def _run(block: str, live: Live) -> list[str]:
    """What each command of a block prints, given when what came before is decided."""
    said = []
    for command in re.split(r"\n(?=curl|grouping)", block.strip()):
        typed = command.replace("localhost:8080", f"127.0.0.1:{live.port}")
        done = _shell(typed.replace("--state state", f"--state {live.state}"))
        assert done.returncode == 0, f"{command}: {done.stderr}"
        live.settled()
        said.append(done.stdout)
    return said


def _shell(command: str, where: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A command as a reader types it, once the environment is active."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, shell=True, capture_output=True, text=True, cwd=where, env=environment, check=False)


def test_evaluate_goes_as_its_page_says(tmp_path):
    """The commands of docs/evaluate.md, in order, in an empty directory, and then its Python."""
    text = (DOCS / "evaluate.md").read_text()
    for command in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        done = _shell(f"set -e\n{command}", tmp_path)
        assert done.returncode == 0, done.stderr
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "macro_jaccard=" in done.stdout, done.stderr
    assert (tmp_path / "report" / "index.html").exists()


EVENTS = (DOCS / "events.md").read_text()


def test_every_policy_line_is_explained():
    """Each `why` with all that its evidence holds: of the golden logs, and of people who are not believed."""
    page = (DOCS / "learning.md").read_text()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)?) \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    explained = [(why, set(re.findall(r"`(\w+)`", keys))) for whys, keys in rows for why in re.findall(r"\w+", whys)]
    explained.append(("tuned", set(re.findall(r"`(\w+)`", (DOCS / "tuning.md").read_text()))))
    lines = [
        line
        for log, config in logs().values()
        for each in played(log, config)[0]
        for line in each
        if isinstance(line, PolicyLine)
    ]
    assert {line.why for line in lines} >= {"tuned", "promoted", "rolled_back", "set"}
    written = {(line.why, frozenset(line.evidence)) for line in lines}
    written |= {(why, frozenset({"by", "actor", "lessons", "contradicted"})) for why in ("quarantined", "freed")}
    assert [one for one in written if not any(one[0] == why and one[1] <= keys for why, keys in explained)] == []


def test_the_parts_of_a_model_are_those_of_the_page():
    """None more and none less."""
    page = (DOCS / "model.md").read_text()
    there = page[page.index("## What is in it") : page.index("## What a scope does")]
    made = exported(Engine(Config()).state, "shop")
    assert set(re.findall(r"`(\w+)`", there)) == set(made)


def test_the_fields_of_an_alert_are_those_of_the_page():
    """`bypass` is not taken from outside."""
    table = EVENTS[EVENTS.index("| field |") : EVENTS.index("Unknown is")]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == _ALERT_KEYS - {"kind", "bypass"}


@pytest.mark.parametrize("text", re.findall(r"^\{.*\n(?: .*\n)*", EVENTS, re.MULTILINE), ids=lambda text: text[:60])
def test_the_events_of_the_page_are_taken(text):
    """As they stand there."""
    parse(b" ".join(text.encode().split(b"\n")))


def test_the_lines_of_the_page_are_those_that_are_written():
    """Every kind of line, and all its keys."""
    left = LeftOut("i-2", Bound.FULL, 1.0, 2.0)
    choice = Choice(["open"], [0.0], [], b"", "default", ["f1"], left)
    decision = Decision("s", "a", "i-1", Action.OPEN, Reason.TOLD, 0.0, 1.0, (None, 0.0), 1, "d-1", choice, "b")
    lines = [
        decision,
        IncidentLine("s", "i-1", Change.OPENED, "t", None, 1),
        Merged("s", "i-1", "i-2", "f1"),
        Moved("s", ("a",), "i-1", "i-2", "f1"),
        Undone("s", "f1", "f2", ("a",), "moved again since"),
        Suggestion("s", "move", ("i-1", None), ("a",), 1.0, "r"),
        PolicyLine("s", "default", "default", "set"),
        Refused("s", "f1", "e"),
    ]
    assert {type(line) for line in lines} == set(get_args(Output))
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", EVENTS[EVENTS.index("| `decision` |") :], re.MULTILINE)
    said = {kind: set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", keys))) for kind, keys in rows}
    written = {line["kind"]: set(line) for line in (orjson.loads(emit(1, line)) for line in lines)}
    assert {kind: keys | {"kind", "seq", "scope"} for kind, keys in said.items()} == written


def test_the_words_of_the_page_are_those_of_the_code():
    """Reasons, verbs, modes, states and severities."""
    for words in (Reason, Verb, Mode, Status, Severity, Action, Change, Bound):
        assert {str(word) for word in words} <= set(re.findall(r"`(\w+)`", EVENTS)), words


def test_no_link_leads_nowhere():
    """Of the pages to each other: files, and headings within them."""
    pages = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), ROOT / "data" / "README.md"]
    lost = []
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = target.partition("#")
            if re.match(r"\w+:", target):
                continue
            there = (page.parent / name).resolve() if name else page
            if not there.exists() or (anchor and anchor not in _anchors(there)):
                lost.append(f"{page.name}: {target}")
    assert not lost


def test_the_readme_leads_to_every_page():
    """Nothing in docs/ is to be found by accident only."""
    linked = set(re.findall(r"\]\((docs/\w+\.md)\)", (ROOT / "README.md").read_text()))
    assert linked == {f"docs/{page.name}" for page in DOCS.glob("*.md")}


def _anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_map_names_every_file_of_the_core():
    """CONTRIBUTING.md, and none that is not there."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    table = page[page.index("## The map") :]
    named = {
        name
        for row in re.findall(r"^\| [^|]+ \| ([^|]+) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    named -= {"grouping"}
    assert named == {path.stem for path in (ROOT / "grouping").glob("*.py")} - {"__init__"}


def test_the_help_names_each_command_once():
    """And every command that there is."""
    assert len(set(COMMANDS)) == len(COMMANDS)
    helpers = {"common", "kept", "serving"}
    there = {path.stem for path in (ROOT / "grouping" / "commands").glob("*.py")} - {"__init__"} - helpers
    assert set(COMMANDS) == there


def test_python_goes_as_the_readme_says(tmp_path):
    """The snippet, on the demo: the lines are those of the engine, and the snapshot can be restored."""
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "alerts.jsonl").write_bytes(shown.DEMO.read_bytes())
    code = f"{snippet}\nassert Engine.restore(snapshot).snapshot() == snapshot"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [orjson.loads(line) for line in done.stdout.splitlines()] == list(shown.outputs())


def test_the_settings_are_those_of_the_code():
    """docs/operations.md is filled in by `make data`, never by hand."""
    page = operations.PAGE.read_text()
    assert "| `service.backlog_max` | 1000000 |" in page
    assert operations.filled(page) == page


@pytest.mark.parametrize("page", shown.PAGES, ids=lambda page: page.name)
def test_what_is_shown_of_the_demo_is_what_it_gives(page):
    """Filled in by `make data`: the lines are those of the engine, not of a writer."""
    text = page.read_text()
    assert "<!-- shown: " in text
    assert shown.filled(text) == text


def test_the_picture_is_of_the_demo_as_it_is():
    """Drawn by `make picture`; what it bears as its title is what the demo gives."""
    assert picture.title(picture.PICTURE.read_bytes()) == shown.caption()


def test_every_metric_is_on_the_page(live):
    """And none that is not."""
    text = live.ask("GET", "/metrics").body.decode()
    there = {name for name in re.findall(r"^# HELP (\S+)", text, re.MULTILINE) if name.startswith("grouping_")}
    page = operations.PAGE.read_text()
    assert set(re.findall(r"grouping_\w+", page)) == there


def test_every_metric_of_the_worker_is_on_its_page():
    """And none that is not."""
    metrics = Metrics().registry.collect()
    there = {metric.name + ("_total" if metric.type == "counter" else "") for metric in metrics}
    assert set(re.findall(r"`(grouping_\w+)`", (DOCS / "kafka.md").read_text())) == there
