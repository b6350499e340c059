"""Names for rows and columns that several arrays share. Constants only.

``NAMED_FIELDS`` are the fields of an alert with a row of their own; the last two stand next to template and text so
that their crosses with recency are one slice. The rows of one alert are laid out the same for every alert:

    0 .. VALUES-1    "is known": one row per named field, ABSENT where the alert has none, and one for the title
    VALUES ..        field=value, one row per named field
    TITLE            the title's template
    WORDS ..         words of the title and values masked in it (at least one row, ABSENT if there is none)
    details ..       pairs under details, nested keys joined by dots (at least one row)
"""

from __future__ import annotations

import zlib
from typing import Final

NAMED_FIELDS: Final = ("source", "severity", "class", "group", "component", "service", "host")
NAMED: Final = 7  # of them; what is a literal here is one in the compiled road too

VALUES: Final = NAMED + 1
TITLE: Final = VALUES + NAMED
WORDS: Final = TITLE + 1

# -- rows of a profile: hashed features of alerts, counted per incident
PROFILE_ROWS: Final = 4096  # two values of one alert share a row about once in 4,000
ABSENT: Final = 0  # the row of what an alert does not have: never counted, always zero
HASHED: Final = 1 + VALUES  # rows before are ABSENT and "is known"; hashed features start here
USUAL_BITS: Final = 13  # 8,192 counters of how usual a feature is in a scope; counter 0 stands for ABSENT

# -- rows of the numbers kept per incident
LAST: Final = 0  # time of its latest alert, s
FIRST: Final = 1  # time of its earliest alert, s
SHARE: Final = 2  # 1 / alerts counted in its profile; 0 for a free slot
LIMIT: Final = 3  # silence it survives under the scope's policy, s
COUNT: Final = 4  # its alerts
LENGTH_NOW: Final = 5  # s from first to last alert / (that + 10 minutes)
STATS: Final = 6

# -- columns of a decision: opening a new incident, then up to 16 open ones
CANDIDATES: Final = 16
COLUMNS: Final = 1 + CANDIDATES

# -- rows of a decision: what is known of each option. Shares and freshness lie in [0, 1], matches in [-1, 1].
OPEN: Final = 0  # 1 for opening
JOIN: Final = 1  # 1 for joining
TURN: Final = 2  # 1 for the incident that last took an alert with this alert's key
IN_TIME: Final = 3  # limit / (limit + silence), limit = what the policy allows: 1 at once, 1/2 at the limit, towards 0
FRESH_PACE: Final = 4  # 1 / (1 + silence / scope's pace)
FRESH_MINUTE: Final = 5  # ... / a minute
FRESH_HOUR: Final = 6  # ... / an hour
SIZE: Final = 7  # alerts / (alerts + 8)
LENGTH: Final = 8  # s from its first to its last alert / (that + 10 minutes)
MATCH: Final = 9  # one row per named field: share of the incident's alerts that agree minus share that differ
TEMPLATE: Final = MATCH + NAMED  # the same for the title's template
SAME: Final = TEMPLATE + 1  # share of named fields and template, weighted by rarity
TEXT: Final = SAME + 1  # share of the title's words and values, weighted by rarity
DETAILS: Final = TEXT + 1  # share of the pairs under details, weighted by rarity
RARE: Final = DETAILS + 1  # rarity (bits / 16) of the rarest thing shared, times its share
TOGETHER: Final = RARE + 1  # how often this kind of alert is seen next to the incident's latest kind
CROSS: Final = TOGETHER + 1  # service, host, template, same, text, each times FRESH_MINUTE
BEST: Final = CROSS + 5  # for opening: the highest RARE of any candidate
MARGIN: Final = BEST + 1  # for opening: how far that is above the next
NEW_TITLE: Final = MARGIN + 1  # for opening: how unusual the title is in this scope
NEW_HOST: Final = NEW_TITLE + 1  # for opening: how unusual the host is
STORM: Final = NEW_HOST + 1  # for opening: pace now against the usual one, 1/2 = as usual, towards 1 = storm
RULED: Final = STORM + 1  # TURN times IN_TIME: what the rule of the policy says, 1/2 and more = join
TOLD: Final = RULED + 1  # what responders said of such alerts: 1 belongs, -1 does not, 0 nothing
FEATURES: Final = TOLD + 1

FEATURE_NAMES: Final = (
    "open join turn in_time fresh_pace fresh_minute fresh_hour size length "
    + " ".join(f"match_{name}" for name in NAMED_FIELDS)
    + " template same text details rare together"
    " fresh_service fresh_host fresh_template fresh_same fresh_text"
    " best margin new_title new_host storm ruled told"
).split()

# A code of all numbers above: what was compiled for others must not be used.
CODE: Final = zlib.crc32(repr(sorted(pair for pair in globals().items() if type(pair[1]) is int)).encode()) >> 1
