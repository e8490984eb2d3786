//! RXO, RXE, RXD, RXG, RXA, RXC and the ORC before them: what is ordered, handed out and given.

use orderly_record::{Coded, Ingredient, Location, Medication, Note, Quantity, Text};

use super::Fields;
use super::action::retraction;
use super::timing::old_timing;
use super::values::{
    all_coded, all_words, amount, coded, entity, identifier, lines, manufacturer, providers, text, time,
};
use crate::view::View;

const ORDER: Text = Text::new_static("order");
const DISPENSE: Text = Text::new_static("dispense");
const ADMINISTRATION: Text = Text::new_static("administration");
const ACTIVE: Text = Text::new_static("active");

/// Order controls (HL7 table 0119) after which nothing more is to be given: cancelled or discontinued, asked for or done.
const STOPPING: [&str; 6] = ["CA", "OC", "CR", "DC", "OD", "DR"];

/// The same as an order's status (table 0038).
const STOPPED: [&str; 2] = ["CA", "DC"];

/// ORC: what is known of an order before it says for what.
pub(super) fn common_order(orc: &Fields<'_>) -> Medication {
    let mut order = Medication {
        order_control: text(orc.first(1)),
        placer_number: entity(orc.first(2)),
        filler_number: entity(orc.first(3)),
        status: text(orc.first(5)),
        ordered_by: providers(orc.field(12)),
        ..Medication::default()
    };
    old_timing(orc.first(7), &mut order);
    order
}

/// RXO: what the doctor asks for.
pub(super) fn requested(rxo: &Fields<'_>) -> Medication {
    Medication {
        code: coded(rxo.first(1)).or_else(|| coded(rxo.first(10))),
        category: Some(ORDER),
        dose: amount(rxo.first(2), rxo.first(4)),
        dose_max: maximum(rxo.first(2), rxo.first(3), rxo.first(4)),
        form: coded(rxo.first(5)),
        instructions: all_words(rxo.field(7)).or_else(|| all_words(rxo.field(6))),
        quantity: amount(rxo.first(11), rxo.first(12)),
        refills: text(rxo.first(13)),
        reasons: all_coded(rxo.field(20)),
        rate: amount(rxo.first(21), rxo.first(22)),
        ..Medication::default()
    }
}

/// RXE: what the pharmacy makes of it.
pub(super) fn encoded(rxe: &Fields<'_>) -> Medication {
    let mut medication = Medication {
        code: coded(rxe.first(2)),
        category: Some(ORDER),
        dose: amount(rxe.first(3), rxe.first(5)),
        dose_max: maximum(rxe.first(3), rxe.first(4), rxe.first(5)),
        form: coded(rxe.first(6)),
        instructions: all_words(rxe.field(7)).or_else(|| all_words(rxe.field(21))),
        quantity: amount(rxe.first(10), rxe.first(11)),
        refills: text(rxe.first(12)),
        prescription_number: identifier(rxe.first(15), None),
        rate: amount(rxe.first(23), rxe.first(24)),
        reasons: all_coded(rxe.field(27)),
        ..Medication::default()
    };
    old_timing(rxe.first(1), &mut medication);
    medication
}

/// RXD: what is handed out.
pub(super) fn dispensed(rxd: &Fields<'_>, source: &Location) -> Medication {
    Medication {
        code: coded(rxd.first(2)),
        category: Some(DISPENSE),
        starts_at: time(rxd.first(3)),
        quantity: amount(rxd.first(4), rxd.first(5)),
        form: coded(rxd.first(6)),
        prescription_number: identifier(rxd.first(7), None),
        refills: text(rxd.first(8)),
        notes: note(lines(rxd.field(9)), source),
        given_by: providers(rxd.field(10)),
        instructions: all_words(rxd.field(15)),
        lot_number: text(rxd.first(18)),
        manufacturer: manufacturer(rxd.first(20)),
        reasons: all_coded(rxd.field(21)),
        ..Medication::default()
    }
}

/// RXG: what is to be given, and is not yet.
pub(super) fn to_be_given(rxg: &Fields<'_>, source: &Location) -> Medication {
    let mut medication = Medication {
        code: coded(rxg.first(4)),
        category: Some(ADMINISTRATION),
        status: Some(ACTIVE),
        dose: amount(rxg.first(5), rxg.first(7)),
        dose_max: maximum(rxg.first(5), rxg.first(6), rxg.first(7)),
        form: coded(rxg.first(8)),
        notes: note(all_words(rxg.field(9)), source),
        instructions: all_words(rxg.field(13)),
        rate: amount(rxg.first(15), rxg.first(16)),
        lot_number: text(rxg.first(19)),
        manufacturer: manufacturer(rxg.first(21)),
        reasons: all_coded(rxg.field(22)),
        ..Medication::default()
    };
    old_timing(rxg.first(3), &mut medication);
    medication
}

