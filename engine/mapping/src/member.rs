//! One part of the record as a tree of named members, without making the rest of it.
//!
//! A mapping that asks for `patient.identifiers` should not pay for the whole record. Parts are taken by serializing the record into
//! a serializer that passes over everything but the wanted members. It has the names and the form of the record's JSON, and its leaves
//! keep their types. A copy of any part is no more than a counter or a short text.

use std::fmt::{Display, Error};
use std::rc::Rc;

use orderly_record::Text;
use serde::Serialize;
use serde::ser::{Impossible, SerializeSeq, SerializeStruct, SerializeStructVariant, Serializer};
use smol_str::ToSmolStr;

use crate::wanted::{Branch, Slots};

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
    /// All of a record.
    pub(crate) fn whole(record: &impl Serialize) -> Member {
        record.serialize(Taker::All).unwrap_or(Member::Nothing)
    }

    /// Takes the wanted parts of a record into their slots.
    pub(crate) fn take(record: &impl Serialize, wanted: &[(Box<str>, Branch)], slots: &Slots) {
        // What a slot has not got when it fails is nothing, and the record holds nothing that fails.
        let _ = record.serialize(Taker::Below(wanted, slots));
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

/// Takes all of what is serialized into it, or the wanted parts of it.
#[derive(Clone, Copy)]
enum Taker<'w> {
    All,
    Below(&'w [(Box<str>, Branch)], &'w Slots),
}

impl<'w> Taker<'w> {
    fn is_all(self) -> bool {
        matches!(self, Taker::All)
    }

    fn literal(self, value: impl Display) -> Result<Member, Error> {
        Ok(if self.is_all() { Member::Literal(value.to_smolstr()) } else { Member::Nothing })
    }

    /// The wanted branch of that name.
    fn branch(self, name: &str) -> Option<(&'w Branch, &'w Slots)> {
        let Taker::Below(wanted, slots) = self else { return None };
        wanted.iter().find(|(own, _)| **own == *name).map(|(_, branch)| (branch, slots))
    }
}

/// A struct being taken, or the wanted parts of it.
struct Members<'w> {
    taker: Taker<'w>,
    /// The name that goes around a variant's members.
    variant: Option<&'static str>,
    all: Vec<(&'static str, Member)>,
    /// What keeps it, where it is taken for a slot.
    keeper: Option<(&'w Branch, &'w Slots)>,
}

impl Members<'_> {
    fn offer<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if self.taker.is_all() {
            self.all.push((name, value.serialize(Taker::All)?));
        } else if let Some((branch, slots)) = self.taker.branch(name) {
            match branch.is_whole() {
                true => branch.keep(&value.serialize(Taker::All)?, slots),
                false => drop(value.serialize(Taker::Below(branch.below(), slots))?),
            }
        }
        Ok(())
    }

    fn taken(self) -> Member {
        if !self.taker.is_all() {
            return Member::Nothing;
        }
        let members = Member::Members(self.all.into());
        if let Some((branch, slots)) = self.keeper {
            branch.keep(&members, slots);
        }
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
struct Items<'w> {
    taker: Taker<'w>,
    items: Vec<Member>,
}

impl SerializeSeq for Items<'_> {
    type Ok = Member;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if self.taker.is_all() {
            self.items.push(value.serialize(Taker::All)?);
        }
        Ok(())
    }

    fn end(self) -> Result<Member, Error> {
        Ok(if self.taker.is_all() { Member::List(self.items.into()) } else { Member::Nothing })
    }
}

macro_rules! literals {
    ($($method:ident($kind:ty);)*) => {
        $(fn $method(self, value: $kind) -> Result<Member, Error> { self.literal(value) })*
    };
}

