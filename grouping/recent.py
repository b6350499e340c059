"""The last alerts of a scope in short: when, and a code for the value of each field. What tuning looks at.

An alert of which the last 32 hold four of the same kind is passed over: a flood would push everything else out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from grouping import kernel

KEPT: Final = 4096  # alerts looked back upon
SPARE: Final = 512  # and those that may come while they are looked at
PAGE: Final = 64  # alerts written down together
FIELDS: Final = 24  # fields followed; those named later are not
SAME: Final = FIELDS  # the row that says which alerts are the same
ROWS: Final = FIELDS + 1
NEIGHBOURS: Final = 32  # alerts back among which ...
REPEATS: Final = 4  # ... so many of the same are enough
_SIZE: Final = KEPT + SPARE
_ROW: Final = struct.Struct(f"={ROWS}I")
PAGES: Final = _SIZE // PAGE


class Recent:
    """A ring of alerts. ``count`` is how many were ever taken in, ``fields`` the names of the rows in use."""

    def __init__(self) -> None:
        self.count = 0
        self.fields: list[str] = []
        self._rows: dict[str, int] = {}
        self._at: NDArray[np.float64] | None = None  # made when the first alert comes
        self._codes: NDArray[np.uint32] | None = None

    def take(self, at: float, same: int, codes: list[tuple[str, int]]) -> bool:
        """Take an alert in: its time (s), the code of what it is, and (field, code) pairs. Whether it was."""
        times, columns = self._arrays()
        if kernel.compiled is not None:
            full = len(self._rows) == FIELDS
            taken = kernel.compiled.take(
                times, columns, self.count, at, self._rows, codes, same, full, NEIGHBOURS, REPEATS
            )
            if taken is not None:
                self.count += taken
                return taken
        place = self.count % _SIZE
        before = np.arange(max(0, self.count - NEIGHBOURS), self.count) % _SIZE
        if np.count_nonzero(columns[before, SAME] == same) >= REPEATS:
            return False
        times[place] = at
        self._write(columns, place, same, codes)
        self.count += 1
        return True

    def _write(self, columns: NDArray[np.uint32], place: int, same: int, codes: list[tuple[str, int]]) -> None:
        """Write an alert's codes to its place; a field that is new gets a row if there is one left."""
        rows = self._rows
        column = [0] * ROWS
        for field, code in codes:
            row = rows.get(field)
            if row is None:
                if len(rows) == FIELDS:
                    continue
                row = rows[field] = len(rows)
                self.fields.append(field)
            column[row] = code
        column[SAME] = same
        _ROW.pack_into(columns.data, place * _ROW.size, *column)  # a third of the time of an assignment

    def retime(self, since: float, until: float, at: float) -> int:
        """Let the alerts from before ``since`` and after ``until`` count as of ``at``. The first one's number, or -1."""
        times, _ = self._arrays()
        numbers = np.arange(max(0, self.count - _SIZE), self.count)
        held = times[numbers % _SIZE]
        wrong = numbers[(held < since) | (held > until)]
        times[wrong % _SIZE] = at
        return int(wrong[0]) if len(wrong) else -1

    def window(self, end: int, most: int = KEPT) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
        """Times (N,) ascending and codes (ROWS, N) of the last alerts before the ``end``-th, at most so many (<= ``KEPT``).

        Code 0 stands for unknown.
        """
        times, columns = self._arrays()
        places = np.arange(max(0, end - most), end) % _SIZE
        at = times[places]
        order = np.argsort(at, kind="stable")
        return at[order], columns[places[order]].T

    def numbered(self, end: int) -> tuple[NDArray[np.float64], NDArray[np.uint32], NDArray[np.int64]]:
        """The same alerts in the order in which they came, and their numbers (N,)."""
        times, columns = self._arrays()
        numbers = np.arange(max(0, end - KEPT), end)
        return times[numbers % _SIZE], columns[numbers % _SIZE].T, numbers

    def rates(self, kinds: Iterable[int]) -> dict[int, float]:
        """How often what has each code came, per s, floods thinned; 0 where there is nothing to tell it by."""
        if self.count < 2:
            return dict.fromkeys(kinds, 0.0)
        times, columns = self._arrays()
        places = np.arange(max(0, self.count - KEPT), self.count) % _SIZE  # what is older is not read back
        span = float(np.ptp(times[places]))
        same = columns[places, SAME]
        return {kind: int(np.count_nonzero(same == kind)) / span if span > 0 else 0.0 for kind in kinds}

    def page(self, number: int) -> bytes:
        """A page of alerts as bytes; the last one may be short."""
        times, columns = self._arrays()
        places = np.arange(number * PAGE, min(self.count, (number + 1) * PAGE)) % _SIZE
        return times[places].astype("<f8").tobytes() + columns[places].astype("<u4").tobytes()

    def pages(self) -> range:
        """Numbers of the pages that are still in the ring."""
        return self.pages_of(self.count)

    @staticmethod
    def pages_of(count: int) -> range:
        """The same after so many alerts."""
        last = -(-count // PAGE)
        return range(max(0, last - PAGES), last)

    def restore(self, count: int, fields: list[str], pages: Sequence[tuple[int, bytes]]) -> None:
        """Put back what ``page`` gave."""
        self.count, self.fields = count, fields
        self._rows = {field: row for row, field in enumerate(fields)}
        for number, data in pages:
            times, columns = self._arrays()
            held = len(data) // (8 + 4 * ROWS)
            places = np.arange(number * PAGE, number * PAGE + held) % _SIZE
            times[places] = np.frombuffer(data, "<f8", held)
            columns[places] = np.frombuffer(data, "<u4", held * ROWS, 8 * held).reshape(held, ROWS)

    def _arrays(self) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
        if self._at is None or self._codes is None:
            self._at, self._codes = np.zeros(_SIZE), np.zeros((_SIZE, ROWS), np.uint32)
        return self._at, self._codes
