//! A broker's place as a URL, as other programs take it: `amqp://user:password@host:5672/virtual-host`.

use std::fmt;
use std::str::FromStr;

use lapin::uri::{AMQPScheme, AMQPUri};

/// What such a URL says.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// The broker's address: host and port.
    pub address: String,
    /// Whether it is spoken to by TLS.
    pub is_tls: bool,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The virtual host.
    pub virtual_host: String,
}

impl fmt::Debug for BrokerUrl {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerUrl")
            .field("address", &self.address)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl FromStr for BrokerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<BrokerUrl, String> {
        // Its own words would show the password.
        let uri = AMQPUri::from_str(text).map_err(|_| {
            "a broker's URL is amqp://user:password@host:5672/virtual-host, or amqps:// for TLS".to_owned()
        })?;
        let AMQPUri { scheme, authority, vhost, .. } = uri;
        Ok(BrokerUrl {
            address: format!("{}:{}", authority.host, authority.port),
            is_tls: scheme == AMQPScheme::AMQPS,
            user: authority.userinfo.username,
            password: authority.userinfo.password,
            virtual_host: vhost,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_as_whom() {
        let url: BrokerUrl = "amqps://anna:b%40c@mq.example.org/hospital".parse().expect("a URL");
        let (address, user, password) = (url.address.as_str(), url.user.as_str(), url.password.as_str());
        assert_eq!((address, user, password), ("mq.example.org:5671", "anna", "b@c"));
        assert_eq!((url.virtual_host.as_str(), url.is_tls), ("hospital", true));
        assert!(!format!("{url:?}").contains("b@c"));
        let refused = "http://anna:secret@mq".parse::<BrokerUrl>().expect_err("it is no broker's");
        assert!(!refused.contains("secret"), "{refused}");
    }
}
