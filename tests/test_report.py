"""What a replay came to: the tally counts it, the summary prints it, the report draws it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from rich.console import Console

from grouping import Engine, Malformed, parse
from grouping.records import (
    Action,
    Alert,
    Change,
    Decision,
    IncidentLine,
    Merged,
    Moved,
    Output,
    PolicyLine,
    Reason,
    Refused,
    Severity,
    Status,
    Tick,
)
from grouping.runtimes.report import CUTS, SHOWN, TICKS, WIDTH, Axis, timeline, write_report
from grouping.runtimes.summary import as_dict, lasting, moment, percent, print_summary
from grouping.runtimes.tally import KEPT, Tally

START = 1_762_000_000.0


def told(events: list[dict[str, Any] | bytes], tally: Tally | None = None) -> Tally:
    """The tally of a replay of these events."""
    tally, engine = tally or Tally(), Engine()
    for event in events:
        try:
            read = parse(event if isinstance(event, bytes) else orjson.dumps(event))
        except Malformed as error:
            tally.take(None, [Refused(error.scope, error.id, str(error))])
        else:
            tally.take(read, engine.step(read))
    return tally


def alert(id: str, after: float = 0.0, summary: str = "disk full", **fields: Any) -> dict[str, Any]:
    return {"kind": "alert", "id": id, "at": START + after, "summary": summary, **fields}


def feedback(id: str, action: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "feedback", "id": id, "at": START + 90_000, "action": action, **fields}


# Two storms of three alerts a day apart, the first with two repeats; one bad line, one event sent twice.
DAY = [
    alert("a1", 0, "disk full on db-1", severity="warning", dedup_key="d1"),
    alert("a2", 1, "disk full on db-1", severity="critical", dedup_key="d2"),
    alert("a3", 2, "disk full on db-1", dedup_key="d1"),
    alert("a3", 2, "disk full on db-1", dedup_key="d1"),
    alert("a4", 3, "disk full on db-1", dedup_key="d3"),
    alert("a5", 9, "disk full on db-1", dedup_key="d2"),
    b'{"kind":"alert","severity":"huge","summary":"x"}',
    alert("b1", 86_400, "no route to web-1"),
    alert("b2", 86_401, "no route to web-1"),
    alert("b3", 86_402, "no route to web-1"),
]


@pytest.fixture
def day() -> Tally:
    return told([*DAY])


def test_the_numbers_of_a_small_day(day):
    """Eight alert events, two of them repeats, in two incidents: three quarters of them paged nobody."""
    numbers = as_dict(day)
    expected = {
        "events": 10,
        "alert_events": 8,
        "alerts": 6,
        "repeats": 2,
        "resends": 1,
        "refused": 1,
        "incidents": 2,
        "opened": 2,
        "alerts_per_incident": {"mean": 3.0, "median": 3, "p90": 3, "largest": 3},
        "incidents_of_one": 0,
        "noise_reduction": 0.75,
        "span_s": 86_402.0,
    }
    assert {name: numbers[name] for name in expected} == expected
    assert sum(numbers["decisions"].values()) == 8
    assert numbers["decisions"]["duplicate/duplicate"] == 2
    orjson.dumps(numbers)


def test_an_incident_knows_its_alerts(day):
    """Title of the first alert, the worst severity, the time of the last repeat."""
    first, second = day.incidents()
    assert (first.title, first.severity, first.alerts, first.repeats) == ("disk full on db-1", "critical", 3, 2)
    assert (first.first, first.last, first.resolved) == (START, START + 9, False)
    assert (second.title, second.severity, second.alerts, second.repeats) == ("no route to web-1", None, 3, 0)


def test_resolved_and_reopened():
    """An incident is as its last line says."""
    tally = told([alert("a1", dedup_key="d"), alert("a2", 5, status="resolved", dedup_key="d")])
    assert [one.resolved for one in tally.incidents()] == [True]
    incident = tally.incidents()[0].id
    line = IncidentLine("default", incident, Change.REOPENED, "disk full, refined", Severity.ERROR, 1)
    tally.take(Tick(START + 6, "default"), [line])
    assert [(one.resolved, one.title) for one in tally.incidents()] == [(False, "disk full, refined")]
    assert (as_dict(tally)["resolved"], as_dict(tally)["reopened"]) == (1, 1)


# -- corrections


def ids(tally: Tally) -> list[str]:
    return [one.id for one in sorted(tally.incidents(), key=lambda one: one.first)]


def sizes(tally: Tally) -> list[tuple[int, int]]:
    """Alerts and repeats of the incidents, the largest first."""
    return [(one.alerts, one.repeats) for one in tally.incidents()]


def test_merged_incidents_are_one(day):
    """All alerts and repeats of the source count for the target; the pages have gone out nevertheless."""
    first, second = ids(day)
    merged = told([*DAY, feedback("f1", "merge", incidents=[first], into=second)])
    assert sizes(merged) == [(6, 2)]
    numbers = as_dict(merged)
    assert (numbers["merges"], numbers["incidents"], numbers["opened"], numbers["noise_reduction"]) == (1, 1, 2, 0.75)


def test_a_merge_undone_leaves_no_trace(day):
    """Alerts and repeats are back where they were."""
    first, second = ids(day)
    events = [feedback("f1", "merge", incidents=[first], into=second), feedback("f2", "undo", feedback="f1")]
    back = told([*DAY, *events])
    assert back.incidents() == day.incidents()


def test_moved_alerts_count_where_they_are(day):
    """Two alerts split off are an incident of their own, and no longer of the one they left."""
    split = told([*DAY, feedback("f1", "move", alerts=["b1", "b2"], into=None)])
    assert sizes(split) == [(3, 2), (2, 0), (1, 0)]
    back = told([*DAY, feedback("f1", "move", alerts=["b1", "b2"], into=None), feedback("f2", "undo", feedback="f1")])
    assert back.incidents() == day.incidents()


def test_alerts_of_other_scopes_stay():
    """The same alert id in another scope is another alert."""
    tally = told([alert("a1"), alert("a1", 1, scope="pay")])
    for scope in ("default", "pay"):
        (own,) = [one.id for one in tally.incidents() if one.scope == scope]
        tally.take(None, [Moved(scope, ("a1",), own, "i-new", "f1")])
        assert [one.id for one in tally.incidents() if one.scope == scope] == ["i-new"]


# -- odd inputs


def decided(incident: str, alert: str = "a", scope: str = "default") -> Decision:
    return Decision(scope, alert, incident, Action.JOIN, Reason.BEST_SCORE, 1.0, 1.0, None, 0, "d-1")


def bare(at: float | None, scope: str = "default") -> Alert:
    return Alert("a", at, scope, Status.FIRING, *[None] * 8, "disk full", {})  # type: ignore[arg-type]


def test_an_event_without_time_happens_now():
    """It takes the last time of its scope; before there was one, the first time known."""
    tally = Tally()
    for at, scope in ((None, "x"), (100.0, "x"), (900.0, "y"), (None, "x"), (50.0, "x"), (None, "x")):
        tally.take(bare(at, scope), [decided("i1", scope=scope)])
    assert tally.reports().at.tolist() == [100, 100, 900, 100, 50, 50]


def test_no_event_has_a_time():
    """Then all of them happen at the beginning of time, and nothing breaks."""
    tally = Tally()
    tally.take(bare(None), [decided("i1")])
    assert (tally.incidents()[0].first, as_dict(tally)["span_s"]) == (0, 0)


def test_a_replay_that_is_continued():
    """Incidents opened before the tally began have no title; what is said of them is taken as it comes."""
    tally = Tally()
    tally.take(None, [Merged("default", "i7", "i8", "f0")])
    tally.take(None, [Moved("default", ("a7",), "i8", "i7", "f1")])
    tally.take(bare(1.0), [decided("i9")])
    assert [(one.id, one.title) for one in tally.incidents()] == [("i9", "(opened before)")]


def test_what_is_kept_is_bounded():
    """However many refusals and policy changes there are, only the first are kept; all are counted."""
    tally = Tally()
    outputs: list[Output] = [Refused("default", None, "no"), PolicyLine("default", "b", "a", "set")]
    for _ in range(200):
        tally.take(None, outputs)
    assert (tally.refused, tally.policy_changes) == (200, 200)
    assert len(tally.refusals) == len(tally.policies) == KEPT


# -- the summary


def printed(tally: Tally, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_summary(tally, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_says_what_matters(day):
    text = printed(day)
    assert re.search(r"alert events in +8\b", text)
    assert re.search(r"noise reduction +75\.00 %", text)
    assert re.search(r"disk full on db-1 +3 +9\.0 s +critical +open", text)


def test_a_title_cannot_steer_the_terminal():
    """Control characters are gone, markup is text."""
    text = printed(told([alert("a1", summary="\x1b[2J[bold]disk\u202e[/nothing] full")]))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]disk [/nothing] full" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_fits(day, width):
    assert max(len(line.rstrip()) for line in printed(day, width).splitlines()) <= width


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (9.97, "10 s"),
        (59.7, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (7260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_in_words(seconds, words):
    assert lasting(seconds) == words


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0.00 %"), (0.00001, "< 0.01 %"), (0.5, "50.00 %"), (0.99999, "99.99 %"), (1, "100 %")]
)
def test_nearly_all_is_not_all(share, words):
    assert percent(share) == words


# -- the page


class Page(HTMLParser):
    """A page taken apart: every tag with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag and all(found.get(k) == v for k, v in wanted.items())]


