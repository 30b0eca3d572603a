//! Whether a store holds what it should, byte for byte.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::sample;

/// What a store should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The documents of the sample.
    Original,
    /// The same, migrated. When, does not matter, but it must be the same moment for all of them.
    Migrated,
}

/// Checks every document of a store. `visits` has the documents that were changed meanwhile, and how often.
///
/// # Errors
/// The first document that is not what it should be, missing and surplus ones included.
pub fn check(path: &Path, documents: u64, expected: Expected, visits: &[(u64, u32)]) -> Result<()> {
    let visits: HashMap<u64, u32> = visits.iter().copied().collect();
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("cannot open {}", path.display()))?;
    // By rowid, which must be in the order of the keys: the sample was inserted so, and none may have moved.
    let mut select = connection.prepare("SELECT _id, doc FROM users ORDER BY rowid")?;
    let mut rows = select.query([])?;
    let mut updated_at = None;
    for number in 0..documents {
        let key = sample::key(number);
        let Some(row) = rows.next()? else {
            bail!("{key} is missing, and all after it");
        };
        let (ValueRef::Text(found), ValueRef::Text(body)) = (row.get_ref(0)?, row.get_ref(1)?)
        else {
            bail!("{key} is no text");
        };
        ensure!(
            found == key.as_bytes(),
            "{key} is missing: in its place is {}",
            String::from_utf8_lossy(found)
        );
        let visits = visits.get(&number).copied().unwrap_or(0);
        let should = match expected {
            Expected::Original => sample::original(number, visits),
            Expected::Migrated => {
                let time = match updated_at {
                    Some(time) => time,
                    None => *updated_at.insert(time_of(body).unwrap_or(0)),
                };
                sample::migrated(number, visits, time)
            }
        };
        ensure!(
            body == should.as_bytes(),
            "{key} is not what it should be:\n  {}\ninstead of\n  {should}",
            String::from_utf8_lossy(body)
        );
    }
    ensure!(
        rows.next()?.is_none(),
        "there are more than {documents} documents"
    );
    Ok(())
}

/// The `updatedAt` that a document ends with.
fn time_of(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, time) = text.strip_suffix('}')?.rsplit_once(r#","updatedAt":"#)?;
    time.parse().ok()
}
