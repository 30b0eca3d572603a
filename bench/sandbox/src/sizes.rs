//! What a plugin takes for a document, by the size of batches: whatever its language costs once for each call shows
//! with few documents, and what it costs for each document with many.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use bench_native::transform::transform;
use host::plugin::Plugin;
use host::store::Document;
use migration_document::Outcome;

use crate::{NOW, documents, median, time, world};

/// How many calls are timed at the least, and how many documents, so that they take some tenths of a second.
const CALLS: u64 = 20;
const DOCUMENTS: u64 = 10_000;

/// How many calls are timed at the most, with batches however small.
const MOST_CALLS: u64 = 200;

/// How many come before.
const WARM_UP: u64 = 3;

/// Microseconds for a document, by the number of documents in a call. The outcomes are those of the native transform.
///
/// # Errors
/// If the plugin fails, or does something else than the native transform.
pub fn measure(plugin: &Plugin, sizes: &[u64]) -> Result<BTreeMap<u64, f64>> {
    sizes
        .iter()
        .map(|&size| Ok((size, of_size(plugin, size)?)))
        .collect()
}

fn of_size(plugin: &Plugin, size: u64) -> Result<f64> {
    let world = world(plugin);
    let calls = (DOCUMENTS / size).clamp(CALLS, MOST_CALLS);
    let mut times = Vec::new();
    for call in 0..WARM_UP + calls {
        let documents = documents(call * size, size)?;
        let time = time(plugin, &world, &documents, &expected(&documents)?)?;
        if call >= WARM_UP {
            times.push(time);
        }
    }
    // The number of documents is far below the end of the type.
    #[allow(clippy::cast_precision_loss)]
    let each = 1e6 / size as f64;
    Ok(median(times.iter().map(Duration::as_secs_f64)) * each)
}

/// What the native transform makes of documents, all of which need edits.
fn expected(documents: &[Document]) -> Result<Vec<Outcome<'static>>> {
    documents
        .iter()
        .map(|document| {
            let edits = transform(&document.body, NOW)?;
            Ok(Outcome::Edit(edits.unwrap_or_default()))
        })
        .collect()
}
