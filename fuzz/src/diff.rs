//! What really changed: the edits that are found lead from one body to the other.

use arbitrary::{Result, Unstructured};
use migration_document::{apply, diff};

use crate::generate;

/// The bytes are two bodies.
pub fn run(bytes: &[u8]) {
    // Too few bytes make nothing.
    let _ = bodies(&mut Unstructured::new(bytes));
}

fn bodies(bytes: &mut Unstructured<'_>) -> Result<()> {
    let old = generate::json(bytes)?;
    // Mostly the same body with something else in it.
    let new = match apply(&old, &generate::edits(bytes)?) {
        Ok(edited) if bytes.ratio(3, 4)? => edited,
        _ => generate::json(bytes)?,
    };
    let edits = diff(&old, &new).unwrap();
    let result = apply(&old, &edits).unwrap_or_else(|error| panic!("{error}: {edits:?} of {old}"));
    assert_eq!(diff(&result, &new), Ok(vec![]), "{old} to {new}: {edits:?}");
    if old == new {
        assert_eq!(result, old);
    }
    Ok(())
}
