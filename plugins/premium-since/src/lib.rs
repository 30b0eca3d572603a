//! Gives premium users a `premiumSince`: their `subscriptionStartDate`.

use plugin_sdk::prelude::*;

struct PremiumSince;

impl Migration for PremiumSince {
    fn manifest() -> Manifest {
        Manifest::new("premium-since", "users")
            .version(1)
            .description("Fills premiumSince of premium users from subscriptionStartDate")
            .only_if(at("/tier").equals("premium"))
            .only_if(at("/premiumSince").missing())
    }

    fn transform(user: &Document, _: &Context) -> Result<Outcome, Failure> {
        // As it is spelled: a number of milliseconds here, a text there.
        let start: &RawValue = user.require("/subscriptionStartDate")?;
        Ok(Edits::new().set("/premiumSince", start).into())
    }
}

plugin_sdk::export!(PremiumSince);

#[cfg(test)]
mod tests {
    use plugin_sdk::testing::{Run, Store, json};

    use super::*;

    #[test]
    fn only_premium_users_who_lack_it() {
        let mut store = Store::new().with(
            "users",
            [
                (
                    "a",
                    json!({"tier": "premium", "subscriptionStartDate": 1_600_000_000_000_u64}),
                ),
                (
                    "b",
                    json!({"tier": "premium", "subscriptionStartDate": "2020-09-13"}),
                ),
                (
                    "c",
                    json!({"tier": "premium", "subscriptionStartDate": 1, "premiumSince": 0}),
                ),
                ("d", json!({"tier": "free", "subscriptionStartDate": 1})),
                ("e", json!({"tier": "premium"})),
            ],
        );
        let report = Run::new().migrate::<PremiumSince>(&mut store);
        assert_eq!((report.total, report.updated, report.failed), (3, 2, 1));
        assert_eq!(report.errors[0].code, "missing-field");
        let since = |id| store.get("users", id).unwrap()["premiumSince"].clone();
        assert_eq!(
            ["a", "b", "c", "d"].map(since),
            [
                json!(1_600_000_000_000_u64),
                json!("2020-09-13"),
                json!(0),
                json!(null)
            ]
        );
    }
}
