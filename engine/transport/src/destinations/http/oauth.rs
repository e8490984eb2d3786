//! Tokens by OAuth 2 client credentials (RFC 6749, section 4.4): fetched, kept while they are valid, and fetched anew.
//!
//! What always holds: a token is used no longer than its server says, less a minute, and not after a server has refused it; secrets,
//! assertions and tokens are in no text.

use super::hidden;
use crate::http_client::{HttpAnswer, HttpClient, NoAnswer, Origin};
use crate::secret::{Secret, SecretError, SecretSource};
use crate::tls::{TlsClient, TlsClientSettings};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA384, RsaKeyPair};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Where tokens come from, and who asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthSettings {
    /// The token server.
    pub origin: Origin,
    /// The path at it that gives tokens.
    pub path: String,
    /// Who asks.
    pub client_id: String,
    /// What shows that.
    pub proof: ClientProof,
    /// What the token is to be good for, if the server wants to know: `system/*.rs`.
    pub scope: Option<String>,
    /// TLS, where the origin is secure.
    pub tls: TlsClientSettings,
}

/// What shows who asks for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProof {
    /// A secret that both know.
    Secret(SecretSource),
    /// A signature with a key (SMART App Launch 2, "Backend Services"): RS384 with an RSA key, ES384 with a P-384 key.
    Key {
        /// The private key, PKCS#8 in PEM.
        file: PathBuf,
        /// By what the server knows its public half.
        key_id: Option<String>,
    },
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    #[error("{0}")]
    Secret(#[from] SecretError),
    #[error("the key {} {why}", file.display())]
    Key { file: PathBuf, why: &'static str },
    #[error("the token server: {0}")]
    Unreached(#[from] NoAnswer),
    #[error("the token server answered {status}{}", .error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default())]
    Refused { status: u16, error: Option<String> },
    #[error("the token server's answer holds no bearer token")]
    Unusable,
}

/// The tokens of a destination.
#[derive(Debug)]
pub(super) struct Tokens {
    settings: OAuthSettings,
    client: HttpClient,
    kept: Option<(Secret, Instant)>,
}

/// How long a token is used whose server does not say: the shortest that servers give.
const LIFE_UNSAID: Duration = Duration::from_secs(300);

/// How long before its end a token is no longer used: a request may be under way for a while.
const END_BEFORE: Duration = Duration::from_secs(60);

/// How long a signed assertion is good for. SMART allows five minutes at most, and clocks differ.
const ASSERTION_LIFE_SECONDS: i64 = 240;

/// How long connecting to the token server, and its answer, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl Tokens {
    pub(super) fn new(settings: OAuthSettings) -> Self {
        let tls = settings.origin.is_secure.then(|| TlsClient::new(settings.tls.clone(), &[b"http/1.1"]));
        let client = HttpClient::new(settings.origin.clone(), CONNECT_TIMEOUT, tls);
        Self { settings, client, kept: None }
    }

    /// The token to show now.
    pub(super) async fn current(&mut self) -> Result<Secret, NoToken> {
        if let Some((token, until)) = &self.kept
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let request = self.request().await?;
        let answer = self.client.exchange(request, ANSWER_TIMEOUT).await?;
        let (token, life) = read(&answer)?;
        self.kept = Some((token.clone(), Instant::now() + life.saturating_sub(END_BEFORE)));
        Ok(token)
    }

    /// The token was refused: the next one is fetched.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    async fn request(&self) -> Result<Request<Full<Bytes>>, NoToken> {
        let settings = &self.settings;
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        form.extend(settings.scope.clone().map(|scope| ("scope", scope)));
        let mut request = Request::post(&settings.path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        match &settings.proof {
            ClientProof::Secret(source) => {
                let secret = source.fetch().await?;
                let both = format!("{}:{}", escaped(&settings.client_id), escaped(secret.value()));
                request = request.header(AUTHORIZATION, hidden(&format!("Basic {}", STANDARD.encode(both))));
            }
            ClientProof::Key { file, key_id } => {
                let (file, key_id, id) = (file.clone(), key_id.clone(), settings.client_id.clone());
                let audience = settings.url();
                let signed = tokio::task::spawn_blocking(move || {
                    assertion(&file, key_id.as_deref(), &id, &audience, Timestamp::now())
                });
                let assertion = signed.await.unwrap_or(Err(NoToken::Unusable))?;
                form.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
                form.push(("client_assertion", assertion));
            }
        }
        let pairs: Vec<String> =
            form.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
        request.body(Full::new(Bytes::from(pairs.join("&")))).map_err(|_| NoToken::Unusable)
    }
}

/// What the assertion is (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl OAuthSettings {
    /// The token server's URL, as it knows itself.
    fn url(&self) -> String {
        let scheme = if self.origin.is_secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.origin.host(), self.path)
    }
}

/// A value of a form.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The token and its life.
fn read(answer: &HttpAnswer) -> Result<(Secret, Duration), NoToken> {
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Json::as_str);
    if !answer.status.is_success() {
        // A code such as invalid_client (RFC 6749, section 5.2), and nothing else of the answer.
        let is_code =
            |code: &&str| code.len() <= 40 && code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let error = text("error").filter(is_code).map(str::to_owned);
        return Err(NoToken::Refused { status: answer.status.as_u16(), error });
    }
    let is_bearer = text("token_type").is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    let token = text("access_token").filter(|_| is_bearer).and_then(Secret::new).ok_or(NoToken::Unusable)?;
    let life = body.get("expires_in").and_then(Json::as_u64).map_or(LIFE_UNSAID, Duration::from_secs);
    Ok((token, life.min(LIFE_MAX)))
}

