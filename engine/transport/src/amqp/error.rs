//! What goes wrong with a broker: whose fault it is, and what to do.

use crate::mllp_client::ConnectError;
use crate::secret::SecretError;
use crate::tls::HandshakeError;
use lapin::ErrorKind;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The password cannot be read.
    #[error("{0}")]
    Secret(#[from] SecretError),
    /// No connection, or no TLS.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// None of several brokers can be used.
    #[error("no broker can be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    AllFailed(Vec<BrokerError>),
    /// Connected, and then nothing.
    #[error(
        "{address} took the connection and did not complete the AMQP handshake within {seconds} s; is it AMQP's port (5672, with TLS 5671), and is the broker well?"
    )]
    Silent {
        /// Which broker.
        address: String,
        /// How long was waited.
        seconds: f32,
    },
    /// What answers speaks something else, or closes the connection.
    #[error(
        "{address} closed the connection during the AMQP handshake ({text}); is it AMQP's port, and does it want TLS?"
    )]
    Handshake {
        /// Which broker.
        address: String,
        /// The reason that is known.
        text: String,
    },
    /// User or password are wrong.
    #[error(
        "{address} refuses user `{user}`: the name or the password is wrong, or the user may not log in from here"
    )]
    Login {
        /// Which broker.
        address: String,
        /// Who wanted in.
        user: String,
    },
    /// The user is right, and may not use the virtual host, or there is none of that name.
    #[error("{address} does not open the virtual host `{virtual_host}` for user `{user}`: {text}")]
    VirtualHost {
        /// Which broker.
        address: String,
        /// Who wanted in.
        user: String,
        /// Where.
        virtual_host: String,
        /// What the broker says.
        text: String,
    },
    /// A queue or an exchange that is not there.
    #[error("the broker does not have it: {0}; declare it there, or correct the name")]
    Missing(String),
    /// It is there, and is of another make.
    #[error(
        "it exists at the broker and is declared differently: {0}; use the broker's declaration, or remove it there"
    )]
    Differs(String),
    /// Somebody else holds a queue for himself.
    #[error("the broker holds it for another connection: {0}")]
    Locked(String),
    /// The user may not do this.
    #[error("the broker does not allow it: {0}; give the user the permission there")]
    Forbidden(String),
    /// The queue was deleted, or its node is gone, and the broker ended the consumer.
    #[error("the broker ended the consumer: the queue was deleted, or its node went")]
    ConsumerEnded,
    /// A name that AMQP cannot hold.
    #[error("the {what} has {bytes} bytes, and AMQP allows 255")]
    TooLong {
        /// Which one.
        what: &'static str,
        /// How long it is.
        bytes: usize,
    },
    /// As many publishes as the window has are unconfirmed.
    #[error("as many messages as the window allows are unconfirmed")]
    WindowFull,
    /// The broker did not answer a request in time.
    #[error(
        "the broker did not answer within {0} s; when it goes on, see there whether the queue has a leader"
    )]
    NoAnswer(f32),
    /// The connection or the channel has ended.
    #[error("the connection to the broker is lost: {0}")]
    Lost(String),
}

impl BrokerError {
    /// A stable code, for counting and for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Secret(_) => "secret-missing",
            Self::Connect(error) => error.code(),
            Self::AllFailed(errors) => errors.last().map_or("connect-failed", Self::code),
            Self::Silent { .. } => "amqp-silent",
            Self::Handshake { .. } => "amqp-handshake",
            Self::Login { .. } => "amqp-login",
            Self::VirtualHost { .. } => "amqp-virtual-host",
            Self::Missing(_) => "amqp-missing",
            Self::Differs(_) => "amqp-differs",
            Self::Locked(_) => "amqp-locked",
            Self::Forbidden(_) => "amqp-forbidden",
            Self::ConsumerEnded => "amqp-consumer-ended",
            Self::TooLong { .. } => "amqp-too-long",
            Self::WindowFull => "amqp-window-full",
            Self::NoAnswer(_) => "amqp-no-answer",
            Self::Lost(_) => "amqp-lost",
        }
    }

    /// Whether a person has to change something, here or at the broker, before it can work. All else may work the next time.
    #[must_use]
    pub fn wants_a_person(&self) -> bool {
        match self {
            Self::Login { .. }
            | Self::VirtualHost { .. }
            | Self::Missing(_)
            | Self::Differs(_)
            | Self::Forbidden(_)
            | Self::TooLong { .. } => true,
            Self::Secret(_)
            | Self::Connect(_)
            | Self::Silent { .. }
            | Self::Handshake { .. }
            | Self::Locked(_)
            | Self::ConsumerEnded
            | Self::WindowFull
            | Self::NoAnswer(_)
            | Self::Lost(_) => false,
            Self::AllFailed(errors) => !errors.is_empty() && errors.iter().all(Self::wants_a_person),
        }
    }

    /// What lapin says, on a channel that is open.
    pub(super) fn of(error: &lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(error) => Self::of_protocol(error),
            _ => Self::Lost(error.to_string()),
        }
    }

    fn of_protocol(error: &AMQPError) -> Self {
        let text = error.get_message().to_string();
        match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Self::Missing(text),
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => Self::Differs(text),
            AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) => Self::Locked(text),
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::Forbidden(text),
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Self::Forbidden(text),
            _ => Self::Lost(text),
        }
    }

    /// Whether the broker itself said no to the user, which no other of its addresses will say differently.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Login { .. } | Self::VirtualHost { .. } | Self::Secret(_))
    }

    /// What lapin says while it logs in.
    pub(super) fn of_login(error: &lapin::Error, address: &str, user: &str, virtual_host: &str) -> Self {
        let (address, text) = (address.to_owned(), error.to_string());
        let said = match error.kind() {
            ErrorKind::ProtocolError(said) => said,
            // In TLS 1.3 a peer may refuse our certificate after the handshake.
            ErrorKind::IOError(error) => match HandshakeError::within(error) {
                Some(error) => return Self::Connect(ConnectError::Handshake { address, error }),
                None => return Self::Handshake { address, text: error.to_string() },
            },
            _ => return Self::Handshake { address, text },
        };
        let user = user.to_owned();
        match said.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::Login { address, user },
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                let text = said.get_message().to_string();
                Self::VirtualHost { address, user, virtual_host: virtual_host.to_owned(), text }
            }
            _ => Self::Handshake { address, text },
        }
    }
}
