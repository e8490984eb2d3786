//! Resources to a FHIR server, one request each.
//!
//! What always holds: as over HTTP; in addition the answer's body is judged, because a server may answer a batch with success of which a
//! part failed.

use super::{Attempt, Classify, Delivery, HttpDestination, HttpSettings, Method};

/// A FHIR destination with its connection, if there is one.
#[derive(Debug)]
pub struct FhirDestination(HttpDestination);

impl FhirDestination {
    /// A destination without a connection. The settings' path is that of the server's base.
    pub fn new(settings: HttpSettings) -> Self {
        Self(HttpDestination::new(settings))
    }

    /// Sends a payload. The delivery's name is its interaction: `POST` to the base (where it is empty, too), `POST Patient`,
    /// `PUT Patient/70014`.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>, classify: &Classify<'_>) -> Attempt {
        let (method, place) = delivery.name.split_once(' ').unwrap_or((delivery.name, ""));
        let method = if method == "PUT" { Method::PUT } else { Method::POST };
        let base = self.0.settings().path.trim_end_matches('/');
        let path = match (base, place) {
            ("", "") => "/".to_owned(),
            (base, "") => base.to_owned(),
            (base, place) => format!("{base}/{place}"),
        };
        // Where it goes is made of the resource: that is not told.
        self.0.send(method, &path, delivery.payload, place.is_empty(), classify).await
    }
}
