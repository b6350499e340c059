"""What the engine aims at, and whether the results reach it: no sentence about hits and misses is typed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

Figures = Mapping[str, Any]  # of one result file
Results = Mapping[str, Figures]  # those of whole.json, beside.json and service.json
Measured = Callable[[Results], float | None]  # None: not measured

MB = 2**20 / 1e6  # MiB are measured, MB are aimed at
THOUSAND, MANY = "crowd: 1,000 open incidents", "crowd: 20,000 open incidents"
REPEATS = "repeats: 99 % repeats of 1,000 open alerts"
DECISION = "this engine, the decision alone: pair features and score of 17 options"
VOWPAL = "VowpalWabbit cb_explore_adf, same actions and features, examples built"
RIVER = "river LogisticRegression, same actions and features"
RIVER_BANDIT = "river LinUCBDisjoint, its contextual bandit: same actions, the features of the best for all"


class Aim(NamedTuple):
    """``least``: whether the measured figure is to be at least the wanted one, or at most."""

    of: str
    what: str
    wanted: Measured
    least: bool
    measured: Measured
    form: str

    def reached(self, results: Results) -> bool | None:
        """Whether what was measured is as wanted; None where one of them was not measured."""
        wanted, measured = self.wanted(results), self.measured(results)
        if wanted is None or measured is None:
            return None
        return measured >= wanted if self.least else measured <= wanted

    def said(self, results: Results) -> tuple[str, str]:
        """What is wanted and what was measured, for people."""
        bound = "at least" if self.least else "at most"
        return f"{bound} {self._shown(self.wanted(results))}", self._shown(self.measured(results))

    def in_short(self, results: Results) -> str:
        """The same in half a sentence."""
        wanted, measured = self.said(results)
        return f"{self.what}: {measured}, aim {wanted}"

    def _shown(self, value: float | None) -> str:
        return "?" if value is None else self.form.format(value)


ENDS = {True: "reached", False: "**missed**", None: "not measured"}


class End(NamedTuple):
    """What came of an aim, in words; ``reached``: None where it was not measured."""

    what: str
    wanted: str
    measured: str
    reached: bool | None


def listed(of: str, ends: Iterable[End]) -> list[str]:
    """A table of aims ``of`` something: aim, measured, reached."""
    table = [f"| {of} | aim | measured | |", "|---|--:|--:|---|"]
    return table + [f"| {one.what} | {one.wanted} | {one.measured} | {ENDS[one.reached]} |" for one in ends]


def lines(whole: Figures, beside: Figures, service: Figures) -> list[str]:
    """The table: aim, measured, reached."""
    results = {"whole": whole, "beside": beside, "service": service}
    table = ["| of | aim | | measured | |", "|---|---|--:|--:|---|"]
    for aim in AIMS:
        wanted, measured = aim.said(results)
        table.append(f"| {aim.of} | {aim.what} | {wanted} | {measured} | {ENDS[aim.reached(results)]} |")
    return table


def fixed(value: float) -> Measured:
    """A number that was set, whatever the results are."""
    return lambda _: value


def of_whole(name: str, key: str, factor: float = 1.0) -> Measured:
    """A figure of a row in whole.json."""
    return lambda of: next((factor * row[key] for row in of["whole"]["rows"] if row["name"] == name), None)


def of_beside(name: str) -> Measured:
    """How many times as long as the engine's decision that of a row in beside.json takes."""

    def measured(of: Results) -> float | None:
        us = {row["name"]: row["us"] for row in of["beside"]["rows"]}
        return us[name] / us[DECISION] if {name, DECISION} <= us.keys() else None

    return measured


def of_service(who: str, load: str, batch: int, key: str) -> Measured:
    """A figure of a row in service.json."""
    sought = (who, load, batch)
    return lambda of: next(
        (row[key] for row in of["service"]["rows"] if (row["who"], row["load"], row["batch"]) == sought), None
    )


def _slowest(load: str) -> Measured:
    """The longest p99 from a post to its decision, one and many a post."""
    key = "decision_p99_ms"
    return lambda of: max(
        (row[key] for row in of["service"]["rows"] if row["load"] == load and key in row), default=None
    )


def _memory(of: Results) -> float | None:
    return max((row["mib"] for row in of["service"]["rows"] if "mib" in row), default=None)


def _restart(of: Results) -> float | None:
    restart = of["service"]["restart"]
    return None if restart is None else float(restart["ready_s"])


OURS, THEIRS, CORE, SERVICE = "grouping", "Alertmanager", "engine, one core", "service"
AIMS = (
    Aim(CORE, "new alerts, 1,000 incidents open", fixed(15_000), True, of_whole(THOUSAND, "per_second"), "{:,.0f}/s"),
    Aim(CORE, "p99 of one new alert", fixed(200), False, of_whole(THOUSAND, "p99_us"), "{:,.0f} us"),
    Aim(CORE, "repeats of open alerts", fixed(60_000), True, of_whole(REPEATS, "per_second"), "{:,.0f}/s"),
    Aim(CORE, "memory, 1,000 incidents open", fixed(150), False, of_whole(THOUSAND, "peak_mib", MB), "{:,.0f} MB"),
    Aim(CORE, "memory, 20,000 incidents open", fixed(600), False, of_whole(MANY, "peak_mib", MB), "{:,.0f} MB"),
    *(
        Aim(CORE, f"a decision, beside {who}'s", fixed(times), True, of_beside(row), "{:,.0f} times as fast")
        for who, row, times in (
            ("VowpalWabbit", VOWPAL, 10),
            ("river LinUCBDisjoint", RIVER_BANDIT, 50),
            ("river LogisticRegression", RIVER, 50),
        )
    ),
    *(
        Aim(
            SERVICE,
            f"known alerts, {words} a post: Alertmanager's own rate",
            of_service(THEIRS, "known", batch, "alerts_per_s"),
            True,
            of_service(OURS, "known", batch, "alerts_per_s"),
            "{:,.0f}/s",
        )
        for words, batch in (("one", 1), ("64", 64))
    ),
    Aim(
        SERVICE,
        "new alerts, one a post",
        fixed(6_000),
        True,
        of_service(OURS, "new", 1, "alerts_per_s"),
        "{:,.0f}/s",
    ),
    Aim(
        SERVICE,
        "new alerts, 64 a post",
        fixed(12_000),
        True,
        of_service(OURS, "new", 64, "alerts_per_s"),
        "{:,.0f}/s",
    ),
    *(
        Aim(SERVICE, f"post to decision, p99, {words}", fixed(50), False, _slowest(load), "{:,.0f} ms")
        for load, words in (("known", "known alerts"), ("repeats", "repeats"), ("new", "new alerts"))
    ),
    Aim(SERVICE, "ready after kill -9, 10,000 incidents open", fixed(3), False, _restart, "{:.1f} s"),
    Aim(SERVICE, "memory, the most under any load", fixed(400), False, _memory, "{:,.0f} MiB"),
)
