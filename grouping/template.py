"""Titles to templates: what varies (numbers, ids, addresses, paths, hosts) is masked by its type.

"CPU 97% on db-7" and "CPU 93% on db-9" share the template "CPU <num>% on <host>". A mask never spans or holds
white space, so a title and its template split into the same number of words.

A title is cut into chunks at white space, quotes, brackets and the like. Only a chunk that holds a digit, a slash, a
backslash, an at-sign or an inner dot can vary in a way that its shape tells; the others are never looked at. A chunk
that is no kind as a whole is cut once more, and its parts are named. Every repetition is possessive or cannot share a
character with its neighbour: a hostile title costs no more than its length.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from grouping import kernel

_CUT: Final = r"\s\"'`<>()\[\]{};=|#!?&*^"  # never inside a chunk
_ENDS: Final = r"\s\"'`<>)\]}"  # ends a URL

_ANY: Final = re.compile(r"[\d/@\\]|\.\w")
_OCTETS: Final = r"(?:\d{1,3}\.){3}\d{1,3}"
_GROUPS: Final = r"[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){0,6}+"
_CLOCK: Final = r"\d\d?:\d\d(?::\d\d)?(?:[.,]\d++)?"

# The first kind that fits a whole chunk, or a part of one, names it: the narrow ones stand before the wide ones.
_KINDS: Final = {
    "ip": rf"/?{_OCTETS}(?:/\d{{1,2}})?"
    rf"|(?=[^\d]*+\d)(?:(?:[0-9a-fA-F]{{1,4}}:){{7}}[0-9a-fA-F]{{1,4}}|(?:{_GROUPS})?::(?:{_GROUPS})?(?::{_OCTETS})?)"
    r"(?:%\w++)?(?:/\d{1,3})?",
    "time": rf"\d{{4}}[-/]\d\d?[-/]\d\d?(?:[T_-]\d\d[:.,]?\d\d(?:[:.,]?\d\d)?(?:[.,]\d++)?(?:Z|[+-]\d\d:?\d\d)?)?"
    rf"|\d\d?/(?:\d\d?|[A-Z][a-z][a-z])/\d{{4}}(?::{_CLOCK})?|{_CLOCK}",
    "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "mac": r"[0-9a-fA-F]{2}(?P<by>[:-])(?:[0-9a-fA-F]{2}(?P=by)){4,18}[0-9a-fA-F]{2}",
    "hex": r"0[xX][0-9a-fA-F]++|0\d{7,}+|(?=\d*+[a-fA-F])(?=[a-fA-F]*+\d)(?!\d++B\Z)[0-9a-fA-F]{7,}+",
    "num": r"[vV$€£¥]?(?P<plain>[+-]?(?:\d++\.\d++[eE]\d++|\d++(?:(?:,\d{3})++(?:\.\d++)?|(?:\.\d++)*+(?:,\d++)?)(?:[eE][+-]\d++|-\d++)?))"
    r"(?:%|°?[^\W\d_]{1,7}+)?|[vV]?(?P<release>\d++(?:\.\d++)++[-+~_][\w.+~-]*+)",
    "mail": r"[\w.+-]++@[\w-]++(?:\.[\w-]++)++",
    "path": r"(?:~|\.{1,2})?/[^:,]++|[a-zA-Z]:\\[^:,]*+|\\\\[^:,]++",
    "host": r"(?:[\w$-]++\.)+(?=[\w$-]*[^\W\d_])[\w$-]++\.[^\W\d_][\w$-]*+"
    r"|(?=[^\d]*+\d)[a-zA-Z]++(?:\d{1,6}[a-zA-Z]?)?(?:-[a-zA-Z]*+(?:\d{1,6}[a-zA-Z]?)?)*+(?:\.[a-zA-Z][\w$-]*+)*+",
    "id": r"(?=[^\d]*+\d)[^/\\~+%]++",
}
_KIND: Final = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
_FIRST: Final = rf"(?<![^{_CUT}])"
_VARIED: Final = (
    rf"(?=[^{_CUT}\d/@\\.]*+(?:[\d/@\\]|\.++[\w/]))"
    rf"(?:(?P<url>[a-zA-Z][a-zA-Z0-9+.-]*+://[^{_ENDS}]++)|(?P<path>/[^{_CUT}]*+\?[^{_ENDS}]++)|[^{_CUT}]++)"
)
_CHUNK: Final = re.compile(_FIRST + _VARIED)
# The same where a title holds masks already: what is glued to one stays, so that masking twice is masking once.
_AGAIN: Final = re.compile(rf"{_FIRST}(?:(?P<kept>[^{_CUT}]*+(?:<(?:url|{'|'.join(_KINDS)})>[^{_CUT}]*+)++)|{_VARIED})")
_PARTS: Final = re.compile(r"([:,@]+)")
_SMALLER: Final = re.compile(r"([/\\~+%]+|\.{2,}|-{2,})")

# Names that hold a digit and yet stand for a kind of thing: they tell titles apart.
_TERMS: Final = frozenset(
    "x86 x86-64 x86_64 amd64 arm64 i386 i686 ipv4 ipv6 utf-8 utf8 sha1 sha256 sha512 md5 base64 oauth2 log4j k8s s3 ec2 "
    "p50 p75 p90 p95 p99 1xx 2xx 3xx 4xx 5xx".split()
)


@lru_cache(maxsize=4096)
def mask(title: str) -> tuple[str, tuple[str, ...]]:
    """The template of a title, and what was masked in it but for numbers and times, in order. The cache only saves work."""
    compiled = kernel.compiled
    places = None if compiled is None else compiled.chunks(title)
    if places == [] or (places is None and _ANY.search(title) is None):
        return title, ()
    values: list[str] = []
    template = _by_pattern(title, values) if places is None else _by_place(title, places, values)
    if "<time>" in template:
        template = _DATE.sub("<time>", template)
    return template, tuple(values)


def _by_place(title: str, places: list[int], values: list[str]) -> str:
    """The title with its chunks masked, which start and end at ``places``; what was masked goes to ``values``."""
    parts: list[str] = []
    done = 0
    for index in range(0, len(places), 2):
        start, end = places[index], places[index + 1]
        template, found = _chunk(title[start:end])
        parts.append(title[done:start])
        parts.append(template)
        values.extend(found)
        done = end
    parts.append(title[done:])
    return "".join(parts)


def _by_pattern(title: str, values: list[str]) -> str:
    """The same for any title."""

    def name(match: re.Match[str]) -> str:
        text = match.group()
        kind = match.lastgroup
        if kind is None:
            template, found = _chunk(text)
            values.extend(found)
            return template
        if kind == "kept":
            return text
        value = text.rstrip(".,:;")
        values.append(value)
        return f"<{kind}>{text[len(value) :]}"

    return (_AGAIN if "<" in title else _CHUNK).sub(name, title)


@lru_cache(maxsize=4096)
def _chunk(text: str) -> tuple[str, tuple[str, ...]]:
    """The same for one chunk. The cache only saves work."""
    core = text.rstrip(".,:-")
    if core.lower() in _TERMS:
        return text, ()
    values: list[str] = []
    return _part(core, (_PARTS, _SMALLER), values) + text[len(core) :], tuple(values)


def _part(text: str, cuts: tuple[re.Pattern[str], ...], values: list[str]) -> str:
    """The mask of a text that is a kind as a whole; else it is cut, and its parts are masked."""
    if text.isdecimal() and len(text) < 8:
        return "<num>"
    if _ANY.search(text) is None:
        return text
    match = _KIND.fullmatch(text)
    if match is None or (cuts and match.lastgroup == "id" and cuts[0].search(text)):
        if not cuts:
            return text
        parts = cuts[0].split(text)
        parts[::2] = [_part(part, cuts[1:], values) for part in parts[::2]]
        return "".join(parts)
    kind = match.lastgroup
    value = match.group()
    if kind == "num":
        start, end = match.span("plain" if match["plain"] else "release")
        return f"{value[:start]}<num>{value[end:]}"
    if kind != "time":
        values.append(value.lstrip("/") if kind == "ip" else value)
    return f"<{kind}>"


# The words of a date before or after its clock: "Sun Jul 10 <time> 2005", "Mon, 3 Nov <time>".
_DATE: Final = re.compile(
    r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?=,? +(?:<num>|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b))"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?= +<num>))"
)

_TOKEN: Final = re.compile(r"<[a-z]+>|([^\W\d_][\w'-]+)")


def words(template: str) -> list[str]:
    """The words of a template in lower case, masks left out, each once, in order."""
    return [word for word in dict.fromkeys(_TOKEN.findall(template.lower())) if word]
