"""Replay as a process: answers, refusals, exit status, and the same file whatever happens on the way."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import orjson
import pytest

from grouping.config import Config
from grouping.parse import MAX_LINE
from grouping.runtimes.log import Log
from grouping.runtimes.replay import replay
from grouping.runtimes.store import Store
from grouping.runtimes.summary import as_dict
from grouping.runtimes.tally import Tally

T = 1_760_000_000.0
ROOT = Path(__file__).parent.parent


def _alerts(count: int) -> bytes:
    """A log in which keys repeat, resolve and fire again."""
    lines = []
    for number in range(count):
        event = {"kind": "alert", "id": f"a{number}", "at": T + number / 3, "scope": f"s{number % 3}"}
        event |= {"host": f"h{number % 17}", "summary": f"disk {number % 100}% full", "dedup_key": f"k{number % 301}"}
        if number % 7 == 0:
            event["status"] = "resolved"
        lines.append(orjson.dumps(event))
    return b"\n".join(lines) + b"\n"


def _run(*arguments: str | Path, feed: bytes | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "grouping", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, input=feed, capture_output=True, cwd=cwd, env=environment, check=False)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 20,000 events."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    path.write_bytes(_alerts(20_000))
    return path


@pytest.fixture(scope="module")
def expected(log: Path) -> bytes:
    """What an undisturbed replay of it prints."""
    done = _run("replay", log)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def state(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with its events as the service keeps them, and with what was decided of them."""
    path = tmp_path_factory.mktemp("state")
    assert _run("replay", log, "--state", path / "store", "--out", os.devnull).returncode == 0
    kept = Log(path / "log")
    kept.append(log.read_bytes().splitlines())
    kept.close()
    return path


def test_seq_is_the_number_of_the_line(expected: bytes) -> None:
    """From 1, in order."""
    numbers = [orjson.loads(line)["seq"] for line in expected.splitlines()]
    assert numbers == sorted(numbers)
    assert numbers[0] >= 1
    assert numbers[-1] <= 20_000


