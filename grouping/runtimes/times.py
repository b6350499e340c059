"""Times counted in buckets: cheap enough for every request."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)  # s


class Times:
    """How often something took how long."""

    def __init__(self) -> None:
        self.sum = 0.0
        self._counts = [0] * (len(BUCKETS) + 1)

    def add(self, seconds: float, times: int = 1) -> None:
        """Count it."""
        self._counts[bisect_left(BUCKETS, seconds)] += times
        self.sum += seconds * times

    def rows(self) -> Iterator[tuple[str, int]]:
        """Upper edge and how many took at most that, as Prometheus wants them."""
        total = 0
        for edge, count in zip([*map(str, BUCKETS), "+Inf"], self._counts, strict=True):
            total += count
            yield edge, total
