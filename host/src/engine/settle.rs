//! Comparing a batch with the store, under the write lock: what others have changed since it was read.

use migration_document::Filter;

use super::intent::{Intent, meets};
use super::named::{GONE, Left, PASSED_OVER};
use super::source::Batch;
use super::transform::Stage;
use crate::plugin::SharedReader;
use crate::stages::Stages;
use crate::store::{Again, Result, Table, Writer};

/// What others have changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// How many documents are not what they were.
    pub documents: u64,
    /// Documents of the batch that must be transformed again, by their index.
    pub again: Vec<usize>,
}

/// Replaces the documents that have changed by what they are now, and leaves those that are gone or do not
/// meet the filter any more.
pub(super) fn compare(
    writer: &mut dyn Writer,
    table: &Table,
    filter: &Filter,
    batch: &mut Batch,
) -> Result<Lost> {
    let mut lost = Lost::default();
    let mut unreadable = std::mem::take(&mut batch.unreadable).into_iter().peekable();
    let documents = std::mem::take(&mut batch.documents);
    let intents = std::mem::take(&mut batch.intents);
    // Where each document stands now, as long as what is to be done about it holds.
    let mut places = Vec::new();
    for (index, (document, intent)) in documents.into_iter().zip(intents).enumerate() {
        while let Some((_, row)) = unreadable.next_if(|(before, _)| *before <= index) {
            batch.unreadable.push((batch.documents.len(), row));
        }
        let again = writer.again(table, &document)?;
        if again != Again::Same {
            lost.documents += 1;
        }
        places.push((again == Again::Same).then_some(batch.documents.len()));
        match again {
            Again::Same => {
                batch.documents.push(document);
                batch.intents.push(intent);
            }
            Again::Changed(now) => {
                if meets(filter, &now.body) {
                    lost.again.push(batch.documents.len());
                    batch.documents.push(now);
                    batch.intents.push(Intent::none_yet());
                } else {
                    batch.left.push(Left {
                        id: now.id.into(),
                        why: PASSED_OVER,
                    });
                }
            }
            Again::Unreadable(row) => batch.unreadable.push((batch.documents.len(), row)),
            Again::Gone => batch.left.push(Left {
                id: document.id.into(),
                why: GONE,
            }),
        }
    }
    batch.follow(&places);
    let end = batch.documents.len();
    batch
        .unreadable
        .extend(unreadable.map(|(_, row)| (end, row)));
    Ok(lost)
}

/// Whether what the plugins looked up is still what they were told. The reader must be within a snapshot.
pub(super) fn answers_hold(
    batch: &Batch,
    stages: &Stages<Stage<'_>>,
    reader: &SharedReader,
) -> bool {
    stages.iter().zip(&batch.asides).all(|(stage, aside)| {
        let world = stage.world(reader);
        let mut asked = aside.asked.iter();
        asked.all(|asked| asked.still_holds(&world, stage.work.limits()))
    })
}
