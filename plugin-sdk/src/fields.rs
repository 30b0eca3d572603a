//! Reading a few fields of a document without parsing the rest of it.
//!
//! A migration's struct names the fields that it needs, which are few of those that a document has. What it
//! does not name is passed over: its end is looked for, and nothing within it is looked at. That costs a fraction
//! of parsing it, and is all that may be needed, since a host hands out nothing but JSON.

use migration_document::json::{self, Field, Fields};
use serde::de::value::{BorrowedBytesDeserializer, Error};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// Reads a struct from the text of an object; None where it cannot be read this way: `serde_json` may be able to,
/// or can tell what is wrong and where.
pub(crate) fn read<'de, T: Deserialize<'de>>(body: &'de str) -> Option<T> {
    // In a plugin that is built without vector instructions, parsing it all is quicker.
    if cfg!(all(target_family = "wasm", not(target_feature = "simd128"))) {
        return None;
    }
    T::deserialize(Object(body)).ok()
}

/// It cannot be read this way. Nobody gets to see why.
fn unread() -> Error {
    Error::custom("")
}

/// The text of an object.
struct Object<'de>(&'de str);

impl<'de> Deserializer<'de> for Object<'de> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Members {
            fields: Fields::of(self.0).ok_or_else(unread)?,
            last: None,
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(unread())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Members<'de> {
    fields: Fields<'de>,
    /// The one whose key was handed out last.
    last: Option<Field<'de>>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(field) = self.fields.next() else {
            return Ok(None);
        };
        let field = field.map_err(|_| unread())?;
        self.last = Some(field);
        match field.name() {
            Some(name) => seed.deserialize(BorrowedBytesDeserializer::new(name)),
            None => seed.deserialize(Value(|| field.key())),
        }
        .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let field = self.last.take().ok_or_else(unread)?;
        seed.deserialize(Value(|| field.value()))
    }
}

/// A value, by how to get its text: nobody may ask for it.
struct Value<F>(F);

impl<'de, F: FnOnce() -> &'de str> Value<F> {
    fn parse<T>(
        self,
        parse: impl FnOnce(
            &mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
        ) -> serde_json::Result<T>,
    ) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_str((self.0)());
        parse(&mut json)
            .and_then(|value| json.end().map(|()| value))
            .map_err(|_| unread())
    }
}

macro_rules! parsed {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Error> {
            self.parse(|json| json.$method($($argument,)* visitor))
        }
    )*};
}

impl<'de, F: FnOnce() -> &'de str> Deserializer<'de> for Value<F> {
    type Error = Error;

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = (self.0)();
        match json::plain_string(text) {
            Some(plain) => visitor.visit_borrowed_str(plain),
            None => Value(|| text).parse(|json| json.deserialize_str(visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    parsed! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        a: Option<f64>,
        #[serde(default)]
        b: Vec<u8>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Tier {
        Free,
        Of(String),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wanted<'t> {
        a: Option<String>,
        #[serde(borrow, default)]
        b: Cow<'t, str>,
        c: Option<Box<Inner>>,
        d: Option<Tier>,
        e: Option<(bool, i64)>,
        f: Option<serde_json::Value>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[allow(dead_code)]
        a: u8,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(Strange);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Strange {
        #[serde(rename = "q\"é")]
        odd: u8,
    }

    #[derive(Debug, Deserialize)]
    struct Raw<'t> {
        #[serde(borrow)]
        a: &'t RawValue,
    }

    #[test]
    fn only_what_is_named_is_looked_into() {
        let body = r#" {"x": {"a": [1, "}", {}]}, "a" : "A\u0064a" , "y": nonsense, "c": {"z": 1, "a": 1.5}}"#;
        let read: Wanted<'_> = read(body).unwrap();
        assert_eq!(read.a.as_deref(), Some("Ada"));
        assert_eq!(read.c.unwrap().a, Some(1.5));
    }

    #[test]
    fn a_name_is_known_however_it_is_spelled() {
        let read: Wrapped = read(r#"{"q\"\u00e9": 7}"#).unwrap();
        assert_eq!(read, Wrapped(Strange { odd: 7 }));
    }

    #[test]
    fn a_raw_value_keeps_its_bytes() {
        let read: Raw<'_> = read(r#"{"a": {"n": 1.0 } , "b": 2}"#).unwrap();
        assert_eq!(read.a.get(), r#"{"n": 1.0 }"#);
    }

    #[test]
    fn what_names_no_fields_or_denies_others_is_left_to_the_parser() {
        assert!(read::<BTreeMap<String, u8>>(r#"{"a": 1}"#).is_none());
        assert!(read::<Flat>(r#"{"a": 1, "b": 2}"#).is_none());
        assert!(read::<&RawValue>("{}").is_none());
        assert!(read::<u8>("1").is_none());
        assert!(read::<Strict>(r#"{"a": 1, "b": 2}"#).is_none());
        assert!(read::<Strict>(r#"{"a": 1, "a": 2}"#).is_none());
        assert!(read::<Strict>(r#"{"a": 1}"#).is_some());
        assert!(read::<Strict>(r#"{"a": 1"#).is_none());
    }

    fn member() -> impl Strategy<Value = String> {
        let key = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g", "\\u0061"]);
        let value = prop::sample::select(vec![
            "null",
            r#""free""#,
            r#"{"of":"x"}"#,
            r#""text, \"quoted\"""#,
            r#"{"a":1,"b":[1,2],"z":[{}]}"#,
            r#"{"b":[300]}"#,
            "[true, -7]",
            "12345678901234567890",
            "1.0",
        ]);
        (key, value).prop_map(|(key, value)| format!("\"{key}\": {value}"))
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_parser_reads(
            members in proptest::collection::vec(member(), 0..8),
        ) {
            let body = format!("{{{}}}", members.join(", "));
            let parsed = serde_json::from_str::<Wanted<'_>>(&body).ok();
            prop_assert_eq!(read::<Wanted<'_>>(&body), parsed, "{}", body);
        }
    }
}
