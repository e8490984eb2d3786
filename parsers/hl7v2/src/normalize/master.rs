//! MFI, MFE and what follows them: entries of master files; the same segments without a master file are entries too (staff in PMU).
//!
//! Of each entry the record says by what it is known and what it is about; the rest of the file's own segments stays in the message.

use orderly_record::{Coded, MasterEntry, Organization, Provider, ReferenceRange, SpecimenRequirement, Text};

use super::values::{
    addresses, all_coded, coded, composite_quantity, identifier, lines, name, telecoms, text, texts, time,
};
use super::visit::location;
use super::{Fields, Walk};
use crate::view::View;

/// A file is named with each of its entries. Names longer than this are none, and a message of some megabytes could with one of them make
/// a record of any size.
const REPEATED_MAX: usize = 1_000;

/// The file that the entries after it are of.
#[derive(Default)]
pub(super) struct File {
    code: Option<Coded>,
    action: Option<Text>,
    /// Whether an MFE waits for the segment that says what it is about.
    is_waiting: bool,
}

/// MFI.
pub(super) fn file(mfi: &Fields<'_>, walk: &mut Walk) {
    let is_short = |n: usize| mfi.field(n).raw().len() <= REPEATED_MAX;
    let code = coded(mfi.first(1)).filter(|_| is_short(1));
    walk.file = File { code, action: text(mfi.first(3)).filter(|_| is_short(3)), is_waiting: false };
}

/// MFE.
pub(super) fn entry(mfe: &Fields<'_>, walk: &mut Walk) {
    let source = walk.location("MFE");
    let entry = MasterEntry {
        keys: keys(mfe.field(4), &texts(mfe.field(5))),
        file: walk.file.code.clone(),
        file_action: walk.file.action.clone(),
        action: text(mfe.first(1)),
        control_id: text(mfe.first(2)),
        effective_at: time(mfe.first(3)),
        source: Some(source),
        ..MasterEntry::default()
    };
    walk.record.master_entries.push(entry);
    walk.file.is_waiting = true;
}

/// MFA: what became of an entry.
pub(super) fn result(mfa: &Fields<'_>, walk: &mut Walk) {
    let source = walk.location("MFA");
    let entry = MasterEntry {
        keys: keys(mfa.field(5), &texts(mfa.field(6))),
        file: walk.file.code.clone(),
        action: text(mfa.first(1)),
        control_id: text(mfa.first(2)),
        effective_at: time(mfa.first(3)),
        result: coded(mfa.first(4)),
        source: Some(source),
        ..MasterEntry::default()
    };
    walk.record.master_entries.push(entry);
    walk.file.is_waiting = false;
}

/// The keys of an entry, each of the type in the same place of the next field. A place (PL) is no code: it is kept whole.
fn keys(field: View<'_>, types: &[Text]) -> Vec<Coded> {
    let mut types = types.iter();
    let key = |view: View<'_>| match types.next().map(Text::as_str) {
        Some("PL") => Some(Coded { code: Some(Text::new(view.whole_text())), ..Coded::default() }),
        _ => coded(view),
    };
    field.children().filter_map(key).collect()
}

/// What an entry is about: the first such segment after its MFE; without one it is an entry itself.
pub(super) fn content(fields: &Fields<'_>, segment: &'static str, walk: &mut Walk) {
    let source = walk.location(segment);
    if !std::mem::take(&mut walk.file.is_waiting) {
        walk.record.master_entries.push(MasterEntry { source: Some(source), ..MasterEntry::default() });
    }
    let Some(entry) = walk.record.master_entries.last_mut() else { return };
    match segment {
        "STF" => staff(fields, entry),
        "LOC" => place(fields, entry),
        "NPU" => (entry.location, entry.code) = (location(fields.first(1)), coded(fields.first(2))),
        "CDM" => (entry.code, entry.name) = (coded(fields.first(1)), text(fields.first(3))),
        "OM1" => service(fields, entry),
        "OM7" | "IIM" => entry.code = coded(fields.first(2)),
        "CM0" => (entry.code, entry.name) = (coded(fields.first(2)), text(fields.first(4))),
        _ => entry.code = coded(fields.first(1)),
    }
}