/// RXA: what was given, or was not and why (HL7 table 0322).
pub(super) fn given(rxa: &Fields<'_>, source: &Location) -> Medication {
    let completion = text(rxa.first(20));
    let negated = matches!(completion.as_deref(), Some("RE" | "NA"));
    let completed = matches!(completion.as_deref(), Some("CP" | "PA"));
    let action = text(rxa.first(21));
    Medication {
        code: coded(rxa.first(5)),
        category: Some(ADMINISTRATION),
        status: retraction(action.as_ref()).or(completed.then_some(Text::new_static("completed"))),
        action,
        negated: negated.then_some(true),
        starts_at: time(rxa.first(3)),
        ends_at: time(rxa.first(4)),
        dose: amount(rxa.first(6), rxa.first(7)),
        form: coded(rxa.first(8)),
        notes: note(all_words(rxa.field(9)), source),
        given_by: providers(rxa.field(10)),
        lot_number: text(rxa.first(15)),
        manufacturer: manufacturer(rxa.first(17)),
        reasons: all_coded(rxa.field(if negated { 18 } else { 19 })),
        ..Medication::default()
    }
}

/// RXC: a part of a mixture.
pub(super) fn ingredient(rxc: &Fields<'_>) -> Ingredient {
    Ingredient {
        code: coded(rxc.first(2)),
        kind: text(rxc.first(1)),
        amount: amount(rxc.first(3), rxc.first(4)),
        strength: amount(rxc.first(5), rxc.first(6)),
    }
}

/// The end of a range; many senders repeat the amount there when there is none.
fn maximum(minimum: View<'_>, maximum: View<'_>, units: View<'_>) -> Option<Quantity> {
    if text(minimum) == text(maximum) { None } else { amount(maximum, units) }
}

fn note(text: Option<Text>, source: &Location) -> Vec<Note> {
    text.map(|text| Note { text, author: None, source: Some(source.clone()) }).into_iter().collect()
}

/// Adds what only the order says. Its dates, its amounts and its status are the order's own; how much to take is no longer of interest
/// once it was given.
pub(super) fn complete(medication: &mut Medication, order: &mut Medication) {
    let is_order = medication.category == Some(ORDER);
    if is_order {
        fill(&mut medication.status, &order.status);
        fill(&mut medication.starts_at, &order.starts_at);
        fill(&mut medication.ends_at, &order.ends_at);
        fill(&mut medication.quantity, &order.quantity);
        fill(&mut medication.refills, &order.refills);
    }
    if medication.category == Some(ADMINISTRATION) && medication.status == Some(ACTIVE) && is_stopped(order) {
        medication.status = None;
    }
    if !is_other_drug(medication.code.as_ref(), order.code.as_ref()) {
        if medication.category != Some(ADMINISTRATION) && medication.dose.is_none() {
            medication.dose.clone_from(&order.dose);
            medication.dose_max.clone_from(&order.dose_max);
            fill(&mut medication.rate, &order.rate);
        }
        fill(&mut medication.form, &order.form);
        fill(&mut medication.instructions, &order.instructions);
        fill_list(&mut medication.ingredients, &mut order.ingredients);
    }
    fill(&mut medication.code, &order.code);
    fill(&mut medication.order_control, &order.order_control);
    fill(&mut medication.placer_number, &order.placer_number);
    fill(&mut medication.filler_number, &order.filler_number);
    fill(&mut medication.prescription_number, &order.prescription_number);
    fill(&mut medication.timing, &order.timing);
    fill(&mut medication.as_needed, &order.as_needed);
    fill(&mut medication.route, &order.route);
    fill(&mut medication.site, &order.site);
    fill_list(&mut medication.reasons, &mut order.reasons);
    fill_list(&mut medication.ordered_by, &mut order.ordered_by);
    medication.notes.splice(..0, share(&mut order.notes));
}

/// Whether the order says that nothing more is to be given.
fn is_stopped(order: &Medication) -> bool {
    let is_in =
        |codes: &[&str], code: &Option<Text>| code.as_deref().is_some_and(|code| codes.contains(&code));
    is_in(&STOPPING, &order.order_control) || is_in(&STOPPED, &order.status)
}

