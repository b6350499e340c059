"""The quality tables: what they sum up, and that a run which was stopped goes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import aims, hindsight, kafka_aims, missed, quality_aims, seeds, tables, taught_aims
from benchmarks.merge import merged
from benchmarks.players import habits, play
from benchmarks.quality import main
from benchmarks.streams import sources, stream
from benchmarks.summary import summary
from benchmarks.tables import fill
from grouping import parse


def _row(stream: str, policy: str, score: float, **more: Any) -> dict[str, Any]:
    whole = {"macro_jaccard": score, "f1": score}
    row = {"stream": stream, "policy": policy, "score": score, "whole": whole, "half": whole}
    return {**row, "damage": "", "corrections": 0, "capped": False, **more}


def test_the_summary_tells_mean_worst_loss_and_wins() -> None:
    """By hand: B is better on one stream and far worse on another; a shortened play counts nowhere; samples stand apart."""
    rows = [
        _row("x", "default", 0.6),
        _row("y", "default", 0.5),
        _row("x", "B", 0.9),
        _row("y", "B", 0.1),
        _row("y", "C", 0.5),
        _row("x", "C", 1.0, capped=True),
        _row("x", "default", 0.3, damage="noise"),
        _row("x", "B", 0.2, damage="noise"),
        _row("demo", "default", 0.7),
    ]
    found = {(one["streams"], one["policy"]): one for one in summary(rows)}
    assert list(found) == [
        ("samples", "default"),
        ("public", "default"),
        ("public", "B"),
        ("public", "C"),
        ("damaged", "default"),
        ("damaged", "B"),
    ]
    told = ("mean", "behind", "behind_on", "ahead", "ahead_on", "wins", "cells")
    assert {key: tuple(one[name] for name in told) for key, one in found.items()} == {
        ("samples", "default"): (0.7, None, "", None, "", 1, 1),
        ("public", "default"): (0.55, None, "", None, "", 1, 2),
        ("public", "B"): (0.5, 0.4, "y", 0.3, "x", 1, 2),
        ("public", "C"): (0.5, 0.0, "", 0.0, "", 1, 1),
        ("damaged", "default"): (0.3, None, "", None, "", 1, 1),
        ("damaged", "B"): (0.2, 0.1, "x, noise", 0.0, "", 0, 1),
    }


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of results with one of them, and one page with its table."""
    monkeypatch.setattr(tables, "HERE", tmp_path)
    monkeypatch.setattr(tables, "PAGES", (tmp_path / "page.md",))
    (tmp_path / "page.md").write_text("<!-- table: steps -->\nold\n<!-- end -->\n")
    (tmp_path / "results").mkdir()
    _write(tmp_path, "abc1234")
    return tmp_path


def _write(room: Path, commit: str) -> None:
    machine = {
        "processor": "P",
        "cores": 2,
        "memory_gib": 4,
        "python": "3.12.1",
        "packages": {"numpy": "2.4.6"},
        "compiled": "compiled",
    }
    rows = [{"name": "parse", "p50_us": 13.4, "p99_us": 32.6}]
    figures = {"what": "steps", "machine": machine | {"commit": commit, "day": "2026-01-02"}, "rows": rows}
    (room / "results" / "steps.json").write_text(json.dumps(figures))


def test_tables_are_filled_between_their_markers_only(measured: Path) -> None:
    """A table without figures stays as it is; filling twice is filling once; a name that is none is an error."""
    text = "before\n<!-- table: whole -->\nold\n<!-- end -->\nafter <!-- table: steps -->\n<!-- end -->\n"
    once = fill(text)
    assert once.startswith("before\n<!-- table: whole -->\nold\n<!-- end -->\nafter")
    assert "| parse | 13.4 us | 32.6 us |" in once
    assert "P, 2 cores, 4 GiB, Python 3.12.1, numpy 2.4.6, compiled; commit abc1234, 2026-01-02" in once
    assert fill(once) == once
    with pytest.raises(KeyError, match="nobody"):
        fill("<!-- table: nobody -->\n<!-- end -->\n")


def test_figures_of_changed_sources_are_not_published(measured: Path) -> None:
    """Nobody could measure them again: nothing is written, unless one asks for it."""
    _write(measured, "abc1234-dirty")
    refused = CliRunner().invoke(tables.main)
    assert (refused.exit_code, "steps" in refused.output) == (1, True)
    assert "old" in (measured / "page.md").read_text()
    assert CliRunner().invoke(tables.main, ["--allow-dirty"]).exit_code == 0
    assert "abc1234-dirty" in (measured / "page.md").read_text()


