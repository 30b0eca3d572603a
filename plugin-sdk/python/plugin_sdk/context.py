"""What a transform can ask besides its document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from .condition import Condition
from .document import Document
from .failure import Failure
from .host import Host, Level
from .json_text import decode
from .lookups import Answers, Find, Get, Question, Waiting
from .text import key, shown

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Context:
    """What a transform can ask besides its document: the time of the run, parameters, secrets, ids for new documents,
    documents of other tables; and a log.

    Everything in it stands still for the whole run, resumed or not.

    A lookup ends the transform where its answer is not known yet. When all documents of the batch had their turn, all
    that they asked for is fetched in a few calls, and those that wait are transformed again, from the start.
    """

    # What few transforms change, and belongs to the instance once one does.
    _lookups = 0
    _asked: tuple[Question, ...] = ()
    # Kept back until it is known that the attempt counts.
    _log: tuple[tuple[Level, str], ...] = ()

    def __init__(self, host: Host, answers: Answers, lookups: int) -> None:
        self._host = host
        self._answers = answers
        self._limit = lookups

    @property
    def now(self) -> int:
        """When the run started, in milliseconds since the Unix epoch: the same for all documents."""
        return self._host.now()

    @property
    def now_text(self) -> str:
        """The same as text, like `2024-02-29T12:34:56.789Z` (RFC 3339, UTC)."""
        time = _EPOCH + timedelta(milliseconds=self.now)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def param(self, name: str, default: Any = None) -> Any:
        """A parameter of the run (`--param name=value`); the default if it was not given, or is null."""
        text = self._host.param(key(name, "a parameter's name"))
        value = None if text is None else decode(text)
        return default if value is None else value

    def secret(self, name: str) -> str | None:
        """A secret of the run, where the migration declares it and the user granted it.

        Never put it into a failure, a reason or the log.
        """
        return self._host.secret(key(name, "a secret's name"))

    def new_id(self, table: str, seed: str) -> str:
        """An id for a new document of `table`: the same for the same seed.

        Choose as seed what makes the new document the one it is, such as the id of the document that it is made from.
        """
        return self._host.new_id(key(table, "a table"), key(seed, "a seed"))

    def get(self, table: str, id: str | int) -> Document | None:
        """The document of a table with this key."""
        self._count()
        found = self._answer(_get(table, id))
        return _own(found[0]) if found else None

    def get_many(self, table: str, ids: Iterable[str | int]) -> list[Document | None]:
        """The documents of a table with these keys, in order. Counts as one lookup."""
        self._count()
        # All are asked for before the first that is not known yet ends the attempt.
        questions = [_get(table, id) for id in ids]
        found = [self._answers.to(question) for question in questions]
        unknown = [question for question, documents in zip(questions, found) if documents is None]
        if unknown:
            self._wait(unknown)
        return [_own(documents[0]) if documents else None for documents in found]

    def find(self, table: str, *conditions: Condition, limit: int) -> Sequence[Document]:
        """The documents of a table that meet all of these conditions: the first `limit` of them, by key."""
        self._count()
        if not 0 <= limit < 1 << 32:
            raise ValueError(f"a limit is an integer from 0 to 2^32 - 1, not {limit}")
        return [_own(document) for document in self._answer(Find(key(table, "a table"), limit, conditions))]

    def find_one(self, table: str, *conditions: Condition) -> Document | None:
        """The first document of a table, by key, that meets all of these conditions."""
        found = self.find(table, *conditions, limit=1)
        return found[0] if found else None

    def debug(self, message: object) -> None:
        """Logs for the author of the migration."""
        self._note(Level.DEBUG, message)

    def info(self, message: object) -> None:
        """Logs for whoever reads the history of a run."""
        self._note(Level.INFO, message)

    def warn(self, message: object) -> None:
        """Logs that somebody should look at this document."""
        self._note(Level.WARN, message)

    def error(self, message: object) -> None:
        """Logs that something is wrong. Where the document cannot be migrated, return a failure instead."""
        self._note(Level.ERROR, message)

    def _note(self, level: Level, message: object) -> None:
        self._log = (*self._log, (level, shown(message)))

    def _count(self) -> None:
        if self._lookups >= self._limit:
            raise Failure(
                "too-many-lookups",
                f"the transform of this document makes more than {self._limit} lookups; "
                "the migration's `lookups` raises the limit",
            )
        self._lookups += 1

    def _answer(self, question: Question) -> Sequence[Document]:
        found = self._answers.to(question)
        if found is None:
            self._wait([question])
        return found or ()

    def _wait(self, questions: Sequence[Question]) -> None:
        self._asked = (*self._asked, *questions)
        raise Waiting


def _own(document: Document) -> Document:
    """The same document, for this attempt alone: what it does to the body, nobody else sees."""
    return Document(document.id, document.raw)


def _get(table: str, id: str | int) -> Get:
    return Get(key(table, "a table"), str(id) if type(id) is int else key(id, "an id"))