def page(tally: Tally, directory: Path) -> str:
    return write_report(tally, directory, source="day.jsonl", command="grouping replay day.jsonl").read_text()


def test_the_page_holds_everything(day, tmp_path):
    """Numbers, three pictures, a row for each incident, the refusal; and it is where it was asked for."""
    path = write_report(day, tmp_path / "deep" / "down", source="day.jsonl")
    assert path == tmp_path / "deep" / "down" / "index.html"
    found = Page(path.read_text())
    assert len(found.of("svg")) == 3
    assert len(found.of("tr", id="i0") + found.of("tr", id="i1") + found.of("tr", id="i2")) == 2
    for words in ("75.00 %", "disk full on db-1", "day.jsonl", "$.severity: expected one of", moment(START)):
        assert words in found.text


def test_the_page_loads_nothing(day, tmp_path):
    """No address anywhere, and no tag that would fetch something."""
    text = page(day, tmp_path)
    assert "//" not in re.sub(r"\n\s*// .*", "", text)  # nothing but a comment of the script
    assert not re.search(r"@import|url\((?!#)", text)
    found = Page(text)
    assert not {name for name, _ in found.tags} & {"link", "img", "iframe", "object", "embed", "base", "foreignobject"}
    for _, attributes in found.tags:
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")


def test_every_reference_has_its_target(day, tmp_path):
    """Links of the timeline and parts of the pictures: each id is there, and there once."""
    found = Page(page(day, tmp_path))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in found.tags:
        for value in attributes.values():
            assert set(re.findall(r"^#([\w-]+)$|url\(#([\w-]+)\)", value or "")) <= {(one, "") for one in ids} | {
                ("", one) for one in ids
            }


