//! Takes the site of every participant away again: the way back of `link-primary-sites`.

use plugin_sdk::prelude::*;

struct UnlinkSites;

impl Migration for UnlinkSites {
    fn manifest() -> Manifest {
        Manifest::new("unlink-sites", "participants")
            .description("Takes the site of every participant away again")
            .only_if(at("/site_id").present())
    }

    fn transform(_: &Document, context: &Context) -> Result<Outcome, Failure> {
        Ok(Edits::new()
            .remove("/site_id")
            .set("/updated_at", context.now())
            .into())
    }
}

plugin_sdk::export!(UnlinkSites);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[test]
    fn only_who_has_a_site_loses_it() {
        let mut store = Store::new().with(
            "participants",
            [("a", json!({"site_id": "s1"})), ("b", json!({"n": 1}))],
        );
        let report = Run::new().now(3).migrate::<UnlinkSites>(&mut store);
        assert_eq!((report.total, report.updated), (1, 1));
        assert_eq!(
            store.get("participants", "a"),
            Some(json!({"updated_at": 3}))
        );
        assert_eq!(store.get("participants", "b"), Some(json!({"n": 1})));
        assert_eq!(Run::new().migrate::<UnlinkSites>(&mut store).total, 0);
    }
}
