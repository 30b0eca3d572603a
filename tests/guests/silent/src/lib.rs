//! Traps as soon as it is asked what it is.

use plugin_sdk::prelude::*;

struct Silent;

impl Migration for Silent {
    fn manifest() -> Manifest {
        std::process::abort()
    }

    fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> {
        Ok(Outcome::skip("never asked"))
    }
}

plugin_sdk::export!(Silent);
