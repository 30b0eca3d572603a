//! Turns a `status` of any text into a `statusEnum` of `draft`, `published` or `archived`.

use plugin_sdk::prelude::*;

struct StatusEnum;

impl Migration for StatusEnum {
    fn manifest() -> Manifest {
        Manifest::new("status-enum", "posts")
            .version(1)
            .description(
                "Sets statusEnum to draft, published or archived; any other status becomes draft",
            )
            .only_if(at("/statusEnum").missing())
    }

    fn transform(post: &Document, context: &Context) -> Result<Outcome, Failure> {
        // Not as a string: what is no string is one of the others too, and no failure.
        let status = post.raw_at("/status")?.map(RawValue::get);
        let known = match status {
            Some(r#""draft""#) => "draft",
            Some(r#""published""#) => "published",
            Some(r#""archived""#) => "archived",
            _ => {
                // One text for all of them, so that they can be counted; which they were is for who
                // wants to know.
                context.warn("unknown status became draft");
                context.debug(format_args!(
                    "{}: {}",
                    post.id(),
                    status.unwrap_or("no status")
                ));
                "draft"
            }
        };
        Ok(Edits::new().set("/statusEnum", known).into())
    }
}

plugin_sdk::export!(StatusEnum);

#[cfg(test)]
mod tests {
    use plugin_sdk::Level;
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[test]
    fn its_cases_hold() {
        plugin_sdk::testing::cases::<StatusEnum>("cases.jsonl");
    }

    #[test]
    fn what_is_unknown_becomes_draft_and_is_counted() {
        let mut store = Store::new().with(
            "posts",
            [
                ("a", json!({"status": "published"})),
                ("b", json!({"status": "archived"})),
                ("c", json!({"status": "draft"})),
                ("d", json!({"status": "Published"})),
                ("e", json!({"status": 3})),
                ("f", json!({})),
                ("g", json!({"status": "draft", "statusEnum": "published"})),
            ],
        );
        let report = Run::new().migrate::<StatusEnum>(&mut store);
        assert_eq!((report.total, report.updated), (6, 6));
        let unknown = (Level::Warn, "unknown status became draft".to_owned());
        assert_eq!(
            report.logs.iter().filter(|line| **line == unknown).count(),
            3
        );
        assert_eq!(
            report.logs[1],
            (Level::Debug, r#"d: "Published""#.to_owned())
        );

        let status = |id| store.get("posts", id).unwrap()["statusEnum"].clone();
        assert_eq!(
            ["a", "b", "c", "d", "e", "f", "g"].map(status),
            [
                "published",
                "archived",
                "draft",
                "draft",
                "draft",
                "draft",
                "published"
            ]
        );
        assert_eq!(Run::new().migrate::<StatusEnum>(&mut store).total, 0);
    }
}
