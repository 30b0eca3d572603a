//! Splits `name` into `firstName` and `lastName`.

use plugin_sdk::prelude::*;

struct SplitName;

impl Migration for SplitName {
    fn manifest() -> Manifest {
        Manifest::new("split-name", "users")
            .version(1)
            .description("Splits name into firstName (the first word) and lastName (the rest)")
            .only_if(at("/name").present())
            .only_if(at("/firstName").missing())
    }

    fn transform(user: &Document, _: &Context) -> Result<Outcome, Failure> {
        let name: Option<String> = user.get("/name")?;
        let name = name.unwrap_or_default();
        let mut words = name.split_whitespace();
        let Some(first) = words.next() else {
            return Ok(Outcome::skip("no name"));
        };
        let last: Vec<&str> = words.collect();
        Ok(Edits::new()
            .set("/firstName", first)
            .set("/lastName", last.join(" "))
            .into())
    }
}

plugin_sdk::export!(SplitName);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[track_caller]
    fn splits(name: &str, first: &str, last: &str) {
        let mut store = Store::new().with("users", [("u", json!({"name": name}))]);
        assert_eq!(Run::new().migrate::<SplitName>(&mut store).updated, 1);
        assert_eq!(
            store.get("users", "u"),
            Some(json!({"name": name, "firstName": first, "lastName": last}))
        );
        assert_eq!(Run::new().migrate::<SplitName>(&mut store).total, 0);
    }

    #[test]
    fn names_of_one_two_and_four_words() {
        splits("Ada Lovelace", "Ada", "Lovelace");
        splits("Plato", "Plato", "");
        splits("Ana Maria de Souza", "Ana", "Maria de Souza");
        splits("  Grace \t Hopper ", "Grace", "Hopper");
        splits("李 白", "李", "白");
    }

    #[test]
    fn without_a_name_there_is_nothing_to_split() {
        let mut store = Store::new().with(
            "users",
            [
                ("a", json!({"name": ""})),
                ("b", json!({"name": "   "})),
                ("c", json!({"name": null})),
                ("d", json!({})),
                ("e", json!({"name": 5})),
            ],
        );
        let report = Run::new().migrate::<SplitName>(&mut store);
        assert_eq!((report.total, report.skipped, report.failed), (4, 3, 1));
        assert_eq!(report.skip_reasons["no name"], 3);
        assert_eq!(report.errors[0].code, "invalid-field");
    }
}
