"""The compiled core says what the numpy code says, to the bit, and refuses arrays that it does not know."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grouping import kernel, kin, pairs
from grouping.arena import HALVE_AT, NEVER, Arena
from grouping.featurise import places
from grouping.layout import CANDIDATES, COLUMNS, FEATURES, PROFILE_ROWS, STATS, TITLE, USUAL_BITS, VALUES, WORDS
from grouping.learn import together
from grouping.policy import Limit
from grouping.recent import Recent
from grouping.regroup import jaccards, paced
from grouping.scope import Usual
from grouping.score import Evidence, linear_score, pair_features
from grouping.template import mask

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(kernel.compiled is None, reason="no compiler was there: numpy does it all")

seeds = st.integers(0, 2**32 - 1)


def crowd(rng: np.random.Generator, slots: int) -> Arena:
    """An arena with so many slots filled at random."""
    arena = Arena()
    for _ in range(slots):
        slot = arena.take()
        first = rng.choice([0.0, 1e9, rng.uniform(0, 1e9)])
        last = first + rng.choice([0.0, rng.exponential(600.0)])
        arena.describe(slot, last, first, int(rng.integers(1, 500)), rng.choice([1e-3, 1.0, rng.exponential(60.0)]))
    busy = rng.random((PROFILE_ROWS, slots)) < 0.5
    arena.profile[:, :slots] = np.where(busy, rng.integers(0, 129, busy.shape), 0)
    arena.profile[0] = 0
    arena.stats[2, :slots] = 1.0 / rng.integers(1, 129, slots)
    return arena


def alert(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows and counters of an alert, some of them absent, some twice; and the first row of its details."""
    details = WORDS + int(rng.integers(1, 13))
    count = details + int(rng.integers(1, 13))
    rows = rng.integers(0, PROFILE_ROWS, count) * (rng.random(count) < 0.8)
    usual = rng.integers(0, 1 << USUAL_BITS, count - VALUES) * (rng.random(count - VALUES) < 0.8)
    rows[-1] = rows[VALUES]
    return rows.astype(np.intp), usual.astype(np.intp), details


def rarities(rng: np.random.Generator) -> np.ndarray:
    bits = rng.choice([0.0, 0.25, 1.0, *rng.random(5)], 1 << USUAL_BITS).astype(np.float32)
    bits[0] = 0.0
    return bits


