//! The batch driver: from a batch on the wire to one document in the source.
//!
//! [`Migration`] tells how lookups are prefetched, and argues for it. The driver is the same
//! in a component and in `testing`: it knows the host by the trait [`Host`] alone.

use crate::context::Attempt;
use crate::host::{Host, Level};
use crate::lookups::{Answers, Question};
use crate::{Context, Document, Failure, Migration, Outcome, Revert, codes};

/// What is done to each document: `transform` or `revert` of a migration.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    transform: fn(&Document, &Context) -> Result<Outcome, Failure>,
    /// [`Migration::LOOKUPS`].
    lookups: u32,
}

impl Work {
    pub(crate) fn transform<M: Migration>() -> Self {
        Self {
            transform: M::transform,
            lookups: M::LOOKUPS,
        }
    }

    pub(crate) fn revert<M: Revert>() -> Self {
        Self {
            transform: M::revert,
            lookups: M::LOOKUPS,
        }
    }
}

/// An outcome that is certain, with what was logged on the way.
type Settled = (Outcome, Vec<(Level, String)>);

/// Gives an outcome for each document, in the same order: each as soon as it is certain, and those before it are.
pub(crate) fn run(
    documents: &[Document],
    work: Work,
    host: &dyn Host,
    mut give: impl FnMut(Outcome),
) {
    let mut answers = Answers::default();
    let mut questions = Vec::new();
    let mut give = |place: usize, (outcome, log): Settled| {
        for (level, message) in log {
            host.log(level, &message, place);
        }
        give(outcome);
    };
    // From the first document that waits.
    let mut settled: Vec<Option<Settled>> = Vec::new();
    for (place, document) in documents.iter().enumerate() {
        match attempt(document, work, host, &answers) {
            Ok(outcome) if settled.is_empty() => give(place, outcome),
            Ok(outcome) => settled.push(Some(outcome)),
            Err(asked) => {
                questions.extend(asked);
                settled.push(None);
            }
        }
    }
    let first = documents.len() - settled.len();
    // Documents that wait were asked for more in every round so far. A pure transform extends what
    // it asked before, and asks at most `lookups` times: what still waits after that many rounds is
    // not pure.
    for _ in 0..work.lookups {
        if questions.is_empty() {
            break;
        }
        answers.fetch(std::mem::take(&mut questions), host);
        for (document, slot) in documents.iter().skip(first).zip(&mut settled) {
            if slot.is_none() {
                match attempt(document, work, host, &answers) {
                    Ok(outcome) => *slot = Some(outcome),
                    Err(asked) => questions.extend(asked),
                }
            }
        }
    }
    for (place, slot) in settled.into_iter().enumerate() {
        give(
            first + place,
            slot.unwrap_or_else(|| (impure(), Vec::new())),
        );
    }
}

/// What becomes of a document.
///
/// # Errors
/// If it has to wait for answers: to what it asked.
#[inline(always)]
fn attempt(
    document: &Document,
    work: Work,
    host: &dyn Host,
    answers: &Answers,
) -> Result<Settled, Vec<Question>> {
    let attempt = Attempt::default();
    let context = Context::new(host, answers, &attempt, work.lookups);
    let result = (work.transform)(document, &context);
    let asked = attempt.questions.take();
    if asked.is_empty() {
        Ok((result.unwrap_or_else(Outcome::from), attempt.log.take()))
    } else {
        Err(asked)
    }
}

fn impure() -> Outcome {
    Failure::new(
        codes::IMPURE,
        "the transform asked other questions each time it was run; it must depend on nothing but \
         the document and the answers to its lookups",
    )
    .into()
}
