"""The numeric core as it was compiled, if it was; numpy does the same where it was not.

``compiled`` holds the functions of _kernel.c, or is None. Both give the same bits.
"""

from __future__ import annotations

from typing import Any, Protocol

from grouping.layout import CODE


class Compiled(Protocol):
    """What _kernel.c offers. Arrays are as arena.py and score.py describe them; errors are ValueError, IndexError."""

    LAYOUT: int

    def alike(self, *arguments: Any) -> list[int]:
        """(profile, last, since, rows, usual, bits, strong, keep, known): see Arena.alike."""

    def fitting(self, *arguments: Any) -> list[int]:
        """(stats, slots, since, until, oldest, full): see Arena.fitting."""

    def add(self, *arguments: Any) -> None:
        """(profile, slot, rows, halve): see Arena.add."""

    def times(self, *arguments: Any) -> None:
        """(stats, slot, last, first, count, limit): see Arena.describe."""

    def sparse(self, *arguments: Any) -> list[bytes]:
        """(profile, slots): see Arena.sparse."""

    def places(self, *arguments: Any) -> None:
        """(out, known, texts): see featurise.places."""

    def take(self, *arguments: Any) -> bool | None:
        """(times, columns, count, at, rows, codes, same, full, neighbours, repeats): see Recent.take; None: not yet."""

    def chunks(self, title: str, /) -> list[int] | None:
        """Where each chunk of a title that may vary starts and ends; None where only the pattern can tell, see template.mask."""

    def counts(self, *arguments: Any) -> None:
        """(n, far, line, running, place, order, reaches, use): see pairs.counts."""

    def around(self, *arguments: Any) -> None:
        """(near, far, line, at, lags, reach): see kin.around."""

    def paced(self, *arguments: Any) -> None:
        """(out, at, key, pace, low, high): see regroup.paced."""

    def jaccards(self, *arguments: Any) -> None:
        """(best, made, groups): see regroup.jaccards."""

    def pair_features(self, *arguments: Any) -> None:
        """(out, evidence): see score.pair_features."""

    def linear_score(self, *arguments: Any) -> None:
        """(out, weights, features): see score.linear_score."""

    def together(self, *arguments: Any) -> list[float]:
        """(pairs now, pairs before, kinds now, kinds before, kind, kinds): see learn.together."""


def _compiled() -> Compiled | None:
    try:
        from grouping import _kernel  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415
    except ImportError:  # no compiler was there when the package was installed
        return None
    found: Compiled = _kernel
    if found.LAYOUT != CODE:
        raise RuntimeError("grouping/_kernel was built for another layout.py: install the package again")
    return found


compiled = _compiled()
