//! Expressions evaluated: terms to values, tests to yes or no.
//!
//! No term changes anything. A term fails only where the mapping says that it should (a table without a row), or at a limit.

use std::borrow::Cow;
use std::cmp::Ordering;

use orderly_hl7v2::{Header, Level, Message, Presence, Select};
use orderly_record::{Authority, Diagnostic, Fault, Severity, Text};

use crate::comparison::order;
use crate::expression::{Operator, Presence as Asked};
use crate::member::Member;
use crate::plan::{Choice, Fact, Place, RecordPath, RecordStart, RecordStep, Start, Term, Test};
use crate::refusal::Refusal;
use crate::scope::{Bare, Here, Scope, below};
use crate::value::{Scalar, Value};

/// The longest text that an expression may make, in bytes: as long as the largest message that is taken in by default.
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 20;

/// The value of a term.
pub(crate) fn value<'s>(term: &'s Term, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
    // Each arm gives its result as it is: unwrapping and wrapping it again would copy it once more.
    match term {
        Term::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
        Term::Literal(literal) => Ok(Value::Member(Member::Literal((**literal).into()))),
        Term::Null => Ok(Value::Null),
        Term::Structure(structure) => Ok(Value::Structure(structure.clone())),
        Term::List(terms) => {
            terms.iter().map(|term| value(term, scope)).collect::<Result<_, _>>().map(Value::List)
        }
        Term::Joined(terms) => joined(terms, scope),
        Term::Hl7(place) => part(place, scope),
        Term::Record(path) => member(path, scope),
        Term::Element(path) => crate::cda::value(path, scope),
        Term::Fact(fact) => {
            let text = fact_text(*fact, scope);
            scope.case.record(|recorder| recorder.fact(*fact, &text));
            Ok(Value::text(text))
        }
        Term::Name(slot) => named(*slot, scope),
        Term::Position(slot) => Ok(Value::text(scope.number_of(*slot).to_string())),
        Term::Piped { value: Some(input), pipe } => match scope.case.recorder() {
            None => pipe.apply(value(input, scope)?, scope),
            Some(recorder) => {
                let before = recorder.count();
                let found = value(input, scope)?;
                if let Value::List(members) = &found
                    && let Some(picked) = pipe.picks(members.len())
                {
                    recorder.pick(before, members, picked, scope);
                }
                pipe.apply(found, scope)
            }
        },
        Term::Piped { value: None, pipe } => pipe.apply(Value::Empty, scope),
    }
}

/// A term as one text.
pub(crate) fn scalar<'s>(term: &'s Term, scope: &Scope<'_, 's>) -> Result<Scalar<'s>, Refusal> {
    Ok(value(term, scope)?.scalar())
}

/// Whether a test holds.
pub(crate) fn holds<'s>(test: &'s Test, scope: &Scope<'_, 's>) -> Result<bool, Refusal> {
    match scope.case.recorder() {
        None => decided(test, scope),
        Some(recorder) => recorder.asking(|| decided(test, scope)),
    }
}

fn decided<'s>(test: &'s Test, scope: &Scope<'_, 's>) -> Result<bool, Refusal> {
    Ok(match test {
        Test::All(tests) => {
            for test in tests {
                if !holds(test, scope)? {
                    return Ok(false);
                }
            }
            true
        }
        Test::Any(tests) => {
            for test in tests {
                if holds(test, scope)? {
                    return Ok(true);
                }
            }
            false
        }
        Test::Not(test) => !holds(test, scope)?,
        Test::Is { value: asked, presence, negated } => {
            let found = value(asked, scope)?.presence();
            let wanted = match presence {
                Asked::Empty => Presence::Empty,
                Asked::Null => Presence::Null,
                Asked::Present => Presence::Present,
            };
            (found == wanted) != *negated
        }
        Test::Equal { left, right, negated } => {
            let (left, right) = (scalar(left, scope)?, scalar(right, scope)?);
            matches!((left, right), (Scalar::Text(left), Scalar::Text(right)) if left == right) != *negated
        }
        Test::Order { operator, left, right, place } => {
            let (left, right) = (scalar(left, scope)?, scalar(right, scope)?);
            let (Scalar::Text(left), Scalar::Text(right)) = (left, right) else { return Ok(false) };
            let Some(ordering) = order(&left, &right) else {
                let message = "`<` and `>` compare two numbers or two times; one of these is neither";
                let note = Diagnostic::warning("mapping-not-comparable", Fault::Configuration, message);
                scope.case.note(note.at(place.place()));
                return Ok(false);
            };
            satisfies(*operator, ordering)
        }
        Test::In { value: wanted, list, negated } => {
            let found = match scalar(wanted, scope)? {
                Scalar::Text(wanted) => contains(list, &wanted, scope)?,
                Scalar::Empty | Scalar::Null => false,
            };
            found != *negated
        }
        Test::Matches { value, pattern } => {
            scalar(value, scope)?.present().is_some_and(|text| pattern.is_match(&text))
        }
    })
}

