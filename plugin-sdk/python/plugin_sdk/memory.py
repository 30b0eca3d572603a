"""The host over tables in memory, for tests: what lookups find, and what outcomes come to."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from . import pointer
from .condition import Condition
from .document import Document
from .failure import Failure
from .host import Level, LookupFailed
from .json_text import decode, encode
from .migration import Manifest
from .numbers import Number
from .outcome import Changes, Delete, DeleteOf, Edit, EditOf, Edits, Insert, Outcome, Replace, ReplaceOf

Tables = dict[str, dict[str, str]]
"""Tables, of ids and bodies as JSON text."""

# As the host derives ids.
_NAMESPACE = uuid.UUID("3c72cf10-53d8-4a0a-9bd1-e6f8348e4702")


class Memory:
    """The host of one batch."""

    def __init__(self, manifest: Manifest, tables: Tables, now: int, params: dict[str, str], secrets: dict[str, str]):
        self.manifest = manifest
        self.tables = tables
        self.logs: list[tuple[int | None, Level, str]] = []
        self._now = now
        self._params = params
        self._secrets = secrets

    def get_many(self, table: str, ids: list[str]) -> list[Document | None]:
        documents = self._open(table)
        return [Document(id, documents[id]) if id in documents else None for id in ids]

    def find_many(self, table: str, queries: list[tuple[Condition, ...]], limit: int) -> list[list[Document]]:
        documents = self._open(table)
        return [
            [Document(id, documents[id]) for id in sorted(documents) if meets(documents[id], query)][:limit]
            for query in queries
        ]

    def now(self) -> int:
        return self._now

    def param(self, name: str) -> str | None:
        return self._params.get(name)

    def secret(self, name: str) -> str | None:
        return self._secrets.get(name) if name in self.manifest.secrets else None

    def new_id(self, table: str, seed: str) -> str:
        return _id("seed", self.manifest.name, table, seed)

    def log(self, level: Level, message: str, document: int | None) -> None:
        self.logs.append((document, level, message))

    def _open(self, table: str) -> dict[str, str]:
        if table not in self.manifest.reads:
            raise LookupFailed("not-granted", f"the migration does not declare that it reads {table}")
        return self.tables.get(table, {})

    def after(self, id: str, outcome: Outcome) -> Tables:
        """The tables after the outcome of this document. Raises the failure that it is, or comes to."""
        if isinstance(outcome, Failure):
            raise outcome
        own = self.manifest.table
        changes = outcome if isinstance(outcome, Changes) else Changes()
        if isinstance(outcome, Edits):
            changes.edit(own, id, outcome)
        elif isinstance(outcome, Replace):
            changes.changes.append(ReplaceOf(own, id, outcome.body))
        elif isinstance(outcome, Delete):
            changes.delete(own, id)
        after = copy.deepcopy(self.tables)
        insertions = 0
        for change in changes.changes:
            if change.table != own and change.table not in self.manifest.writes:
                raise Failure("not-granted", f"the migration does not declare that it writes {change.table}")
            table = after.setdefault(change.table, {})
            if isinstance(change, Insert):
                derived = _id("document", self.manifest.name, change.table, own, id, str(insertions))
                insertions += 1
                if change.id is not None and change.id in table:
                    raise Failure("duplicate-id", f"there is a document {change.id} in {change.table} already")
                table.setdefault(change.id or derived, change.body)
                continue
            if change.id not in table:
                raise Failure("unknown-document", f"table {change.table} has no document {change.id} to change")
            if isinstance(change, EditOf):
                table[change.id] = _edited(table[change.id], change.edits.edits)
            elif isinstance(change, ReplaceOf):
                table[change.id] = change.body
            elif isinstance(change, DeleteOf):
                del table[change.id]
        return after


def _id(*names: str) -> str:
    joined = json.dumps(names, ensure_ascii=False, separators=(",", ":"))
    return str(uuid.uuid5(_NAMESPACE, joined))


def _edited(body: str, edits: Iterable[Edit]) -> str:
    whole = {"": decode(body)}
    for kind, at, to in edits:
        if kind == "set":
            _set(whole, at, decode(to))
        else:
            value = _take(whole, at)
            if kind == "rename":
                _set(whole, to, value)
    return encode(whole[""])


def _parent(whole: dict[str, Any], at: str) -> tuple[Any, str]:
    """What holds the value at a pointer, and under which key."""
    *way, last = ["", *pointer.keys(at)]
    holder: Any = whole
    for key in way:
        holder = pointer.follow(holder, pointer.of_key(key))
    return holder, last


def _set(whole: dict[str, Any], at: str, value: Any) -> None:
    holder, key = _parent(whole, at)
    place = pointer.index(key)
    if isinstance(holder, dict):
        holder[key] = value
    elif isinstance(holder, list) and (key == "-" or place == len(holder)):
        holder.append(value)
    elif isinstance(holder, list) and place is not None and place < len(holder):
        holder[place] = value
    else:
        raise Failure("invalid-edit", f"`{at}` does not resolve: there is no object or array to hold it", at)


def _take(whole: dict[str, Any], at: str) -> Any:
    holder, key = _parent(whole, at)
    place = pointer.index(key)
    if isinstance(holder, dict) and key in holder:
        return holder.pop(key)
    if isinstance(holder, list) and place is not None and place < len(holder):
        return holder.pop(place)
    raise Failure("invalid-edit", f"`{at}` does not resolve: the document has no value there", at)


def meets(body: str, conditions: Iterable[Condition]) -> bool:
    """Whether a document meets all of these conditions."""
    value = decode(body)
    return all(_holds(pointer.follow(value, condition.at), condition) for condition in conditions)


def _holds(value: Any, condition: Condition) -> bool:
    if condition.test == "present":
        return value is not pointer.MISSING
    if condition.test == "missing":
        return value is pointer.MISSING
    mine = _scalar(value)
    theirs = [_scalar(decode(text)) for text in condition.values]
    if condition.test in ("equals", "one-of"):
        return mine in theirs
    if condition.test == "not-equals":
        return mine not in theirs
    kind, comparable = theirs[0]
    if mine[0] != kind or kind not in ("number", "text"):
        return False
    is_less: bool = mine[1] < comparable
    return is_less == (condition.test == "less-than")


def _scalar(value: Any) -> tuple[str, Any]:
    """A value as it is compared: numbers by value, and nothing with another kind."""
    if isinstance(value, bool) or value is None:
        return ("word", value)
    if isinstance(value, Number):
        return ("number", Decimal(value.text))
    if isinstance(value, int):
        return ("number", Decimal(value))
    if isinstance(value, str):
        return ("text", value.encode(errors="surrogatepass"))
    return ("none", object())
