//! Reads fields as Rust's plugins do, and as a parser does, and says whether both are the same.

use plugin_sdk::prelude::*;
use serde::Deserialize;
use serde_json::Value;

struct Reading;

/// Names of each length for which reading is another matter, and one that does not stand alone in JSON.
#[derive(Debug, PartialEq, Deserialize)]
struct Wanted {
    a: Option<Value>,
    #[serde(default)]
    bc: String,
    name: Option<Value>,
    #[serde(rename = "displayName")]
    display_name: Option<Value>,
    #[serde(rename = "a name that is longer than what is looked at together, which is 64 bytes")]
    long: Option<Value>,
    #[serde(rename = "q\"")]
    quoted: Option<Value>,
}

impl Migration for Reading {
    fn manifest() -> Manifest {
        Manifest::new("reading", "things")
    }

    fn transform(document: &Document, _: &Context) -> Result<Outcome, Failure> {
        let read: Option<Wanted> = document.parse().ok();
        let parsed: Option<Wanted> = serde_json::from_str(document.raw()).ok();
        if read == parsed {
            let what = if read.is_some() { "read" } else { "refused" };
            return Ok(Outcome::skip(what));
        }
        let message = format!("{read:?} was read, and {parsed:?} parsed");
        Err(Failure::new("different", message))
    }
}

plugin_sdk::export!(Reading);