/// Whether a text is one of a list. Of one that stands in the mapping no list is made.
fn contains<'s>(list: &'s Term, wanted: &str, scope: &Scope<'_, 's>) -> Result<bool, Refusal> {
    let is = |found: Scalar<'s>| matches!(found, Scalar::Text(text) if text == wanted);
    let Term::List(terms) = list else {
        return Ok(value(list, scope)?.members().into_iter().any(|member| is(member.scalar())));
    };
    let mut found = false;
    for term in terms {
        found |= match term {
            Term::Text(text) => !text.is_empty() && **text == *wanted,
            other => is(scalar(other, scope)?),
        };
    }
    Ok(found)
}

fn satisfies(operator: Operator, ordering: Ordering) -> bool {
    match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
    }
}

/// A text that stays within the limit.
pub(crate) fn limited(text: String) -> Result<String, Refusal> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(text);
    }
    let message = format!("an expression made a text of more than {TEXT_BYTES_MAX} bytes");
    Err(Refusal::failed("mapping-text-size", Fault::Configuration, message))
}

/// What a `let` named. Each of a list's members is looked at once more by whoever asks for the list, and costs its step.
fn named<'s>(slot: usize, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
    let names: &'s [Value<'s>] = scope.names;
    let Some(named) = names.get(slot) else { return Ok(Value::Empty) };
    scope.case.spend(named.count())?;
    scope.case.record(|recorder| recorder.name(slot, shown(named)));
    Ok(named.borrowed())
}

/// A value as text, for a trace.
pub(crate) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::List(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Member(member) => member.shown(),
        value => value.clone().scalar().present().map(Cow::into_owned).unwrap_or_default(),
    }
}

/// In a text, what is empty or null is nothing.
fn joined<'s>(terms: &'s [Term], scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
    let mut text = String::new();
    for term in terms {
        if let Scalar::Text(part) = scalar(term, scope)? {
            text.push_str(&part);
        }
        text = limited(text)?;
    }
    Ok(Value::text(text))
}

fn part<'s>(place: &'s Place, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
    let tree = scope.tree(&place.start);
    match scope.bare(tree, place)? {
        Bare::At(segment) => {
            scope.case.record(|recorder| recorder.place(tree, &place.part.position(segment), scope));
            let field = tree.message.field(segment, place.part.field.unwrap_or(0));
            return Ok(Value::View(below(field, &place.part)));
        }
        Bare::Missing => return Ok(Value::Empty),
        Bare::No => {}
    }
    if let (Start::Here, Here::Part(start)) = (&place.start, scope.here) {
        let view = below(start, &place.part);
        scope.case.record(|recorder| recorder.view(&view, scope));
        return Ok(Value::View(view));
    }
    if place.part.field.is_none() && matches!(place.start, Start::Segment { .. }) {
        return segments(place, scope);
    }
    let views = scope.views(place)?;
    scope.case.record(|recorder| views.iter().for_each(|view| recorder.view(view, scope)));
    if is_list(place) {
        return Ok(Value::List(views.into_iter().map(Value::View).collect()));
    }
    Ok(views.into_iter().next().map_or(Value::Empty, Value::View))
}

/// Segments as values: they can be counted, and are there or not.
fn segments<'s>(place: &'s Place, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
    let Start::Segment { segment, .. } = &place.start else { return Ok(Value::Empty) };
    let found = scope.segments(scope.tree(&place.start), segment)?;
    if is_list(place) {
        return Ok(Value::List(found.iter().map(|_| Value::Segment).collect()));
    }
    Ok(found.first().map_or(Value::Empty, |_| Value::Segment))
}

/// Whether a place may name several parts.
pub(crate) fn is_list(place: &Place) -> bool {
    let several = |select: &Choice| matches!(select, Select::All | Select::AllWhere(_));
    let of_segment = match &place.start {
        Start::Segment { segment, .. } => {
            several(&segment.occurrence) || segment.group.as_ref().is_some_and(|(_, select)| several(select))
        }
        Start::Here | Start::Each(_) => false,
    };
    of_segment || place.part.repetition.as_ref().is_some_and(several)
}

