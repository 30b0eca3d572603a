//! A migration whose name is none.

use plugin_sdk::prelude::*;

struct BadName;

impl Migration for BadName {
    fn manifest() -> Manifest {
        Manifest::new("Bad Name", "things")
    }

    fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> {
        Ok(Outcome::skip("never asked"))
    }
}

plugin_sdk::export!(BadName);
