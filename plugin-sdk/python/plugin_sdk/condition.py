"""Conditions on a document's fields, for the filter and for lookups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .json_text import encode
from .text import key

Scalar = str | int | float | bool | None
"""What a field is compared with."""

Test = Literal["present", "missing", "equals", "not-equals", "less-than", "at-least", "one-of"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one field; `at` makes it."""

    at: str
    test: Test
    values: tuple[str, ...] = ()
    """JSON texts."""


def at(pointer: str) -> At:
    """Begins a condition on the field that a JSON Pointer (RFC 6901) leads to.

    >>> at("/tier").equals("premium")
    Condition(at='/tier', test='equals', values=('"premium"',))
    """
    return At(pointer)


class At:
    """A field, about to be tested."""

    __slots__ = ("_at",)

    def __init__(self, pointer: str) -> None:
        self._at = key(pointer, "a pointer")

    def present(self) -> Condition:
        """There is a value, null included; in a row table it is not NULL."""
        return Condition(self._at, "present")

    def missing(self) -> Condition:
        """There is no value, not even null; in a row table it is NULL."""
        return Condition(self._at, "missing")

    def is_null(self) -> Condition:
        """The value is null."""
        return self.equals(None)

    def equals(self, value: Scalar) -> Condition:
        """The value is this one. Numbers compare by value: 1, 1.0 and 1e0 are equal."""
        return self._compared("equals", (value,))

    def not_equals(self, value: Scalar) -> Condition:
        """The value is another one, or there is none."""
        return self._compared("not-equals", (value,))

    def less_than(self, value: Scalar) -> Condition:
        """Both are numbers, or both are text, and the document's comes first."""
        return self._compared("less-than", (value,))

    def at_least(self, value: Scalar) -> Condition:
        """Both are numbers, or both are text, and the document's is the same or comes after."""
        return self._compared("at-least", (value,))

    def one_of(self, values: Iterable[Scalar]) -> Condition:
        """The value is one of these."""
        return self._compared("one-of", values)

    def _compared(self, test: Test, values: Iterable[Scalar]) -> Condition:
        return Condition(self._at, test, tuple(encode(value, self._at) for value in values))
