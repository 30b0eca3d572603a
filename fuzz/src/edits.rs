//! Edits of a body: all of them together do what one after the other does.

use arbitrary::{Result, Unstructured};
use migration_document::{apply, json};

use crate::generate;

/// The bytes are a body and edits of it.
pub fn run(bytes: &[u8]) {
    // Too few bytes make nothing.
    let _ = edits(&mut Unstructured::new(bytes));
}

fn edits(bytes: &mut Unstructured<'_>) -> Result<()> {
    let body = generate::json(bytes)?;
    let edits = generate::edits(bytes)?;
    // Of edits at random few apply. Those that do are made again by themselves.
    let mut kept = Vec::new();
    let mut after = body.clone();
    for edit in &edits {
        if let Ok(next) = apply(&after, std::slice::from_ref(edit)) {
            assert!(
                json::check(&next).is_ok(),
                "{edit:?} made {next} of {after}"
            );
            after = next;
            kept.push(edit.clone());
        }
    }
    assert_eq!(
        apply(&body, &kept).as_deref(),
        Ok(after.as_str()),
        "{kept:?} of {body}"
    );
    let one_by_one = edits.iter().try_fold(body.clone(), |body, edit| {
        apply(&body, std::slice::from_ref(edit))
    });
    assert_eq!(apply(&body, &edits), one_by_one, "{edits:?} of {body}");
    Ok(())
}
