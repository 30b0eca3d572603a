//! Having a batch transformed, and finding the document at which a plugin trapped.

use migration_document::{Failure, Outcome};

use super::error::RunError;
use super::intent::{Intent, Wanted};
use crate::plugin::{Answer, Asked, CallError, Log, Work, World};
use crate::store::Document;

/// What became of documents that were transformed.
pub(super) struct Transformed {
    /// What is to be done about each document, in order.
    pub intents: Vec<Intent>,
    /// What the plugin looked up.
    pub asked: Vec<Asked>,
    /// What it logged.
    pub log: Log,
}

/// Has documents of a table transformed. A trap takes down the whole call, so the batch is halved until the
/// document that traps is alone; that one fails, and the others get their outcomes.
///
/// A batch that ran out of time is not halved: each half with the bad document in it would use its time
/// up again. Its documents are called one by one, which costs an instance for each.
pub(super) fn transform(
    work: Work<'_>,
    world: &World,
    wanted: Wanted<'_>,
    documents: &[Document],
) -> Result<Transformed, RunError> {
    let mut answer = Answer::default();
    if let Some(first) = documents.first() {
        halve(&|part| work.call(world, part), documents, &mut answer).map_err(|error| {
            RunError::Contract {
                documents: documents.len(),
                first: first.id.clone(),
                error,
            }
        })?;
    }
    Ok(Transformed {
        intents: documents
            .iter()
            .zip(answer.outcomes)
            .map(|(document, outcome)| Intent::of(wanted, work.limits(), document, outcome))
            .collect(),
        asked: answer.asked,
        log: answer.log,
    })
}

type Call<'c> = dyn Fn(&[Document]) -> Result<Answer, CallError> + 'c;

fn halve(
    call: &Call<'_>,
    documents: &[Document],
    transformed: &mut Answer,
) -> Result<(), CallError> {
    let error = match call(documents) {
        Ok(answer) => {
            let before = transformed.outcomes.len();
            transformed
                .log
                .append(answer.log, |place| Some(before + place));
            transformed.outcomes.extend(answer.outcomes);
            transformed.asked.extend(answer.asked);
            return Ok(());
        }
        Err(error) => error,
    };
    let code = match &error {
        CallError::OutcomeCount { .. } => return Err(error),
        CallError::Trap(_) => "trap",
        CallError::Limit(_) | CallError::Time(_) => "limit",
    };
    if documents.len() <= 1 {
        transformed.outcomes.push(Outcome::Fail(Failure {
            code: code.into(),
            message: error.to_string(),
            at: None,
        }));
        return Ok(());
    }
    let part = match error {
        CallError::Time(_) => 1,
        _ => documents.len().div_ceil(2),
    };
    documents
        .chunks(part)
        .try_for_each(|part| halve(call, part, transformed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Format, Place};
    use proptest::prelude::*;
    use std::cell::Cell;

    fn documents(count: usize) -> Vec<Document> {
        (0..count)
            .map(|number| Document {
                id: number.to_string(),
                body: "{}".into(),
                place: Place::Row(number as i64),
                format: Format::Plain,
            })
            .collect()
    }

    fn outcomes(outcomes: impl IntoIterator<Item = Outcome>) -> Answer {
        Answer {
            outcomes: outcomes.into_iter().collect(),
            ..Answer::default()
        }
    }

    proptest! {
        #[test]
        fn only_the_documents_that_trap_fail(
            count in 1_usize..80,
            poison in proptest::collection::btree_set(0_usize..80, 0..6),
        ) {
            let calls = Cell::new(0_usize);
            let call = |part: &[Document]| {
                calls.set(calls.get() + 1);
                if part.iter().any(|document| poison.contains(&document.id.parse().unwrap())) {
                    return Err(CallError::Trap("unreachable".into()));
                }
                Ok(outcomes(part.iter().map(|document| Outcome::Skip(document.id.clone()))))
            };
            let mut transformed = Answer::default();
            halve(&call, &documents(count), &mut transformed).unwrap();
            prop_assert_eq!(transformed.outcomes.len(), count);
            for (number, outcome) in transformed.outcomes.iter().enumerate() {
                match outcome {
                    Outcome::Skip(id) => prop_assert!(!poison.contains(&number) && *id == number.to_string()),
                    Outcome::Fail(failure) => prop_assert!(poison.contains(&number) && failure.code == "trap"),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            // Each poisoned document costs a path down a tree of the batch's depth.
            let depth = count.ilog2() as usize + 2;
            prop_assert!(calls.get() <= 1 + 2 * depth * poison.len());
        }
    }

    #[test]
    fn a_batch_that_ran_out_of_time_is_called_one_by_one() {
        let calls = Cell::new(0);
        let limit = crate::plugin::Limits::default().call_time(2).1;
        let call = |part: &[Document]| {
            calls.set(calls.get() + 1);
            match part {
                [one] if one.id != "5" => Ok(outcomes([Outcome::Delete])),
                _ => Err(CallError::Time(limit.clone())),
            }
        };
        let mut transformed = Answer::default();
        halve(&call, &documents(64), &mut transformed).unwrap();
        assert_eq!(calls.get(), 1 + 64);
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Fail(_));
        assert_eq!(transformed.outcomes.iter().position(failed), Some(5));
        assert_eq!(
            transformed
                .outcomes
                .iter()
                .filter(|outcome| failed(outcome))
                .count(),
            1
        );
    }

    #[test]
    fn a_broken_contract_is_no_documents_fault() {
        let call = |part: &[Document]| {
            Err(CallError::OutcomeCount {
                expected: part.len(),
                found: 0,
            })
        };
        assert!(halve(&call, &documents(8), &mut Answer::default()).is_err());
    }
}
