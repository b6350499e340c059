"""What a scope has learned can be held: written down, read back the same, compared, given to another scope, forgotten."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping import Config, Engine, parse
from grouping.__main__ import main
from grouping.model import BadModel, differences, exported, reset, start
from grouping.records import Decision
from tests.live import Live
from tests.logs import Player, logs

T = 1_760_000_000.0


def event(**fields: Any) -> dict[str, Any]:
    return {"kind": "alert", "summary": "down"} | fields


def taught() -> list[dict[str, Any]]:
    """The back end and the front end fail one after the other, and a responder says that these are two things."""
    alerts = [
        event(id="b1", at=T, service="back", summary="no answer"),
        event(id="f1", at=T + 0.5, service="front", summary="slow"),
    ]
    return [
        *alerts,
        {
            "kind": "feedback",
            "id": "f-1",
            "action": "move",
            "alerts": ["f1"],
            "into": None,
            "actor": "ana",
            "at": T + 6,
        },
    ]


def later(engine: Engine) -> list[str]:
    """How two such alerts are decided, an hour later."""
    found = []
    for number, (service, summary) in enumerate((("back", "no answer"), ("front", "slow"))):
        raw = event(id=f"later-{number}", at=T + 3600 + 0.5 * number, service=service, summary=summary)
        found += [
            str(one.reason) + one.action for one in engine.step(parse(orjson.dumps(raw))) if isinstance(one, Decision)
        ]
    return found


def played(events: list[dict[str, Any]]) -> Engine:
    engine = Engine(Config(explore=0.0))
    for raw in events:
        engine.step(parse(orjson.dumps(raw)))
    return engine


def test_a_new_scope_starts_with_what_another_was_taught():
    """Untaught the second alert joins the first; with the model it opens, as told."""
    model = orjson.loads(orjson.dumps(exported(played(taught()).state, "default")))
    assert [lesson["actor"] for lesson in model["lessons"]] == ["ana"]
    assert later(played([]))[1] == "best_scorejoin"
    engine = played([])
    start(engine.state, "default", model)
    assert later(engine)[1] == "toldopen"


def test_a_lesson_of_a_model_can_be_undone():
    """By the id of the feedback, though that was never given here; the scope then decides as untaught."""
    engine = played([])
    start(engine.state, "default", exported(played(taught()).state, "default"))
    undo = {"kind": "feedback", "id": "u1", "action": "undo", "feedback": "f-1", "at": T}
    assert engine.step(parse(orjson.dumps(undo))) == []
    assert later(engine)[1] == "best_scorejoin"


@given(logs())
@settings(max_examples=40, deadline=None)
def test_export_and_import_give_the_same_model(log):
    """Whatever a scope was taught; also through JSON, a snapshot and back."""
    player = Player()
    for raw in log:
        player.play(raw)
    for name in dict.fromkeys(raw["scope"] for raw in log):
        model = exported(player.engine.state, name)
        engine = Engine()
        start(engine.state, "new", orjson.loads(orjson.dumps(model)))
        again = exported(Engine.restore(engine.snapshot()).state, "new")
        ours = {"scope": "new", "events": 0}
        assert again == model | ours
        assert list(differences(model, again)) == []


def test_what_differs_is_named():
    one = exported(played(taught()).state, "default")
    other = one | {"found": "service~5-60s", "lessons": []}
    assert list(differences(one, other)) == [
        "found: nothing -> service~5-60s",
        "- lesson f-1 by ana: 2 pairs about " + one["lessons"][0]["incident"],
    ]


def test_a_scope_can_begin_to_learn_anew():
    """No lessons and no policy of its own; the incidents stay. What was written down is gone too."""
    engine = played([*taught(), {"kind": "policy", "id": "p", "mode": "auto", "policy": "*=9s", "at": T}])
    reset(engine.state, "default")
    engine = Engine.restore(engine.snapshot())
    model = exported(engine.state, "default")
    assert (model["set"], model["lessons"]) == ("default", [])
    assert engine.open_incidents() == 2


MODEL = exported(played(taught()).state, "default")
LESSON = MODEL["lessons"][0]
SAID = LESSON["says"][0]
WRONG = {
    "another format": {"format": "grouping model 9"},
    "a policy that cannot be read": {"set": "whatever"},
    "a rule that is no text": {"found": 5},
    "a policy that is no rule": {"found": "linear(*~2s)"},
    "a policy made of a rule": {"found": "learned(service~5s)"},
    "no lessons": {"lessons": None},
    "a lesson twice": {"lessons": [LESSON, LESSON]},
    "a lesson that is none": {"lessons": [5]},
    "a lesson without a place": {"lessons": [LESSON | {"incident": None}]},
    "an actor without a name": {"lessons": [LESSON | {"actor": ""}]},
    "a withdrawn lesson that says something": {"lessons": [LESSON | {"withdrawn": True}]},
    "noise that is a number": {"lessons": [LESSON | {"noise": 1}]},
    "a pair of three": {"lessons": [LESSON | {"says": [SAID | {"pair": [1, 2, 3]}]}]},
    "a pair out of order": {"lessons": [LESSON | {"says": [SAID | {"pair": [2, 1]}]}]},
    "a code that is none": {"lessons": [LESSON | {"says": [SAID | {"pair": [1, 2**40]}]}]},
    "a silence that is none": {"lessons": [LESSON | {"says": [SAID | {"silence_s": "long"}]}]},
    "a saying without an answer": {"lessons": [LESSON | {"says": [SAID | {"together": None}]}]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_no_model_is_refused(wrong):
    """With the place; nothing of it is taken."""
    engine = Engine()
    with pytest.raises(BadModel, match=r"^\$\.\w+"):
        start(engine.state, "new", MODEL | wrong)
    assert exported(engine.state, "new")["lessons"] == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*MODEL, *LESSON, *SAID]), inner, max_size=4)
        ),
    )
)
def test_no_json_breaks_the_import(anything):
    """Whatever stands in the place of the lessons."""
    with pytest.raises(BadModel):
        start(Engine().state, "new", MODEL | {"lessons": [anything]})


# -- the commands


def ran(*arguments: object, status: int = 0) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == status, done.output
    return done.output


def replayed(folder: Path, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    log, out = folder.with_suffix(".jsonl"), folder.with_suffix(".out")
    log.write_bytes(b"".join(orjson.dumps(raw) + b"\n" for raw in events))
    ran("replay", log, "--state", folder, "--out", out)
    return [orjson.loads(line) for line in out.read_bytes().splitlines()]


def test_from_one_directory_into_another(tmp_path):
    """Export, import into a new directory, replay there; compare; reset."""
    replayed(tmp_path / "one", taught())
    ran("model", "export", "--state", tmp_path / "one", "--out", tmp_path / "m.json")
    ran("model", "import", tmp_path / "m.json", "--state", tmp_path / "two", "--scope", "default", "--scope", "other")
    lines = replayed(
        tmp_path / "two",
        [
            event(id="b", at=T, service="back", summary="no answer"),
            event(id="f", at=T + 0.5, service="front", summary="slow"),
        ],
    )
    assert [line["reason"] for line in lines if line["kind"] == "decision"] == ["only_choice", "told"]
    ran("model", "export", "--state", tmp_path / "two", "--scope", "other", "--out", tmp_path / "o.json")
    assert ran("model", "diff", tmp_path / "m.json", tmp_path / "o.json") == ""
    ran("model", "reset", "--state", tmp_path / "two")
    ran("model", "export", "--state", tmp_path / "two", "--out", tmp_path / "r.json")
    assert "- lesson f-1 by ana" in ran("model", "diff", tmp_path / "m.json", tmp_path / "r.json", status=4)


@pytest.mark.parametrize("text", ["decides: default", "", "[]", "{}"])
def test_a_file_that_is_no_model_is_refused(tmp_path, text):
    """By name, and with what makes one."""
    (tmp_path / "m.json").write_text(text)
    said = ran("model", "import", tmp_path / "m.json", "--state", tmp_path / "one", "--scope", "default", status=2)
    assert "m.json: " in said
    assert "export it with this version" in said
    assert not (tmp_path / "one").exists()


def test_a_model_given_by_mistake_is_taken_back(tmp_path):
    """Before the first event too: it is reset, and another one can be given."""
    replayed(tmp_path / "one", taught())
    ran("model", "export", "--state", tmp_path / "one", "--out", tmp_path / "m.json")
    arguments = ("model", "import", tmp_path / "m.json", "--state", tmp_path / "two", "--scope", "default")
    ran(*arguments)
    assert "was given a model already" in ran(*arguments, status=2)
    assert ran("model", "reset", "--state", tmp_path / "two") == (
        "scope default has forgotten 1 lesson; default decides\n"
    )
    assert "nothing to reset" in ran("model", "reset", "--state", tmp_path / "two", status=2)
    assert ran(*arguments) == "scope default starts with 1 lesson; default decides\n"
    ran("model", "export", "--state", tmp_path / "two", "--out", tmp_path / "again.json")
    assert ran("model", "diff", tmp_path / "m.json", tmp_path / "again.json") == ""
    lines = replayed(
        tmp_path / "two",
        [
            event(id="b", at=T, service="back", summary="no answer"),
            event(id="f", at=T + 0.5, service="front", summary="slow"),
        ],
    )
    assert [line["reason"] for line in lines if line["kind"] == "decision"] == ["only_choice", "told"]


def test_a_scope_that_was_reset_starts_with_a_model(tmp_path):
    """As the refusal promises, its incidents still there; both commands say what they did."""
    policy = {"kind": "policy", "id": "p", "mode": "auto", "policy": "*=9s", "at": T}
    replayed(tmp_path / "one", [*taught(), policy])
    ran("model", "export", "--state", tmp_path / "one", "--out", tmp_path / "m.json")
    arguments = ("model", "import", tmp_path / "m.json", "--state", tmp_path / "one", "--scope", "default")
    assert "reset it first" in ran(*arguments, status=2)
    said = ran("model", "reset", "--state", tmp_path / "one")
    assert said == "scope default has forgotten policy set *=9s, 1 lesson; default decides\n"
    assert ran(*arguments) == "scope default starts with policy set *=9s, 1 lesson; *=9s decides\n"
    ran("model", "export", "--state", tmp_path / "one", "--out", tmp_path / "again.json")
    assert ran("model", "diff", tmp_path / "m.json", tmp_path / "again.json") == ""
    more = [
        event(id="b2", at=T + 900, service="back", summary="no answer"),
        event(id="f2", at=T + 900.5, service="front", summary="slow"),
    ]
    lines = replayed(tmp_path / "one", [*taught(), policy, *more])
    assert [line["incident"] for line in lines if line["kind"] == "decision"][-2:]
    assert {line["why"] for line in lines if line["kind"] == "policy"} == {"set"}


def test_who_is_not_heard_stands_in_the_model():
    """And is not heard where another scope starts with it."""
    engine = played([])
    for number in range(5):
        at = T + 9000 * number
        engine.step(parse(orjson.dumps(event(id=f"b{number}", at=at, service=f"back{number}"))))
        engine.step(parse(orjson.dumps(event(id=f"f{number}", at=at + 0.5, service=f"front{number}"))))
        said = {"kind": "feedback", "scope": "default", "at": at + 1}
        moved = said | {"id": f"m{number}", "actor": "eve", "action": "move", "alerts": [f"f{number}"], "into": None}
        undone = said | {"id": f"u{number}", "actor": "ana", "action": "undo", "feedback": f"m{number}"}
        for raw in (moved, undone):
            engine.step(parse(orjson.dumps(raw)))
    model = orjson.loads(orjson.dumps(exported(engine.state, "default")))
    assert model["quarantined"] == [{"actor": "eve", "lessons": 5, "contradicted": 5}]
    other = Engine()
    start(other.state, "new", model)
    assert exported(other.state, "new")["quarantined"] == model["quarantined"]
    assert "quarantined: eve -> nobody" in list(differences(model, model | {"quarantined": []}))


def test_a_service_starts_with_a_model_and_never_loses_it(tmp_path):
    """Also where its store is lost, and in a backup: what came before the log is kept beside it."""
    replayed(tmp_path / "one", taught())
    ran("model", "export", "--state", tmp_path / "one", "--out", tmp_path / "m.json")
    state = tmp_path / "state"
    ran("model", "import", tmp_path / "m.json", "--service", "--state", state, "--scope", "default")
    with Live(state) as live:
        live.ask("POST", "/events", event(id="b", at=T, service="back", summary="no answer"))
        live.ask("POST", "/events", event(id="f", at=T + 0.5, service="front", summary="slow"))
        live.settled()
        assert live.ask("GET", "/alerts/f").json["decision"]["reason"] == "told"
        assert live.stop() == 0
    ran("backup", state, tmp_path / "saved")
    shutil.rmtree(state / "store")
    for directory in (state, tmp_path / "saved"):
        with Live(directory) as live:
            live.settled()
            assert live.ask("GET", "/alerts/f").json["decision"]["reason"] == "told"


def test_models_given_to_a_service_one_after_the_other_all_last(tmp_path):
    """One given by mistake is reset; the base that the store is made again from has what the last command left."""
    replayed(tmp_path / "one", taught())
    ran("model", "export", "--state", tmp_path / "one", "--out", tmp_path / "m.json")
    state = tmp_path / "state"
    given = ("--service", "--state", state, "--scope")
    ran("model", "import", tmp_path / "m.json", *given, "wrong")
    ran("model", "import", tmp_path / "m.json", *given, "default")
    for place in (state, state / "store"):
        assert f"use --state {state} --service" in ran("model", "reset", "--state", place, "--scope", "wrong", status=2)
    ran("model", "reset", *given, "wrong")
    base = state / "base" / f"{0:020d}"
    ran("model", "export", "--state", base, "--out", tmp_path / "kept.json")
    assert ran("model", "diff", tmp_path / "m.json", tmp_path / "kept.json") == ""
    ran("model", "export", "--state", base, "--scope", "wrong", "--out", tmp_path / "wrong.json")
    assert "- lesson f-1 by ana" in ran("model", "diff", tmp_path / "m.json", tmp_path / "wrong.json", status=4)


def test_logs_of_others_beside_a_state_directory_do_not_matter(tmp_path):
    """Only what a service's own directory holds makes it a service's."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "kern.log").touch()
    replayed(tmp_path / "one", taught())
    assert "has forgotten 1 lesson" in ran("model", "reset", "--state", tmp_path / "one")


