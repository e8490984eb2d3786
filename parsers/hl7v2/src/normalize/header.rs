//! MSH and EVN: what kind of message, from whom, to whom, when.

use orderly_record::{Authority, Header, Timestamp};

use crate::message::Message;
use crate::timestamp::timestamp;
use crate::view::{Presence, View};

pub(super) fn header(message: &Message<'_>) -> Header {
    let field = |n| message.field(0, n);
    let kind = field(9).child(1);
    Header {
        format: "hl7v2".into(),
        kind: text(kind.child(1)),
        event: text(kind.child(2)),
        structure: text(kind.child(3)),
        control_id: text(field(10)),
        version: text(field(12)),
        processing: text(field(11)),
        sending_application: authority(field(3).child(1)),
        sending_facility: authority(field(4).child(1)),
        receiving_application: authority(field(5).child(1)),
        receiving_facility: authority(field(6).child(1)),
        sent_at: time(field(7)),
        recorded_at: None,
        occurred_at: None,
    }
}

fn text(view: View<'_>) -> Option<String> {
    let leaf = view.leaf();
    (leaf.presence() == Presence::Present).then(|| leaf.text().into_owned())
}

fn time(view: View<'_>) -> Option<Timestamp> {
    text(view).map(|text| timestamp(&text))
}

fn authority(view: View<'_>) -> Option<Authority> {
    let authority = Authority {
        name: text(view.child(1)),
        universal_id: text(view.child(2)),
        universal_id_type: text(view.child(3)),
    };
    (authority != Authority::default()).then_some(authority)
}
