//! `answer:` of a source: whose answer its senders get. What can be known before a message comes is checked here.

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{Entry, Fields, Span, duration};

use super::Site;
use crate::plan::{Acknowledgements, AnswerFrom, Endpoint, Listener, Order, Priority, Route, Source};

/// Reads `from lab-system within 10s`.
pub(super) fn read(fields: &Fields<'_, '_>, problems: &Problems) -> Option<AnswerFrom> {
    let node = fields.optional("answer")?;
    let Some(text) = node.text() else {
        problems
            .error("config-answer", &node.span, format!("`answer` is one line, not {}", node.what()))
            .help("write answer: from lab-system within 10s; one destination answers");
        return None;
    };
    let mut words = text.split_ascii_whitespace();
    let found = match [words.next(), words.next(), words.next(), words.next(), words.next()] {
        [Some("from"), Some(destination), Some("within"), Some(within), None] => {
            duration(within).map(|within| AnswerFrom { destination: destination.into(), within })
        }
        _ => None,
    };
    if found.as_ref().is_none_or(|found| found.within.is_zero()) {
        problems
            .error("config-answer", &node.span, "`answer` takes one destination and a time")
            .help("write answer: from lab-system within 10s");
        return None;
    }
    found
}

/// Where sources say whose answer their senders get, by their index.
pub(super) fn places(sources: &[Source], entries: &[Entry]) -> Vec<(usize, Span)> {
    let place = |source: &Source| {
        let entry = entries.iter().find(|entry| entry.key == *source.name)?;
        entry.value.get("answer").filter(|_| source.answer.is_some()).map(|node| node.span.clone())
    };
    sources.iter().enumerate().filter_map(|(index, source)| Some((index, place(source)?))).collect()
}

/// What the site itself says against it.
pub(super) fn check(site: &Site, problems: &Problems) {
    for (source, answer, span) in answered(site) {
        let refuse = |message: String| problems.error("config-answer", span, message);
        match source.listener {
            Listener::Files(_) => {
                refuse("nobody waits for an answer to a file".to_owned()).help("remove it");
            }
            Listener::Amqp(_) => {
                refuse("nobody waits for an answer to what comes out of a queue".to_owned())
                    .help("remove it");
            }
            Listener::Mllp(_) | Listener::Http(_) => {}
        }
        if source.acknowledgements == Acknowledgements::Enhanced {
            refuse("in enhanced mode the answer to a message is that it is stored".to_owned())
                .help("remove `acknowledgements: enhanced`, or `answer:`");
        }
        let destination = site.destinations.iter().find(|other| other.name == answer.destination);
        match destination.map(|destination| &destination.endpoint) {
            Some(Endpoint::Mllp(_) | Endpoint::Http(_)) => {}
            Some(Endpoint::Files(_) | Endpoint::Fhir(_) | Endpoint::Amqp(_)) => {
                refuse(format!("`{}` answers nothing that is HL7 v2", answer.destination))
                    .help("name a destination with `mllp:`, or with `http:` whose server answers HL7 v2");
            }
            // Its own errors are reported there.
            None if site.declared_destinations.iter().any(|name| **name == *answer.destination) => {}
            None => {
                let names = site.declared_destinations.iter().map(String::as_str);
                refuse(format!("there is no destination `{}` in `destinations:`", answer.destination))
                    .suggest(&answer.destination, names);
            }
        }
    }
}

fn answered(site: &Site) -> impl Iterator<Item = (&Source, &AnswerFrom, &Span)> {
    site.answers.iter().filter_map(|(index, span)| {
        let source = site.sources.get(*index)?;
        Some((source, source.answer.as_ref()?, span))
    })
}

/// What the routes say against it.
pub(crate) fn check_routes(site: &Site, routes: &[Route], problems: &Problems) {
    for (source, answer, span) in answered(site) {
        let Some(at) = site.destinations.iter().position(|other| other.name == answer.destination) else {
            continue;
        };
        let is_own = |route: &&Route| site.sources.get(route.source).is_some_and(|of| of.name == source.name);
        let reaching: Vec<&Route> =
            routes.iter().filter(|route| route.to.iter().any(|target| target.destination == at)).collect();
        let (own, others): (Vec<&Route>, Vec<&Route>) = reaching.into_iter().partition(is_own);
        let name = &answer.destination;
        if own.is_empty() {
            problems
                .error("config-answer", span, format!("no route takes messages from here to `{name}`"))
                .help(format!("add a route with `from: {}` and `destination: {name}`", source.name));
        }
        let is_fifo = site.destinations.get(at).is_some_and(|other| other.handling.order == Order::Fifo);
        let other = others.iter().find(|route| !is_backfill(route));
        if let (true, true, Some(other)) = (is_fifo, own.iter().any(|route| route.priority.is_empty()), other)
        {
            let message = format!(
                "its messages wait behind those of the route `{}` for `{name}`, and their senders wait for them",
                other.name
            );
            problems.warning("config-answer-waits", span, message).help(
                "write `priority: stat` in their route, or make a destination of their own at the same address",
            );
        }
    }
}

/// Whether what it sends stands in nobody's way.
fn is_backfill(route: &Route) -> bool {
    matches!(route.priority.as_slice(), [(Priority::Backfill, None), ..])
}