fn member<'s>(path: &'s RecordPath, scope: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
    if !path.several
        && let Some(start) = start(path, scope)
    {
        let found = single(start, &path.steps, scope)?;
        scope.case.record(|recorder| recorder.members(found.as_slice()));
        return Ok(found.map_or(Value::Empty, member_value));
    }
    let found = members(path, scope)?;
    scope.case.record(|recorder| recorder.members(&found));
    let mut values = found.into_iter().map(member_value);
    match path.several {
        true => Ok(Value::List(values.collect())),
        false => Ok(values.next().unwrap_or(Value::Empty)),
    }
}

/// What a path that names one member leads to: the common case, without lists of one. Of a list at its end the first member.
fn single<'s>(
    start: &'s Member,
    steps: &'s [RecordStep],
    scope: &Scope<'_, 's>,
) -> Result<Option<&'s Member>, Refusal> {
    let mut at = start;
    for step in steps {
        let next = match step {
            RecordStep::Member(name) => at.get(name),
            RecordStep::Select(select) => select_members(&[at], select, scope)?.first().copied(),
        };
        let Some(next) = next else { return Ok(None) };
        at = next;
    }
    match at {
        Member::List(members) => {
            scope.case.spend(members.len())?;
            Ok(members.first())
        }
        other => Ok(Some(other)),
    }
}

/// The members that a record path names, to be walked over: what is looked at of each is told when it is.
pub(crate) fn members<'s>(path: &'s RecordPath, scope: &Scope<'_, 's>) -> Result<Vec<&'s Member>, Refusal> {
    if let RecordStart::Name(slot) = &path.start {
        scope.case.record(|recorder| recorder.name(*slot, String::new()));
        return followed(named_members(*slot, scope)?, path, scope);
    }
    followed(Vec::from_iter(start(path, scope)), path, scope)
}

/// The one member at which a path begins; a path into what a `let` named may begin at several.
fn start<'s>(path: &'s RecordPath, scope: &Scope<'_, 's>) -> Option<&'s Member> {
    match (&path.start, scope.here) {
        (RecordStart::Part { slot, root }, _) => {
            let part = scope.case.part(*slot, root);
            scope.case.record(|recorder| recorder.learn(*slot, root, part));
            Some(part)
        }
        (RecordStart::Here, Here::Member(start)) => Some(start),
        (RecordStart::Each(slot), _) => scope.member_of(*slot),
        (RecordStart::Here | RecordStart::Name(_), _) => None,
    }
}

/// The objects that a `let` named.
fn named_members<'s>(slot: usize, scope: &Scope<'_, 's>) -> Result<Vec<&'s Member>, Refusal> {
    let names: &'s [Value<'s>] = scope.names;
    let Some(named) = names.get(slot) else { return Ok(Vec::new()) };
    scope.case.spend(named.count())?;
    let object = |value: &'s Value<'s>| match value {
        Value::Member(member) => Some(member),
        _ => None,
    };
    Ok(match named {
        Value::List(values) => values.iter().filter_map(object).collect(),
        value => object(value).into_iter().collect(),
    })
}

fn followed<'s>(
    mut found: Vec<&'s Member>,
    path: &'s RecordPath,
    scope: &Scope<'_, 's>,
) -> Result<Vec<&'s Member>, Refusal> {
    for step in &path.steps {
        match step {
            RecordStep::Member(name) => {
                found = found.into_iter().filter_map(|one| one.get(name)).collect();
            }
            RecordStep::Select(select) => {
                found = select_members(&found, select, scope)?;
            }
        }
    }
    let mut flat = Vec::with_capacity(found.len());
    for one in found {
        match one {
            Member::List(members) => {
                scope.case.spend(members.len())?;
                flat.extend(members.iter());
            }
            other => flat.push(other),
        }
    }
    Ok(flat)
}

fn select_members<'s>(
    found: &[&'s Member],
    select: &'s Choice,
    scope: &Scope<'_, 's>,
) -> Result<Vec<&'s Member>, Refusal> {
    let mut kept = Vec::new();
    for list in found {
        let Member::List(members) = list else { continue };
        scope.case.spend(members.len())?;
        match select {
            Select::First => kept.extend(members.first()),
            Select::Nth(n) => kept.extend(members.get(n.wrapping_sub(1))),
            Select::Last => kept.extend(members.last()),
            Select::All => kept.extend(members.iter()),
            Select::Append => {}
            Select::Where(test) | Select::AllWhere(test) => {
                for member in members.iter() {
                    if holds(test, &scope.at(Here::Member(member)))? {
                        kept.push(member);
                        if matches!(select, Select::Where(_)) {
                            break;
                        }
                    }
                }
            }
        }
    }
    Ok(kept)
}

