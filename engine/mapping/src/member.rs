//! One part of the record as a tree of named members, without making the rest of it.
//!
//! A mapping that asks for `patient.identifiers` should not pay for the whole record. The part is taken by serializing the record into
//! a serializer that passes over everything but the wanted members. It has the names and the form of the record's JSON, and its leaves
//! keep their types. A copy of any part is no more than a counter or a short text.

use std::fmt::Error;
use std::rc::Rc;

use orderly_record::Text;
use serde::Serialize;
use serde::ser::{Impossible, SerializeSeq, SerializeStruct, SerializeStructVariant, Serializer};

/// A part of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Member {
    Nothing,
    Text(Text),
    /// A number or a truth value, as JSON writes it.
    Literal(Text),
    List(Rc<[Member]>),
    Members(Rc<[(&'static str, Member)]>),
}

impl Member {
    /// What stands at `path` in a record; [`Member::Nothing`] when there is nothing.
    pub(crate) fn take(record: &impl Serialize, path: &[Box<str>]) -> Member {
        record.serialize(Taker { path }).unwrap_or(Member::Nothing)
    }

    /// The text of a leaf.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Member::Text(text) | Member::Literal(text) => Some(text),
            Member::Nothing | Member::List(_) | Member::Members(_) => None,
        }
    }

    /// Visits it and everything below it, each with its path. The members of lists are counted from 1.
    pub(crate) fn walk(&self, path: String, visit: &mut dyn FnMut(&str, &Member)) {
        visit(&path, self);
        match self {
            Member::Nothing | Member::Text(_) | Member::Literal(_) => {}
            Member::List(members) => {
                for (number, member) in (1..).zip(members.iter()) {
                    member.walk(format!("{path}[{number}]"), visit);
                }
            }
            Member::Members(members) => {
                for (name, member) in members.iter() {
                    let below = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
                    member.walk(below, visit);
                }
            }
        }
    }

    /// What it holds, for people: of more than one text all of them, without where they stand.
    pub(crate) fn shown(&self) -> String {
        if let Some(text) = self.text() {
            return text.to_owned();
        }
        let mut texts = Vec::new();
        self.walk(String::new(), &mut |path, member| {
            let is_place = path == "source" || path.ends_with(".source");
            texts.extend(member.text().filter(|text| !is_place && !text.is_empty()).map(str::to_owned));
        });
        texts.join(", ")
    }

    /// The member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Member> {
        match self {
            Member::Members(members) => {
                members.iter().find(|(own, _)| *own == name).map(|(_, member)| member)
            }
            _ => None,
        }
    }
}

/// Takes what stands at the path, all of it when the path is empty.
#[derive(Clone, Copy)]
struct Taker<'p> {
    path: &'p [Box<str>],
}

impl Taker<'_> {
    fn text(self, text: &str) -> Result<Member, Error> {
        Ok(if self.path.is_empty() { Member::Text(text.into()) } else { Member::Nothing })
    }

    fn literal(self, value: impl ToString) -> Result<Member, Error> {
        Ok(if self.path.is_empty() { Member::Literal(value.to_string().into()) } else { Member::Nothing })
    }
}

/// A struct being taken, or the one member of it that is wanted.
struct Members<'p> {
    taker: Taker<'p>,
    /// The name that goes around a variant's members.
    variant: Option<&'static str>,
    all: Vec<(&'static str, Member)>,
    wanted: Member,
}

impl Members<'_> {
    fn offer<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        match self.taker.path.split_first() {
            None => self.all.push((name, value.serialize(self.taker)?)),
            Some((wanted, path)) if **wanted == *name => self.wanted = value.serialize(Taker { path })?,
            Some(_) => {}
        }
        Ok(())
    }

    fn taken(self) -> Member {
        if !self.taker.path.is_empty() {
            return self.wanted;
        }
        let members = Member::Members(self.all.into());
        match self.variant {
            Some(variant) => Member::Members([(variant, members)].into()),
            None => members,
        }
    }
}

impl SerializeStruct for Members<'_> {
    type Ok = Member;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.offer(name, value)
    }

    fn end(self) -> Result<Member, Error> {
        Ok(self.taken())
    }
}

impl SerializeStructVariant for Members<'_> {
    type Ok = Member;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.offer(name, value)
    }

    fn end(self) -> Result<Member, Error> {
        Ok(self.taken())
    }
}

/// A list being taken. A path ends at a list: which of its members is meant is the mapping's to say.
struct Items<'p> {
    taker: Taker<'p>,
    items: Vec<Member>,
}

