"""The batch driver: from a batch on the wire to one document in the source.

If each of a thousand documents asked the host for its company's site, a batch would cost a thousand calls. So a lookup
whose answer is not known yet is noted, and ends the attempt; when all documents had their turn, all that was noted is
asked at once, and those that wait are transformed again, from the start. A batch thus costs as many calls as its longest
chain of lookups is long, times the tables involved, whether it has ten documents or a thousand. The price: a transform
may run several times for one document, so it must be pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import sandbox
from .context import Context
from .document import Document
from .failure import Failure, of_exception
from .host import Host, Level
from .lookups import Answers, Question, Waiting
from .migration import Transform
from .outcome import Changes, Delete, Edits, Outcome, Replace, Skip, of_fields


def run(documents: Sequence[Document], transform: Transform, lookups: int, host: Host) -> list[Outcome]:
    """One outcome for each document, in the same order."""
    answers = Answers()
    outcomes: list[Outcome | None] = [None] * len(documents)
    logs: list[tuple[int, Sequence[tuple[Level, str]]]] = []
    waiting: Sequence[tuple[int, Document]] = list(enumerate(documents))
    # Documents that wait were asked for more in every round so far. A pure transform extends what it asked before, and
    # asks at most `lookups` times: what still waits after that many rounds is not pure.
    for _ in range(lookups + 1):
        questions: list[Question] = []
        still: list[tuple[int, Document]] = []
        for place, document in waiting:
            context = Context(host, answers, lookups)
            outcome = _attempt(document, transform, context)
            if context._asked:
                questions.extend(context._asked)
                # A fresh one each time: what a plugin did to the body in this attempt is no part of the next.
                still.append((place, Document(document.id, document.raw)))
                continue
            outcomes[place] = outcome
            if context._log:
                logs.append((place, context._log))
        if not still:
            break
        waiting = still
        answers.fetch(questions, host)
    for place, lines in sorted(logs):
        for level, message in lines:
            host.log(level, message, place)
    return [_impure() if outcome is None else outcome for outcome in outcomes]


def _attempt(document: Document, transform: Transform, context: Context) -> Outcome:
    try:
        sandbox.begin(document, context)
        return _outcome(transform(document, context), document)
    except Waiting:
        return _impure()  # Never seen: the context knows what was asked.
    except BaseException as error:  # SystemExit and the like would take the batch along.
        return of_exception(error)
    finally:
        sandbox.end()


def _outcome(result: object, document: Document) -> Outcome:
    if type(result) is dict:  # As nearly always.
        return of_fields(result, document)
    if isinstance(result, (Edits, Changes, Skip, Replace, Delete, Failure)):
        return result
    if isinstance(result, Document):
        raise Failure(
            "invalid-outcome", "the transform returned a document; return only the fields to set, or replace(…)"
        )
    if isinstance(result, Mapping):
        return of_fields(result, document)
    raise Failure(
        "invalid-outcome",
        f"the transform returned {result!r:.100}; return a dict of the fields to set, or skip, delete, replace or fail",
    )


def _impure() -> Failure:
    return Failure(
        "impure",
        "the transform asked other questions each time it was run; it must depend on nothing but the document and the "
        "answers to its lookups",
    )