fn member_value(member: &Member) -> Value<'_> {
    match member {
        Member::Nothing => Value::Empty,
        Member::Text(text) => Value::text(&**text),
        Member::List(members) => Value::List(members.iter().map(member_value).collect()),
        Member::Members(members) if members.is_empty() => Value::Empty,
        Member::Members(_) | Member::Literal(_) => Value::Member(member.clone()),
    }
}

/// A fact about the input. Those of a message stand in its header, those of a document in its record's.
pub(crate) fn fact_text<'s>(fact: Fact, scope: &Scope<'_, 's>) -> Cow<'s, str> {
    let facts = scope.case.input.facts();
    match fact {
        Fact::AcceptedAt => Cow::Owned(facts.accepted_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        Fact::Id => Cow::Owned(facts.id.to_string()),
        Fact::SourceName => Cow::Borrowed(facts.source),
        Fact::Conforms => Cow::Borrowed(scope.case.input.message().map(conforms).unwrap_or_default()),
        fact => match scope.case.header() {
            Some(header) => header_text(fact, header),
            None => Cow::Borrowed(record_text(fact, &scope.case.input.record().header)),
        },
    }
}

/// Notes are for people: a message that has nothing else conforms.
fn conforms(message: &Message<'_>) -> &'static str {
    let is_warning = |finding: &Diagnostic| finding.severity != Severity::Note;
    if orderly_hl7v2::validate(message).iter().any(is_warning) { "no" } else { "yes" }
}

fn header_text(fact: Fact, header: &Header) -> Cow<'_, str> {
    match fact {
        Fact::Type => header.message_type(),
        Fact::Event => header.event(),
        Fact::Structure => header.structure(),
        Fact::ControlId => header.control_id(),
        Fact::Version => header.version(),
        Fact::Processing => header.processing_id(),
        Fact::SendingApplication => header.sending_application(),
        Fact::SendingFacility => header.sending_facility(),
        Fact::ReceivingApplication => header.field(5).text(),
        Fact::ReceivingFacility => header.field(6).text(),
        Fact::Conforms | Fact::AcceptedAt | Fact::Id | Fact::SourceName => Cow::Borrowed(""),
    }
}

/// An authority in one text: its name, else its universal id.
fn authority_name(authority: &Option<Authority>) -> Option<&Text> {
    let authority = authority.as_ref()?;
    authority.name.as_ref().or(authority.universal_id.as_ref())
}

fn record_text(fact: Fact, header: &orderly_record::Header) -> &str {
    let text = match fact {
        Fact::Type => header.kind.as_ref(),
        Fact::Event => header.event.as_ref(),
        Fact::Structure => header.structure.as_ref(),
        Fact::ControlId => header.control_id.as_ref(),
        Fact::Version => header.version.as_ref(),
        Fact::Processing => header.processing.as_ref(),
        Fact::SendingApplication => authority_name(&header.sending_application),
        Fact::SendingFacility => authority_name(&header.sending_facility),
        Fact::ReceivingApplication => authority_name(&header.receiving_application),
        Fact::ReceivingFacility => authority_name(&header.receiving_facility),
        Fact::Conforms | Fact::AcceptedAt | Fact::Id | Fact::SourceName => None,
    };
    text.map(Text::as_str).unwrap_or_default()
}

/// The level of a place for copying structure, `None` for a segment.
pub(crate) fn level(place: &Place, here: Option<Level>) -> Option<Level> {
    match place.start {
        Start::Segment { .. } => place.part.level(None),
        Start::Here | Start::Each(_) => place.part.level(here),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use orderly_record::Record;

    use super::*;
    use crate::scope::{Case, STEPS_MAX};
    use crate::wanted::Wanted;
    use crate::{Facts, Input};

    #[test]
    fn a_list_behind_a_name_costs_its_members() {
        let facts = Facts { id: 1, source: "any", accepted_at: Timestamp::UNIX_EPOCH };
        let record = Record::default();
        let input = Input::of_record(&facts, &record);
        let names = [Value::List(vec![Value::text("a"), Value::text("b"), Value::text("c")])];
        let case = Case::new(&input, &Wanted::default());
        let scope = Scope { names: &names, ..Scope::of(&case) };
        let left = usize::try_from(STEPS_MAX).unwrap() - 7;
        case.spend(left).unwrap();
        assert_eq!(value(&Term::Name(0), &scope).unwrap().members().len(), 3);
        assert_eq!(value(&Term::Name(0), &scope).unwrap_err().diagnostic.code, "mapping-steps");
    }
}
