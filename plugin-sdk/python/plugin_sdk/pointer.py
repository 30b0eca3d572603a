"""JSON Pointers (RFC 6901)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .failure import Failure

MISSING: Any = object()
"""What a pointer leads to where there is nothing; None is JSON's null."""


def of_key(key: str) -> str:
    """The pointer to a top-level field."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


@lru_cache
def keys(at: str) -> tuple[str, ...]:
    """The steps of a pointer."""
    if not at:
        return ()
    if not at.startswith("/"):
        raise Failure("invalid-field", f"{at} is no JSON Pointer: it begins with /", at)
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in at[1:].split("/"))


def index(key: str) -> int | None:
    """The index that a step means in an array."""
    return int(key) if key == "0" or (key.isdecimal() and key.isascii() and key[0] != "0") else None


def follow(value: Any, at: str) -> Any:
    """The value that a pointer leads to, or MISSING."""
    for key in keys(at):
        if isinstance(value, dict):
            value = value.get(key, MISSING)
        elif isinstance(value, list):
            place = index(key)
            value = value[place] if place is not None and place < len(value) else MISSING
        else:
            return MISSING
    return value
