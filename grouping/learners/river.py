"""Any classifier of river (extra ``river``) as a learner: its score is how likely it is that an option is the right one.

It does not keep the promise of exact arithmetic: river uses ``exp`` and ``log``, whose last bits depend on the
mathematics library. On one machine, with one version of river, the same lessons in the same order give the same scores
and the same snapshot. So no policy has such a learner by default.

A snapshot is a pickle, which is how river keeps models (checks.check_pickling of its own test suite). Reading one
makes objects, so only what river's models consist of is let in, as the manual of pickle has it under "Restricting Globals".
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from grouping.layout import FEATURE_NAMES

SNAPSHOT_BYTES = 64 << 20

Options = NDArray[np.float32]

# Packages of river that models are made of: not those that read files, fetch data or open browsers.
_PARTS = frozenset(
    "_river_rust base bayes compose drift ensemble forest imblearn linear_model metrics multiclass naive_bayes neighbors optim "
    "preprocessing proba rules stats tree utils".split()
)
_PLAIN = frozenset(
    {
        ("builtins", "complex"),
        ("builtins", "float"),
        ("builtins", "frozenset"),
        ("builtins", "set"),
        ("collections", "Counter"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("random", "Random"),
    }
)


class BadSnapshot(ValueError):
    """Bytes that are no snapshot of a river learner; the message says what to do."""


class River:
    """A river classifier behind the learner promise. It learns one option at a time: right, or not."""

    def __init__(self, model: base.Classifier) -> None:
        """``model``: yes-or-no, untaught or not. Raises ValueError if it would draw numbers without a seed."""
        parts = [model, *getattr(model, "steps", {}).values()]  # a pipeline does not say so of its steps
        if any(part._is_stochastic for part in parts):  # noqa: SLF001 — the one place where river says so
            raise ValueError(f"{type(model).__name__}: draws numbers without a seed; give it seed=...")
        self.model = model

    def score(self, features: Options) -> NDArray[np.float32]:
        """How likely each option (FEATURES, n) is the right one, (n,) in [0, 1]; 1/2 while nothing was learned."""
        return np.array([self._likely(option) for option in options(features)], np.float32)

    def learn(self, features: Options, right: int | None, chosen: int) -> None:
        """Of the options (FEATURES, n) ``right`` was right and all others wrong; None: the chosen one was wrong."""
        for number, option in enumerate(options(features)):
            if right is not None or number == chosen:
                self.model.learn_one(option, number == right)

    def _likely(self, option: dict[Hashable, Any]) -> float:
        found = self.model.predict_proba_one(option)
        if not found:
            return 0.5
        return float(found.get(True, 0.0))

    def snapshot(self) -> bytes:
        """All that was learned. Raises BadSnapshot if the model has parts that ``restore`` would not let in."""
        data = pickle.dumps(self.model, protocol=5)
        _read(data)
        return data

    @classmethod
    def restore(cls, snapshot: bytes) -> River:
        """The learner as it was. Raises BadSnapshot."""
        return cls(_read(snapshot))


def options(features: Options) -> list[dict[Hashable, Any]]:
    """The features that are not zero, by name, of each option; features (FEATURES, n)."""
    return [
        {name: value for name, value in zip(FEATURE_NAMES, column, strict=True) if value}
        for column in features.T.tolist()
    ]


class _Reader(pickle.Unpickler):
    """Lets in the classes that river's models consist of, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The class of that name. Raises UnpicklingError."""
        package, _, rest = module.partition(".")
        river = package == "river" and rest.partition(".")[0] in _PARTS and "." not in name
        if river or (module, name) in _PLAIN:
            found = super().find_class(module, name)
            if isinstance(found, type) and (not river or found.__module__.partition(".")[0] == "river"):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a model")


def _read(snapshot: bytes) -> base.Classifier:
    if len(snapshot) > SNAPSHOT_BYTES:
        raise BadSnapshot(f"{len(snapshot)} bytes, at most {SNAPSHOT_BYTES} are taken; learn anew")
    try:
        model = _Reader(io.BytesIO(snapshot)).load()
    except (pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, EOFError) as error:
        raise BadSnapshot(f"no snapshot of a river learner: {error}; learn anew") from None
    except (AttributeError, ImportError) as error:
        raise BadSnapshot(f"of another version of river: {error}; learn anew") from None
    if not isinstance(model, base.Classifier | base.Wrapper) and not hasattr(model, "predict_proba_one"):
        raise BadSnapshot(f"holds a {type(model).__name__}, not a classifier; learn anew")
    found: base.Classifier = model
    return found
