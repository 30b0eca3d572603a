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
from .host import Host
from .lookups import Answers, Question, Waiting
from .migration import Transform
from .outcome import Changes, Delete, Edits, Outcome, Replace, Skip, of_fields


def run(documents: Sequence[Document], transform: Transform, lookups: int, host: Host) -> list[Outcome]:
    """One outcome for each document, in the same order."""
    answers = Answers()
    settled: list[tuple[Outcome, Context] | None] = [None] * len(documents)
    waiting: Sequence[int] = range(len(documents))
    # Documents that wait were asked for more in every round so far. A pure transform extends what it asked before, and
    # asks at most `lookups` times: what still waits after that many rounds is not pure.
    for _ in range(lookups + 1):
        questions: list[Question] = []
        still: list[int] = []
        for place in waiting:
            context = Context(host, answers, lookups)
            # A fresh one each time: what a plugin did to the body in an attempt before is no part of it.
            document = Document(documents[place].id, documents[place].raw)
            outcome = _attempt(document, transform, context)
            if context._asked:
                questions.extend(context._asked)
                still.append(place)
            else:
                settled[place] = (outcome, context)
        if not still:
            break
        waiting = still
        answers.fetch(questions, host)
    outcomes: list[Outcome] = []
    for place, done in enumerate(settled):
        if done is None:
            outcomes.append(_impure())
            continue
        outcome, context = done
        for level, message in context._log:
            host.log(level, message, place)
        outcomes.append(outcome)
    return outcomes


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
