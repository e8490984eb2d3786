//! Resources to a FHIR server, one request each.
//!
//! What always holds: as over HTTP; in addition the answer's body is judged, because a server may answer a batch with success of which a
//! part failed.

use super::http::Asked;
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
    /// `PUT Patient/70014`; and where there may be one already, `POST Patient?SEARCH`, which makes none then, or `PUT Patient?SEARCH`,
    /// which replaces it.
    pub async fn attempt(&mut self, delivery: &Delivery<'_>, classify: &Classify<'_>) -> Attempt {
        let (method, place) = delivery.name.split_once(' ').unwrap_or((delivery.name, ""));
        let method = if method == "PUT" { Method::PUT } else { Method::POST };
        let (place, if_none_exist) = match place.split_once('?') {
            Some((place, search)) if method == Method::POST => (place, Some(search)),
            _ => (place, None),
        };
        let base = self.0.settings().path.trim_end_matches('/');
        let path = match (base, place) {
            ("", "") => "/".to_owned(),
            (base, "") => base.to_owned(),
            (base, place) => format!("{base}/{place}"),
        };
        // Where it goes is made of the resource: that is not told.
        let asked = Asked { method, path: &path, if_none_exist, is_fixed: place.is_empty() };
        self.0.send(asked, delivery.payload, classify).await
    }
}
