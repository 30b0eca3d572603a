//! Having a batch transformed, and finding the document at which a plugin trapped.

use std::borrow::Cow;
use std::sync::Arc;

use migration_document::{Failure, Filter, Outcome};

use super::apply::{Rights, Scope};
use super::course::Course;
use super::error::RunError;
use super::intent::{Intent, meets};
use crate::plugin::{Aside, CallError, Fixed, SharedReader, Work, World};
use crate::stages::Stages;
use crate::store::Document;

/// What a stage calls, and what its plugin sees.
pub(super) struct Stage<'p> {
    pub work: Work<'p>,
    /// The documents that it is for. It is not asked where there is only one stage: then there are no others.
    pub filter: Filter,
    pub fixed: Arc<Fixed>,
}

impl Stage<'_> {
    /// Whether its plugin may look documents up.
    pub fn looks_up(&self) -> bool {
        !self.fixed.readable.is_empty()
    }

    /// The plugin's world, with lookups that are answered by this reader.
    pub fn world(&self, reader: &SharedReader) -> World {
        World {
            fixed: Arc::clone(&self.fixed),
            reader: Some(Arc::clone(reader)),
        }
    }
}

/// What became of documents that were transformed.
pub(super) struct Transformed {
    /// What is to be done about each document, in order.
    pub intents: Vec<Intent>,
    /// What the plugin of each stage did besides.
    pub asides: Vec<Aside>,
}

/// Has documents of a table transformed, one stage after the other. Lookups are answered by the reader, within the
/// snapshot that it is in.
pub(super) fn transform(
    stages: &Stages<Stage<'_>>,
    scope: &Scope,
    reader: &SharedReader,
    documents: &[Document],
) -> Result<Transformed, RunError> {
    if let Some(stage) = stages.only() {
        let mut intents = Vec::with_capacity(documents.len());
        let mut take = |outcome: Outcome<'_>| {
            if let Some(document) = documents.get(intents.len()) {
                intents.push(Intent::of(scope, document, outcome));
            }
        };
        let whose = || "the plugin".into();
        let aside = call(stage, &stage.world(reader), documents, whose, &mut take)?;
        return Ok(Transformed {
            intents,
            asides: vec![aside],
        });
    }
    let mut courses: Vec<_> = documents
        .iter()
        .map(|document| Course::new(scope, document))
        .collect();
    let mut asides = Vec::new();
    for (stage, rights) in stages.iter().zip(scope.rights.iter()) {
        asides.push(go_through(stage, rights, reader, documents, &mut courses)?);
    }
    Ok(Transformed {
        intents: courses.into_iter().map(Course::into_intent).collect(),
        asides,
    })
}

/// Has a stage say what becomes of the documents that it is for, as those before it have left them.
fn go_through(
    stage: &Stage<'_>,
    rights: &Rights,
    reader: &SharedReader,
    documents: &[Document],
    courses: &mut [Course<'_>],
) -> Result<Aside, RunError> {
    let sees = |course: &Course<'_>| {
        course
            .now()
            .is_some_and(|now| meets(&stage.filter, &now.body))
    };
    let seen: Vec<_> = courses.iter().map(sees).collect();
    let untouched = courses.iter().all(Course::is_untouched);
    let lent: Cow<'_, [Document]> = if untouched && !seen.contains(&false) {
        Cow::Borrowed(documents)
    } else {
        let seen = courses.iter_mut().zip(&seen).filter(|(_, seen)| **seen);
        seen.filter_map(|(course, _)| course.lend()).collect()
    };
    let places: Vec<_> = (0..courses.len())
        .zip(&seen)
        .filter_map(|(place, seen)| seen.then_some(place))
        .collect();
    let whose = || format!("the plugin of `{}`", rights.migration);
    let mut outcomes = Vec::with_capacity(lent.len());
    let mut take = |outcome: Outcome<'_>| outcomes.push(outcome.into_owned());
    let mut aside = call(stage, &stage.world(reader), &lent, whose, &mut take)?;
    aside.log.follow(|place| places.get(place).copied());
    let mut returned = match lent {
        Cow::Borrowed(_) => Vec::new(),
        Cow::Owned(lent) => lent,
    }
    .into_iter();
    let mut outcomes = outcomes.into_iter();
    for (course, seen) in courses.iter_mut().zip(seen) {
        if !seen {
            course.pass();
            continue;
        }
        if let Some(document) = returned.next() {
            course.give_back(document);
        }
        if let Some(outcome) = outcomes.next() {
            course.take(rights, outcome);
        }
    }
    Ok(aside)
}

