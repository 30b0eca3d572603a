//! The documents: the same ones each time, made from their number alone.
//!
//! They are spelled as `JSON.stringify` spells them, without white space and without numbers like `1.0`, so
//! that competitors that parse and print a document leave the bytes alone that they should leave alone. Their
//! keys ascend, which is what paging by key likes best.

/// The first member that a migration adds, and what stands before its value.
const DISPLAY_NAME: &str = r#","displayName":""#;

/// The key of a document.
#[must_use]
pub fn key(number: u64) -> String {
    format!("user-{number:08}")
}

/// The name that the migration finds in a document's `email`.
#[must_use]
pub fn display_name(number: u64) -> String {
    let (first, last) = name(number);
    format!(
        "{}.{}{number}",
        first.to_ascii_lowercase(),
        last.to_ascii_lowercase()
    )
}

/// A document as it was before the migration. `visits` is what a concurrent writer counts up.
#[must_use]
pub fn original(number: u64, visits: u32) -> String {
    let mut text = open(number, visits);
    text.push('}');
    text
}

/// A document as the migration leaves it.
#[must_use]
pub fn migrated(number: u64, visits: u32, updated_at: u64) -> String {
    let mut text = open(number, visits);
    text.push_str(DISPLAY_NAME);
    text.push_str(&display_name(number));
    text.push_str(&format!(r#"","updatedAt":{updated_at}}}"#));
    text
}

/// A document without its closing brace.
fn open(number: u64, visits: u32) -> String {
    const TIERS: [&str; 3] = ["free", "premium", "team"];
    const STREETS: [&str; 4] = ["Mill Lane", "Station Road", "High Street", "Park Avenue"];
    const CITIES: [&str; 4] = ["Leeds", "Utrecht", "Gdansk", "Porto"];
    const THEMES: [&str; 2] = ["dark", "light"];
    const ROLES: [&str; 3] = [r#""member""#, r#""member","editor""#, r#""member","owner""#];

    let (first, last) = name(number);
    let chance = mix(number);
    format!(
        concat!(
            r#"{{"_id":"{}","email":"{}@example.com","name":"{} {}","tier":"{}","visits":{},"credit":{}.{},"#,
            r#""createdAt":{},"address":{{"street":"{} {}","city":"{}","postcode":"{:05}"}},"#,
            r#""settings":{{"theme":"{}","newsletter":{}}},"roles":[{}]"#,
        ),
        key(number),
        display_name(number),
        first,
        last,
        pick(TIERS, chance),
        visits,
        chance % 500,
        pick([25, 5, 75], chance >> 3),
        1_700_000_000_000 + number * 977,
        chance % 199 + 1,
        pick(STREETS, chance >> 5),
        pick(CITIES, chance >> 8),
        chance % 100_000,
        pick(THEMES, chance >> 11),
        chance & 1 == 0,
        pick(ROLES, chance >> 13),
    )
}

fn name(number: u64) -> (&'static str, &'static str) {
    const FIRST: [&str; 8] = [
        "Ada", "Alan", "Barbara", "Donald", "Edsger", "Frances", "Grace", "Joan",
    ];
    const LAST: [&str; 8] = [
        "Abel", "Bauer", "Castillo", "Demir", "Eriksson", "Garnier", "Horvat", "Lund",
    ];
    let chance = mix(number);
    (pick(FIRST, chance >> 17), pick(LAST, chance >> 23))
}

fn pick<T: Copy, const N: usize>(from: [T; N], chance: u64) -> T {
    // A remainder of the length fits, whatever the size of a pointer.
    #[allow(clippy::cast_possible_truncation)]
    from[(chance % N as u64) as usize]
}

/// Scatters numbers (SplitMix64): neighbours get nothing in common, and the same number always the same.
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn documents_are_json_of_some_300_bytes() {
        let mut bytes = 0;
        for number in 0..1000 {
            let text = original(number, 0);
            let document: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(document["_id"], key(number));
            assert_eq!(
                document["email"],
                format!("{}@example.com", display_name(number))
            );
            bytes += text.len();
        }
        assert!((290_000..310_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_migration_adds_two_members() {
        let before = original(7, 3);
        let after = migrated(7, 3, 1_700_000_000_000);
        let added = after.strip_prefix(&before[..before.len() - 1]).unwrap();
        assert_eq!(
            added,
            format!(
                r#","displayName":"{}","updatedAt":1700000000000}}"#,
                display_name(7)
            )
        );
    }

    #[test]
    fn the_same_number_gives_the_same_document() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(original(1, 0), original(1, 0));
        assert_ne!(original(1, 0), original(2, 0));
    }
}
