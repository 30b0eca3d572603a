//! Texts for property tests.

use proptest::prelude::*;
use serde_json::Value;

/// JSON texts with odd spellings, spacing and keys.
pub fn json_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("1.0".to_owned()),
        Just("6.10".into()),
        Just("-0".into()),
        Just("1E+2".into()),
        Just("9223372036854775808".into()),
        any::<i64>().prop_map(|number| number.to_string()),
        (any::<i32>(), 0_u32..9999).prop_map(|(whole, part)| format!("{whole}.{part}")),
    ];
    let string = prop_oneof![
        "[a-c]{0,3}".prop_map(|text| format!("\"{text}\"")),
        Just(r#""\u00e9\n""#.to_owned()),
        Just(r#""\"\\\/""#.into()),
        any::<String>().prop_map(|text| Value::from(text).to_string()),
    ];
    let leaf = prop_oneof![
        number,
        string.clone(),
        Just("null".to_owned()),
        Just("true".into()),
        Just("false".into()),
    ];
    let space = prop_oneof![Just(""), Just(" "), Just("\n  ")];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let list = (
            proptest::collection::vec(inner.clone(), 0..4),
            space.clone(),
        )
            .prop_map(|(items, space)| {
                format!("[{space}{}{space}]", items.join(&format!(",{space}")))
            });
        let object = (
            proptest::collection::btree_map(string.clone(), inner, 0..4),
            space.clone(),
        )
            .prop_map(|(members, space)| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("{key}{space}:{space}{value}"))
                    .collect();
                format!("{{{space}{}{space}}}", members.join(&format!("{space},")))
            });
        prop_oneof![list, object]
    })
}
