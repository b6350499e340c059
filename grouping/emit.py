"""Outputs to bytes: one JSON object a line, keys in a fixed order."""

from __future__ import annotations

from typing import Any

import orjson

from grouping.explain import why
from grouping.records import (
    Decision,
    IncidentLine,
    Merged,
    Moved,
    Output,
    PolicyLine,
    Reason,
    Refused,
    Suggestion,
    Undone,
)


def emit(seq: int, output: Output) -> bytes:
    """The line of an output caused by input event number ``seq``, with its newline."""
    return orjson.dumps(_object(seq, output), option=orjson.OPT_APPEND_NEWLINE)


def _object(seq: int, output: Output) -> dict[str, Any]:
    match output:
        case Decision():
            return _decision(seq, output)
        case IncidentLine():
            return {
                "kind": "incident",
                "seq": seq,
                "scope": output.scope,
                "incident": output.incident,
                "event": output.event,
                "title": output.title,
                "severity": output.severity,
                "alerts": output.alerts,
            }
        case Merged():
            return {
                "kind": "merged",
                "seq": seq,
                "scope": output.scope,
                "incident": output.incident,
                "into": output.into,
                "by": output.by,
            }
        case Moved():
            return {
                "kind": "moved",
                "seq": seq,
                "scope": output.scope,
                "alerts": output.alerts,
                "from": output.source,
                "into": output.into,
                "by": output.by,
            }
        case Undone():
            return {
                "kind": "undone",
                "seq": seq,
                "scope": output.scope,
                "feedback": output.feedback,
                "by": output.by,
                "stayed": output.stayed,
                "why": output.why,
            }
        case Suggestion():
            line = {"kind": "suggestion", "seq": seq, "scope": output.scope, "action": output.action}
            line |= {"incidents": output.incidents} | ({"alerts": output.alerts} if output.alerts else {})
            return line | {"score": output.score, "reason": output.reason}
        case PolicyLine():
            return {
                "kind": "policy",
                "seq": seq,
                "scope": output.scope,
                "policy": output.policy,
                "was": output.was,
                "why": output.why,
                "evidence": output.evidence,
            }
        case Refused():
            return {"kind": "refused", "seq": seq, "scope": output.scope, "id": output.id, "error": output.error}


def _decision(seq: int, output: Decision) -> dict[str, Any]:
    line: dict[str, Any] = {
        "kind": "decision",
        "seq": seq,
        "scope": output.scope,
        "alert": output.alert,
        "incident": output.incident,
        "action": output.action,
        "reason": output.reason,
    }
    if output.score is not None:
        line["score"] = output.score
    line["propensity"] = output.propensity
    if output.runner_up is not None:
        incident, score = output.runner_up
        line["runner_up"] = {"incident": incident, "score": score}
    if output.choice is not None:
        line["why"] = why(output)
        if output.reason is Reason.TOLD:
            line["told"] = [feedback for feedback in dict.fromkeys(output.choice.told or ()) if feedback]
        left = output.choice.left_out
        if left is not None:
            line["left_out"] = {"incident": left.incident, "why": left.why}
    if output.repeats is not None:
        line["repeats"] = output.repeats
    line["model"] = f"m{output.model}"
    line["decision"] = output.decision
    return line
