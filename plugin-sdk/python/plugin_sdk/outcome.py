"""What to do about one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, Literal

from . import pointer
from .failure import Failure
from .json_text import Raw, encode
from .text import key


class _Removal(Enum):
    REMOVE = "REMOVE"


REMOVE: Final = _Removal.REMOVE
"""In place of a field's value: the field goes, if it is there."""


Edit = tuple[Literal["set", "remove", "rename"], str, str]
"""One edit: its kind; the pointer of what it edits; the JSON text to set, or the pointer to move the value to."""


class Edits:
    """Edits of one document, applied one after the other, all of them or none.

    What no edit names keeps its exact bytes. Pointers are JSON Pointers (RFC 6901): `/email`, `/address/city`.

    >>> len(Edits().set("/address/city", "Oslo").rename("/title", "/recipeTitle").remove("/legacy").edits)
    3
    """

    __slots__ = ("edits",)

    def __init__(self) -> None:
        self.edits: list[Edit] = []

    def set(self, at: str, value: object) -> Edits:
        """Puts a value: replaces what is there, or adds a member to an object that is there.

        In an array an index replaces, and `-` appends.
        """
        return self._add(("set", key(at, "a pointer"), encode(value, at)))

    def set_json(self, at: str, text: str) -> Edits:
        """The same with a JSON text, which is kept as it is spelled."""
        try:
            value = Raw(text)
        except ValueError as error:
            raise Failure("invalid-value", f"the value for {at} is no JSON: {error}", at) from None
        return self.set(at, value)

    def remove(self, at: str) -> Edits:
        """Takes a member or an element out. There must be one."""
        return self._add(("remove", key(at, "a pointer"), ""))

    def rename(self, source: str, to: str) -> Edits:
        """Moves a value without decoding it, and replaces what is there. There must be a value at `source`."""
        return self._add(("rename", key(source, "a pointer"), key(to, "a pointer")))

    def _add(self, edit: Edit) -> Edits:
        self.edits.append(edit)
        return self


def of_fields(fields: Mapping[str, object], present: Mapping[str, object] | None) -> Edits:
    """Sets these top-level fields. A removal is left out where the document is known to lack the field."""
    edits = Edits()
    add = edits.edits.append
    for name, value in fields.items():
        at = _top_level(name)
        if value is not REMOVE:
            add(("set", at, encode(value, at)))
        elif present is None or name in present:
            add(("remove", at, ""))
    return edits


@lru_cache
def _top_level(name: str) -> str:
    return pointer.of_key(key(name, "a field's name"))


@dataclass(frozen=True, slots=True)
class Insert:
    """A document that is added."""

    table: str
    id: str | None
    body: str


@dataclass(frozen=True, slots=True)
class EditOf:
    """Edits of a document."""

    table: str
    id: str
    edits: Edits


@dataclass(frozen=True, slots=True)
class ReplaceOf:
    """A document's new body."""

    table: str
    id: str
    body: str


@dataclass(frozen=True, slots=True)
class DeleteOf:
    """A document that goes."""

    table: str
    id: str


Change = Insert | EditOf | ReplaceOf | DeleteOf


class Changes:
    """Several changes, to this document and to others, made together or not at all.

    Every table besides the migration's own must be one of its `writes`, and granted by the user.

    >>> len(Changes().insert("apiKeys", {"openai": "sk-1"}).edit("settings", "s1", {"keys": REMOVE}).changes)
    2
    """

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def insert(self, table: str, body: object, id: str | None = None) -> Changes:
        """Adds a document.

        Without an id the host derives one from the migration and the document at hand, so that the same document never
        inserts twice. With an id that exists, the document at hand fails.
        """
        return self._add(Insert(key(table, "a table"), None if id is None else key(id, "an id"), encode(body)))

    def edit(self, table: str, id: str, edits: Edits | Mapping[str, object]) -> Changes:
        """Edits a document, or sets these fields of it. A field that REMOVE takes out must be there."""
        if not isinstance(edits, Edits):
            edits = of_fields(edits, None)
        return self._add(EditOf(key(table, "a table"), key(id, "an id"), edits))

    def replace(self, table: str, id: str, body: object) -> Changes:
        """Gives a document a new body; the host works out what really changed."""
        return self._add(ReplaceOf(key(table, "a table"), key(id, "an id"), encode(body)))

    def delete(self, table: str, id: str) -> Changes:
        """Takes a document away."""
        return self._add(DeleteOf(key(table, "a table"), key(id, "an id")))

    def _add(self, change: Change) -> Changes:
        self.changes.append(change)
        return self


@dataclass(frozen=True, slots=True)
class Skip:
    """The document is left alone."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replace:
    """The document gets a new body."""

    body: str


@dataclass(frozen=True, slots=True)
class Delete:
    """The document goes."""


def skip(reason: str) -> Skip:
    """Leave the document alone.

    The report counts how many were skipped for each reason, so keep it the same for all: no ids in it.
    """
    return Skip(reason)


def replace(body: object) -> Replace:
    """Give the document a new body; the host works out what really changed. Prefer to return the fields to set."""
    return Replace(encode(body))


def delete() -> Delete:
    """Take the document away."""
    return Delete()


Outcome = Edits | Changes | Skip | Replace | Delete | Failure
"""What the SDK makes of a result."""

Result = Mapping[str, object] | Outcome
"""What a transform returns. A mapping means: set these top-level fields."""