def test_every_door_gives_the_same_bytes(log: Path, expected: bytes, tmp_path: Path) -> None:
    """Standard input, a file, a gzip file, several files, an output file, a state directory."""
    data = log.read_bytes()
    half = data.index(b"\n", len(data) // 2) + 1
    packed, first, second = tmp_path / "log.jsonl.gz", tmp_path / "1", tmp_path / "2"
    packed.write_bytes(gzip.compress(data))
    first.write_bytes(data[:half])
    second.write_bytes(data[half:])
    assert _run("replay", "-", feed=data).stdout == expected
    assert _run("replay", packed).stdout == expected
    assert _run("replay", first, second).stdout == expected
    assert _run("replay", log, "--out", tmp_path / "out", "--state", tmp_path / "state").stdout == b""
    assert (tmp_path / "out").read_bytes() == expected
    assert _run("outputs", tmp_path / "state").stdout == expected


def test_a_finished_replay_given_again_does_nothing(log: Path, expected: bytes, tmp_path: Path) -> None:
    """And a lost output file comes back from the state."""
    command = ("replay", log, "--out", tmp_path / "out", "--state", tmp_path / "state")
    _run(*command)
    assert _run(*command).returncode == 0
    assert (tmp_path / "out").read_bytes() == expected
    (tmp_path / "out").unlink()
    assert _run(*command).returncode == 0
    assert (tmp_path / "out").read_bytes() == expected


def test_kill_9_changes_nothing(log: Path, expected: bytes, tmp_path: Path) -> None:
    """Killed again and again while writing, the same command finishes the same file."""
    out, state = tmp_path / "out", tmp_path / "state"
    command = [sys.executable, "-m", "grouping", "replay", str(log), "--out", str(out), "--state", str(state)]
    kills = 0
    for share in (0.1, 0.4, 0.4, 0.7, 0.9):
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None:
                if out.exists() and out.stat().st_size > share * len(expected):
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    break
                time.sleep(0)  # give way, wait for nothing
            process.wait()
        with out.open("ab") as torn:
            torn.write(b'{"kind":"decision","seq":')  # what a crash of the machine may leave
    assert kills >= 3
    done = _run(*command[3:])
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == expected


COUNTED = ROOT / "tests" / "golden" / "log.jsonl"  # with repeats, resends, corrections, policies and refusals


def counted(lines: list[bytes], folder: Path, config: Config) -> Tally:
    """The tally of a replay of these lines that continues whatever stands in the folder."""
    log, tally = folder / "log.jsonl", Tally()
    log.write_bytes(b"".join(lines))
    replay([str(log)], folder / "out", config=config, state=folder / "state", watch=tally.take)
    return tally


@pytest.mark.parametrize("share", [0.001, 0.5, 0.9, 1.0])
def test_a_continued_replay_counts_the_whole(share: float, tmp_path: Path) -> None:
    """Whatever had been taken before it stopped, numbers, incidents, policies and refusals are those of one run."""
    lines = COUNTED.read_bytes().splitlines(keepends=True)
    config = Config.of(tomllib.loads((COUNTED.parent / "config.toml").read_text()))
    lines += [b"\n", b"{\n", COUNTED.read_bytes().splitlines(keepends=True)[0]]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    counted(lines[: int(share * len(lines))], parts, config)
    one, two = counted(lines, whole, config), counted(lines, parts, config)
    assert one.refused > 0
    assert one.merges > 0
    assert one.moves > 0
    assert as_dict(two) == as_dict(one)
    assert two.incidents() == one.incidents()
    assert two.refusals == one.refusals
    assert two.policies == one.policies
    assert two.tuned == one.tuned


def test_a_continued_replay_prints_its_summary(log: Path, tmp_path: Path) -> None:
    """The same command again, stopped half-way or finished before, prints the table of the whole run."""
    half = tmp_path / "half.jsonl"
    data = log.read_bytes()
    half.write_bytes(data[: data.index(b"\n", len(data) // 2) + 1])
    whole = _run("replay", log, "--out", tmp_path / "out", "--summary").stderr
    state = ("--out", tmp_path / "out2", "--state", tmp_path / "state")
    assert _run("replay", half, *state).returncode == 0
    for _ in range(2):
        done = _run("replay", log, *state, "--summary")
        assert (done.returncode, done.stderr) == (0, whole)


def test_standard_input_is_answered_line_by_line() -> None:
    """The answer comes before the next line is sent."""
    command = [sys.executable, "-m", "grouping", "replay", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            event = {"kind": "alert", "id": f"a{number}", "at": T + 1000 * number, "summary": "x"}
            process.stdin.write(orjson.dumps(event) + b"\n")
            process.stdin.flush()
            lines = [orjson.loads(process.stdout.readline()) for _ in range(2)]
            assert [line["kind"] for line in lines] == ["incident", "decision"]
        process.stdin.close()
        assert process.wait() == 0


BAD = {
    "not json": b"{",
    "bad utf-8": b'{"kind":"alert","summary":"\xff"}',
    "nan": b'{"kind":"alert","summary":"x","at":NaN}',
    "too large a number": b'{"kind":"alert","summary":"x","details":{"v":1e400}}',
    "surrogate": b'{"kind":"alert","summary":"\\ud800"}',
    "too deep": b'{"kind":"alert","summary":"x","details":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}",
    "too deep for any parser": b'{"kind":"alert","summary":"x","details":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "too many keys": b'{"kind":"alert","summary":"x","details":{'
    + b",".join(b'"%d":1' % n for n in range(600))
    + b"}}",
    "too long": b'{"kind":"alert","summary":"' + b"x" * (3 * MAX_LINE) + b'"}',
    "severity": b'{"kind":"alert","id":"b1","scope":"s","summary":"x","severity":"fatal"}',
}


def test_bad_lines_are_refused_and_the_run_goes_on() -> None:
    """One refused line each with its number, place and remedy; the good lines around them are taken; status 3."""
    good = orjson.dumps({"kind": "alert", "at": T, "summary": "fine"})
    done = _run("replay", "-", feed=b"\n".join([*BAD.values(), b"", good]) + b"\n")
    assert done.returncode == 3
    lines = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert [line["seq"] for line in lines[: len(BAD)]] == list(range(1, len(BAD) + 1))
    assert all(line["kind"] == "refused" and line["error"].startswith("$") for line in lines[: len(BAD)])
    assert [line["kind"] for line in lines[len(BAD) :]] == ["incident", "decision"]
    last = lines[len(BAD) - 1]
    assert (last["scope"], last["id"]) == ("s", "b1")
    assert last["error"].startswith("$.severity: expected one of critical, error, warning, info, got 'fatal'; ")


def test_unusable_calls_end_with_status_2(log: Path, tmp_path: Path) -> None:
    """One sentence that says what to do, no traceback."""
    config = tmp_path / "c.toml"
    config.write_text("window = 3\n")
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(gzip.compress(log.read_bytes())[:5000])
    other = tmp_path / "other.jsonl"
    other.write_bytes(_alerts(30)[7:])
    assert _run("replay", log, "--state", tmp_path / "state", "--out", tmp_path / "out").returncode == 0
    calls = {
        "does not exist": ("replay", "no-such-file"),
        "no such setting": ("replay", log, "--config", config),
        "expected a policy": ("replay", log, "--policy", "best"),
        "damaged gzip": ("replay", damaged),
        "other settings": ("replay", log, "--state", tmp_path / "state", "--seed", "9"),
        "lines were taken before": ("replay", other, "--state", tmp_path / "state"),
        "no workload": ("simulate", "no-such-workload"),
    }
    for said, call in calls.items():
        done = _run(*call)
        assert done.returncode == 2, (said, done.stderr)
        assert said in done.stderr.decode()
        assert b"Traceback" not in done.stderr


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    """Not under another name of it either."""
    log, other, link = tmp_path / "log", tmp_path / "other", tmp_path / "link"
    for path in (log, other):
        path.write_bytes(_alerts(30))
    link.symlink_to(log)
    for out in (log, link):
        done = _run("replay", other, log, "--out", out, "--state", tmp_path / "state")
        assert done.returncode == 2
        assert done.stderr.decode().endswith(f"Error: {out}: is an input; give the output another name\n")
        assert log.read_bytes() == _alerts(30)


def test_a_replay_and_a_service_keep_apart(log: Path, tmp_path: Path) -> None:
    """Neither takes the other's directory, nor a worker's, and nothing in it changes."""
    for held in ("log", "events-0001"):
        (tmp_path / held / held).mkdir(parents=True)
        (tmp_path / held / held / "CURRENT").touch()
        done = _run("replay", log, "--state", tmp_path / held, "--out", tmp_path / "out")
        assert done.returncode == 2
        assert b"the state of a service or a worker; give the replay a directory of its own" in done.stderr
        assert [path.name for path in (tmp_path / held).iterdir()] == [held]
    store = Store(tmp_path / "store")
    store.commit({}, b"", 1, {"seq": 1, "settings": ""})
    store.close()
    done = _run("replay", log, "--state", tmp_path / "store")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"the state of a service or a worker; " in done.stderr
    assert _run("replay", log, "--state", tmp_path / "replayed", "--out", tmp_path / "out").returncode == 0
    before = sorted((tmp_path / "replayed").iterdir())
    done = _run("serve", "--listen", "127.0.0.1:0", "--state", tmp_path / "replayed")
    assert done.returncode == 2
    assert b"the state of a replay or a worker; give the service a directory of its own" in done.stderr
    assert sorted((tmp_path / "replayed").iterdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize(
    "call", ["replay LOG", "log DIR", "outputs DIR", "simulate storm", "replay LOG --out FULL", "--version", "--help"]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_told_in_one_line(call: str, unbuffered: str, log: Path, state: Path) -> None:
    """Whatever was written, and wherever; also what Python still holds when it ends."""
    words = {"LOG": str(log), "DIR": str(state), "FULL": "/dev/full"}
    command = [sys.executable, "-m", "grouping", *(words.get(word, word) for word in call.split())]
    with Path("/dev/full").open("wb") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(b"Error: No space left on device; look at what is written to\n")
    assert b"Traceback" not in done.stderr


def test_a_report_that_cannot_be_written_is_told_before_the_work(log: Path, tmp_path: Path) -> None:
    """In one line, with the place."""
    taken = tmp_path / "taken"
    taken.write_text("")
    done = _run("replay", log, "--report", taken / "x")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Traceback" not in done.stderr
    assert bytes(taken / "x") in done.stderr
    (tmp_path / "index.html").mkdir()
    done = _run("replay", log, "--report", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert bytes(tmp_path / "index.html") in done.stderr


def test_state_of_other_input_is_refused(log: Path, tmp_path: Path) -> None:
    """A state directory continues its own input only."""
    other = tmp_path / "other.jsonl"
    other.write_bytes(log.read_bytes().replace(b"disk 5%", b"disk 6%"))
    assert _run("replay", log, "--state", tmp_path / "state", "--out", tmp_path / "out").returncode == 0
    done = _run("replay", other, "--state", tmp_path / "state", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert b"built from other input" in done.stderr


def test_a_log_that_grew_is_continued(log: Path, expected: bytes, tmp_path: Path) -> None:
    """The same command after lines were added takes the new ones only."""
    lines = log.read_bytes().splitlines(keepends=True)
    growing = tmp_path / "growing.jsonl"
    command = ("replay", growing, "--state", tmp_path / "state", "--out", tmp_path / "out")
    for upto in (5000, 5001, 20_000):
        growing.write_bytes(b"".join(lines[:upto]))
        assert _run(*command).returncode == 0
    assert (tmp_path / "out").read_bytes() == expected


def test_the_output_may_be_a_device(log: Path, tmp_path: Path) -> None:
    """As for measuring: /dev/null, also continued."""
    for _ in range(2):
        done = _run("replay", log, "--out", os.devnull, "--state", tmp_path / "state")
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_store_in_use_is_refused(tmp_path: Path) -> None:
    """Two processes never write one state."""
    from grouping.runtimes.store import Store  # noqa: PLC0415 — the lock is what is tested

    store = Store(tmp_path / "state")
    done = _run("replay", "-", "--state", tmp_path / "state", feed=b"")
    store.close()
    assert done.returncode == 2
    assert b"in use by another process" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("call", ["replay LOG", "replay --summary LOG", "log DIR", "outputs DIR", "simulate storm"])
def test_a_command_whose_reader_goes_away_ends_quietly(
    call: str, unbuffered: str, log: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `| head`: without a word, and with the status of a program that SIGPIPE ended."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    words = {"LOG": str(log), "DIR": str(state)}
    command = [sys.executable, "-m", "grouping", *(words.get(word, word) for word in call.split())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr.read() == b""


@pytest.mark.parametrize("call", ["evaluate FILE --truth TRUTH", "backtest --from FILE --policy *=30s"])
def test_tables_that_nobody_reads_leave_their_files(call: str, tmp_path: Path) -> None:
    """What took a minute to work out is not lost because its table went to `| head`."""
    words = {"FILE": str(ROOT / "data" / "demo.jsonl"), "TRUTH": str(ROOT / "data" / "demo.truth.csv")}
    found = tmp_path / "found.json"
    command = [
        sys.executable,
        "-m",
        "grouping",
        *(words.get(word, word) for word in call.split()),
        "--json",
        str(found),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr.read() == b""
    assert orjson.loads(found.read_bytes())


@pytest.mark.parametrize("option", ["--json", "--report"])
def test_an_evaluation_says_what_it_cannot_write(option: str, tmp_path: Path) -> None:
    """In one line, with the place."""
    data, taken = ROOT / "data", tmp_path / "taken"
    taken.write_text("")
    done = _run("evaluate", data / "demo.jsonl", "--truth", data / "demo.truth.csv", option, taken / "x")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert bytes(taken / "x") in done.stderr