def test_lessons_that_were_taken_back_are_called_that(tmp_path):
    """They are kept for trust alone: neither the line of a reset nor a comparison counts them as taught."""
    undo = {"kind": "feedback", "id": "u", "at": T + 2, "actor": "bo", "action": "undo", "feedback": "f-1"}
    replayed(tmp_path / "one", taught())
    replayed(tmp_path / "two", [*taught(), undo])
    for name in ("one", "two"):
        ran("model", "export", "--state", tmp_path / name, "--out", tmp_path / f"{name}.json")
    said = ran("model", "diff", tmp_path / "one.json", tmp_path / "two.json", status=4)
    assert said.startswith("~ lesson f-1 by ana: taken back, was about i-")
    assert "has forgotten 1 taken back;" in ran("model", "reset", "--state", tmp_path / "two")


def test_what_a_model_taught_can_be_taken_back_by_actor(tmp_path):
    """`grouping unlearn` prints the undo of lessons that came with a model too."""
    replayed(tmp_path / "one", taught())
    ran("model", "export", "--state", tmp_path / "one", "--out", tmp_path / "m.json")
    ran("model", "import", tmp_path / "m.json", "--state", tmp_path / "two", "--scope", "default")
    assert orjson.loads(ran("unlearn", "--actor", "ana", "--state", tmp_path / "two"))["feedback"] == "f-1"


@pytest.mark.parametrize("arguments", [("import", "m.json", "--scope", "default", "--state"), ("reset", "--state")])
def test_what_belongs_to_a_log_is_left_alone(tmp_path, arguments):
    """The log would not know of it: said, with what to do instead. So is a scope that has had events."""
    (tmp_path / "m.json").write_bytes(orjson.dumps(MODEL))
    replayed(tmp_path / "one", taught())
    (tmp_path / "live" / "log").mkdir(parents=True)
    (tmp_path / "live" / "log" / "1.log").touch()
    given = [tmp_path / one if one.endswith(".json") else one for one in arguments]
    assert "send `policy` events" in ran("model", *given, tmp_path / "live", status=2)
    if "import" in arguments:
        assert "has learned from 3 events" in ran("model", *given, tmp_path / "one", status=2)