impl<'w> Serializer for Taker<'w> {
    type Ok = Member;
    type Error = Error;
    type SerializeSeq = Items<'w>;
    type SerializeTuple = Impossible<Member, Error>;
    type SerializeTupleStruct = Impossible<Member, Error>;
    type SerializeTupleVariant = Impossible<Member, Error>;
    type SerializeMap = Impossible<Member, Error>;
    type SerializeStruct = Members<'w>;
    type SerializeStructVariant = Members<'w>;

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
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Member, Error> {
        Ok(if self.is_all() { Member::Text(value.into()) } else { Member::Nothing })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<Member, Error> {
        Ok(if self.is_all() { Member::Text(value.to_smolstr()) } else { Member::Nothing })
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
        self.serialize_str(variant)
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

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'w>, Error> {
        let items = Vec::with_capacity(if self.is_all() { length.unwrap_or(0) } else { 0 });
        Ok(Items { taker: self, items })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Members<'w>, Error> {
        let all = Vec::with_capacity(if self.is_all() { length } else { 0 });
        Ok(Members { taker: self, variant: None, all, keeper: None })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Members<'w>, Error> {
        let members = match self.branch(variant) {
            Some((branch, slots)) if branch.is_whole() => {
                Members { keeper: Some((branch, slots)), ..Taker::All.serialize_struct(name, length)? }
            }
            Some((branch, slots)) => Taker::Below(branch.below(), slots).serialize_struct(name, length)?,
            None => Members { variant: Some(variant), ..self.serialize_struct(name, length)? },
        };
        Ok(members)
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
    use std::sync::Arc;

    use orderly_record::{Identifier, ObservationValue, Patient, Quantity, Record};

    use super::*;
    use crate::wanted::Wanted;

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

    /// What stands at each of these paths of a member named `it`, when all are taken together.
    fn parts(it: &impl Serialize, paths: &[&str]) -> Vec<Member> {
        #[derive(Serialize)]
        struct Named<'i, T> {
            it: &'i T,
        }
        let path = |path: &&str| path.split('.').map(Box::from).collect::<Arc<[Box<str>]>>();
        let wanted = Wanted::of(&paths.iter().map(path).collect::<Vec<_>>());
        let slots = wanted.slots();
        wanted.take(&Named { it }, "it", &slots);
        slots.into_iter().map(|slot| slot.into_inner().expect("a slot that was left open")).collect()
    }

    fn at(path: &str) -> Member {
        parts(&record(), &[path]).remove(0)
    }

    #[test]
    fn a_part_is_taken_alone() {
        let text = |text: &str| Member::Text(text.into());
        let identifier = |value, kind| Member::Members([("value", text(value)), ("type", text(kind))].into());
        let expected = Member::List([identifier("70014", "MR"), identifier("998", "PI")].into());
        assert_eq!(at("it.patient.identifiers"), expected);
        assert_eq!(at("it.patient.deceased"), Member::Literal("false".into()));
        assert_eq!(at("it.patient.birth_date"), Member::Nothing);
        assert_eq!(at("it.patient.deceased.why"), Member::Nothing);
        assert_eq!(at("it.visit.number"), Member::Nothing);
        assert_eq!(at("it.patient").get("identifiers"), Some(&expected));
    }

    #[test]
    fn parts_that_are_taken_together_are_those_taken_alone() {
        let paths = [
            "it.patient.deceased",
            "it.patient",
            "it.patient.identifiers",
            "it.patient.name",
            "it.visit.number",
        ];
        let together = parts(&record(), &paths);
        for (path, member) in paths.iter().zip(together) {
            assert_eq!(member, at(path), "{path}");
        }
    }

    #[test]
    fn variants_have_their_name_around_them() {
        let text = |text: &str| Member::Text(text.into());
        let quantity = Quantity { value: "2.50".into(), ..Quantity::default() };
        let ratio = ObservationValue::Ratio { first: quantity.clone(), separator: ":".into(), second: None };
        let first = parts(&ratio, &["it.ratio.first.value", "it.ratio.separator", "it.ratio.second"]);
        assert_eq!(first, [text("2.50"), text(":"), Member::Nothing]);
        let whole = parts(&ratio, &["it", "it.ratio", "it.ratio.separator"]);
        assert_eq!(whole[0].get("ratio"), Some(&whole[1]));
        assert_eq!(whole[1].get("separator"), Some(&whole[2]));
        assert_eq!(whole[2], text(":"));
        let value = parts(&ObservationValue::Quantity(quantity), &["it.quantity.value", "it.ratio"]);
        assert_eq!(value, [text("2.50"), Member::Nothing]);
        assert_eq!(parts(&ratio, &["it.ratio"])[0].get("separator"), Some(&text(":")));
    }
}
