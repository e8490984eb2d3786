//! PID, PD1, PDA, ARV, MRG and NK1: the patient and those around.

use orderly_record::{HumanName, Identifier, Location, Organization, Patient, RelatedPerson};

use super::Fields;
use super::values::{
    addresses, all_coded, coded, flag, identifier, name, names, organization, providers, telecoms, text, time,
};

/// Old versions know one identifier in each of these fields, PID-4 a few; comparing many with all others would take long.
const OLD_IDENTIFIERS_MAX: usize = 16;

pub(super) fn patient(pid: &Fields<'_>, source: Location) -> Patient {
    let names = all_names(pid);
    let deceased_at = time(pid.first(29));
    // Some send zeros or words there for that the patient lives.
    let is_date = deceased_at.as_ref().is_some_and(|time| time.moment().is_some());
    let mut telecoms_of_all = telecoms(pid.field(13), Some("PRN"));
    telecoms_of_all.extend(telecoms(pid.field(14), Some("WPN")));
    telecoms_of_all.extend(telecoms(pid.field(40), None));
    Patient {
        identifiers: identifiers(pid),
        account: identifier(pid.first(18), Some("AN")),
        name: names.first().cloned(),
        names,
        mother_maiden_name: name(pid.first(6)),
        birth_date: time(pid.first(7)),
        sex: text(pid.first(8)),
        races: all_coded(pid.field(10)),
        ethnicities: all_coded(pid.field(22)),
        language: coded(pid.first(15)),
        marital_status: coded(pid.first(16)),
        religion: coded(pid.first(17)),
        addresses: addresses(pid.field(11)),
        telecoms: telecoms_of_all,
        birth_place: text(pid.first(23)),
        multiple_birth: flag(pid.first(24)),
        birth_order: text(pid.first(25)),
        deceased: flag(pid.first(30)).or(is_date.then_some(true)),
        deceased_at,
        mother_identifiers: super::values::identifiers(pid.field(21)),
        citizenships: all_coded(pid.field(26)),
        identity_unknown: flag(pid.first(31)),
        updated_at: time(pid.first(33)),
        source: Some(source),
        ..Patient::default()
    }
}

/// The list in PID-3, then what old versions put elsewhere: PID-2 and PID-4, the social security number and the driver's licence. What is
/// there already is not repeated.
fn identifiers(pid: &Fields<'_>) -> Vec<Identifier> {
    let list = pid.field(3).children().filter_map(|view| identifier(view, None));
    let mut identifiers: Vec<Identifier> = list.collect();
    for (field, kind) in [(2, None), (4, None), (19, Some("SS")), (20, Some("DL"))] {
        for view in pid.field(field).children().take(OLD_IDENTIFIERS_MAX) {
            // PID-20 is licence ^ state ^ expiry: only its first component is an identifier's.
            let view = if field == 20 { view.child(1) } else { view };
            let found = identifier(view, kind);
            identifiers
                .extend(found.filter(|found| !identifiers.iter().any(|known| known.value == found.value)));
        }
    }
    identifiers
}

/// PID-5, then the aliases of PID-9.
fn all_names(pid: &Fields<'_>) -> Vec<HumanName> {
    let mut all = names(pid.field(5));
    all.extend(names(pid.field(9)).into_iter().map(|mut alias| {
        alias.usage.get_or_insert_with(|| "A".into());
        alias
    }));
    all
}

/// PD1: who is in charge in general, and what the patient wants.
pub(super) fn additional(pd1: &Fields<'_>, patient: &mut Patient) {
    patient.organization = organization(pd1.first(3));
    patient.primary_providers = providers(pd1.field(4));
    patient.living_will = coded(pd1.first(7));
    patient.organ_donor = coded(pd1.first(8));
    patient.protected = flag(pd1.first(12));
    patient.registry_status = coded(pd1.first(16));
}

/// PDA: what the patient died of.
pub(super) fn death(pda: &Fields<'_>, patient: &mut Patient) {
    patient.death_causes = all_coded(pda.field(1));
}

/// ARV: what may not be shown to all.
pub(super) fn restriction(arv: &Fields<'_>, patient: &mut Patient) {
    patient.access_restrictions.extend(coded(arv.first(3)));
}

/// MRG: the identifiers that are given up, in versions before 2.3.1 in MRG-2 and MRG-4; and what goes with them.
pub(super) fn merge(mrg: &Fields<'_>, patient: &mut Patient) {
    let prior = [1, 2, 4].into_iter().flat_map(|field| mrg.field(field).children());
    patient.prior_identifiers.extend(prior.filter_map(|view| identifier(view, None)));
    patient.prior_account = patient.prior_account.take().or_else(|| identifier(mrg.first(3), Some("AN")));
    patient.prior_visit_number =
        patient.prior_visit_number.take().or_else(|| identifier(mrg.first(5), Some("VN")));
    patient.prior_names.extend(names(mrg.field(7)));
}

pub(super) fn related(nk1: &Fields<'_>, source: Location) -> RelatedPerson {
    let mut telecoms_of_all = telecoms(nk1.field(5), None);
    telecoms_of_all.extend(telecoms(nk1.field(6), Some("WPN")));
    telecoms_of_all.extend(telecoms(nk1.field(40), None));
    RelatedPerson {
        identifiers: super::values::identifiers(nk1.field(33)),
        sex: text(nk1.first(15)),
        birth_date: time(nk1.first(16)),
        organization: house(nk1),
        contact: name(nk1.first(30)),
        starts_at: time(nk1.first(8)),
        ends_at: time(nk1.first(9)),
        name: name(nk1.first(2)),
        relationship: coded(nk1.first(3)),
        role: coded(nk1.first(7)),
        addresses: addresses(nk1.field(4)),
        telecoms: telecoms_of_all,
        source: Some(source),
    }
}

/// NK1-13, and whom to reach there: NK1-31 and NK1-32.
fn house(nk1: &Fields<'_>) -> Option<Organization> {
    let house = organization(nk1.first(13))?;
    Some(Organization {
        addresses: addresses(nk1.field(32)),
        telecoms: telecoms(nk1.field(31), Some("WPN")),
        ..house
    })
}
