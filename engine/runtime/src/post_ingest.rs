//! From a request to its answer: as a frame's way in `ingest`, with a status beside the acknowledgement.

use orderly_pipeline::{Format, HL7_V2_MEDIA_TYPES, members};
use orderly_transport::listeners::{PostHandler, Posted, Received, Verdict};

use crate::ingest::{Ingest, Sender, Taken};

impl PostHandler for Ingest {
    async fn post(&self, received: Received, media_type: Option<&str>) -> Posted {
        let is_document = Format::of(&received.bytes) == Format::Ccda;
        if members(&received.bytes).len() > 1 {
            let text =
                "the request holds several messages; send one a request, so that each has its own answer";
            return in_words(Verdict::Unreadable, text);
        }
        let Some(held) = self.hold().await else {
            return in_words(Verdict::NotNow, "this source is no more; send it again later");
        };
        let taken = self.take(&held, &received.bytes, Sender::of(&received)).await;
        drop(held);
        let Taken { id, answer, verdict, .. } = self.answered(taken).await;
        match answer {
            // A document has no header that an acknowledgement could name.
            _ if is_document => in_words(verdict, &of_document(id, verdict)),
            Some(body) => Posted { verdict, body, media_type: answered_as(media_type).to_owned() },
            None => Posted { verdict, body: Vec::new(), media_type: answered_as(media_type).to_owned() },
        }
    }
}

/// The media type of HL7 v2 as the sender calls it.
fn answered_as(said: Option<&str>) -> &str {
    let [usual, ..] = HL7_V2_MEDIA_TYPES;
    said.filter(|said| HL7_V2_MEDIA_TYPES.contains(said)).unwrap_or(usual)
}

fn of_document(id: u64, verdict: Verdict) -> String {
    match verdict {
        Verdict::Taken => format!("stored as message {id}"),
        Verdict::Unreadable => format!(
            "the document cannot be read; it is kept as message {id}, and `orderly show {id}` says why"
        ),
        Verdict::Unanswered => {
            format!(
                "stored as message {id}, which will be delivered; the queue has not taken it in time; send it again to know"
            )
        }
        Verdict::NotProcessed => {
            format!("stored as message {id}, but no mapping could be applied to it")
        }
        Verdict::NotNow => "the document could not be stored; send it again later".to_owned(),
    }
}

fn in_words(verdict: Verdict, text: &str) -> Posted {
    let media_type = "text/plain; charset=utf-8".to_owned();
    Posted { verdict, body: format!("{text}\n").into_bytes(), media_type }
}
