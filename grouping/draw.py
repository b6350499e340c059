"""Chance and identity as functions of what is already known, so that a replay repeats them.

No generator is carried and none has to be restored.
"""

from __future__ import annotations

from hashlib import blake2b


def draw(seed: int, decision_id: str) -> float:
    """A uniform number in [0, 1) that depends on the seed and this decision alone."""
    digest = blake2b(decision_id.encode(), key=seed.to_bytes(8, "big"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def within(share: float, scope: str) -> bool:
    """Whether a scope is in a share of the scopes: for good, and still when the share grows."""
    return share >= 1.0 or draw(0, f"share\0{scope}") < share


def name(prefix: str, scope: str, origin: str) -> str:
    """An id derived from the event that caused it: ``prefix-`` and 64 bits in hex.

    The scope's length is part of what is hashed: scope "a" + id "bc" and scope "ab" + id "c" differ.
    """
    text = f"{prefix}\0{len(scope)}\0{scope}\0{origin}".encode()
    return f"{prefix}-{blake2b(text, digest_size=8).hexdigest()}"


def content_id(canonical: bytes) -> str:
    """The id of an event that came without one: the same content at the same time is the same event."""
    return f"e-{blake2b(canonical, digest_size=12).hexdigest()}"
