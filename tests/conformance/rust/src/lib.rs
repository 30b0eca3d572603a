//! Does what its document says.

use plugin_sdk::prelude::*;
use serde_json::json;

struct Conformance;

impl Migration for Conformance {
    fn manifest() -> Manifest {
        Manifest::new("conformance", "things")
            .version(1)
            .description("Does what its document says")
            .only_if(at("/do").present())
            .reads("facts")
            .writes("others")
            .secret("KEY")
    }

    fn transform(document: &Document, context: &Context) -> Result<Outcome, Failure> {
        let text = |pointer| document.require::<String>(pointer);
        Ok(match text("/do")?.as_str() {
            "skip" => Outcome::skip(text("/reason")?),
            "set" => Edits::new()
                .set("/flag", true)
                .set("/list", json!([1, "two", null]))
                .set("/nothing", ())
                .set("/number", 42)
                .set("/object", json!({"a": {"b": 1.5}}))
                .set("/text", "text")
                .into(),
            "nested" => Edits::new().set("/address/city", "Paris").into(),
            "append" => Edits::new().set("/list/-", "x").into(),
            "touch" => Edits::new().set("/touched", true).into(),
            "copy" => Edits::new().set("/copy", text("/text")?).into(),
            "count" => Edits::new()
                .set("/n", document.require::<i64>("/n")? + 1)
                .into(),
            "remove" if document.has("/old")? => Edits::new().remove("/old").into(),
            "remove" => Outcome::skip("nothing to remove"),
            "rename" if document.has("/old")? => Edits::new().rename("/old", "/new").into(),
            "rename" => Outcome::skip("nothing to rename"),
            "replace" => Outcome::replace(json!({"do": "replaced", "text": text("/text")?})),
            "replaced" => Outcome::skip("replaced"),
            "delete" => Outcome::delete(),
            "changes" if document.has("/done")? => Outcome::skip("done"),
            "changes" => Changes::new()
                .edit("things", document.id(), Edits::new().set("/done", true))
                .insert("others", json!({"from": document.id()}))
                .insert_as("others", "given", json!({"given": true}))
                .edit("others", "edited", Edits::new().set("/seen", true))
                .replace("others", "replaced", json!({"new": true}))
                .delete("others", "deleted")
                .into(),
            "fail" => return Err(Failure::new("refused", "not this one").at("/do")),
            "get" => match context.get("facts", text("/fact")?)? {
                Some(fact) => Edits::new()
                    .set("/value", fact.require::<String>("/value")?)
                    .into(),
                None => return Err(Failure::new("no-fact", "no such fact").at("/fact")),
            },
            "find" => {
                let found = context.find("facts", [at("/kind").equals(text("/kind")?)], 2)?;
                let ids: Vec<_> = found.iter().map(|fact| fact.id()).collect();
                Edits::new().set("/found", ids).into()
            }
            "ungranted" => {
                let found = context.get("elsewhere", "1")?;
                Edits::new().set("/found", found.is_some()).into()
            }
            "param" => match context.param::<String>("phase")? {
                Some(phase) => Edits::new().set("/phase", phase).into(),
                None => Outcome::skip("no phase"),
            },
            "secret" => match context.secret("KEY") {
                Some(secret) => Edits::new().set("/secret", secret).into(),
                None => Outcome::skip("no secret"),
            },
            "now" => Edits::new().set("/at", context.now()).into(),
            "new-id" => Edits::new()
                .set("/ref", context.new_id("others", &text("/seed")?))
                .into(),
            "log" => {
                context.debug("one");
                context.info("two");
                context.warn("three");
                context.error("four");
                Outcome::skip("logged")
            }
            "throw" => panic!("thrown"),
            "trap" => std::process::abort(),
            "loop" => loop {
                std::hint::spin_loop();
            },
            "recurse" => Edits::new().set("/depth", deeper(0)).into(),
            "leak" => leak(),
            _ => return Err(Failure::new("unknown", "cannot do that").at("/do")),
        })
    }
}

impl Revert for Conformance {
    fn revert(document: &Document, _: &Context) -> Result<Outcome, Failure> {
        if document.has("/done")? {
            return Ok(Edits::new().remove("/done").into());
        }
        Ok(Outcome::skip("not done"))
    }
}

/// Calls itself for ever. The compiler is not to make a loop of it.
fn deeper(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 8]);
    deeper(frame[0] + 1) + frame[7]
}

fn leak() -> ! {
    loop {
        std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 16]));
    }
}

plugin_sdk::export_reversible!(Conformance);
