//! MSH and EVN: what kind of message, from whom, to whom, when.

use orderly_record::Header;

use super::Fields;
use super::values::{authority, text, time};

pub(super) fn header(msh: &Fields<'_>) -> Header {
    let kind = msh.first(9);
    Header {
        format: "hl7v2".into(),
        kind: text(kind.child(1)),
        event: text(kind.child(2)),
        structure: text(kind.child(3)),
        control_id: text(msh.first(10)),
        version: text(msh.first(12)),
        processing: text(msh.first(11)),
        sending_application: authority(msh.first(3)),
        sending_facility: authority(msh.first(4)),
        receiving_application: authority(msh.first(5)),
        receiving_facility: authority(msh.first(6)),
        sent_at: time(msh.first(7)),
        recorded_at: None,
        occurred_at: None,
    }
}

/// EVN-1 tells the event to versions whose MSH-9 does not.
pub(super) fn event(evn: &Fields<'_>, header: &mut Header) {
    header.event = header.event.take().or_else(|| text(evn.first(1)));
    header.recorded_at = time(evn.first(2));
    header.occurred_at = time(evn.first(6));
}
