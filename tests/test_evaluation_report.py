"""The page about an evaluation: what it shows, that it loads nothing, and that nothing from outside gets through."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import orjson
import pytest

from grouping import Config, parse
from grouping.responder import Habits
from grouping.runtimes.evaluate import Played, read_events
from grouping.runtimes.evaluation import evaluated
from grouping.runtimes.evaluation_report import EACH, confusion, curve, worst, write_evaluation
from grouping.runtimes.truth import read_truth

DATA = Path(__file__).parent.parent / "data"
START = 1_760_000_000.0


def of(text):
    """Pairs from a text such as "Ag Ag Bh C-": incident, group; "-" is noise."""
    return [(incident, None if group == "-" else group) for incident, group in text.split()]


def page(tmp_path, rows, responder=None, seeds=1):
    """The page about (class, group, summary) rows, a second apart, grouped by class."""
    events, truth = [], {}
    for number, (kind, group, summary) in enumerate(rows):
        event = {"kind": "alert", "id": f"a{number}", "at": START + number, "class": kind, "summary": summary}
        events.append(parse(orjson.dumps(event)))
        truth[f"a{number}"] = group
    config = Config(policy="class=300s", explore=0.0)
    evaluation = evaluated(events, truth, config, responder, seeds)
    return write_evaluation(evaluation, events, tmp_path, source="alerts.jsonl").read_text()


class Tags(HTMLParser):
    """Every tag with its attributes, and every text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


# -- the map


def test_a_right_grouping_is_a_diagonal():
    shown = confusion(of("Ag Ag Bh Ck Ck D-"))
    assert [[(cell.column, cell.own, cell.share) for cell in row.cells] for row in shown.rows] == [
        [(0, True, 1.0)], [(1, True, 1.0)], [(2, True, 1.0)]
    ]  # fmt: skip
    assert [row.group for row in shown.rows] == ["g", "h", "k"]  # the noise in D harms none of them


def test_what_is_to_be_moved_or_merged_stands_off_it():
    shown = confusion(of("Ag Ag Ag Ah A- Bg"))
    cells = {(row.group, cell.incident): (cell.alerts, cell.own) for row in shown.rows for cell in row.cells}
    assert cells == {
        ("g", "A"): (3, True), ("g", "B"): (1, False), ("h", "A"): (1, False), (None, "A"): (1, False)
    }  # fmt: skip


def test_of_many_groups_the_worst_are_shown():
    right = [(f"R{i}", f"r{i}") for i in range(100) for _ in range(2)]
    shown = confusion([*right, *of("Ag Bg Cg")])
    assert "g" in [row.group for row in shown.rows]
    assert len(shown.rows) < shown.groups == 101
    assert max(cell.column for row in shown.rows for cell in row.cells) < shown.columns


def test_the_worst_incidents_need_the_most_moves():
    found = worst(of("Ag Ag Ah A- Bh Ck Ck D- D-"))
    assert [(one.incident, one.alerts, one.elsewhere) for one in found] == [("A", 4, 0), ("B", 1, 1)]
    assert found[0].parts == [("g", [0, 1]), ("h", [2]), (None, [3])]


# -- the curves


def test_the_curve_is_a_mean_over_groups_and_its_band_holds_the_seeds():
    good, bad = Played(pairs=of("Ag Ag Bh Bh")), Played(pairs=of("Ag Bg Ch Dh"), spent=[1, 2])
    drawn = curve([good, bad])
    assert drawn.along.tolist() == [0, 2]
    assert drawn.spent.tolist() == [0, 1]
    assert drawn.mean.tolist() == [0.75, 0.75]
    assert (drawn.low.tolist(), drawn.high.tolist()) == ([0.5, 0.5], [1, 1])


def test_a_long_curve_is_smooth():
    pairs = [(f"{i}.{half if i % 2 else 0}", f"g{i}") for i in range(240) for half in (0, 1)]
    drawn = curve([Played(pairs=pairs)])
    assert np.abs(drawn.mean - 0.75).max() < 0.05


# -- the page


@pytest.mark.parametrize("responder", [None, Habits(budget=5, wrong=0.25, look=0.5, delay=90)])
def test_the_page_stands_alone_and_repeats(tmp_path, responder):
    """It loads nothing and names no time of its own: the same evaluation gives the same bytes."""
    events, _ = read_events([str(DATA / "two_faults.jsonl.gz")])
    truth = read_truth(DATA / "two_faults.truth.csv")
    evaluation = evaluated(events, truth, Config(policy="*=30s"), responder, 2)
    first = write_evaluation(evaluation, events, tmp_path / "a", source="x").read_bytes()
    assert first == write_evaluation(evaluation, events, tmp_path / "b", source="x").read_bytes()
    text = first.decode()
    assert not re.search(r'(?:src|href)="(?!#)|url\((?!#)|@import|<script', text)
    assert "default-src 'none'" in text
    assert f"{evaluation.without[0].scores().macro_jaccard:.3f}" in text
    assert ("Learning curve" in text) == (responder is not None)
    if responder is not None:
        said = "looks at 50 % of the incidents, corrects at most 5 times, 25 % of it wrongly, 1 min 30 s after"
        assert said in text


def test_what_stands_in_alerts_and_truth_is_only_text(tmp_path):
    evil = "<script>alert(1)</script>\x1b[31m"
    text = page(tmp_path, [("a", evil, evil), ("a", "h", "x"), ("b", evil, evil)], Habits())
    tags = Tags(text)
    assert "script" not in [tag for tag, _ in tags.tags]
    assert any("<script>alert(1)</script>" in one for one in tags.texts)
    assert "\x1b" not in text


def test_the_worst_incidents_show_some_alerts_of_each_group(tmp_path):
    rows = [("a", "g", f"of g {i}") for i in range(30)] + [("a", "h", "of h"), ("a", None, "of nobody")]
    text = page(tmp_path, rows)
    table = text[text.index("Worst incidents") : text.index("<h2>Groups")]
    assert len(re.findall(r"of g \d+", table)) == EACH
    assert "of h" in table
    assert "of nobody" in table


def test_a_right_grouping_has_no_worst_incidents(tmp_path):
    assert "None: every group is in one incident" in page(tmp_path, [("a", "g", "x"), ("a", "g", "x"), ("b", "h", "x")])


@pytest.mark.parametrize("rows", [[("a", None, "x")], [("a", "g", "x")], [("a", "g", "x"), ("a", "g", "y")]])
def test_a_stream_with_hardly_anything_in_it_has_a_page(tmp_path, rows):
    assert "</html>" in page(tmp_path, rows, Habits(), seeds=2)
