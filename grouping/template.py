"""Titles to templates: what varies (numbers, ids, addresses, paths, hosts) is masked by its type.

"CPU 97% on db-7" and "CPU 93% on db-9" share the template "CPU <num>% on <host>". A mask never spans or holds
white space, so a title and its template split into the same number of words.
"""

from __future__ import annotations

import re

# Order matters: the first kind that matches at a place names it, so the narrow ones stand before the wide ones.
# Repetitions are bounded where two of them could share a character: a hostile title must not cost n * n.
_KINDS = {
    "url": r"[a-zA-Z][a-zA-Z0-9+.-]{1,15}://[^\s\"'<>)\]]*[^\s\"'<>)\].,:;]",
    "mail": r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "time": r"\d{4}-\d\d-\d\d(?:[T_]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d:\d\d:\d\d(?:[.,]\d+)?",
    "mac": r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}",
    "ip": r"(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?:/\d{1,2})?(?![\w.])"
    r"|(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}|(?:[0-9a-fA-F]{1,4}:){1,6}:(?:[0-9a-fA-F]{1,4})?",
    "path": r"(?:[A-Za-z]:\\|\.{0,2}/)[\w.@%+~$*=-]+(?:[/\\][\w.@%+~$*=-]+)*[/\\]?",
    "hex": r"0[xX][0-9a-fA-F]+|(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{8,}",
    "host": r"(?:[a-zA-Z][a-zA-Z0-9]*[-_.]){0,8}[a-zA-Z][a-zA-Z]*[-_.]?\d+(?:[-_.][a-zA-Z0-9]+){0,8}"
    r"|[a-zA-Z][\w-]*(?:\.[a-zA-Z][\w-]*){2,8}",
    "num": r"[+-]?\d+(?:[.,]\d+)*",
}
_WORD = re.compile(
    r"(?<![\w.])(?:" + "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()) + r")(?![a-zA-Z0-9]{2})"
)


def mask(title: str) -> tuple[str, tuple[str, ...]]:
    """The template of a title, and what was masked in it but for numbers and times, in order."""
    values: list[str] = []

    def name(match: re.Match[str]) -> str:
        kind = match.lastgroup or "num"
        if kind not in ("num", "time"):
            values.append(match.group())
        return f"<{kind}>"

    return _WORD.sub(name, title), tuple(values)


_TOKEN = re.compile(r"[^\W\d_][\w'-]+")


def words(template: str) -> list[str]:
    """The words of a template in lower case, masks left out, each once, in order."""
    bare = re.sub(r"<[a-z]+>", " ", template)
    return list(dict.fromkeys(word.lower() for word in _TOKEN.findall(bare)))