/// What takes outcomes, one for each document, in order.
type Take<'t> = dyn FnMut(Outcome<'_>) + 't;

/// Calls a stage's plugin for documents, and gives what it says of them to `take`. A trap takes down the whole call, so the
/// batch is halved until the document that traps is alone; that one fails, and the others get their outcomes.
///
/// A batch that ran out of time is not halved: each half with the bad document in it would use its time
/// up again. Its documents are called one by one, which costs an instance for each.
///
/// `whose` puts into words whose fault it is that the contract is broken.
fn call(
    stage: &Stage<'_>,
    world: &World,
    documents: &[Document],
    whose: impl FnOnce() -> String,
    take: &mut Take<'_>,
) -> Result<Aside, RunError> {
    let mut aside = Aside::default();
    if let Some(first) = documents.first() {
        let call = |part: &[Document], take: &mut Take<'_>| {
            stage
                .work
                .call(world, part, |outcomes| outcomes.into_iter().for_each(take))
        };
        halve(&call, documents, 0, &mut aside, take).map_err(|error| RunError::Contract {
            plugin: whose(),
            documents: documents.len(),
            first: first.id.to_string(),
            error,
        })?;
    }
    Ok(aside)
}

type Call<'c> = dyn Fn(&[Document], &mut Take<'_>) -> Result<Aside, CallError> + 'c;

/// `before` is how many documents of the batch come before these.
fn halve(
    call: &Call<'_>,
    documents: &[Document],
    before: usize,
    aside: &mut Aside,
    take: &mut Take<'_>,
) -> Result<(), CallError> {
    let error = match call(documents, take) {
        Ok(Aside { asked, log }) => {
            aside.log.append(log, |place| Some(before + place));
            aside.asked.extend(asked);
            return Ok(());
        }
        Err(error) => error,
    };
    let code = match &error {
        CallError::OutcomeCount { .. } | CallError::Malformed(_) => return Err(error),
        CallError::Trap(_) => "trap",
        CallError::Limit(_) | CallError::Time(_) => "limit",
    };
    if documents.len() <= 1 {
        take(Outcome::Fail(Failure {
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
    let mut before = before;
    for part in documents.chunks(part) {
        halve(call, part, before, aside, take)?;
        before += part.len();
    }
    Ok(())
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
                id: number.to_string().into(),
                body: "{}".into(),
                place: Place::Row(number as i64),
                format: Format::Plain,
            })
            .collect()
    }

    /// What comes of documents, if they are called in this way.
    fn halved(call: &Call<'_>, documents: &[Document]) -> Result<Vec<Outcome<'static>>, CallError> {
        let mut outcomes = Vec::new();
        let mut take = |outcome: Outcome<'_>| outcomes.push(outcome.into_owned());
        halve(call, documents, 0, &mut Aside::default(), &mut take)?;
        Ok(outcomes)
    }

    proptest! {
        #[test]
        fn only_the_documents_that_trap_fail(
            count in 1_usize..80,
            poison in proptest::collection::btree_set(0_usize..80, 0..6),
        ) {
            let calls = Cell::new(0_usize);
            let call = |part: &[Document], take: &mut Take<'_>| {
                calls.set(calls.get() + 1);
                if part.iter().any(|document| poison.contains(&document.id.parse().unwrap())) {
                    return Err(CallError::Trap("unreachable".into()));
                }
                part.iter().for_each(|document| take(Outcome::Skip(document.id.as_str().into())));
                Ok(Aside::default())
            };
            let outcomes = halved(&call, &documents(count)).unwrap();
            prop_assert_eq!(outcomes.len(), count);
            for (number, outcome) in outcomes.iter().enumerate() {
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
        let call = |part: &[Document], take: &mut Take<'_>| {
            calls.set(calls.get() + 1);
            match part {
                [one] if one.id != "5" => take(Outcome::Delete),
                _ => return Err(CallError::Time(limit.clone())),
            }
            Ok(Aside::default())
        };
        let outcomes = halved(&call, &documents(64)).unwrap();
        assert_eq!(calls.get(), 1 + 64);
        let failed = |outcome: &Outcome<'_>| matches!(outcome, Outcome::Fail(_));
        assert_eq!(outcomes.iter().position(failed), Some(5));
        assert_eq!(outcomes.iter().filter(|outcome| failed(outcome)).count(), 1);
    }

    #[test]
    fn a_broken_contract_is_no_documents_fault() {
        let call = |part: &[Document], _: &mut Take<'_>| {
            Err(CallError::OutcomeCount {
                expected: part.len(),
                found: 0,
            })
        };
        assert!(halved(&call, &documents(8)).is_err());
    }
}
