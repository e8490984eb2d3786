//! A destination of the plan, ready for attempts: settings for the transport, and the judge of its answers.

use std::path::Path;

use orderly_pipeline::plan::{self, Endpoint};
use orderly_pipeline::{Verdict, judge_answer};
use orderly_transport::destinations::{
    Attempt, Classified, Delivery, Destination, DestinationSettings, FilesSettings, MllpSettings, Outcome,
};

use crate::outside;

/// The transport's settings for a destination; relative paths count from `base`.
pub(crate) fn settings(destination: &plan::Destination, base: &Path) -> DestinationSettings {
    match &destination.endpoint {
        Endpoint::Mllp(mllp) => {
            let defaults = MllpSettings::new(mllp.address.clone());
            DestinationSettings::Mllp(MllpSettings {
                connect_timeout: mllp.connect_timeout.unwrap_or(defaults.connect_timeout),
                answer_timeout: mllp.answer_timeout.unwrap_or(defaults.answer_timeout),
                tls: mllp.tls.as_ref().map(|tls| outside::tls_client(tls, base)),
                ..defaults
            })
        }
        Endpoint::Files(files) => {
            DestinationSettings::Files(FilesSettings { folder: base.join(&files.folder) })
        }
    }
}

/// Makes one attempt with a payload whose MSH-10 is `control_id`.
pub(crate) async fn attempt(
    destination: &mut Destination,
    delivery: &Delivery<'_>,
    control_id: &str,
) -> Attempt {
    let classify = |answer: &[u8]| match judge_answer(answer, control_id) {
        Verdict::Foreign => Classified::Foreign,
        Verdict::Delivered => Classified::Outcome(Outcome::Delivered),
        Verdict::Retryable { code, text } => Classified::Outcome(Outcome::retryable(&code, text)),
        Verdict::Refused { code, text } => Classified::Outcome(Outcome::Permanent { code, text }),
    };
    destination.attempt(delivery, &classify).await
}