def test_texts_from_outside_stay_texts(tmp_path):
    """Markup in titles, scopes, ids, errors, policies and the source's name is shown, not obeyed."""
    evil = "</title></svg><script>alert('x')</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}"
    tally = told([alert("a1", summary=evil, scope=evil), alert(evil, 1, scope="b")])
    tally.take(None, [Refused(evil, evil, evil), PolicyLine(evil, evil, evil, evil)])
    text = write_report(tally, tmp_path, source=evil, command=evil).read_text()
    found = Page(text)
    assert len(found.of("script")) == 1
    assert found.of("img") == []
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "{{ 7 * 7 }}" in found.text


def test_the_same_replay_gives_the_same_page(day, tmp_path):
    """Byte for byte: again in this process, and in another one with other hashes and settings of matplotlib."""
    first = write_report(day, tmp_path / "1", source="day.jsonl").read_bytes()
    assert write_report(told([*DAY]), tmp_path / "2", source="day.jsonl").read_bytes() == first
    (tmp_path / "matplotlibrc").write_text("font.size: 31\nsvg.fonttype: path\nlines.linewidth: 7\n")
    script = (
        "import sys, pathlib; sys.path[:0] = [sys.argv[1]]\n"
        "from tests.test_report import DAY, told, write_report\n"
        "write_report(told([*DAY]), pathlib.Path('3'), source='day.jsonl')\n"
    )
    root = Path(__file__).parent.parent
    subprocess.run([sys.executable, "-c", script, str(root)], cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / "3" / "index.html").read_bytes() == first


@pytest.mark.parametrize("events", [[], [b"{"], [{"kind": "tick", "at": START}]])
def test_a_stream_without_alerts(events, tmp_path):
    """The page and the table say so."""
    tally = told(events)
    numbers = as_dict(tally)
    assert (numbers["alert_events"], numbers["noise_reduction"], numbers["alerts_per_incident"]) == (0, None, None)
    assert "There was no alert" in page(tally, tmp_path)
    assert re.search(r"alert events in +0\b", printed(tally))


def test_a_single_alert(tmp_path):
    """One moment, one incident: nothing divides by the time that has passed."""
    assert "1 alert event, 1 incident" in page(told([alert("a1")]), tmp_path)


def test_reading_the_report_does_not_wait_for_matplotlib():
    """It is imported when a picture is drawn."""
    script = "import sys, grouping.runtimes.report; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent.parent, check=True, timeout=60)


def large(incidents: int, alerts: int) -> Tally:
    """Many incidents of many alerts, overlapping, in two scopes."""
    tally = Tally()
    for number in range(incidents):
        scope, id = f"s{number % 2}", f"i{number}"
        lines = [IncidentLine(scope, id, Change.OPENED, f"{'long ' * 200}{number}", None, 1)]
        tally.take(bare(START + 60.0 * number, scope), [*lines, decided(id, scope=scope)])
        for one in range(1, alerts):
            tally.take(bare(START + 60.0 * number + 7.0 * one, scope), [decided(id, scope=scope)])
    return tally


