//! Makes the dictionary's files from two openly licensed sets of facts about HL7 v2: `cargo run -p orderly-hl7v2 --example dictionary -- FACTS`.
//!
//! FACTS is a folder with `hl7v2-definitions/VERSION/*.json` (the first set, 2.1 to 2.8.2) and `hl7-dictionary/VERSION/*.json` (the second,
//! 2.1 to 2.7.1); `dictionary/README.md` says where they are from. The same facts always give the same files. Where the sets disagree the
//! first is taken, and what it was taken instead of goes to `disagreements.txt`.

mod facts;
mod fields;
mod structures;
mod tables;

use std::path::{Path, PathBuf};

use facts::Facts;

/// All that go wrong here: a file that is not there, or not as expected.
pub(crate) type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let folder = std::env::args().nth(1).ok_or("usage: dictionary FACTS")?;
    let facts = Facts::read(Path::new(&folder))?;
    let mut disagreements = String::new();
    write("segments.txt", &fields::segments(&facts, &mut disagreements))?;
    write("types.txt", &fields::types(&facts, &mut disagreements))?;
    write("tables.txt", &tables::tables(&facts))?;
    write("structures.txt", &structures::structures(&facts)?)?;
    write("disagreements.txt", &disagreements)
}

fn write(name: &str, text: &str) -> Result<(), Failure> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dictionary").join(name);
    std::fs::write(&path, text)?;
    println!("{name}: {} bytes, {} lines", text.len(), text.lines().count());
    Ok(())
}