def test_every_table_is_on_a_page_and_is_that_of_the_results() -> None:
    """Written by `python -m benchmarks.tables`, never by hand."""
    pages = {page: page.read_text() for page in tables.PAGES}
    assert {mark["name"] for text in pages.values() for mark in tables.MARK.finditer(text)} == set(tables.VIEWS)
    for page, text in pages.items():
        assert fill(text) == text, page


def test_whether_an_aim_is_reached_is_computed() -> None:
    """More than wanted, less than allowed, neither, and not measured."""
    rows = [
        {"name": aims.THOUSAND, "per_second": 15_000, "p99_us": 200.1, "peak_mib": 120},
        {"name": aims.REPEATS, "per_second": 59_999},
    ]
    beside = [{"name": aims.DECISION, "us": 4.0}, {"name": aims.VOWPAL, "us": 40.0}, {"name": aims.RIVER, "us": 198.0}]
    service = {"rows": [], "restart": None}
    table = aims.lines({"rows": rows}, {"rows": beside}, service)
    said = {line.split(" | ")[1]: line.split(" | ")[2:] for line in table[2:]}
    assert said["new alerts, 1,000 incidents open"] == ["at least 15,000/s", "15,000/s", "reached |"]
    assert said["p99 of one new alert"] == ["at most 200 us", "200 us", "**missed** |"]
    assert said["repeats of open alerts"] == ["at least 60,000/s", "59,999/s", "**missed** |"]
    assert said["memory, 1,000 incidents open"] == ["at most 150 MB", "126 MB", "reached |"]
    assert said["memory, 20,000 incidents open"][1:] == ["?", "not measured |"]
    assert said["a decision, beside VowpalWabbit's"] == ["at least 10 times as fast", "10 times as fast", "reached |"]
    assert said["a decision, beside river LogisticRegression's"][1:] == ["50 times as fast", "**missed** |"]
    assert said["a decision, beside river LinUCBDisjoint's"][1:] == ["?", "not measured |"]
    assert said["known alerts, one a post: Alertmanager's own rate"] == ["at least ?", "?", "not measured |"]
    assert said["ready after kill -9, 10,000 incidents open"][1:] == ["?", "not measured |"]


def test_whether_an_aim_of_quality_is_reached_is_computed() -> None:
    """Reached, just missed, harm on one stream of two, and not measured."""

    rows = [
        _row("rca_micross", "default", 0.97),
        _row("rca_micross", "linear(*~2s)", 0.98),
        _row("rca_micross", "*=30s", 0.85),
        _row("telecom_sim", "default", 0.95),
        _row("telecom_sim", "linear(*~2s)", 0.97),
        _row("telecom_sim", "*=30s", 0.85),
    ]
    said = {one.what: one for one in quality_aims.ends({"rows": rows})}
    assert said["rca_micross: macro-Jaccard / pairwise F1"][2:] == ("0.97 / 0.97", True)
    assert said["telecom_sim: macro-Jaccard / pairwise F1"][2:] == ("0.95 / 0.95", False)
    assert said["ait_ads_attackday_big: macro-Jaccard / pairwise F1"][2:] == ("?", None)
    assert said["streams on which tuning costs more than 0.01"][2:] == ("1 of 2", False)
    assert said["ahead of the best fixed rule for all streams together"][2:] == ("0.11 (`*=30s`)", True)
    rows += [_row("telecom_sim", "default", 0.79, damage="x0.1", corrections=50)]
    taught = "damaged streams, second halves, 50 corrections each: mean of both"
    assert {one.what: one for one in quality_aims.ends({"rows": rows})}[taught][2:] == ("0.790", False)
    rows += [_row("telecom_sim", "default", 0.79, damage="x10")]
    assert {one.what: one for one in quality_aims.ends({"rows": rows})}[taught][2:] == ("0.790 on 1 of 2", None)


def test_whether_an_aim_of_corrections_is_reached_is_computed() -> None:
    """The worst stream counts, and is named; a difference that nobody sees is none."""

    def row(name: str, kept: float | None, wrong: float, few: float, lost: float) -> dict[str, Any]:
        scores = {"cold": 0.5, "50, 10 % wrong": wrong, "50, 30 % looked at": few}
        return {"name": name, "scores": scores, "kept": kept, "lost": lost}

    robust = {"rows": [row("a", 0.8, 0.58, 0.5, 0.0214), row("b", None, 0.47, 0.4996, 0.0)]}
    behind = {"rows": [{"behind": 0.0302}, {"behind": -0.2}]}
    assert [one[2:] for one in taught_aims.ends(robust, behind)] == [
        ("80% (a)", True),
        ("0.030 (b)", False),
        ("0 of 2", True),
        ("0.021 (a)", False),
        ("0 of 2", True),
    ]
    assert [one.reached for one in taught_aims.ends({"rows": []}, {"rows": [{"behind": 0.031}]})] == [None] * 4 + [
        False
    ]


