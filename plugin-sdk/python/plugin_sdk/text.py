"""Texts that cross the sandbox's boundary: those that are no UTF-8 would trap there, with nobody told why."""

from __future__ import annotations


def key(value: object, what: str) -> str:
    """A table, id or pointer as it is, which must be text and UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is text, not {type(value).__name__}")
    if not value.isascii():
        value.encode()
    return value


def shown(value: object) -> str:
    """A text for people, in which half a surrogate pair is shown by its number."""
    text = str(value)
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