/// Whether both have a code and none in common: a substitute may be twice as strong, so nothing of how much to take holds for it. Codes
/// of two systems can't be compared, and count as different.
fn is_other_drug(one: Option<&Coded>, other: Option<&Coded>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    let (one, other) = (codings(one), codings(other));
    let is_same = |a: Coding, b: Coding| a.0 == b.0 && (a.1 == b.1 || a.1.is_none() || b.1.is_none());
    let has_same = one.iter().any(|a| other.iter().any(|b| is_same(*a, *b)));
    !one.is_empty() && !other.is_empty() && !has_same
}

/// A code and its system.
type Coding<'c> = (&'c str, Option<&'c str>);

fn codings(coded: &Coded) -> Vec<Coding<'_>> {
    let translations = coded.translations.iter().map(|coding| (&coding.code, &coding.system));
    let all = std::iter::once((&coded.code, &coded.system)).chain(translations);
    all.filter_map(|(code, system)| Some((code.as_deref()?, system.as_deref()))).collect()
}

/// Of each list, the first that is given of an order takes all, later ones the first few: with all for each, a message of some megabytes
/// could make a record of any size.
const SHARED_MAX: usize = 4;

/// Takes all of an order's list, and leaves the order what the next one may have.
pub(super) fn share<T: Clone>(list: &mut Vec<T>) -> Vec<T> {
    let left = list.iter().take(SHARED_MAX).cloned().collect();
    std::mem::replace(list, left)
}

fn fill<T: Clone>(own: &mut Option<T>, order: &Option<T>) {
    if own.is_none() {
        own.clone_from(order);
    }
}

fn fill_list<T: Clone>(own: &mut Vec<T>, order: &mut Vec<T>) {
    if own.is_empty() {
        *own = share(order);
    }
}

#[cfg(test)]
mod tests {
    use orderly_record::Medication;

    use crate::parse::{Settings, parse};

    /// The last medication of an order.
    fn read(segments: &str) -> Medication {
        let message = format!("MSH|^~\\&|||||||RDS^O13|1\r{segments}");
        let message = parse(message.as_bytes(), &Settings::default()).unwrap();
        crate::normalize(&message).medications.pop().unwrap()
    }

    #[test]
    fn what_is_to_be_given_is_active_unless_its_order_is_stopped() {
        let status = |orc: &str| {
            let medication = read(&format!("ORC|{orc}\rRXE||CFT^^L|1||G\rRXG|1||||||CFT^^L\r"));
            medication.status.map(String::from)
        };
        for going in ["", "NW", "RE||||IP", "XO||||CM"] {
            assert_eq!(status(going).as_deref(), Some("active"), "{going}");
        }
        for stopped in ["DC", "CA", "OC", "OD", "RE||||DC", "RE||||CA"] {
            assert_eq!(status(stopped), None, "{stopped}");
        }
    }

    #[test]
    fn a_deleted_administration_is_not_completed() {
        let status = |action: &str| {
            let medication = read(&format!("RXA|0|1|20260307||CFT^^L|1||||||||||||||CP|{action}\r"));
            assert_eq!(medication.action.as_deref(), Some(action));
            medication.status.unwrap().to_string()
        };
        assert_eq!((status("A"), status("D")), ("completed".into(), "entered-in-error".into()));
    }

    #[test]
    fn a_dispense_takes_the_dose_only_of_its_own_drug() {
        let dose = |drug: &str| {
            let medication = read(&format!(
                "ORC|RE|P1\rRXO|A1^Aspirin 500^L^B1^^NDC|1|2|TAB|TABLET||Chew\rRXR|PO\rRXC|B|X|1|MG\rRXD|1|{drug}|20260307\r"
            ));
            let is_complete = medication.dose_max.is_some()
                && medication.form.is_some()
                && medication.ingredients.len() == 1;
            assert_eq!(medication.dose.is_some(), is_complete, "{drug}");
            assert_eq!(medication.route.unwrap().code.as_deref(), Some("PO"));
            medication.dose.map(|dose| dose.value.to_string())
        };
        for same in ["", "A1^ASA^L", "A1", "^Aspirin", "C9^^X^B1^^NDC"] {
            assert_eq!(dose(same).as_deref(), Some("1"), "{same}");
        }
        for other in ["A2^Aspirin 1000^L", "A1^^NDC", "B1^^L"] {
            assert_eq!(dose(other), None, "{other}");
        }
    }
}
