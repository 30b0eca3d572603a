//! The batch driver: from a batch on the wire to one document in the source.
//!
//! [`Migration`] tells how lookups are prefetched, and argues for it. The driver is the same
//! in a component and in `testing`: it knows the host by the trait [`Host`] alone.

use crate::context::Attempt;
use crate::host::{Host, Level};
use crate::lookups::Answers;
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

/// A document whose outcome is certain, with what was logged on the way.
type Settled = (Outcome, Vec<(Level, String)>);

/// One outcome for each document, in the same order.
pub(crate) fn run(documents: &[Document], work: Work, host: &dyn Host) -> Vec<Outcome> {
    let mut answers = Answers::default();
    let mut settled: Vec<Option<Settled>> = documents.iter().map(|_| None).collect();
    // Documents that wait were asked for more in every round so far. A pure transform extends what
    // it asked before, and asks at most `lookups` times: what still waits after that many rounds is
    // not pure.
    for round in 0..=work.lookups {
        let mut questions = Vec::new();
        for (document, slot) in documents.iter().zip(&mut settled) {
            if slot.is_some() {
                continue;
            }
            let attempt = Attempt::default();
            let context = Context::new(host, &answers, &attempt, work.lookups);
            let result = (work.transform)(document, &context);
            let asked = attempt.questions.take();
            if asked.is_empty() {
                let outcome = result.unwrap_or_else(Outcome::from);
                *slot = Some((outcome, attempt.log.take()));
            } else if round == work.lookups {
                *slot = Some((impure(), Vec::new()));
            } else {
                questions.extend(asked);
            }
        }
        if questions.is_empty() {
            break;
        }
        answers.fetch(questions, host);
    }
    settled
        .into_iter()
        .enumerate()
        .map(|(place, slot)| {
            // The last round leaves no document without an outcome; if it did, this one asked too
            // often.
            let (outcome, log) = slot.unwrap_or_else(|| (impure(), Vec::new()));
            for (level, message) in log {
                host.log(level, &message, place);
            }
            outcome
        })
        .collect()
}

fn impure() -> Outcome {
    Failure::new(
        codes::IMPURE,
        "the transform asked other questions each time it was run; it must depend on nothing but \
         the document and the answers to its lookups",
    )
    .into()
}
