"""What a scope has learned, as plain JSON that one can read, keep, compare, and give to another scope as its start.

A model is the policy a person set, the rule the scope found, the families of kinds that keep to themselves, the rule that
corrections promoted, and the lessons. All
numbers are exact, so a model is its own copy. Counts of what is usual and the alerts looked at last are the stream's, not
the model's: a scope that starts with a model gathers its own, and may find that another rule fits its stream better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grouping.kin import KINDS
from grouping.lifecycle import repolicy
from grouping.memory import LESSONS, Lesson, Saying
from grouping.policy import BadPolicy, learned, policy
from grouping.scope import Scope
from grouping.state import State

FORMAT = "grouping model 1"
CODES = 1 << 33  # a signature is an even number below that, a kind an odd one
SAYINGS = 4096  # pairs of one lesson
NAME = 255  # characters of an id or a policy
_RULES = (("set", "policy set"), ("found", "rule found"), ("promoted", "rule promoted"))


class BadModel(ValueError):
    """JSON that is no model; the message names place and remedy."""


def exported(state: State, name: str) -> dict[str, Any]:
    """The model of a scope."""
    scope = state.scope(name)
    return {
        "format": FORMAT,
        "scope": name,
        "events": scope.events,
        "decides": state.policy_name(scope),
        "set": scope.policy,
        "found": scope.tuning.rule,
        "families": [
            {"kind": kind, "of": family, "label": scope.tuning.labels.get(kind, "")}
            for kind, family in scope.tuning.families.items()
        ],
        "promoted": scope.promotion.rule,
        "quarantined": distrusted(state, name),
        "lessons": [_shown(lesson) for lesson in scope.memory.lessons.values()],
    }


def distrusted(state: State, name: str) -> list[dict[str, Any]]:
    """Whose lessons do not count in a scope: how many they gave, and how many others contradicted or took back."""
    memory = state.scope(name).memory
    actors = sorted(memory.quarantined, key=lambda one: one or "")
    shown = [(actor, *memory.trust(actor)) for actor in actors]
    return [{"actor": actor, "lessons": given, "contradicted": against} for actor, given, against in shown]


def start(state: State, name: str, model: Mapping[str, Any]) -> None:
    """Let a scope that has learned nothing, or was reset, begin with a model. Raises BadModel, with nothing changed."""
    rules = [_rule(model, key) for key in ("set", "found", "promoted")]
    families = dict(_families(model))
    lessons = list(_lessons(model))
    scope = state.scope(name)
    if _taught(scope):
        what = f"has learned from {scope.events} events" if scope.events else "was given a model already"
        raise BadModel(f"scope {name!r} {what}: a model is for one that begins; reset it first")
    was = state.policy(scope)
    scope.policy, scope.tuning.rule, scope.promotion.rule = rules
    scope.policy = scope.policy or "default"
    scope.tuning.families = families
    scope.memory.restore(lessons)
    scope.promotion.since = scope.tuning.recent.count
    scope.promotion.believe(scope.memory.quarantined)
    repolicy(state, scope, was, state.policy(scope))
    scope.changed = scope.usual_changed = scope.promotion_changed = scope.memory_changed = True


def _taught(scope: Scope) -> bool:
    """Whether a model would replace anything: a policy that was set, a rule, or a lesson."""
    rules = scope.tuning.rule, scope.promotion.rule, scope.shadow, scope.policies_before
    return scope.policy != "default" or any(rules) or bool(scope.memory.lessons or scope.promotion.touched)


def reset(state: State, name: str) -> dict[str, Any]:
    """Let a scope begin to learn anew: no policy of its own, no lessons. Its incidents stay. Raises BadModel.

    What it gives back is the model that is gone.
    """
    scope = state.scope(name)
    if not (scope.events or _taught(scope)):
        raise BadModel(f"scope {name!r} has had no events and no model; there is nothing to reset")
    was, gone = state.policy(scope), exported(state, name)
    state.forget(scope)
    scope.learned += 1
    repolicy(state, scope, was, state.policy(scope))
    return gone


def contents(model: Mapping[str, Any]) -> str:
    """What a model holds, in one line."""
    withdrawn = sum(lesson.get("withdrawn", False) for lesson in model["lessons"])
    standing = len(model["lessons"]) - withdrawn
    held = [f"{word} {model[key]}" for key, word in _RULES if model[key] and model[key] != "default"]
    held += [f"{len(model['families'])} kinds apart"] if model["families"] else []
    held += [f"{standing} lesson{'s' if standing != 1 else ''}"] if standing else []
    held += [f"{withdrawn} taken back"] if withdrawn else []
    held += [f"quarantined: {', '.join(_names(model))}"] if _names(model) else []
    return ", ".join(held) or "nothing"


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """What the second model has otherwise, a line each."""
    for key in ("decides", "set", "found", "promoted"):
        if one.get(key) != other.get(key):
            yield f"{key}: {one.get(key) or 'nothing'} -> {other.get(key) or 'nothing'}"
    apart, alone = (dict(_families(each)) for each in (one, other))
    for kind in sorted(apart.keys() | alone.keys()):
        if apart.get(kind) != alone.get(kind):
            yield f"kind {kind:08x}: of family {apart.get(kind, 0):08x} -> {alone.get(kind, 0):08x}"
    doubted, doubted_too = (_names(each) for each in (one, other))
    if doubted != doubted_too:
        yield f"quarantined: {', '.join(doubted) or 'nobody'} -> {', '.join(doubted_too) or 'nobody'}"
    before, after = ({lesson["feedback"]: lesson for lesson in each["lessons"]} for each in (one, other))
    for id in sorted(before.keys() | after.keys()):
        if before.get(id) != after.get(id):
            sign = "+" if id not in before else "-" if id not in after else "~"
            lesson = after.get(id) or before[id]
            said = "taken back, was" if lesson.get("withdrawn") else f"{len(lesson['says'])} pairs"
            yield f"{sign} lesson {id} by {lesson['actor'] or 'somebody'}: {said} about {lesson['incident']}"


def _names(model: Mapping[str, Any]) -> list[str]:
    return [row["actor"] or "somebody" for row in model.get("quarantined", ())]


def _shown(lesson: Lesson) -> dict[str, Any]:
    return {
        "feedback": lesson.feedback,
        "actor": lesson.actor,
        "incident": lesson.where,
        "noise": lesson.noise,
        "says": [
            {"pair": list(said.pair), "together": said.together, "silence_s": said.silence, "sure": said.sure}
            for said in lesson.sayings
        ],
    } | ({"withdrawn": True} if lesson.withdrawn else {})


def _rule(model: Mapping[str, Any], key: str) -> str:
    if model.get("format") != FORMAT:
        raise BadModel(f"$.format: expected {FORMAT!r}, got {model.get('format')!r}; export it with this version")
    rule = model.get(key)
    if type(rule) is not str or len(rule) > NAME:
        raise BadModel(f"$.{key}: expected the name of a policy or an empty text, got {rule!r}")
    try:
        policy(learned(rule) if rule and key == "found" else rule or "default")  # as it will be used
    except BadPolicy as error:
        raise BadModel(f"$.{key}: {error}") from None
    return rule


def _families(model: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    rows = model.get("families")
    if type(rows) is not list or len(rows) > KINDS:
        raise BadModel(f"$.families: expected an array of at most {KINDS}")
    for index, row in enumerate(rows):
        kind, family = (row.get("kind"), row.get("of")) if type(row) is dict else (None, None)
        if type(kind) is not int or type(family) is not int or not 0 < kind < CODES or not 0 < family < CODES:
            raise BadModel(f"$.families[{index}]: expected kind and of, two codes, got {row!r}")
        yield kind, family


def _lessons(model: Mapping[str, Any]) -> Iterator[Lesson]:
    rows = model.get("lessons")
    if type(rows) is not list or len(rows) > LESSONS:
        raise BadModel(f"$.lessons: expected an array of at most {LESSONS}")
    known: set[str] = set()
    for index, row in enumerate(rows):
        lesson = _lesson(row if type(row) is dict else {}, f"$.lessons[{index}]")
        if lesson.feedback in known:
            raise BadModel(f"$.lessons[{index}].feedback: {lesson.feedback!r} stands there twice")
        known.add(lesson.feedback)
        yield lesson


def _lesson(row: dict[str, Any], place: str) -> Lesson:
    for key in ("feedback", "incident", "actor"):
        value = row.get(key)
        if not (key == "actor" and value is None) and not (type(value) is str and 0 < len(value) <= NAME):
            raise BadModel(f"{place}.{key}: expected a text of at most {NAME} characters, got {value!r}")
    says, noise, withdrawn = row.get("says"), row.get("noise"), row.get("withdrawn", False)
    if type(withdrawn) is not bool or (withdrawn and says):
        raise BadModel(f"{place}.withdrawn: expected true only of a lesson that says nothing, got {withdrawn!r}")
    if type(noise) is not bool or type(says) is not list or len(says) > SAYINGS:
        raise BadModel(f"{place}: expected noise, true or false, and says, an array of at most {SAYINGS}")
    sayings = (_saying(said if type(said) is dict else {}, f"{place}.says[{index}]") for index, said in enumerate(says))
    return Lesson(row["feedback"], row["actor"], row["incident"], tuple(sayings), noise, withdrawn)


def _saying(said: dict[str, Any], place: str) -> Saying:
    pair: Any = said.get("pair")
    codes = type(pair) is list and len(pair) == 2 and all(type(code) is int and 0 <= code < CODES for code in pair)
    if not codes or pair[0] > pair[1]:
        raise BadModel(f"{place}.pair: expected two codes in order, got {pair!r}")
    silence: Any = said.get("silence_s")
    if type(silence) not in (int, float) or not -1.0 <= silence < 1e12:
        raise BadModel(f"{place}.silence_s: expected seconds, got {silence!r}")
    together, sure = said.get("together"), said.get("sure")
    if type(together) is not bool or type(sure) is not bool:
        raise BadModel(f"{place}: expected together and sure, true or false each")
    return Saying((pair[0], pair[1]), together, float(silence), sure)
