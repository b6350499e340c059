"""Names that senders chose, as parts of an address: any text, a slash in it as `%2F`.

What serves us takes the address apart only after it was decoded, where such a slash is like any other. So the parts are
decoded one by one here, with the slashes inside of them kept apart, and given back by ``Name``.
"""

from __future__ import annotations

from urllib.parse import unquote

from starlette.convertors import Convertor

from grouping.runtimes.http.limits import Scope


def in_parts(scope: Scope) -> Scope:
    """A request whose path has slashes between its parts alone."""
    raw: bytes = scope["raw_path"]
    if b"%" not in raw:
        return scope
    parts = [unquote(part).replace("%", "%25").replace("/", "%2F") for part in raw.decode("ascii").split("/")]
    return {**scope, "path": "/".join(parts)}


class Name(Convertor[str]):
    """A part of an address that is a name."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """The name itself."""
        return value.replace("%2F", "/").replace("%25", "%")

    def to_string(self, value: str) -> str:
        """As it stands in a path with slashes between its parts alone."""
        return value.replace("%", "%25").replace("/", "%2F")