/// The longest life that is believed.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// A key that signs.
enum Key {
    Rsa(Box<RsaKeyPair>),
    P384(Box<EcdsaKeyPair>),
}

/// Reads a key; it is also how one is checked.
fn key(file: &Path) -> Result<Key, NoToken> {
    let wrong = |why| NoToken::Key { file: file.to_owned(), why };
    let read = PrivateKeyDer::from_pem_file(file)
        .map_err(|_| wrong("cannot be read as a private key in PEM without a passphrase"))?;
    let PrivateKeyDer::Pkcs8(pkcs8) = read else {
        return Err(wrong("is not PKCS#8; convert it with `openssl pkcs8 -topk8 -nodes`"));
    };
    let der = pkcs8.secret_pkcs8_der();
    let random = SystemRandom::new();
    let p384 = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der, &random);
    let rsa = || RsaKeyPair::from_pkcs8(der).map(Box::new).map(Key::Rsa);
    p384.map(Box::new)
        .map(Key::P384)
        .or_else(|_| rsa())
        .map_err(|_| wrong("is neither an RSA key of 2048 bits or more nor one of the curve P-384"))
}

/// Who asks, signed (RFC 7523, section 3).
fn assertion(
    file: &Path,
    key_id: Option<&str>,
    client_id: &str,
    audience: &str,
    now: Timestamp,
) -> Result<String, NoToken> {
    let key = key(file)?;
    let algorithm = match key {
        Key::Rsa(_) => "RS384",
        Key::P384(_) => "ES384",
    };
    let failed = |_| NoToken::Key { file: file.to_owned(), why: "could not sign" };
    let random = SystemRandom::new();
    let mut number = [0; 16];
    random.fill(&mut number).map_err(failed)?;
    let mut header = json!({ "alg": algorithm, "typ": "JWT" });
    if let (Some(members), Some(key_id)) = (header.as_object_mut(), key_id) {
        members.insert("kid".to_owned(), json!(key_id));
    }
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "exp": now.as_second() + ASSERTION_LIFE_SECONDS,
        "jti": URL_SAFE_NO_PAD.encode(number),
    });
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = match &key {
        Key::P384(key) => key.sign(&random, signed.as_bytes()).map_err(failed)?.as_ref().to_vec(),
        Key::Rsa(key) => {
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&RSA_PKCS1_SHA384, &random, signed.as_bytes(), &mut signature).map_err(failed)?;
            signature
        }
    };
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

impl ClientProof {
    /// What is wrong with it now, if anything is.
    #[must_use]
    pub fn check(&self) -> Option<String> {
        match self {
            Self::Secret(source) => source.read().err().map(|error| error.to_string()),
            Self::Key { file, .. } => key(file).err().map(|error| error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
    use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

    fn answer(status: u16, body: &str) -> HttpAnswer {
        let status = hyper::StatusCode::from_u16(status).unwrap();
        let (headers, is_whole) = (hyper::HeaderMap::new(), true);
        HttpAnswer { status, headers, body: body.as_bytes().to_vec(), is_whole }
    }

    #[test]
    fn a_signed_assertion_says_who_asks_whom_and_until_when() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        std::fs::write(&file, pair.serialize_pem()).unwrap();
        let now = Timestamp::from_second(1_772_704_800).unwrap();
        let signed = assertion(&file, Some("k1"), "orderly", "https://auth.example/token", now).unwrap();
        let (said, signature) = signed.rsplit_once('.').unwrap();
        let parts: Vec<Json> = said
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({ "alg": "ES384", "typ": "JWT", "kid": "k1" }));
        let mut claims = parts[1].clone();
        let number = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert_eq!(number.as_str().unwrap().len(), 22);
        let (who, whom) = ("orderly", "https://auth.example/token");
        assert_eq!(claims, json!({ "iss": who, "sub": who, "aud": whom, "exp": 1_772_705_040 }));
        let public = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, pair.public_key_raw());
        public.verify(said.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let again = assertion(&file, Some("k1"), "orderly", "https://auth.example/token", now).unwrap();
        assert_ne!(again.split('.').nth(1), signed.split('.').nth(1), "no assertion is used twice");
    }

    #[test]
    fn keys_that_cannot_sign_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let told = || ClientProof::Key { file: file.clone(), key_id: None }.check().unwrap();
        assert!(told().contains("cannot be read"));
        let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        std::fs::write(&file, other.serialize_pem()).unwrap();
        assert!(told().contains("P-384"));
    }

    #[test]
    fn an_answer_gives_a_token_and_its_life_or_a_code() {
        let life = |body: &str| {
            read(&answer(200, body)).map(|(token, life)| (token.value().to_owned(), life.as_secs()))
        };
        assert_eq!(
            life(r#"{"access_token":"t","token_type":"Bearer","expires_in":900}"#).unwrap(),
            ("t".to_owned(), 900)
        );
        assert_eq!(life(r#"{"access_token":"t"}"#).unwrap().1, 300);
        assert!(life(r#"{"access_token":"t","token_type":"mac"}"#).is_err() && life("").is_err());
        let refused =
            read(&answer(401, r#"{"error":"invalid_client","error_description":"geheim"}"#)).unwrap_err();
        assert_eq!(refused.to_string(), "the token server answered 401 (invalid_client)");
        let refused = read(&answer(400, r#"{"error":"Words About Somebody"}"#)).unwrap_err();
        assert_eq!(refused.to_string(), "the token server answered 400");
    }
}
