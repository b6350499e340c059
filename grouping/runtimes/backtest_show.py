"""What a backtest came to, as tables for a terminal and as one HTML page. Both are made of the same dict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from grouping.runtimes.page import page_template
from grouping.runtimes.summary import lasting, moment, plain

WORDS = {  # verdicts in the words of a reader
    "hidden": "nobody paged",
    "worse": "now wrong",
    "better": "now right",
    "unknown": "not told",
    "needless": "not needed",
    "smaller": "less to do",
    "needed": "as much to do",
    "larger": "more to do",
}
TEXTS = {
    "about",
    "such as",
    "out of",
    "into",
    "first alert goes into",
}  # columns of titles: they share what room is left
Line = tuple[str, str, str, str]  # name, before, after, remark


def sentence(found: dict[str, Any]) -> str:
    """What decided in the log, in a few words."""
    events = found["policy_events"]
    told = f" and {events:,} policy event{'' if events == 1 else 's'} in the log" if events else ""
    return f"{found['was']}{told}"


def lines(found: dict[str, Any]) -> Iterator[Line]:
    """The table of the two plays."""
    before, after, fixes = found["before"], found["after"], found["corrections"]
    yield "incidents opened", f"{before['opened']:,}", f"{after['opened']:,}", "each is a page"
    yield "incidents of one alert", f"{before['of_one']:,}", f"{after['of_one']:,}", ""
    yield "largest incident", f"{before['largest']:,}", f"{after['largest']:,}", "alerts"
    yield "alerts that move", "", f"{found['moved']:,}", f"of {found['alerts']:,}"
    if fixes["merges"] or fixes["moves"]:
        many = fixes["merges"] + fixes["moves"]
        left = many - fixes["needless"]
        remark = f"{fixes['needless']:,} not needed, {fixes['smaller']:,} less to do, {fixes['larger']:,} more to do"
        yield "corrections", f"{many:,}", f"{left:,}", remark
        remark = "incidents merged and alerts moved"
        yield "  what they do", f"{fixes['work_before']:,}", f"{fixes['work_after']:,}", remark
    for name, held in (("responders", found["responders"]), ("truth", found["truth"])):
        if held and held["alerts"]:
            yield from _known(name, held)


def _known(name: str, held: dict[str, Any]) -> Iterator[Line]:
    """The two plays against what is known."""
    told = f"{held['alerts']:,} alerts, {held['groups']:,} groups, {held['noise']:,} alerts noise"
    yield f"by {name}", "", "", told
    one, two = held["before"], held["after"]
    for key, words in (("macro_jaccard", "macro-Jaccard"), ("f1", "pairwise F1")):
        yield f"  {words}", f"{one[key]:.2f}", f"{two[key]:.2f}", ""
    remark = f"{held['better']:,} put right, {held['worse']:,} newly wrong"
    if name == "responders" and held["worse"]:
        remark += f" ({held['worse_said']:,} by a responder's word)"
    yield "  alerts in a wrong place", f"{held['wrong_before']:,}", f"{held['wrong_after']:,}", remark
    remark = f"{held['hidden']:,} newly hidden, {held['found']:,} no longer; {held['late']:,} paged for a minute later"
    yield "  outages nobody is paged for", f"{held['unpaged_before']:,}", f"{held['unpaged_after']:,}", remark
    yield "  pages for noise", f"{held['noise_pages_before']:,}", f"{held['noise_pages_after']:,}", ""


def worth(found: dict[str, Any]) -> list[str]:
    """What the propensities say, in sentences."""
    one = found["off_policy"]
    if not one["decisions"]:
        return ["Of no decision is it known whether it was right: nothing can be said by propensities."]
    near = f"{one['explored']:,} were near ties, where the log was explored"
    ends = f"{_percent(one['ips']['low'])} to {_percent(one['ips']['high'])} ({100 * one['level']:g} % interval)"
    points = (
        ""
        if one["warnings"]
        else "; " + ", ".join(f"{name.upper()} {_percent(one[name]['value'])}" for name in ("ips", "snips", "dr"))
    )
    said = [
        f"{one['decisions']:,} decisions are known to be right or wrong, {_percent(one['logged'])} right; of them {near}.",
        f"Decision by decision, as the log stood, the other policy would be right in {ends}{points}.",
    ]
    return said + [f"Careful: {warning}." for warning in one["warnings"]]


def _percent(share: float | None) -> str:
    return "nothing" if share is None else f"{100 * share:.1f} %"


# -- a terminal


def print_backtest(found: dict[str, Any], console: Console) -> None:
    """Print the tables."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("", "before", "after", ""):
        table.add_column(head, justify="right" if head else "left")
    for name, before, after, remark in lines(found):
        table.add_row(name, before, after, Text(remark, "dim"))
    console.print(Text(f"before: {plain(sentence(found))}"))
    console.print(Text(f"after:  {plain(found['policy'])}"))
    console.print()
    console.print(table)
    known = found["truth"] or found["responders"]
    _print_outages(known, console)
    if found["corrections"]["examples"]:
        _print_corrections(found["corrections"], console)
    if found["examples"]:
        _print_shifts(found, console)
    console.print()
    for said in worth(found):
        console.print(Text(said))


def _table(console: Console, *heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", width=min(console.width, 150))
    for head in heads:
        right, text = head in {"before", "after", "alerts"}, head in TEXTS
        justify: JustifyMethod = "right" if right else "left"
        table.add_column(head, justify=justify, no_wrap=True, overflow="ellipsis", ratio=1 if text else None)
    return table


def _print_outages(known: dict[str, Any], console: Console) -> None:
    for kind, words in (("hidden", "nobody would be paged for"), ("late", "paged for later")):
        if not known[f"{kind}_examples"]:
            continue
        table = _table(console, words, "alerts", "begins (UTC)", "paged", "first alert goes into")
        for one in known[f"{kind}_examples"]:
            paged = "never" if one["page_after_s"] is None else f"after {lasting(one['page_after_s'])}"
            table.add_row(
                Text(plain(one["group"])), f"{one['alerts']:,}", moment(one["at"]), paged, Text(plain(one["into"]))
            )
        console.print()
        console.print(table)


def _print_corrections(fixes: dict[str, Any], console: Console) -> None:
    table = _table(console, "correction", "time (UTC)", "about", "before", "after", "verdict")
    for one in fixes["examples"]:
        table.add_row(
            Text(plain(f"{one['action']} {one['id']}")),
            moment(one["at"]),
            Text(plain(one["title"])),
            f"{one['before']:,}",
            f"{one['after']:,}",
            WORDS[one["verdict"]],
        )
    console.print()
    console.print(table)


def _print_shifts(found: dict[str, Any], console: Console) -> None:
    table = _table(console, "moves", "alerts", "from (UTC)", "such as", "out of", "into")
    for one in found["examples"]:
        table.add_row(
            WORDS[one["verdict"]],
            f"{one['alerts']:,}",
            moment(one["at"]),
            *(Text(plain(title)) for title in (one["title"], one["before"]["title"], one["after"]["title"])),
        )
    console.print()
    console.print(table)


# -- a page


def write_page(found: dict[str, Any], directory: Path, *, source: str, command: str) -> Path:
    """Write ``index.html`` into ``directory``, and return its path."""
    page = page_template("backtest.html.j2").render(
        source=plain(source),
        command=plain(command),
        found=found,
        was=plain(sentence(found)),
        lines=list(lines(found)),
        worth=worth(found),
        known=found["truth"] or found["responders"],
        words=WORDS,
    )
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "index.html"
    path.write_bytes(page.encode())
    return path