impl SerializeSeq for Items<'_> {
    type Ok = Member;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if self.taker.path.is_empty() {
            self.items.push(value.serialize(self.taker)?);
        }
        Ok(())
    }

    fn end(self) -> Result<Member, Error> {
        Ok(if self.taker.path.is_empty() { Member::List(self.items.into()) } else { Member::Nothing })
    }
}

macro_rules! literals {
    ($($method:ident($kind:ty);)*) => {
        $(fn $method(self, value: $kind) -> Result<Member, Error> { self.literal(value) })*
    };
}

impl<'p> Serializer for Taker<'p> {
    type Ok = Member;
    type Error = Error;
    type SerializeSeq = Items<'p>;
    type SerializeTuple = Impossible<Member, Error>;
    type SerializeTupleStruct = Impossible<Member, Error>;
    type SerializeTupleVariant = Impossible<Member, Error>;
    type SerializeMap = Impossible<Member, Error>;
    type SerializeStruct = Members<'p>;
    type SerializeStructVariant = Members<'p>;

    literals! {
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
    }

    fn serialize_char(self, value: char) -> Result<Member, Error> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Member, Error> {
        self.text(value)
    }

    fn serialize_none(self) -> Result<Member, Error> {
        Ok(Member::Nothing)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Member, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Member, Error> {
        Ok(Member::Nothing)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Member, Error> {
        Ok(Member::Nothing)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Member, Error> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Member, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Member, Error> {
        let mut members = self.serialize_struct(name, 1)?;
        members.offer(variant, value)?;
        Ok(members.taken())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'p>, Error> {
        let items = Vec::with_capacity(if self.path.is_empty() { length.unwrap_or(0) } else { 0 });
        Ok(Items { taker: self, items })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'p>, Error> {
        Ok(Members { taker: self, variant: None, all: Vec::new(), wanted: Member::Nothing })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'p>, Error> {
        match self.path.split_first() {
            Some((wanted, path)) if **wanted == *variant => Taker { path }.serialize_struct(variant, 0),
            _ => Ok(Members { variant: Some(variant), ..self.serialize_struct(variant, 0)? }),
        }
    }

    // The record has no maps, tuples or bytes.
    fn serialize_bytes(self, _: &[u8]) -> Result<Member, Error> {
        Err(Error)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        Err(Error)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(Error)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(Error)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Error> {
        Err(Error)
    }
}

#[cfg(test)]
mod tests {
    use orderly_record::{Identifier, ObservationValue, Patient, Quantity, Record};

    use super::*;

    fn record() -> Record {
        let identifier = |value: &str, kind: &str| Identifier {
            value: value.into(),
            kind: Some(kind.into()),
            ..Identifier::default()
        };
        let identifiers = vec![identifier("70014", "MR"), identifier("998", "PI")];
        let patient = Patient { identifiers, deceased: Some(false), ..Patient::default() };
        Record { patient: Some(patient), ..Record::default() }
    }

    fn at(path: &[&str]) -> Member {
        let path: Vec<Box<str>> = path.iter().map(|name| (*name).into()).collect();
        Member::take(&record(), &path)
    }

    #[test]
    fn a_part_is_taken_alone() {
        let text = |text: &str| Member::Text(text.into());
        let identifier = |value, kind| Member::Members([("value", text(value)), ("type", text(kind))].into());
        let expected = Member::List([identifier("70014", "MR"), identifier("998", "PI")].into());
        assert_eq!(at(&["patient", "identifiers"]), expected);
        assert_eq!(at(&["patient", "deceased"]), Member::Literal("false".into()));
        assert_eq!(at(&["patient", "birth_date"]), Member::Nothing);
        assert_eq!(at(&["patient", "deceased", "why"]), Member::Nothing);
        assert_eq!(at(&["visit", "number"]), Member::Nothing);
        assert_eq!(at(&["patient"]).get("identifiers"), Some(&expected));
    }

    #[test]
    fn variants_have_their_name_around_them() {
        let quantity = Quantity { value: "2.50".into(), ..Quantity::default() };
        let ratio = ObservationValue::Ratio { first: quantity.clone(), separator: ":".into(), second: None };
        let value = Member::take(&ratio, &[]);
        let first =
            value.get("ratio").and_then(|ratio| ratio.get("first")).and_then(|first| first.get("value"));
        assert_eq!(first, Some(&Member::Text("2.50".into())));
        let value = Member::take(&ObservationValue::Quantity(quantity), &["quantity".into(), "value".into()]);
        assert_eq!(value, Member::Text("2.50".into()));
        let separator = Member::take(&ratio, &["ratio".into(), "separator".into()]);
        assert_eq!(separator, Member::Text(":".into()));
    }
}
