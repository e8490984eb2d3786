//! An authority of a test's own, and the certificates that it makes.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::site::Site;

/// An authority and its certificate, as PEM.
pub struct Authority(Issuer<'static, KeyPair>, String);

impl Default for Authority {
    fn default() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate for self-signed whose subject is called like its issuer.
        params.distinguished_name.push(DnType::CommonName, "authority.example");
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority(Issuer::new(params, key), pem)
    }
}

impl Authority {
    /// Makes a certificate for a name (and for loopback) and its key, in a site: `tls/FILE.pem` and `tls/FILE.key`; beside them its own,
    /// `tls/ca.pem`.
    pub fn issue(&self, site: &Site, file: &str, name: &str) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).expect("names");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        site.write("tls/ca.pem", &self.1);
        site.write(&format!("tls/{file}.pem"), certificate.pem());
        site.write(&format!("tls/{file}.key"), key.serialize_pem());
    }
}
