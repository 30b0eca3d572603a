//! Values as JSON texts.

use std::fmt::Display;

use migration_document::json::quoted;
use serde::de::value::Error as Refused;
use serde::ser::{Error as _, Impossible, Serialize, Serializer};

/// A value's JSON text: the one that `serde_json` makes.
///
/// What edits set are short texts and numbers more often than not. Those get a text of their size at once.
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    match value.serialize(Scalar) {
        Ok(text) => Ok(text),
        Err(_) => serde_json::to_string(value),
    }
}

/// Makes the texts of strings, integers and the like, and refuses anything else, before it has looked into it.
struct Scalar;

type Spelled = Result<String, Refused>;
type Never = Impossible<String, Refused>;

fn refused<T>() -> Result<T, Refused> {
    Err(Refused::custom(""))
}

fn displayed(value: impl Display) -> Spelled {
    Ok(value.to_string())
}

macro_rules! spelled {
    ($($method:ident($type:ty) => $spell:ident;)*) => {$(
        fn $method(self, value: $type) -> Spelled {
            $spell(value)
        }
    )*};
}

macro_rules! refused {
    ($($method:ident($($type:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$result, Refused> {
            refused()
        }
    )*};
}

fn string(text: &str) -> Spelled {
    Ok(quoted(text))
}

impl Serializer for Scalar {
    type Ok = String;
    type Error = Refused;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    spelled! {
        serialize_str(&str) => string;
        serialize_bool(bool) => displayed;
        serialize_i8(i8) => displayed;
        serialize_i16(i16) => displayed;
        serialize_i32(i32) => displayed;
        serialize_i64(i64) => displayed;
        serialize_u8(u8) => displayed;
        serialize_u16(u16) => displayed;
        serialize_u32(u32) => displayed;
        serialize_u64(u64) => displayed;
    }

    fn serialize_none(self) -> Spelled {
        displayed("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Spelled {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Spelled {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Spelled {
        refused()
    }

    refused! {
        serialize_f32(f32) -> String;
        serialize_f64(f64) -> String;
        serialize_char(char) -> String;
        serialize_bytes(&[u8]) -> String;
        serialize_unit() -> String;
        serialize_unit_struct(&'static str) -> String;
        serialize_unit_variant(&'static str, u32, &'static str) -> String;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(serde::Serialize)]
    struct Wrapped<T>(T);

    #[derive(serde::Serialize)]
    enum Tier {
        Free,
        Of(u8),
        Named { name: &'static str },
        Both(u8, bool),
    }

    #[derive(serde::Serialize)]
    struct Unit;

    #[track_caller]
    fn is_as_the_library_writes_it(value: impl Serialize) {
        assert_eq!(
            json(&value).unwrap(),
            serde_json::to_string(&value).unwrap()
        );
    }

    #[test]
    fn every_kind_of_value_is_written_as_the_library_writes_it() {
        is_as_the_library_writes_it(true);
        is_as_the_library_writes_it((i8::MIN, 'x'));
        is_as_the_library_writes_it(i16::MIN);
        is_as_the_library_writes_it(i32::MIN);
        is_as_the_library_writes_it(i64::MIN);
        is_as_the_library_writes_it(i128::MIN);
        is_as_the_library_writes_it(u64::MAX);
        is_as_the_library_writes_it(u128::MAX);
        is_as_the_library_writes_it(1.0);
        is_as_the_library_writes_it(f64::NAN);
        is_as_the_library_writes_it(1.5_f32);
        is_as_the_library_writes_it('"');
        is_as_the_library_writes_it(());
        is_as_the_library_writes_it(Unit);
        is_as_the_library_writes_it(Some(Wrapped(Some("a"))));
        is_as_the_library_writes_it(Wrapped(None::<u8>));
        is_as_the_library_writes_it([Tier::Free, Tier::Of(1), Tier::Both(2, true)]);
        is_as_the_library_writes_it(Tier::Free);
        is_as_the_library_writes_it(Tier::Of(3));
        is_as_the_library_writes_it(Tier::Named { name: "n" });
        is_as_the_library_writes_it(Some([1, 2]));
        is_as_the_library_writes_it(BTreeMap::from([("k", 1)]));
        is_as_the_library_writes_it(serde_json::json!({"a": [1.0, null, "é"]}));
        is_as_the_library_writes_it(RawValue::from_string("1.00".into()).unwrap());
        is_as_the_library_writes_it(format_args!("{}\n", 1));
    }

    #[test]
    fn what_cannot_be_written_is_told_as_the_library_tells_it() {
        let value = BTreeMap::from([(vec![1], 2)]);
        let (ours, its) = (json(&value), serde_json::to_string(&value));
        assert_eq!(ours.unwrap_err().to_string(), its.unwrap_err().to_string());
    }

    proptest! {
        #[test]
        fn texts_and_numbers_are_written_as_the_library_writes_them(text: String, number: i64) {
            is_as_the_library_writes_it(&text);
            is_as_the_library_writes_it(number);
        }
    }
}