def test_what_other_seeds_cost_is_told_per_workload() -> None:
    """The means, how many streams are more than .01 below the untuned default, and which is so most."""
    found = {
        seeds.Job("drip", None, "", 2): (0.75, 0.25),
        seeds.Job("drip", None, "half lost", 3): (0.25, 0.5),
        seeds.Job("drip", 10_000, "", 2): (0.495, 0.5),
        seeds.Job("noise", None, "", 2): (0.5, 0.25),
    }
    drip, noise = seeds.rows(found)
    assert (drip["streams"], drip["default"], drip["untuned"], drip["below"]) == (3, 0.4983, 0.4167, 1)
    assert (drip["worst"], drip["worst_in"]["damage"], noise["below"], noise["worst"]) == (-0.25, "half lost", 0, 0.25)
    table = tables.VIEWS["seeds"].render({"rows": [drip, noise]})
    assert "-0.25 (seed 3, half lost)" in table[2]
    assert table[-1] == "| all | 4 | 0.499 | 0.375 | 1 |  |"
    said = quality_aims.elsewhere([drip, noise])
    assert (said.measured, said.reached) == ("1 of 4", False)


def test_the_streams_of_other_seeds_are_no_samples() -> None:
    """Their first seed is what the samples are made of."""
    streams = list(seeds.jobs())
    assert len(set(streams)) == len(streams) == 506
    assert all(job.seed > 1 for job in streams)


def test_the_best_rule_in_hindsight_is_the_best_in_the_mean_of_the_seeds() -> None:
    """One that was best once, and bad otherwise, is not."""
    plays = [
        hindsight.Played(0.7, {"*=2s": 0.9, "host=5s": 0.75}),
        hindsight.Played(0.6, {"*=2s": 0.5, "host=5s": 0.75}),
    ]
    found = hindsight.row("demo", "", plays)
    assert (found["rule"], found["best"], found["default"], found["behind"]) == ("host=5s", 0.75, 0.65, 0.1)


def test_what_can_keep_alerts_apart_in_hindsight_is_a_field_that_nearly_all_have() -> None:
    """Named or under details; and service with class."""
    told = {"kind": "alert", "summary": "down", "service": "a", "class": "b"}
    details = [{"region": "eu", "rare": 1}] * 9 + [{"region": "eu"}] * 2
    alerts = [
        parse(json.dumps({**told, "id": str(number), "details": one}).encode()) for number, one in enumerate(details)
    ]
    assert hindsight.keys(alerts) == [(), ("class",), ("details.region",), ("service",), ("service", "class")]


def test_what_is_lost_of_a_group_is_what_the_other_side_has_more_of() -> None:
    """Weighed by its size, the heaviest first; torn where more of it is missing than others are in its incident."""
    own = [
        ("i1", "g"),
        ("i2", "g"),
        ("i3", "g"),
        ("i4", "h"),
        ("i4", "h"),
        ("i4", None),
        ("i4", "k"),
        ("i5", "l"),
        ("i5", "l"),
    ]
    other = [
        ("j1", "g"),
        ("j1", "g"),
        ("j1", "g"),
        ("j2", "h"),
        ("j2", "h"),
        ("j3", None),
        ("j4", "k"),
        ("j5", "l"),
        ("j6", "l"),
    ]
    torn, mixed = missed.losses(own, other)
    assert (torn.match.group, round(torn.by, 3), torn.held, torn.strange, torn.torn) == ("g", 1.333, 1, 0, True)
    assert (mixed.match.group, round(mixed.by, 3), mixed.held, mixed.strange, mixed.torn) == ("h", 0.792, 2, 2, False)
    assert missed.kinds([torn, mixed]) == {"groups": 2, "torn": 1, "torn_share": 0.627}
    assert [loss.match.group for loss in missed.losses(own, None)] == ["g", "h"]  # held against what is perfect


