//! By what a message is known when it comes once more: who sent it, what its sender calls it, and its bytes.

use orderly_hl7v2::Header;
use sha2::{Digest, Sha256};

/// What tells a message from others. Equal names and equal contents make it the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// A hash of the source, MSH-3, MSH-4 and MSH-10; of a document, of the source and its id.
    pub name: u64,
    /// A hash of the bytes as received.
    pub content: [u8; 16],
}

impl Identity {
    /// That of a message; none without a control id, because then nothing says that its sender means the same message. A document has no header.
    pub(crate) fn of(
        source: &str,
        header: Option<&Header>,
        control_id: &str,
        bytes: &[u8],
    ) -> Option<Identity> {
        if control_id.trim().is_empty() {
            return None;
        }
        let field = |n| header.map(|header| header.field(n).raw()).unwrap_or_default();
        let mut name = Sha256::new();
        for part in [source.as_bytes(), field(3), field(4), control_id.as_bytes()] {
            // With its length, so that no two lists of parts run into the same bytes.
            name.update((part.len() as u64).to_be_bytes());
            name.update(part);
        }
        Some(Identity {
            name: u64::from_be_bytes(first(name)),
            content: first(Sha256::new_with_prefix(bytes)),
        })
    }
}

/// The first bytes of a hash: enough of them for what they tell apart.
fn first<const N: usize>(hash: Sha256) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(hash.finalize()).for_each(|(byte, hashed)| *byte = hashed);
    bytes
}
