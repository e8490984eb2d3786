//! C-CDA: from bytes to a tree of elements, and from there to the record.
//!
//! [`parse`] reads a document whole, with a limit on everything ([`Limits`]), or refuses it with a diagnostic that says where and why; no
//! entity is defined, no stylesheet followed, nothing fetched. [`normalize`] makes the record of what was read and never fails: what is
//! odd is a diagnostic beside the document. Every entry of a section is in the record or counted in the section as unread, and so is each
//! part of a statement that nobody reads; what stands in a part that is read, and has no place, stays in the document alone.
//!
//! [`narrative_html`] is a section's words as HTML for people to read, of which nothing can act in a browser.
//!
//! Nothing here panics, whatever the bytes, and nothing here reads a clock, a file or a socket.
//!
//! The way through: `encoding` makes text of the bytes → `parse` the tree (`document`), with `refusal` for what can't be → `oddities` says
//! what is strange about it → `normalize` reads header and sections into the record.

mod document;
mod encoding;
mod fragment;
mod html;
mod limits;
mod normalize;
mod oddities;
mod parse;
mod refusal;

pub use document::{Document, Element, Namespace};
pub use encoding::looks_like_xml;
pub use fragment::completed;
pub use html::{Html, narrative_html};
pub use limits::Limits;
pub use normalize::normalize;
pub use oddities::TOLERANCES;
pub use parse::parse;
