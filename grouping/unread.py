"""What to say of bytes that orjson does not read: the place, the value found there, and what to do about it.

Most of them are no JSON at all. Some are, or nearly so: a number beyond a double, NaN, half of a surrogate pair, a text
in another encoding than UTF-8, levels without end. Of these the place is known as a path. Only a refusal comes here,
and it looks at no more than the first ``NEAR`` characters to find the path.
"""

from __future__ import annotations

import re

import orjson

NEAR = 1 << 16  # characters before a place that are looked at for its path
_SHOWN = 80  # characters of a value in a message
_LONGEST = 240  # characters of a path in a message
_DEEP = "expected fewer levels, got more than 1,000{}; flatten it"  # orjson reads 1,024

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NO_NUMBER = re.compile(r"(?:-?Infinity|NaN)(?=\s*[,\]}])")
_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*("?)|[{}\[\],]', re.DOTALL)
_PLAIN = re.compile(r'"[A-Za-z_][\w-]*"')


def unread(data: bytes, error: orjson.JSONDecodeError, remedy: str) -> str:
    """The words of a refusal; ``error``: what orjson said of ``data``, ``remedy``: what to send instead of no JSON."""
    try:
        text = data.decode()
    except UnicodeDecodeError as wrong:
        told = f"expected UTF-8, got the byte 0x{data[wrong.start]:02x} (byte {wrong.start + 1}); encode it in UTF-8"
        return f"{_place(data[: wrong.start].decode())}: {told}"
    told = _DEEP.format(_at(error.pos)) if error.msg.startswith("depth limit") else _told(text, error.pos)
    if told:
        return f"{_place(text[: error.pos])}: {told}"
    return f"$: not JSON: {error.msg}, at character {error.pos + 1}; {remedy}"


def _told(text: str, at: int) -> str:
    """What is wrong with a value that is JSON in all but its value; empty where that is not so."""
    found = _NUMBER.match(text, at)
    if found is not None and abs(float(found[0])) == float("inf"):
        return (
            f"expected a number up to 1.8e308, got {_cut(found[0], _SHOWN)}{_at(at)}; send a smaller one, or quote it"
        )
    found = _NO_NUMBER.match(text, at - text.startswith("-Infinity", at - 1 if at else 0))
    if found is not None and text[: found.start()].rstrip().endswith((":", ",", "[")):
        return f"expected a number, got {found[0]}{_at(at)}; JSON has no such number: send null, or leave it out"
    found = _HALF.match(text, at)
    if found is not None:
        return f"expected whole characters, got half of a surrogate pair, {found[0]}{_at(at)}; send both halves"
    return ""


def _at(at: int) -> str:
    return f" (character {at + 1})"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _place(before: str) -> str:
    """The path of what comes after the beginning of a JSON text; ``$`` where it is too far away or cannot be told."""
    if len(before) > NEAR:
        return "$"
    path: list[str | int] = []  # of an object the key as it is written, of an array the index
    for token in _TOKEN.finditer(before):
        mark = token[0]
        if mark == "{":
            path.append("")
        elif mark == "[":
            path.append(0)
        elif not path:
            return "$"
        elif mark in "}]":
            path.pop()
        else:
            _step(path, mark, whole=bool(token[1]))
    return _cut("$" + "".join(map(_named, path)), _LONGEST)


def _step(path: list[str | int], mark: str, *, whole: bool) -> None:
    """Go on in the innermost object or array over a comma or a text; a text that goes on to the place is no key yet."""
    last = path[-1]
    if mark == ",":
        path[-1] = last + 1 if type(last) is int else ""
    elif last == "" and whole:
        path[-1] = mark


def _named(step: str | int) -> str:
    if type(step) is int:
        return f"[{step}]"
    key = str(step)
    return f".{key[1:-1]}" if _PLAIN.fullmatch(key) else f"[{key}]" if key else ""
