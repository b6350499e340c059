"""What learning costs is measured on the engine's own road, and held to what it may cost."""

from __future__ import annotations

from benchmarks import learning, learning_aims, tables


def test_what_is_timed_is_what_the_engine_does() -> None:
    """Line for line, corrections too; pieces of both kinds are met, and none is longer than the longest step."""
    row = learning.alerts("skew", 4000)
    assert row["corrections"] > 0
    assert row["slices"]["count"] > 0
    assert row["trials"]["count"] > 0
    assert max(row["slices"]["most_us"], row["trials"]["most_us"]) <= row["most_us"]


def test_every_kind_of_correction_is_carried_out_and_undone() -> None:
    """None is refused; small and large incidents, as one of the first and after many."""
    desk = learning.Desk()
    before = desk.engine.open_incidents()
    for verb in learning.ABOUT:
        given, undone = desk.says(verb, 4)
        assert given > 0 < undone
    assert desk.engine.open_incidents() - before == len(learning.ABOUT) + 1  # a merge has two; all are as they were


def test_whether_learning_stays_below_its_bounds_is_computed() -> None:
    """The worst of all streams and of all corrections counts, and the tables name it."""
    spread = {"count": 1, "p50_us": 1.0, "p99_us": 2.0, "most_us": 4999.0}
    streams = [
        {
            "name": name,
            "alerts": 9,
            "us": us,
            "early_us": 2 * us,
            "most_us": most,
            "slices": spread,
            "trials": {"count": 0},
        }
        for name, us, most in (("calm", 1.0, 10.0), ("wild", 6.0, 5000.0))
    ]
    corrections = [
        {"verb": "merge", "alerts": 5, "lessons": 0, "given": spread, "undone": spread | {"most_us": undone}}
        for undone in (10.0, 5100.0)
    ]
    figures = {"streams": streams, "corrections": corrections}
    assert [end.reached for end in learning_aims.ends(figures)] == [True, False, True, False]
    assert "| the longest correction, or undoing of one | at most 5 ms | 5.1 ms | **missed** |" in learning_aims.lines(
        figures
    )
    assert "| merge | 5 | 0 | 1 us | 4,999 us | 1 us | 5,100 us |" in tables._learning(figures)