def both(function, *arguments):
    """What the compiled and what the numpy code says."""
    compiled = function(*arguments)
    with patch.object(kernel, "compiled", None):
        return compiled, function(*arguments)


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_pair_features_are_the_same_bits(seed):
    """Any options of any alert: also late ones, none at all, and slots with times of 0."""
    rng = np.random.default_rng(seed)
    arena = crowd(rng, 20)
    rows, usual, details = alert(rng)
    count = int(rng.integers(0, CANDIDATES + 1))
    slots = rng.permutation(20)[:count].tolist()
    at = rng.choice([0.0, 1e9, rng.uniform(0, 2e9)])
    late = bool(rng.random() < 0.5 or at < 2e9)  # what is not late lies after all that was seen
    evidence = Evidence(
        float(at),
        late,
        float(rng.choice([1e-3, rng.exponential(100.0)])),
        float(rng.random()),
        int(rng.integers(-1, count)) if count else -1,
        slots,
        arena.stats,
        arena.profile,
        rows,
        usual,
        rarities(rng),
        details,
        rng.random(count).tolist(),
        rng.integers(-1, 2, count).tolist() if rng.random() < 0.5 else None,
    )
    compiled, by_numpy = both(pair_features, evidence)
    assert compiled.tobytes() == by_numpy.tobytes()


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_the_most_alike_slots_are_the_same(seed):
    """Any crowd, any alert, any number to keep."""
    rng = np.random.default_rng(seed)
    arena = crowd(rng, int(rng.integers(1, 80)))
    rows, usual, _ = alert(rng)
    keep, since = int(rng.integers(1, 40)), float(rng.choice([NEVER, 0.0, 1e9]))
    known = rng.permutation(80)[: int(rng.integers(0, 20))].tolist()
    compiled, by_numpy = both(arena.alike, since, rows[VALUES:], usual, rarities(rng), keep, known)
    assert compiled == by_numpy


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_the_slots_that_may_take_an_alert_are_the_same(seed):
    """Whatever their times and sizes, the bounds met exactly too."""
    rng = np.random.default_rng(seed)
    arena = crowd(rng, 20)
    slots = rng.permutation(20)[: int(rng.integers(0, CANDIDATES + 1))].tolist()
    since, until, oldest = (float(rng.choice([NEVER, 1e9, *arena.stats[:2, :20].ravel()])) for _ in range(3))
    compiled, by_numpy = both(arena.fitting, slots, since, until, oldest, int(rng.integers(1, 600)))
    assert compiled == by_numpy


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_counting_an_alert_is_the_same(seed):
    """Also where counts are halved, and where a row stands twice."""
    rng = np.random.default_rng(seed)
    rows, _, _ = alert(rng)
    weight = float(rng.choice([0.0, 5.0, HALVE_AT]))
    arenas = [crowd(np.random.default_rng(seed), 20) for _ in range(2)]
    weights = [arenas[0].add(7, rows, weight)]
    with patch.object(kernel, "compiled", None):
        weights.append(arenas[1].add(7, rows, weight))
    assert weights[0] == weights[1]
    assert np.array_equal(arenas[0].profile, arenas[1].profile)
    assert np.array_equal(arenas[0].stats, arenas[1].stats)


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_what_is_written_down_of_a_slot_is_the_same(seed):
    """Its times, and its profile without the zeros; of none, of few and of nearly all slots."""
    rng = np.random.default_rng(seed)
    arenas = [crowd(np.random.default_rng(seed), 20) for _ in range(2)]
    slots = rng.permutation(20)[: int(rng.integers(0, 21))].tolist()
    sparse = arenas[0].sparse(slots)
    last, limit = float(rng.uniform(0, 1e9)), float(rng.exponential(60.0))
    arenas[0].describe(7, last, last - 9.0, 3, limit)
    with patch.object(kernel, "compiled", None):
        assert sparse == arenas[1].sparse(slots)
        arenas[1].describe(7, last, last - 9.0, 3, limit)
    assert arenas[0].stats.tobytes() == arenas[1].stats.tobytes()


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))), st.lists(st.integers(0, VALUES)))
def test_the_places_of_texts_are_the_same(texts, known):
    """Of any texts, in any script, empty and unknown ones too."""
    compiled, by_python = both(places, known, texts)
    assert compiled.tolist() == by_python.tolist()


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_what_stands_around_probes_is_the_same_bits(seed):
    """Any times in order, equal ones too, probes in any order, and reaches that lead before the first."""
    rng = np.random.default_rng(seed)
    line, scales = (np.sort(rng.integers(0, 50, int(rng.integers(1, most))) / 4.0) for most in (40, 20))
    running = np.concatenate(([0.0], np.cumsum(rng.random(len(line)))))
    place = rng.integers(0, len(line), int(rng.integers(0, 20)))
    compiled, by_numpy = both(pairs.counts, line, running, place, scales)
    assert [one.tobytes() for one in compiled] == [one.tobytes() for one in by_numpy]


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_what_meets_is_the_same_bits(seed):
    """Any times in order, equal ones too, none at all, and meetings right at the end of a reach."""
    rng = np.random.default_rng(seed)
    line, at = (np.sort(rng.integers(0, 200, int(rng.integers(0, 40))) / 4.0) for _ in range(2))
    compiled, by_numpy = both(kin.around, line, at, float(rng.choice([0.25, 0.1, rng.exponential(2.0)])))
    assert [one.tobytes() for one in compiled] == [one.tobytes() for one in by_numpy]


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_groups_by_pace_are_the_same(seed):
    """In any order of times, with unknown keys, of any limit."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(0, 60))
    at, key = rng.integers(0, 100, size) / 4.0, rng.integers(0, 1 << 32, 5)[rng.integers(0, 5, size)]
    key[rng.random(size) < 0.2] = 0
    limit = Limit(float(rng.choice([1.0, 40.0])), float(rng.choice([0.5, 1.0])), float(rng.choice([2.0, 9.0])))
    compiled, by_python = both(paced, at, key, limit)
    assert compiled.tolist() == by_python.tolist()


@given(seeds)
@settings(max_examples=200, deadline=None)
def test_the_jaccard_indices_are_the_same_bits(seed):
    """Of few and many groups, with noise and without, and numbers of incidents that are not small."""
    rng = np.random.default_rng(seed)
    size, few = int(rng.integers(1, 60)), int(rng.integers(1, 12))
    groups = rng.integers(0, few, size)
    made = (
        rng.integers(0, 1 << 32, few)[rng.integers(0, few, size)] if rng.random() < 0.3 else rng.integers(0, few, size)
    )
    true = sorted(set(groups.tolist()))
    compiled, by_numpy = both(jaccards, made, groups, true)
    assert compiled == by_numpy


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_linear_scores_are_the_same_bits(seed):
    """Sums in single precision, down the rows in order."""
    rng = np.random.default_rng(seed)
    features = (rng.normal(size=(FEATURES, COLUMNS)) * 10.0 ** int(rng.integers(-8, 8))).astype(np.float32)
    weights = (rng.normal(size=(FEATURES, 1)) * (rng.random((FEATURES, 1)) < 0.5)).astype(np.float32)
    compiled, by_numpy = both(linear_score, weights, features)
    assert compiled.tobytes() == by_numpy.tobytes()


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_how_often_kinds_stand_together_is_the_same_bits(seed):
    """Kinds that were never seen, pairs seen in one generation or both."""
    rng = np.random.default_rng(seed)
    kinds = [int(kind) for kind in rng.integers(1, 1 << 25, 8)]
    usual = Usual()
    for counts in usual.kind:
        counts.update((kind, int(rng.integers(1, 99))) for kind in kinds if rng.random() < 0.7)
    for counts in usual.together:
        counts.update((kind * kinds[0], int(rng.integers(1, 99))) for kind in kinds if rng.random() < 0.7)
    compiled, by_python = both(together, usual, kinds[0], [kinds[place] for place in rng.integers(0, 8, 16)])
    assert compiled == by_python


BITS = np.zeros(8, np.float32)
PROFILE = np.zeros((PROFILE_ROWS, 4), np.uint8)
LAST = np.zeros(4)
ROWS = np.ones(3, np.intp)
COUNTS = (*np.zeros((2, 1, 3)), LAST, np.zeros(5), ROWS, ROWS * 0, LAST[:1], np.zeros((3, 1), np.intp))
OUT = np.zeros((FEATURES, COLUMNS), np.float32)
ALIKE = (PROFILE, LAST, 0.0, ROWS, ROWS, BITS, 8, 16, [])
STATISTICS = np.ones((STATS, 4))
SEEN = Evidence(
    1.0,
    False,
    1.0,
    0.5,
    0,
    [0],
    STATISTICS,
    PROFILE,
    np.ones(TITLE + 4, np.intp),
    np.ones(TITLE + 4 - VALUES, np.intp),
    BITS,
    WORDS + 1,
    [0.0],
    None,
)
CODES = st.lists(st.tuples(st.sampled_from([f"f{n}" for n in range(30)]), st.integers(0, 2**32 - 1)), max_size=12)


@given(st.lists(st.tuples(st.integers(0, 6) | st.integers(0, 2**32 - 1), CODES), max_size=40))
@settings(max_examples=100, deadline=None)
def test_the_last_alerts_are_written_down_the_same(alerts):
    """More fields than there are rows, none, and one of them twice."""

    def written(alerts):
        recent = Recent()
        for number, (same, codes) in enumerate(alerts):
            recent.take(float(number), same, codes)
        return recent.count, recent.fields, [recent.page(number) for number in recent.pages()]

    compiled, plain = both(written, alerts)
    assert compiled == plain


TITLE_PIECES = [chr(code) for code in range(128)] + [
    "://",
    "..",
    ".a",
    "a1",
    "db-7",
    "1.5%",
    " ",
    " ",
    "é",
    "\u00a0",
    "٣",
    "<num>",
]


@given(st.lists(st.sampled_from(TITLE_PIECES) | st.characters(), max_size=20).map("".join))
@settings(max_examples=1000, deadline=None)
@example("a.-5 b..5 ../x 12:30")
@example("see http://a.b/c?d=(1 2) for db-7")
@example("Sun Jul 10 12:30:00 2005")
@example("Sun <time>")
def test_titles_are_masked_the_same(title):
    """Any characters in any order; a pattern defines what the compiled core finds."""
    compiled, pattern = both(mask.__wrapped__, title)
    assert compiled == pattern


NOTES, NOTED = np.zeros(2), np.zeros((2, 2), np.uint32)
WRONG = {
    "a row beyond the profile": ("alike", (*ALIKE[:3], ROWS * PROFILE_ROWS, *ALIKE[4:])),
    "a row below it": ("alike", (*ALIKE[:3], -ROWS, *ALIKE[4:])),
    "a counter beyond the bits": ("alike", (*ALIKE[:4], ROWS * 8, *ALIKE[5:])),
    "times of other slots": ("alike", (PROFILE, np.zeros(5), *ALIKE[2:])),
    "a profile on its side": ("alike", (PROFILE.T, *ALIKE[1:])),
    "a profile of another kind": ("alike", (PROFILE.astype(float), *ALIKE[1:])),
    "more rows than an alert has": ("alike", (*ALIKE[:3], np.ones(65, np.intp), np.ones(65, np.intp), *ALIKE[5:])),
    "none to keep": ("alike", (*ALIKE[:7], 0, [])),
    "more known than an alert can have options": ("alike", (*ALIKE[:8], [0] * 65)),
    "what is no slot": ("alike", (*ALIKE[:8], ["a"])),
    "an option beyond the arena": ("fitting", (STATISTICS, [4], 0.0, 2.0, 0.0, 9)),
    "an option below it": ("fitting", (STATISTICS, [-1], 0.0, 2.0, 0.0, 9)),
    "more options than a decision has": ("fitting", (STATISTICS, [0] * 17, 0.0, 2.0, 0.0, 9)),
    "a bound that is no number": ("fitting", (STATISTICS, [0], "now", 2.0, 0.0, 9)),
    "times without sizes": ("fitting", (STATISTICS[:2].copy(), [0], 0.0, 2.0, 0.0, 9)),
    "too few arguments": ("alike", ALIKE[:3]),
    "a slot beyond the arena": ("add", (PROFILE, 4, ROWS, False)),
    "a slot below it": ("add", (PROFILE, -1, ROWS, False)),
    "a candidate beyond the arena": ("pair_features", (OUT, SEEN._replace(slots=[4]))),
    "more candidates than columns": ("pair_features", (OUT, SEEN._replace(slots=[0] * 17, together=[0.0] * 17))),
    "a turn that is nobody's": ("pair_features", (OUT, SEEN._replace(turn=1))),
    "one number too few": ("pair_features", (OUT, SEEN._replace(together=[]))),
    "details that begin nowhere": ("pair_features", (OUT, SEEN._replace(details=TITLE + 4 + VALUES))),
    "a text for a time": ("pair_features", (OUT, SEEN._replace(at="now"))),
    "half an evidence": ("pair_features", (OUT, SEEN[:9])),
    "a small result": ("pair_features", (OUT[:9].copy(), SEEN)),
    "counts that are no counts": ("together", ({}, {}, {3: "many"}, {}, 3, [5])),
    "kinds without an order": ("together", ({}, {}, {}, {}, 3, {5})),
    "a kind that is none": ("together", ({}, {}, {}, {}, 3, [[]])),
    "times of a slot beyond the arena": ("times", (STATISTICS, 4, 1.0, 0.0, 1, 1.0)),
    "times of a slot below it": ("times", (STATISTICS, -1, 1.0, 0.0, 1, 1.0)),
    "a time that is none": ("times", (STATISTICS, 0, 1.0, "then", 1, 1.0)),
    "half the statistics": ("times", (STATISTICS[:2].copy(), 0, 1.0, 0.0, 1, 1.0)),
    "the profile of a slot beyond the arena": ("sparse", (PROFILE, [0, 4])),
    "the profile of a slot below it": ("sparse", (PROFILE, [-1])),
    "a slot that stands twice": ("sparse", (PROFILE, [2, 1, 2])),
    "slots in no list": ("sparse", (PROFILE, (0,))),
    "a profile of more rows than can be told": ("sparse", (np.zeros((1 << 16, 1), np.uint8), [0])),
    "too little room for places": ("places", (np.zeros(2, np.intp), [1], ["a"])),
    "a text that is a number": ("places", (np.zeros(3, np.intp), [1], [7])),
    "times of other columns": ("take", (np.zeros(3), NOTED, 0, 0.0, {}, [], 1, False, 2, 4)),
    "a count below zero": ("take", (NOTES, NOTED, -1, 0.0, {}, [], 1, False, 2, 4)),
    "neighbours beyond the columns": ("take", (NOTES, NOTED, 9, 0.0, {}, [], 1, False, 3, 4)),
    "a row beyond the columns": ("take", (NOTES, NOTED, 0, 0.0, {"host": 2}, [("host", 1)], 1, False, 2, 4)),
    "the last row, which is no field's": ("take", (NOTES, NOTED, 0, 0.0, {"host": 1}, [("host", 1)], 1, False, 2, 4)),
    "a code beyond the columns": ("take", (NOTES, NOTED, 0, 0.0, {"host": 0}, [("host", 2**32)], 1, False, 2, 4)),
    "a kind beyond the columns": ("take", (NOTES, NOTED, 0, 0.0, {}, [], 2**32, False, 2, 4)),
    "codes that are no pairs": ("take", (NOTES, NOTED, 0, 0.0, {}, ["host"], 1, False, 2, 4)),
    "codes in no list": ("take", (NOTES, NOTED, 0, 0.0, {}, (), 1, False, 2, 4)),
    "a title that is a number": ("chunks", (7,)),
    "a text that is no Unicode": ("places", (np.zeros(3, np.intp), [1], ["\ud800"])),
    "a row that is a text": ("places", (np.zeros(3, np.intp), ["a"], ["a"])),
    "a probe beyond the times": ("counts", (*COUNTS[:4], ROWS * 4, *COUNTS[5:])),
    "an order of nothing": ("counts", (*COUNTS[:5], -ROWS, *COUNTS[6:])),
    "too little room for counts": ("counts", (COUNTS[0][:, :2].copy(), *COUNTS[1:])),
    "weights of other times": ("counts", (*COUNTS[:3], LAST, *COUNTS[4:])),
    "a reach that is not there": ("counts", (*COUNTS[:7], np.ones((3, 1), np.intp))),
    "more reaches than scales can have": ("counts", (*COUNTS[:6], np.zeros(65), COUNTS[7])),
    "too little room for meetings": ("around", (LAST[:3].copy(), LAST, LAST, LAST, LAST, 1.0)),
    "no lags": ("around", (LAST, LAST, LAST, LAST, LAST[:1], 1.0)),
    "a reach that is none": ("around", (LAST, LAST, LAST, LAST, LAST, "far")),
    "groups of other times": ("paced", (ROWS.copy(), LAST, ROWS, 1.0, 1.0, 1.0)),
    "a key that is large": ("paced", (ROWS.copy(), LAST[:3].copy(), ROWS * 4, 1.0, 1.0, 1.0)),
    "a key below none": ("paced", (ROWS.copy(), LAST[:3].copy(), -ROWS, 1.0, 1.0, 1.0)),
    "a limit that is none": ("paced", (ROWS.copy(), LAST[:3].copy(), ROWS, 1.0, "low", 1.0)),
    "groups of other alerts": ("jaccards", (np.zeros(9), ROWS, ROWS[:1].copy())),
    "a group beyond the best": ("jaccards", (np.zeros(1), np.zeros(1, int), np.ones(1, int))),
    "a group below noise": ("jaccards", (np.zeros(1), np.zeros(1, int), -np.ones(1, int))),
    "what was made has a large number": ("jaccards", (np.zeros(1), np.full(1, 1 << 40), np.zeros(1, int))),
    "what was made has none": ("jaccards", (np.zeros(1), -np.ones(1, int), np.zeros(1, int))),
    "weights of another layout": ("linear_score", (OUT[0].copy(), np.zeros((3, 1), np.float32), OUT)),
}


@pytest.mark.parametrize(("name", "arguments"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(name, arguments):
    """Never memory beyond the arrays."""
    with pytest.raises((ValueError, IndexError, TypeError)):
        getattr(kernel.compiled, name)(*arguments)


def test_what_fits_is_not():
    """So the refusals above are of what is wrong in them."""
    assert kernel.compiled is not None
    assert kernel.compiled.alike(*ALIKE) == []
    kernel.compiled.pair_features(OUT.copy(), SEEN)
    kernel.compiled.counts(*COUNTS)
    kernel.compiled.jaccards(np.zeros(2), ROWS, ROWS)
    assert kernel.compiled.take(np.zeros(2), NOTED.copy(), 9, 0.0, {"host": 0}, [("host", 1)], 1, False, 2, 4)
    assert kernel.compiled.fitting(STATISTICS, [2, 0], 0.0, 2.0, 0.0, 9) == [2, 0]
    assert kernel.compiled.together({15: 1}, {}, {}, {}, 3, [5]) == [0.25]


def test_a_core_of_another_layout_is_not_used():
    """Somebody changed layout.py and did not build again: told at once."""
    with patch("grouping.layout.CODE", 1), pytest.raises(RuntimeError, match="install the package again"):
        runpy.run_path(kernel.__file__)


def test_without_it_the_golden_log_gives_the_same_bytes():
    """The committed outputs and state, by numpy alone."""
    code = "import runpy; from grouping import kernel; kernel.compiled = None; "
    code += "runpy.run_module('tests.golden.check', run_name='__main__')"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert done.stdout == (ROOT / "tests" / "golden" / "expected.sha256").read_bytes()


def test_without_a_compiler_the_package_is_built_all_the_same(tmp_path):
    """With everything in it but the compiled core."""
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "grouping", tmp_path / "grouping", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "-w", "out", "."]
    env = {**os.environ, "CC": "no-compiler-here", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    (wheel,) = (tmp_path / "out").iterdir()
    held = zipfile.ZipFile(wheel).namelist()
    assert "grouping/engine.py" in held
    assert "grouping/runtimes/report.html.j2" in held
    assert not [name for name in held if name.endswith(".so")]
