"""Playing a stream against its truth: in Python, and as `grouping evaluate`."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from grouping import Config, Engine
from grouping.evaluate import evaluate
from grouping.records import Decision
from grouping.runtimes.evaluate import play, read_events
from grouping.runtimes.replay import BadInput
from grouping.runtimes.truth import read_truth

DATA = Path(__file__).parent.parent / "data"
STREAM, TRUTH = DATA / "hidden_outage.jsonl.gz", DATA / "hidden_outage.truth.csv"


def grouping(*arguments):
    command = [sys.executable, "-m", "grouping", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def stream():
    return read_events([str(STREAM)])[0]


def test_a_play_judges_what_the_engine_decides(stream):
    """The same as stepping through the stream by hand, with everything in memory."""
    truth, engine = read_truth(TRUTH), Engine(Config(policy="*~2s"))
    decided = [one for event in stream for one in engine.step(event) if isinstance(one, Decision)]
    played = play(stream, truth, Config(policy="*~2s"))
    assert played.pairs == [(one.incident, truth[one.alert]) for one in decided]
    assert played.alerts == [one.alert for one in decided]
    assert played.scores() == evaluate(played.pairs) == played.after_corrections()
    assert played.second_half().alerts == len(decided) - len(decided) // 2
    assert (played.unlabelled, played.spent) == (0, [])


def test_alerts_without_a_truth_are_counted_and_left_out(stream):
    truth = dict(list(read_truth(TRUTH).items())[:100])
    played = play(stream, truth, Config())
    assert (len(played.pairs), played.unlabelled) == (100, 848)


def test_the_curve_names_every_group_of_several_alerts_in_order(stream):
    curve = play(stream, read_truth(TRUTH), Config()).curve()
    assert len(curve) == 12
    assert [point.alert for point in curve] == sorted(point.alert for point in curve)
    assert {point.spent for point in curve} == {0}


def test_truth_is_read_plain_or_packed(tmp_path):
    plain, packed = tmp_path / "t.csv", tmp_path / "t.csv.gz"
    plain.write_text('alert,group\r\na1,"g, with a comma"\r\na2,\r\n')
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_truth(plain) == read_truth(packed) == {"a1": "g, with a comma", "a2": None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: expected the header alert,group"),
        ("group,alert\n", "line 1: expected the header alert,group"),
        ("alert,group\na1\n", "line 2: expected alert,group, got 1 fields"),
        ("alert,group\n,g\n", "line 2: expected alert,group"),
        ("alert,group\na1,g\na1,h\n", "line 3: alert 'a1' has two groups"),
        (f"alert,group\na1,{'g' * 70_000}\n", "field larger than field limit"),
    ],
)
def test_a_truth_that_cannot_be_used_is_told_with_its_line(tmp_path, text, told):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        read_truth(path)
    assert told in str(error.value)


def test_the_command_prints_a_table_and_writes_json(tmp_path):
    out = tmp_path / "scores.json"
    done = grouping("evaluate", STREAM, "--truth", TRUTH, "--policy", "*~2s", "--json", out)
    assert done.returncode == 0, done.stderr
    (run,) = orjson.loads(out.read_bytes())["runs"]
    assert run["without"]["whole"]["alerts"] == 948
    assert len(run["without"]["groups"]) == 12
    assert f"{run['without']['whole']['macro_jaccard']:.3f}" in done.stdout
    assert "hidden second outages" in done.stdout


def test_with_a_responder_it_is_played_twice_for_each_seed(tmp_path):
    out = tmp_path / "scores.json"
    habits = ["--responder", "oracle", "--budget", 3, "--wrong", 0.1, "--look", 0.9, "--delay", 60]
    done = grouping(
        "evaluate", DATA / "demo.jsonl", "--truth", DATA / "demo.truth.csv", "--policy", "*=300s",
        *habits, "--seed", 7, "--seeds", 2, "--json", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = orjson.loads(out.read_bytes())
    assert figures["responder"] == {
        "budget": 3, "look": 0.9, "wrong": 0.1, "delay": 60.0, "quiet": 600.0, "old": 3600.0
    }  # fmt: skip
    assert [run["seed"] for run in figures["runs"]] == [7, 8]
    for run in figures["runs"]:
        assert run["with"]["corrections"] == run["with"]["feedback"]["moves"] == 3
        assert run["with"]["left"]["incidents"] > run["without"]["whole"]["incidents"]
    assert "3 corrections spent, mean of 2 seeds" in done.stdout


def test_what_a_responder_is_like_needs_a_responder():
    done = grouping("evaluate", STREAM, "--truth", TRUTH, "--budget", 3)
    assert done.returncode == 2
    assert "add --responder oracle" in done.stderr


def test_the_command_says_what_it_cannot_use(tmp_path):
    other = tmp_path / "other.csv"
    with other.open("w", newline="") as file:
        csv.writer(file).writerows([("alert", "group"), ("nobody", "g")])
    done = grouping("evaluate", STREAM, "--truth", other)
    assert done.returncode == 2
    assert "names none of the alerts" in done.stderr
    events = tmp_path / "events.jsonl"
    events.write_bytes(gzip.decompress(STREAM.read_bytes()) + b"not an event\n")
    done = grouping("evaluate", events, "--truth", TRUTH)
    assert done.returncode == 3
    assert "1 lines refused" in done.stderr


def test_a_stream_without_an_alert_is_named_not_its_truth(tmp_path):
    """What was refused is what is wrong."""
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"not an event\n" * 3)
    done = grouping("evaluate", events, "--truth", TRUTH)
    assert done.returncode == 2
    assert "events.jsonl: no alert, and 3 lines refused" in done.stderr


def test_a_backtest_with_the_truth_of_another_log_is_refused(tmp_path):
    """With none of its alerts there is nothing to judge by."""
    other = tmp_path / "other.csv"
    other.write_text("alert,group\nnobody,g\n")
    done = grouping("backtest", "--policy", "*=30s", "--from", STREAM, "--truth", other)
    assert done.returncode == 2
    assert "other.csv: names none of the alerts; give the truth of this log" in done.stderr