def test_a_large_replay_gives_a_page_one_can_open(tmp_path):
    """200,000 alerts in 400 incidents: the largest are shown, their strokes thinned out, under 2 MB."""
    tally = large(400, 500)
    text = page(tally, tmp_path)
    assert len(text.encode()) < 2_000_000
    assert f"The {SHOWN} largest of 400 incidents" in text
    assert len(Page(text).of("rect", rx="1.5")) == SHOWN
    paths = [path["d"] or "" for path in Page(text).of("path") if "0v1" in (path["d"] or "")]
    assert max(path.count("M") for path in paths) <= TICKS


def test_bars_of_a_lane_do_not_touch():
    """Incidents overlap in time, not on paper; and each scope keeps to its band."""
    tally = large(60, 40)
    reports, shown = tally.reports(), tally.incidents()
    drawn = timeline(shown, reports, Axis(reports.at))
    lanes: dict[float, list[tuple[float, float]]] = {}
    for bar in drawn.bars:
        lanes.setdefault(bar.y, []).append((bar.x, bar.x + bar.width))
        (band,) = [band for band in drawn.bands if band.y <= bar.y < band.y + band.height]
        assert band.scope == bar.incident.scope
    for bars in lanes.values():
        bars.sort()
        assert all(before[1] < after[0] for before, after in pairwise(bars))


# -- time on paper


@pytest.mark.parametrize(
    "times",
    [
        [0.0],
        [5.0, 5.0],
        [0.0, 0.1],
        [0.0, 3600.0],
        [0.0, 1.0, 2.0, 32_503_680_000.0],
        [float(number**4) for number in range(60)],
        [1_762_000_000.0 + number * 86_400 for number in range(40)],
    ],
)
def test_an_axis_keeps_order_and_fits(times):
    """Later is further right, all is on the paper, labels are in order, silences cut out are few."""
    axis = Axis(np.array(times))
    places = [axis.place(time) for time in sorted(times)]
    assert places == sorted(places)
    assert min(places) >= 0
    assert max(places) <= WIDTH
    np.testing.assert_allclose(axis.places(np.array(sorted(times))), places)
    labels = [label.x for label in axis.labels()]
    assert labels == sorted(labels)
    assert len(axis.cuts()) <= CUTS


def test_a_silence_cut_out_says_how_long_it_was():
    """From the last alert before it to the first one after it; the air drawn around them is not taken off."""
    axis = Axis(np.array([*np.linspace(0, 7200, 50), *np.linspace(28_800, 36_000, 50)]))
    assert [silence for _, _, silence in axis.cuts()] == ["6 h"]


def test_one_wrong_clock_does_not_flatten_the_rest():
    """An alert from the year 2999 takes a sliver; the hour before it keeps the paper."""
    axis = Axis(np.array([*np.linspace(START, START + 3600, 100), 32_000_000_000.0]))
    assert axis.place(START + 3600) - axis.place(START) > WIDTH * 0.9
    assert [silence for _, _, silence in axis.cuts()] == ["349,976 d 19 h"]


def test_the_page_shows_how_a_scope_found_its_shape(tmp_path: Path) -> None:
    """Per key what was seen, what was chosen and what was refused; a field's name stays a text."""
    keys = {
        "service": {"score": 0.9, "silence_s": 4.0, "together": 80.0, "chance": 9.0},
        "details.<b>$x": {"score": 0.5, "silence_s": 2.0, "together": 40.0, "chance": 60.0},
        "host": {"score": 0.0, "silence_s": 2.0, "together": 0.0, "chance": 0.0},
        "*": {"score": 0.95, "silence_s": 8.0, "together": 90.0, "chance": 30.0},
    }
    drawn = {"scores": [0.1, 0.2, 0.3], "incidents": [90, 60, 30]}
    evidence = {
        "alerts": 128,
        "silences_s": [2.0, 4.0, 8.0],
        "keys": {key: one | drawn for key, one in keys.items()},
        "refused": [{"key": "*", "silence_s": 8.0, "why": "one incident with 70 % of all"}],
    }
    tally = told([alert("a1")])
    tally.take(None, [PolicyLine("default", "learned(service~2-4s)", "linear(*~2s)", "tuned", evidence)])
    tally.take(None, [PolicyLine("other", "linear(*~2s)", "learned(service~2-4s)", "tuned", {"why": "too short"})])
    page = write_report(tally, tmp_path, source="x").read_text()
    text = re.sub(r"<[^>]*>", "|", page)
    assert page.count("found its shape") == 1
    assert "details.&lt;b&gt;$x" in page
    for verdict in (
        "chosen",
        "a lower score",
        "nothing beyond chance",
        "refused from 8 s on: one incident with 70 % of all",
    ):
        assert verdict in text
    assert re.search(r"service\|+0\.90\|+4 s\|+80\|+9\|+60\|+50.00 %\|+chosen", text)
