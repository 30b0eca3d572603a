"""The lookups of a batch: what was asked, and what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from .condition import Condition
from .document import Document
from .host import Host, LookupFailed


@dataclass(frozen=True, slots=True)
class Get:
    """Asks for the document with this key."""

    table: str
    id: str


@dataclass(frozen=True, slots=True)
class Find:
    """Asks for the first so many documents that meet the conditions."""

    table: str
    limit: int
    conditions: tuple[Condition, ...]


Question = Get | Find


class Waiting(BaseException):
    """A lookup's answer is not known yet: the document waits, and is transformed again.

    It is no `Exception`, so that a plugin which catches those does not stop it.
    """


class Answers:
    """What the host has answered so far, for one batch.

    It lives no longer than the batch, because only within a batch do all lookups see the same state of the store.
    """

    def __init__(self) -> None:
        self._known: dict[Question, Sequence[Document] | LookupFailed] = {}

    def to(self, question: Question) -> Sequence[Document] | None:
        """The documents that a question led to; None where it was not asked yet."""
        known = self._known.get(question)
        if isinstance(known, LookupFailed):
            raise known.failure()
        return known

    def fetch(self, questions: list[Question], host: Host) -> None:
        """Asks the host, with as few calls as there are tables and kinds of lookups."""
        # What is asked twice is fetched once, and always in the same order.
        for _, group in groupby(sorted(set(questions), key=_order), key=_call):
            asked = list(group)
            try:
                found = _ask(asked, host)
                if len(found) != len(asked):
                    raise LookupFailed("store", f"the host gave {len(found)} answers to {len(asked)} lookups")
            except LookupFailed as error:
                self._known.update(dict.fromkeys(asked, error))
            else:
                self._known.update(zip(asked, found))


def _call(question: Question) -> tuple[str, int]:
    """What questions have in common that one call can answer."""
    return (question.table, question.limit if isinstance(question, Find) else -1)


def _order(question: Question) -> tuple[tuple[str, int], object]:
    if isinstance(question, Get):
        return (_call(question), question.id)
    conditions = [(condition.at, condition.test, condition.values) for condition in question.conditions]
    return (_call(question), conditions)


def _ask(questions: list[Question], host: Host) -> list[Sequence[Document]]:
    """One call of the host."""
    first = questions[0]
    if isinstance(first, Get):
        documents = host.get_many(first.table, [question.id for question in questions if isinstance(question, Get)])
        return [() if document is None else (document,) for document in documents]
    queries = [question.conditions for question in questions if isinstance(question, Find)]
    return list(host.find_many(first.table, queries, first.limit))
