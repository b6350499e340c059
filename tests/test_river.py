"""river's classifiers behind the learner promise: they learn, repeat themselves, survive a restart, and let nothing else in."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("river")

from river import compose, forest, linear_model, naive_bayes, optim, preprocessing, tree

from grouping.layout import COLUMNS, FEATURE_NAMES, FEATURES
from grouping.learners.base import Learner
from grouping.learners.river import BadSnapshot, River

MODELS = {
    "logistic": lambda: linear_model.LogisticRegression(optimizer=optim.AdaGrad(0.1)),
    "scaled": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
    "tree": lambda: tree.HoeffdingAdaptiveTreeClassifier(grace_period=20, seed=1),
}


def decision(number: int) -> tuple[np.ndarray, int]:
    """Opening and three incidents; the one whose service matches is right, opening where none does."""
    chance = np.random.default_rng(number)
    features = np.zeros((FEATURES, COLUMNS), np.float32)
    features[FEATURE_NAMES.index("open"), 0] = 1.0
    features[FEATURE_NAMES.index("join"), 1:4] = 1.0
    features[FEATURE_NAMES.index("fresh_minute"), 1:4] = chance.random(3)
    features[FEATURE_NAMES.index("match_service"), 1:4] = -1.0
    right = int(chance.integers(0, 4))
    if right:
        features[FEATURE_NAMES.index("match_service"), right] = 1.0
    return features, right


def taught(name: str, count: int = 150) -> River:
    learner = River(MODELS[name]())
    for number in range(count):
        features, right = decision(number)
        learner.learn(features[:, :4], right, chosen=1)
    return learner


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_which_incident_is_right(name):
    """Of a hundred decisions it never saw, nearly all that should join; (COLUMNS,) float32, like every learner."""
    learner: Learner = taught(name)
    hits = []
    for number in range(1000, 1100):
        features, right = decision(number)
        scores = learner.score(features)
        assert scores.shape == (COLUMNS,)
        assert scores.dtype == np.float32
        if right:
            hits.append(int(scores[1:4].argmax()) + 1 == right)
    assert sum(hits) > 0.95 * len(hits)


@pytest.mark.parametrize("name", MODELS)
def test_a_column_is_scored_by_itself(name):
    learner = taught(name, 60)
    features, _ = decision(7)
    whole = learner.score(features)
    for column in range(4):
        assert learner.score(features[:, column : column + 1])[0] == whole[column]


@pytest.mark.parametrize("name", MODELS)
def test_a_restored_learner_goes_on_as_if_nothing_had_happened(name):
    """Half of the lessons, a snapshot, the other half: the same scores as without, to the last bit."""
    learner = taught(name, 75)
    other = River.restore(learner.snapshot())
    for number in range(75, 150):
        features, right = decision(number)
        for one in (learner, other):
            one.learn(features[:, :4], right, chosen=1)
    for number in range(50):
        features, _ = decision(2000 + number)
        assert learner.score(features).tobytes() == other.score(features).tobytes()


@pytest.mark.parametrize("name", ["logistic", "tree"])
def test_it_repeats_itself_in_another_process(name):
    """Whatever the hash seed, which changes the order of sets."""
    script = (
        "from tests.test_river import taught, decision; import hashlib;"
        f"one = taught({name!r});"
        "print(hashlib.sha256(b''.join(one.score(decision(n)[0]).tobytes() for n in range(40))).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(said) == 1


def test_chance_without_a_seed_is_refused():
    with pytest.raises(ValueError, match="ARFClassifier: draws numbers without a seed"):
        River(forest.ARFClassifier(n_models=3))
    with pytest.raises(ValueError, match="without a seed"):
        River(compose.Pipeline(preprocessing.StandardScaler(), forest.ARFClassifier(n_models=3)))


def test_a_model_that_could_not_be_restored_is_told_when_it_is_written_down():
    """GaussianNB keeps a function: it may decide, but not be kept."""
    learner = River(naive_bayes.GaussianNB())
    learner.learn(decision(1)[0][:, :4], 1, chosen=1)
    with pytest.raises(BadSnapshot, match=r"functools\.partial is no part of a model"):
        learner.snapshot()


class _Harmful:
    def __reduce__(self):
        return print, ("this must not be run",)


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        (b"", "no snapshot"),
        (b"not a pickle", "no snapshot"),
        (pickle.dumps(_Harmful()), "builtins.print is no part of a model"),
        (pickle.dumps(subprocess.Popen), "subprocess.Popen is no part of a model"),
        (b"criver.datasets\nPhishing\n.", "river.datasets.Phishing is no part"),
        (b"criver.tree.base\nio.open\n.", "is no part of a model"),
        (b"criver.utils.pretty\nprint_table\n.", "is no part of a model"),
        (b"criver.utils.pretty\nno_such\n.", "of another version of river"),
        (pickle.dumps({"a": 1}), "holds a dict, not a classifier"),
    ],
)
def test_what_is_no_model_is_not_let_in(snapshot, said, capsys):
    with pytest.raises(BadSnapshot, match=said):
        River.restore(snapshot)
    assert capsys.readouterr().out == ""
