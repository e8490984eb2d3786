//! The demo over a broker: the site says that one carries its deliveries.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

use orderly_transport::amqp::BrokerUrl;

use crate::failure::Failure;

/// Where the password lies, below the site's folder.
const PASSWORD: &str = "broker-password";

/// Has the site in this folder have its deliveries carried by a broker, by names of this run's own.
pub(crate) fn carry(home: &Path, url: &BrokerUrl) -> Result<(), Failure> {
    let site = home.join("orderly.yaml");
    let written = fs::read_to_string(&site)
        .and_then(|text| fs::write(&site, section(url) + &text))
        .and_then(|()| keep(&home.join(PASSWORD), &url.password));
    written.map_err(|error| Failure::new(format!("{}: {error}", home.display())))
}

fn section(url: &BrokerUrl) -> String {
    // A text between single quotes is as it stands, but for these.
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let BrokerUrl { address, is_tls, user, virtual_host, .. } = url;
    let (address, user, virtual_host) = (quoted(address), quoted(user), quoted(virtual_host));
    let tls = if *is_tls { "  tls: {}\n" } else { "" };
    format!(
        "queue:\n  carrier: amqp\n  brokers: {address}\n  user: {user}\n  password: ${{file:{PASSWORD}}}\n  virtual_host: {virtual_host}\n  prefix: orderly-demo-{}\n{tls}\n",
        process::id()
    )
}

fn keep(path: &Path, password: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(password.as_bytes())
}