/// OM1: an observation that can be ordered, by its name for reports, its long or its short one.
fn service(om1: &Fields<'_>, entry: &mut MasterEntry) {
    entry.code = coded(om1.first(2));
    entry.value_types = texts(om1.field(3));
    entry.name = [9, 11, 10, 8].into_iter().find_map(|field| text(om1.first(field)));
}

/// OM2: the numbers that are the values of the observation before it.
pub(super) fn numbers(om2: &Fields<'_>, walk: &mut Walk) {
    let Some(entry) = walk.record.master_entries.last_mut() else { return };
    entry.units = coded(om2.first(2));
    entry.reference_ranges = om2.field(6).children().filter_map(range).collect();
    entry.critical_ranges = om2.field(7).children().filter_map(range).collect();
}

/// RFR: low and high, sex, age, gestational age, species, race, conditions.
fn range(view: View<'_>) -> Option<ReferenceRange> {
    let [values, sex, age, _, _, _, conditions] = view.parts();
    let range = ReferenceRange {
        low: text(values.child(1)),
        high: text(values.child(2)),
        sex: text(sex),
        age_from: text(age.child(1)),
        age_to: text(age.child(2)),
        conditions: text(conditions),
    };
    (range.low.is_some() || range.high.is_some()).then_some(range)
}

/// OM4: a specimen that the observation before it takes.
pub(super) fn specimen(om4: &Fields<'_>, walk: &mut Walk) {
    let Some(entry) = walk.record.master_entries.last_mut() else { return };
    let specimen = SpecimenRequirement {
        kind: coded(om4.first(6)),
        container: lines(om4.field(3)),
        additive: coded(om4.first(7)),
        preparation: lines(om4.field(8)),
        handling: lines(om4.field(9)),
        volume: composite_quantity(om4.first(10)),
        minimum_volume: composite_quantity(om4.first(11)),
        requirements: lines(om4.field(12)),
    };
    if specimen != SpecimenRequirement::default() {
        entry.specimens.push(specimen);
    }
}

/// OM5: what is in a panel.
pub(super) fn members(om5: &Fields<'_>, walk: &mut Walk) {
    let Some(entry) = walk.record.master_entries.last_mut() else { return };
    entry.members.extend(all_coded(om5.field(2)));
}

/// STF: a member of staff.
fn staff(stf: &Fields<'_>, entry: &mut MasterEntry) {
    if entry.keys.is_empty() {
        entry.keys.extend(coded(stf.first(1)));
    }
    entry.person = Some(Provider {
        identifier: identifier(stf.first(2), None),
        name: name(stf.first(3)),
        addresses: addresses(stf.field(11)),
        telecoms: telecoms(stf.field(10), None),
        ..Provider::default()
    });
    entry.active = text(stf.first(7));
    entry.name = text(stf.first(18));
}

/// PRA: what a member of staff is by profession. SPD has its words in its first component.
pub(super) fn profession(pra: &Fields<'_>, walk: &mut Walk) {
    let Some(person) = last_person(walk) else { return };
    let words = || text(pra.first(5)).map(|words| Coded { text: Some(words), ..Coded::default() });
    person.specialty = words().or_else(|| coded(pra.first(3)));
}

/// ORG: the unit a member of staff works for.
pub(super) fn unit(org: &Fields<'_>, walk: &mut Walk) {
    let Some(person) = last_person(walk) else { return };
    let name = coded(org.first(2)).and_then(super::values::words);
    let unit = name.map(|name| Organization { name: Some(name), ..Organization::default() });
    person.organization = person.organization.take().or(unit);
}

fn last_person(walk: &mut Walk) -> Option<&mut Provider> {
    walk.record.master_entries.last_mut()?.person.as_mut()
}

fn place(loc: &Fields<'_>, entry: &mut MasterEntry) {
    entry.location = location(loc.first(1));
    entry.name = text(loc.first(2));
    entry.code = coded(loc.first(3));
}
