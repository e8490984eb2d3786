//! A destination of the plan, ready for attempts: settings for the transport, and the judge of its answers.

use std::path::Path;
use std::time::Duration;

use orderly_pipeline::plan::{
    self, AmqpEndpoint, Endpoint, FhirEndpoint, HttpEndpoint, MllpConnection, Prefer,
};
use orderly_pipeline::{
    FHIR_ANSWER_MEDIA_TYPES, FHIR_MEDIA_TYPE, HL7_V2_MEDIA_TYPES, MEDIA_TYPES, Verdict, judge_answer,
    judge_fhir_answer,
};
use orderly_transport::destinations::{
    AmqpSettings, Attempt, Classified, Delivery, Destination, DestinationSettings, FilesSettings,
    HeaderContent, HttpSettings, Judged, MediaType, Method, MllpSettings, Origin, Outcome,
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
                persistent: mllp.connection == MllpConnection::Persistent,
                tls: mllp.tls.as_ref().map(|tls| outside::tls_client(tls, base)),
                ..defaults
            })
        }
        Endpoint::Files(files) => {
            DestinationSettings::Files(FilesSettings { folder: base.join(&files.folder) })
        }
        Endpoint::Http(http) => DestinationSettings::Http(Box::new(http_settings(http, base))),
        Endpoint::Fhir(fhir) => DestinationSettings::Fhir(Box::new(fhir_settings(fhir, base))),
        Endpoint::Amqp(amqp) => {
            DestinationSettings::Amqp(Box::new(amqp_settings(amqp, &destination.name, base)))
        }
    }
}

fn fhir_settings(fhir: &FhirEndpoint, base: &Path) -> HttpSettings {
    let header = |name: &str, value: &str| (name.to_owned(), HeaderContent::Text(value.to_owned()));
    let mut headers = vec![header("Accept", FHIR_MEDIA_TYPE)];
    headers.extend(fhir.prefer.map(|prefer| {
        let wanted = match prefer {
            Prefer::Minimal => "return=minimal",
            Prefer::Representation => "return=representation",
            Prefer::OperationOutcome => "return=OperationOutcome",
        };
        header("Prefer", wanted)
    }));
    HttpSettings {
        origin: Origin { is_secure: fhir.base.is_secure, address: fhir.base.address.clone() },
        path: fhir.base.fixed_path(),
        method: Method::POST,
        headers,
        credentials: fhir.credentials.as_ref().map(|credentials| outside::credentials(credentials, base)),
        oauth: fhir.oauth.as_ref().map(|oauth| outside::oauth(oauth, base)),
        media_types: vec![MediaType { beginning: b"", name: FHIR_MEDIA_TYPE.to_owned() }],
        judged: Judged { media_types: FHIR_ANSWER_MEDIA_TYPES.to_vec(), beginnings: vec!["{", "<"] },
        connect_timeout: fhir.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        answer_timeout: fhir.answer_timeout.unwrap_or(ANSWER_TIMEOUT),
        tls: fhir.tls.as_ref().map(|tls| outside::tls_client(tls, base)).unwrap_or_default(),
    }
}

fn amqp_settings(amqp: &AmqpEndpoint, name: &str, base: &Path) -> AmqpSettings {
    let headers = amqp.fixed_headers().map(|(name, text)| (name.to_owned(), text.to_owned()));
    AmqpSettings {
        broker: outside::broker(&amqp.broker, &format!("orderly destination {name}"), base),
        exchange: amqp.exchange.clone(),
        routing_key: amqp.fixed_routing_key(),
        headers: headers.collect(),
        media_types: media_types(amqp.content_type.as_ref()),
        is_persistent: amqp.persistent,
        confirm_timeout: amqp.confirm_timeout.unwrap_or(ANSWER_TIMEOUT),
    }
}

/// What payloads are: as declared, or by what they begin with.
fn media_types(declared: Option<&String>) -> Vec<MediaType> {
    match declared {
        Some(name) => vec![MediaType { beginning: b"", name: name.clone() }],
        None => MEDIA_TYPES.map(|(beginning, name)| MediaType { beginning, name: name.to_owned() }).into(),
    }
}

fn http_settings(http: &HttpEndpoint, base: &Path) -> HttpSettings {
    let header = |(name, content): &(String, plan::HeaderContent)| match content {
        plan::HeaderContent::Text(text) => (name.clone(), HeaderContent::Text(text.clone())),
        plan::HeaderContent::Secret(secret) => {
            (name.clone(), HeaderContent::Secret(outside::secret(secret, base)))
        }
    };
    HttpSettings {
        origin: Origin { is_secure: http.url.is_secure, address: http.url.address.clone() },
        path: http.url.fixed_path(),
        method: match http.method {
            plan::HttpMethod::Post => Method::POST,
            plan::HttpMethod::Put => Method::PUT,
            plan::HttpMethod::Patch => Method::PATCH,
        },
        headers: http.headers.iter().map(header).collect(),
        credentials: http.credentials.as_ref().map(|credentials| outside::credentials(credentials, base)),
        oauth: http.oauth.as_ref().map(|oauth| outside::oauth(oauth, base)),
        media_types: media_types(http.content_type.as_ref()),
        judged: Judged { media_types: HL7_V2_MEDIA_TYPES.to_vec(), beginnings: vec!["MSH"] },
        connect_timeout: http.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
        answer_timeout: http.answer_timeout.unwrap_or(ANSWER_TIMEOUT),
        tls: http.tls.as_ref().map(|tls| outside::tls_client(tls, base)).unwrap_or_default(),
    }
}

/// How long a server may take to be connected to, and to take a message and to answer: as receivers over MLLP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes one attempt with a payload whose MSH-10 is `control_id`.
pub(crate) async fn attempt(
    destination: &mut Destination,
    delivery: &Delivery<'_>,
    control_id: &str,
) -> Attempt {
    let is_fhir = matches!(destination, Destination::Fhir(_));
    let judge = |answer: &[u8]| match is_fhir {
        true => judge_fhir_answer(answer, delivery.payload),
        false => judge_answer(answer, control_id),
    };
    let classify = |answer: &[u8]| match judge(answer) {
        Verdict::Foreign => Classified::Foreign,
        Verdict::Delivered => Classified::Outcome(Outcome::Delivered),
        Verdict::Retryable { code, text } => Classified::Outcome(Outcome::retryable(&code, text)),
        Verdict::Refused { code, text } => Classified::Outcome(Outcome::Permanent { code, text }),
    };
    destination.attempt(delivery, &classify).await
}
