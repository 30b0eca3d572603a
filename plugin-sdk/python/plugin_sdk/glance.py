"""Reading one field of a body without parsing all of it.

Most migrations read one or two fields of a document that has dozens, and parsing it takes longer than everything else
that they do. A field is found in the text where the text leaves no doubt, and a document is parsed otherwise.
"""

from __future__ import annotations

from typing import Any

from .json_text import scan
from .pointer import MISSING

UNKNOWN: Any = object()
"""Only parsing tells."""

_BEHIND = ",:]} \t\n\r"
"""What stands behind a string's last quote."""

_SCALARS = "-0123456789tfn"
"""What a value begins with that is neither text nor nested."""


def scalar(body: str, name: str) -> Any:
    """The value of a body's top-level field: MISSING if there is none, UNKNOWN if only parsing tells."""
    # Without escapes a quote begins or ends a string, and a key is spelled in one way.
    if body[:1] != "{" or "\\" in body:
        return UNKNOWN
    key = f'"{name}"'
    place = body.find(key)
    if place < 0:
        return MISSING
    after = place + len(key)
    # Whose a key is behind a second brace, which of several counts, and whether it is one at all.
    if body.find("{", 1, place) >= 0 or body.find(key, after) >= 0 or name[:1] in _BEHIND or body[after] != ":":
        return UNKNOWN
    start = after + 2 if body[after + 1] == " " else after + 1
    first = body[start]
    if first == '"':
        return body[start + 1 : body.index('"', start + 1)]
    return scan(body, start)[0] if first in _SCALARS else UNKNOWN
