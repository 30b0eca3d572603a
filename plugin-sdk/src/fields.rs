//! Reading a few fields of a document without parsing the rest of it.
//!
//! A migration's struct names the fields that it needs, which are few of those that a document has. Only these are
//! looked for. That costs a fraction of parsing all of it, and is all that may be needed, since a host hands out
//! nothing but JSON.

use std::slice;

use migration_document::json::{Field, Fields};
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
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let fields = Fields::of(self.0).ok_or_else(unread)?;
        visitor.visit_map(Members {
            other: fields.other(names).map_err(|_| unread())?,
            fields,
            names: names.iter(),
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
    /// A member that the struct does not name: one of them stands for all, since a struct takes no notice of what it
    /// does not name, or denies it.
    other: Option<&'de [u8]>,
    fields: Fields<'de>,
    /// Those that were not looked for yet.
    names: slice::Iter<'static, &'static str>,
    /// What was handed out last.
    last: Option<Last<'de>>,
}

/// A member whose key was handed out.
enum Last<'de> {
    Named(Field<'de>),
    Other,
}

impl<'de> Members<'de> {
    #[inline(always)]
    fn next_named(&mut self) -> Result<Option<Field<'de>>, Error> {
        for name in self.names.by_ref() {
            if let Some(field) = self.fields.named(name).map_err(|_| unread())? {
                return Ok(Some(field));
            }
        }
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Error;

    #[inline(always)]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let (last, name) = match self.other.take() {
            Some(other) => (Last::Other, other),
            None => match self.next_named()? {
                Some(field) => {
                    let name = field.name();
                    (Last::Named(field), name)
                }
                None => return Ok(None),
            },
        };
        self.last = Some(last);
        seed.deserialize(BorrowedBytesDeserializer::new(name))
            .map(Some)
    }

    #[inline(always)]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.last.take() {
            Some(Last::Named(field)) => seed.deserialize(Value(field)),
            Some(Last::Other) => seed.deserialize(Ignored),
            None => Err(unread()),
        }
    }
}

/// A value that may be passed over and nothing else: whoever wants it wants those that are not handed out, too.
struct Ignored;

impl<'de> Deserializer<'de> for Ignored {
    type Error = Error;

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(unread())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// The value of a member.
struct Value<'de>(Field<'de>);

impl<'de> Value<'de> {
    fn parse<T>(
        self,
        parse: impl FnOnce(
            &mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
        ) -> serde_json::Result<T>,
    ) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_str(self.0.value());
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

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Error;

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.plain_string() {
            Some(plain) => visitor.visit_borrowed_str(plain),
            None => self.parse(|json| json.deserialize_str(visitor)),
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
    fn a_key_that_is_spelled_with_a_backslash_is_left_to_the_parser() {
        assert!(read::<Wrapped>(r#"{"q\"é": 7}"#).is_none());
        assert!(read::<Strict>(r#"{"\u0061": 1}"#).is_none());
        let read: Wanted<'_> = read(r#"{"b": "\"", "x": {"\u0061": 1}, "a": "a"}"#).unwrap();
        assert_eq!((read.a.as_deref(), &*read.b), (Some("a"), "\""));
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
            let read = read::<Wanted<'_>>(&body);
            // Only keys are spelled like that here.
            if body.contains(r"\u0061") {
                prop_assert_eq!(read, None);
            } else {
                prop_assert_eq!(read, parsed, "{}", body);
            }
        }
    }
}
