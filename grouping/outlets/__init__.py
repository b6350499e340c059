"""What is said to people and tools, and in which shape: decisions in, notices out, a notice to the messages of a shape.

``announce.py`` makes notices of what was decided, ``departs.py`` says when an alert that joined is announced, and each
other file speaks one shape.
"""

from __future__ import annotations

from grouping.outlets import alertmanager, generic, pagerduty, prometheus, slack
from grouping.outlets.message import Render

SHAPES: dict[str, Render] = {
    "generic": generic.render,
    "pagerduty": pagerduty.render,
    "alertmanager": alertmanager.render,
    "prometheus": prometheus.render,
    "slack": slack.render,
}