def test_where_an_aim_is_missed_is_what_the_aims_say() -> None:
    """Each stream that one of the tables counts as missed, and no other."""
    names = ("quality", "seeds", "robustness", "hindsight")
    quality, elsewhere, robustness, behind = (tables.results(name) or missed.NONE for name in names)
    found = Counter(job.aim for job in missed.jobs(quality, elsewhere, robustness, behind))
    ends = [*quality_aims.ends(quality), *taught_aims.ends(robustness, behind)]
    counts = {end.what: end.measured.split(" of ")[0] for end in ends if " of " in end.measured}
    assert counts == {
        "streams on which tuning costs more than 0.01": str(found["tuning costs"]),
        "30 % of incidents looked at: streams below no corrections": str(found["50, 30 % looked at"]),
        "50 corrections: streams behind the best rule in hindsight by more than 0.03": str(
            found["the best rule in hindsight"]
        ),
    }
    public = [end for end in ends if end.what.partition(":")[0] in quality_aims.PUBLIC and not end.reached]
    assert found["without corrections"] == len(public)


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """What is in the cache is not played again; a torn last line is; the figures are the same."""
    cache, figures = tmp_path / "cache.jsonl", tmp_path / "figures.json"
    arguments = ["--jobs", "1", "--cache", str(cache), "--json", str(figures), "--seeds", "2"]
    arguments += ["--only", "stream=demo", "--only", "policy=[*]=30s", "--only", "damage=", "--only", "damage=half*"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    lines = cache.read_text().splitlines()
    first = json.loads(figures.read_text())
    assert [(row["damage"], row["runs"]) for row in first["rows"]] == [("", 1), ("half lost", 2)]
    cache.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert len(cache.read_text().splitlines()) == 4
    again = json.loads(figures.read_text())
    for row in (*first["rows"], *again["rows"]):
        del row["us"]
    assert again["rows"] == first["rows"]


def test_a_responder_takes_part_only_where_corrections_are_asked_for() -> None:
    """The same alerts are judged with and without; without, as each was decided; with, later ones go better or not."""
    source = next(one for one in sources(None) if one.name == "two_faults")
    events, truth = stream(source)
    without = play("default", events, truth)
    assert [group for _, group in without] == [group for _, group in play("default", events, truth, habits=habits(50))]
    taught = play("river LogisticRegression", events, truth, habits=habits(50))
    assert [group for _, group in without] == [group for _, group in taught]
    assert without != taught


def test_what_is_measured_anew_takes_the_place_of_the_old() -> None:
    """And the rest says where it is from; what was played otherwise is not mixed."""

    def figures(commit: str, cap: int, **scores: float) -> dict[str, object]:
        rows = [
            {"stream": "demo", "damage": "", "policy": policy, "corrections": 0, "score": score}
            for policy, score in scores.items()
        ]
        return {"what": "quality", "machine": {"commit": commit, "day": "2026-01-01"}, "cap": cap, "rows": rows}

    found = merged(figures("aaa", 9, default=0.5, drain=0.4, time=0.3), figures("bbb", 9, default=0.6))
    assert {row["policy"]: row["score"] for row in found["rows"]} == {"default": 0.6, "drain": 0.4, "time": 0.3}
    assert found["machine"]["commit"] == "bbb"
    old = {"commit": "aaa", "day": "2026-01-01"}
    assert {row["policy"]: row.get("measured") for row in found["rows"]} == {"default": None, "drain": old, "time": old}
    again = merged(found, figures("ccc", 9, drain=0.7))
    commits = {row["policy"]: row.get("measured", again["machine"])["commit"] for row in again["rows"]}
    assert commits == {"default": "bbb", "drain": "ccc", "time": "aaa"}
    with pytest.raises(ValueError, match="cap"):
        merged(figures("aaa", 9, default=0.5), figures("bbb", 8, default=0.6))


def test_whether_an_aim_on_kafka_is_reached_is_computed() -> None:
    """By the rows of one worker and the rule that is measured; a kill may take as long as the session besides."""
    row = {"way": "this worker", "policy": "host=300s", "load": "repeats", "partitions": 8, "workers": 1}
    flow = [row | {"per_second": 8000, "half": 4000, "p99_ms": 250.5}, row | {"workers": 2, "per_second": 9000}]
    hands = [{"how": how, "incidents": 10_000, "session_s": 10.0, "silence_s": 6.0} for how in ("SIGTERM", "SIGKILL")]
    said = {end.what: end[1:] for end in kafka_aims.ends({"flow": flow, "hand_over": hands}, "host=300s")}
    assert said["repeats, 8 partitions"] == ("at least 8,000/s", "8,000/s", True)
    assert said["repeats, 8 partitions, p99 at 4,000/s"][1:] == ("250 ms", False)
    assert said["new alerts, 1,000 incidents open, 8 partitions"][1:] == ("?", None)
    assert said["longest wait after SIGTERM, 10,000 incidents open"] == ("at most 5 s", "6.0 s", False)
    assert said["longest wait after SIGKILL, 10,000 incidents open"] == ("at most 15 s", "6.0 s", True)
