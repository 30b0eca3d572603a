//! Finding the edits that lead from one body to another.

use std::collections::HashMap;

use crate::json::{self, JsonError};
use crate::model::Edit;
use crate::number::Decimal;

/// How deep [`diff`] looks into a value. What differs further down is replaced as a whole.
const DIFF_DEPTH: usize = 64;

/// The edits that lead from one body to another: what really changed.
///
/// A value that means the same is no change, however it is spelled: `6.10` became `6.1`, keys were
/// reordered, `\u00e9` became `é`. So a plugin that parses and prints a whole body leaves what it did
/// not touch as it was. No edits come out exactly when the bodies mean the same.
///
/// The values are lent out of the new body.
///
/// # Errors
/// If one of the bodies is not JSON.
///
/// ```
/// use migration_document::{Edit, diff};
/// let edits = diff(r#"{"rating": 6.10, "year": 1998}"#, r#"{"year": "1998", "rating": 6.1}"#).unwrap();
/// assert_eq!(edits, [Edit::Set { at: "/year".into(), value: r#""1998""#.into() }]);
/// ```
pub fn diff<'n>(old: &str, new: &'n str) -> Result<Vec<Edit<'n>>, JsonError> {
    json::check(old)?;
    json::check(new)?;
    let mut edits = Vec::new();
    let (old_root, new_root) = (json::root(old)?, json::root(new)?);
    compare(old_root.of(old), new_root.of(new), "", 0, &mut edits)?;
    Ok(edits)
}

/// Adds the edits that make the value at `at`, which is `old`, mean what `new` means.
fn compare<'n>(
    old: &str,
    new: &'n str,
    at: &str,
    depth: usize,
    edits: &mut Vec<Edit<'n>>,
) -> Result<(), JsonError> {
    if old == new {
        return Ok(());
    }
    match (old.as_bytes().first(), new.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) if depth < DIFF_DEPTH => {
            compare_objects(old, new, at, depth, edits)
        }
        (Some(b'['), Some(b'[')) if depth < DIFF_DEPTH => {
            compare_arrays(old, new, at, depth, edits)
        }
        _ => {
            if !same_scalar(old, new) {
                edits.push(Edit::Set {
                    at: at.to_owned().into(),
                    value: new.into(),
                });
            }
            Ok(())
        }
    }
}

fn compare_objects<'n>(
    old: &str,
    new: &'n str,
    at: &str,
    depth: usize,
    edits: &mut Vec<Edit<'n>>,
) -> Result<(), JsonError> {
    let (old_members, new_members) = (json::members(old)?, json::members(new)?);
    let old_values: HashMap<_, _> = old_members
        .iter()
        .map(|(key, value)| (key, value))
        .collect();
    let new_values: HashMap<_, _> = new_members
        .iter()
        .map(|(key, value)| (key, value))
        .collect();
    let below = |key: &str| format!("{at}/{}", json::escape(key));
    let mut seen = HashMap::new();
    for (key, _) in &old_members {
        if !new_values.contains_key(key) && seen.insert(key, ()).is_none() {
            edits.push(Edit::Remove {
                at: below(key).into(),
            });
        }
    }
    for (key, _) in &new_members {
        // Once for a key, with the value that counts.
        let (Some(value), None) = (new_values.get(key), seen.insert(key, ())) else {
            continue;
        };
        match old_values.get(key) {
            Some(old_value) => compare(old_value, value, &below(key), depth + 1, edits)?,
            None => edits.push(Edit::Set {
                at: below(key).into(),
                value: (**value).into(),
            }),
        }
    }
    Ok(())
}

fn compare_arrays<'n>(
    old: &str,
    new: &'n str,
    at: &str,
    depth: usize,
    edits: &mut Vec<Edit<'n>>,
) -> Result<(), JsonError> {
    let (old_values, new_values) = (elements(old)?, elements(new)?);
    if old_values.len() != new_values.len() {
        edits.push(Edit::Set {
            at: at.to_owned().into(),
            value: new.into(),
        });
        return Ok(());
    }
    for (index, (old_value, new_value)) in old_values.iter().zip(&new_values).enumerate() {
        compare(
            old_value,
            new_value,
            &format!("{at}/{index}"),
            depth + 1,
            edits,
        )?;
    }
    Ok(())
}

fn elements(text: &str) -> Result<Vec<&str>, JsonError> {
    let mut found = Vec::new();
    if let Some(mut entries) = json::entries(text, json::root(text)?)? {
        while let Some(entry) = entries.next_entry()? {
            found.push(entry.value.of(text));
        }
    }
    Ok(found)
}

/// Whether two values that are not both objects or both arrays mean the same.
fn same_scalar(old: &str, new: &str) -> bool {
    match (old.as_bytes().first(), new.as_bytes().first()) {
        (Some(b'"'), Some(b'"')) => match (
            serde_json::from_str::<String>(old),
            serde_json::from_str::<String>(new),
        ) {
            (Ok(old), Ok(new)) => old == new,
            // A lone surrogate decodes to no text; then only the same spelling is the same.
            _ => false,
        },
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => {
            Decimal::parse(old).is_some() && Decimal::parse(old) == Decimal::parse(new)
        }
        // true, false and null have one spelling each, which was compared already.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::apply;
    use crate::sample::json_text;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn what_means_the_same_is_no_change() {
        for (old, new) in [
            ("1.0", "1"),
            (
                r#"{"a":1,"b":[1e2,{"c":null}]}"#,
                r#"{ "b": [100, {"c": null}], "a": 1.0 }"#,
            ),
            (r#""\u00e9\/""#, r#""é/""#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert_eq!(diff(old, new).unwrap(), [], "{old} {new}");
        }
        assert_ne!(diff("9007199254740993", "9007199254740992").unwrap(), []);
        assert_ne!(diff(r#""1""#, "1").unwrap(), []);
        assert_ne!(diff(r#""\ud800""#, r#""\udbff""#).unwrap(), []);
    }

    proptest! {
        #[test]
        fn the_difference_leads_from_old_to_new(old in json_text(), new in json_text()) {
            let edits = diff(&old, &new).unwrap();
            let result = apply(&old, &edits).unwrap();
            prop_assert!(json::check(&result).is_ok());
            prop_assert_eq!(diff(&result, &new).unwrap(), []);
        }

        #[test]
        fn printing_anew_is_no_change(text in json_text()) {
            // serde_json's tree loses spellings and large integers; what it can hold is compared.
            let tree: Value = serde_json::from_str(&text).unwrap();
            let again: Value = serde_json::from_str(&tree.to_string()).unwrap();
            prop_assume!(!text.contains("9223372036854775808") && tree == again);
            prop_assume!(!has_float(&tree));
            let printed = tree.to_string();
            prop_assert_eq!(diff(&text, &printed).unwrap(), []);
        }
    }

    fn has_float(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(items) => items.iter().any(has_float),
            Value::Object(members) => members.values().any(has_float),
            _ => false,
        }
    }
}
