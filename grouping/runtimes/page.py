"""What the pages share: templates that escape whatever they are given, and pictures in the page's own colours.

A page loads nothing from anywhere and holds no time of its own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from grouping.runtimes.summary import lasting, moment, pace, percent, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = 240  # characters of a text from outside


def page_template(name: str) -> jinja2.Template:
    """A template of this folder."""
    # Always on: by default autoescape looks at the file's ending, and .j2 is not among those it knows.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("grouping", "runtimes"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"moment": moment, "lasting": lasting, "percent": percent, "pace": pace, "short": short}
    return environment.get_template(name)


def short(text: str, most: int = TITLE) -> str:
    """A text from outside that fits on the page."""
    text = plain(text)
    return text if len(text) <= most else text[: most - 1] + "…"


# Colours that stand for variables of the page's style, so that the pictures follow its light and dark.
INK, FAINT, ALERTS, PAGES = "#010101", "#020202", "#030303", "#040404"
VARIABLES = {INK: "--ink", FAINT: "--line", ALERTS: "--alerts", PAGES: "--pages"}
SETTINGS: Any = {  # by name: what names there are differs from one matplotlib to the next
    "svg.fonttype": "none",  # texts stay texts
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: widths are the same everywhere
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "path.simplify": True,
}


def draw_svg(name: str, width: float, height: float, draw: Callable[[Axes], None]) -> Markup:
    """A picture as the text of an SVG element. Its ids depend on ``name`` and the picture alone."""
    import matplotlib as mpl  # noqa: PLC0415 — half a second that only a report needs
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context():
        mpl.rcdefaults()  # whatever matplotlibrc this machine has
        mpl.rcParams.update(SETTINGS | {"svg.hashsalt": name})
        figure = Figure(figsize=(width / 72, height / 72))
        draw(figure.add_axes((0, 0, 1, 1)))
        return _svg(figure)


def _svg(figure: Figure) -> Markup:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=dict.fromkeys(["Date", "Creator", "Format", "Type"]))
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', text, count=1)
    used = set(re.findall(r"#([\w-]+)", text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return Markup(text)  # noqa: S704 — numbers and our own words: no text of an alert is in these pictures
