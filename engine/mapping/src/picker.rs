//! One part of the record as a JSON value, without making the rest of it.
//!
//! A mapping that asks for `patient.identifiers` should not pay for the whole record. The part is found by serializing the record into
//! a serializer that passes over everything but the wanted members.

use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeMap, SerializeStruct, Serializer};
use serde_json::{Error, Value};

/// What stands at `path` in the JSON form of `whole`; `Null` when there is nothing.
pub(crate) fn pick(whole: &impl Serialize, path: &[Box<str>]) -> Value {
    match path.split_first() {
        None => serde_json::to_value(whole).unwrap_or(Value::Null),
        Some((name, rest)) => whole.serialize(Picker { name, rest }).unwrap_or(Value::Null),
    }
}

/// Takes the member `name`, and of that what stands at `rest`.
struct Picker<'p> {
    name: &'p str,
    rest: &'p [Box<str>],
}

/// The members of a struct or map, of which at most one is taken.
struct Members<'p> {
    picker: Picker<'p>,
    found: Value,
    /// Whether the map's value to come is the wanted one.
    wanted: bool,
}

impl Members<'_> {
    fn offer<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        if key == self.picker.name {
            self.found = pick(&value, self.picker.rest);
        }
    }
}

impl SerializeStruct for Members<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.offer(key, value);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.found)
    }
}

impl SerializeMap for Members<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.wanted = serde_json::to_value(key)? == self.picker.name;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if std::mem::take(&mut self.wanted) {
            self.found = pick(&value, self.picker.rest);
        }
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.found)
    }
}

/// Whatever has no members has nothing at the path.
macro_rules! nothing {
    ($($method:ident($($kind:ty),*);)*) => {
        $(fn $method(self $(, _: $kind)*) -> Result<Value, Error> { Ok(Value::Null) })*
    };
}

impl<'p> Serializer for Picker<'p> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Impossible<Value, Error>;
    type SerializeTuple = Impossible<Value, Error>;
    type SerializeTupleStruct = Impossible<Value, Error>;
    type SerializeTupleVariant = Impossible<Value, Error>;
    type SerializeMap = Members<'p>;
    type SerializeStruct = Members<'p>;
    type SerializeStructVariant = Impossible<Value, Error>;

    nothing! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        Ok(if variant == self.name { pick(&value, self.rest) } else { Value::Null })
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Err(Error::custom("a list has no members"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(Error::custom("a list has no members"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(Error::custom("a list has no members"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(Error::custom("a list has no members"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'p>, Error> {
        Ok(Members { picker: self, found: Value::Null, wanted: false })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'p>, Error> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(Error::custom("a variant with members is not part of the record"))
    }
}
