//! Gives participants without a site the primary site of their company.

use plugin_sdk::prelude::*;

struct LinkPrimarySites;

impl Migration for LinkPrimarySites {
    fn manifest() -> Manifest {
        Manifest::new("link-primary-sites", "participants")
            .version(1)
            .description("Gives participants without a site the primary site of their company")
            .only_if(at("/site_id").missing())
            .reads("sites")
    }

    fn transform(participant: &Document, context: &Context) -> Result<Outcome, Failure> {
        let company: Scalar = participant.require("/company_id")?;
        let is_primary = [
            at("/company_id").equals(company),
            at("/name").equals("Primary"),
        ];
        let Some(site) = context.find_one("sites", is_primary)? else {
            let message = format!("Participant {}: No Primary site", participant.id());
            return Err(Failure::new("no-primary-site", message));
        };
        Ok(Edits::new()
            .set("/site_id", site.id())
            .set("/updated_at", context.now())
            .into())
    }
}

plugin_sdk::export!(LinkPrimarySites);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[test]
    fn its_cases_hold() {
        plugin_sdk::testing::cases::<LinkPrimarySites>("cases.jsonl");
    }

    /// Five companies with three participants each; `primary` of them have a primary site.
    fn companies(primary: usize) -> Store {
        let sites = (0..5).flat_map(|company| {
            let name = if company < primary {
                "Primary"
            } else {
                "Depot"
            };
            [
                (
                    format!("a{company}"),
                    json!({"company_id": company, "name": "Annex"}),
                ),
                (
                    format!("s{company}"),
                    json!({"company_id": company, "name": name}),
                ),
            ]
        });
        let participants = (0..15).map(|n| (format!("p{n:02}"), json!({"company_id": n % 5})));
        Store::new()
            .with("sites", sites)
            .with("participants", participants)
    }

    #[test]
    fn fix_and_run_again() {
        let mut store = companies(4);
        let first = Run::new().now(7).migrate::<LinkPrimarySites>(&mut store);
        assert_eq!(
            (first.total, first.updated, first.skipped, first.failed),
            (15, 12, 0, 3)
        );
        assert_eq!(first.errors[0].message, "Participant p04: No Primary site");
        assert_eq!(first.lookups, 1);
        assert_eq!(
            store.get("participants", "p01"),
            Some(json!({"company_id": 1, "site_id": "s1", "updated_at": 7}))
        );

        let mut store = store.with(
            "sites",
            [("s4", json!({"company_id": 4, "name": "Primary"}))],
        );
        let second = Run::new().migrate::<LinkPrimarySites>(&mut store);
        assert_eq!((second.total, second.updated, second.failed), (3, 3, 0));

        let third = Run::new().migrate::<LinkPrimarySites>(&mut store);
        assert_eq!(third.total, 0);
    }

    #[test]
    fn an_empty_table_is_nothing_to_do() {
        let mut store = Store::new().with_table("sites").with_table("participants");
        let report = Run::new().migrate::<LinkPrimarySites>(&mut store);
        assert_eq!((report.total, report.updated, report.failed), (0, 0, 0));
    }

    #[test]
    fn who_has_a_site_keeps_it_and_who_has_no_company_fails() {
        let people = [
            ("a", json!({"company_id": 1, "site_id": "elsewhere"})),
            ("b", json!({})),
        ];
        let mut store = companies(5).with_table("participants");
        for (id, body) in &people {
            store = store.with("participants", [(id, body)]);
        }
        let report = Run::new().migrate::<LinkPrimarySites>(&mut store);
        assert_eq!(report.total, 16);
        assert_eq!(report.errors[0].code, "missing-field");
        assert_eq!(
            store.get("participants", "a").unwrap()["site_id"],
            "elsewhere"
        );
    }
}
