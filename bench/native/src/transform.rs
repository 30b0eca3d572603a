//! The migration, native: what `plugins/backfill-display-names` does in its sandbox.

use anyhow::{Context as _, Result};
use migration_document::Edit;
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
struct User {
    email: String,
    #[serde(rename = "displayName")]
    display_name: Option<IgnoredAny>,
}

/// The edits that a document needs; None if it has been migrated.
///
/// # Errors
/// If there is no name to be found in it: every document of the sample has one.
pub fn transform(body: &str, now: u64) -> Result<Option<Vec<Edit<'static>>>> {
    let user: User = serde_json::from_str(body)?;
    if user.display_name.is_some() {
        return Ok(None);
    }
    let (name, _) = user
        .email
        .split_once('@')
        .filter(|(name, _)| !name.is_empty())
        .with_context(|| format!("email has nothing before an @: {body}"))?;
    Ok(Some(vec![
        Edit::Set {
            at: "/displayName".into(),
            value: serde_json::to_string(name)?.into(),
        },
        Edit::Set {
            at: "/updatedAt".into(),
            value: now.to_string().into(),
        },
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn it_makes_what_the_sample_expects() {
        let before = sample::original(5, 2);
        let edits = transform(&before, 1_700_000_000_123).unwrap().unwrap();
        let after = migration_document::apply(&before, &edits).unwrap();
        assert_eq!(after, sample::migrated(5, 2, 1_700_000_000_123));
        assert_eq!(transform(&after, 1).unwrap(), None);
    }
}
