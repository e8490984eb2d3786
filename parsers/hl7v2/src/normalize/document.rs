//! TXA: a document's facts.

use orderly_record::{Document, Location};

use super::Fields;
use super::values::{coded, entity, providers, text, time};

/// TXA (chapter 9, "Transcription document header segment"). Who stands for it is in TXA-10, or with the time in TXA-22.
pub(super) fn document(txa: &Fields<'_>, source: Location) -> Document {
    let both = [txa.field(10), txa.field(22)].into_iter().map(providers);
    let authenticators = both.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    Document {
        number: entity(txa.first(12)),
        parent_number: entity(txa.first(13)),
        placer_number: entity(txa.first(14)),
        filler_number: entity(txa.first(15)),
        kind: coded(txa.first(2)),
        title: text(txa.first(25)),
        completion: text(txa.first(17)),
        availability: text(txa.first(19)),
        confidentiality: text(txa.first(18)),
        activity_at: time(txa.first(4)),
        created_at: time(txa.first(6)),
        transcribed_at: time(txa.first(7)),
        storage: text(txa.first(20)),
        file_name: text(txa.first(16)),
        order_numbers: txa.field(14).children().skip(1).filter_map(entity).collect(),
        authors: providers(txa.field(9)),
        authenticators,
        source: Some(source),
        ..Document::default()
    }
}
