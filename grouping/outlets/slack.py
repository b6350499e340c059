"""Slack's incoming webhooks, and those that take the same: Mattermost, Rocket.Chat, Discord under ``/slack``.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks. What alerts say is shown, never obeyed: it
cannot mention people, call a channel or hide a link.
"""

from __future__ import annotations

import orjson

from grouping.outlets.message import Target, reasons, sentence
from grouping.outlets.notice import Happening, Notice
from grouping.records import Severity

LINE = 300  # characters of one line
LINES = 8  # of what departs
_COLORS = {
    Severity.CRITICAL: "#b3261e",
    Severity.ERROR: "#d9480f",
    Severity.WARNING: "#b58900",
    Severity.INFO: "#3b6ea5",
}
_OVER, _UNKNOWN = "#2e7d32", "#5f6368"
_QUIET = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b", "`": "'", "|": "\u2502", "\n": " "})  # fmt: skip


def render(notice: Notice, target: Target) -> list[bytes]:
    """One message."""
    head = f"*{_WORDS[notice.event]}* {_shown(sentence(notice))}"
    about = notice.alert or {}
    count = "1 alert" if notice.alerts == 1 else f"{notice.alerts} alerts"
    facts = [str(notice.severity or "severity unknown"), count, f"scope {_shown(notice.scope)}"]
    facts += [f"{name} {_shown(str(about[name]))}" for name in ("service", "host") if name in about]
    lines = [" \u00b7 ".join(facts)]
    lines += [f"\u2022 {_shown(line)}" for line in reasons(notice)[:LINES]]
    if notice.departing:
        lines.append(f"in: {_shown(notice.title)}")
    link = target.link_to(notice)
    lines.append(f"<{link}|{notice.incident}>" if link else notice.incident)
    over = notice.event in (Happening.RESOLVED, Happening.MERGED)
    color = _OVER if over else _UNKNOWN if notice.severity is None else _COLORS[notice.severity]
    text = "\n".join(lines)
    attachment = {"color": color, "text": text, "fallback": text, "mrkdwn_in": ["text"]}
    return [orjson.dumps({"text": head, "attachments": [attachment]})]


_WORDS = {
    Happening.OPENED: "Opened",
    Happening.DEPARTS: "New in this incident",
    Happening.WORSE: "Worse",
    Happening.ACKNOWLEDGED: "Acknowledged",
    Happening.RESOLVED: "Resolved",
    Happening.REOPENED: "Reopened",
    Happening.MERGED: "Merged",
}


def _shown(text: str) -> str:
    """A text of an alert, without any power over the chat."""
    return (text if len(text) <= LINE else text[: LINE - 1] + "\u2026").translate(_QUIET)
