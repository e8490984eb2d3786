//! Structure written out: `hl7('A^B')`.

use std::sync::Arc;

use super::{Function, Gives, Pipe, Takes};
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::structure::Structure;
use crate::value::Value;

pub(super) const HL7: Function = Function {
    name: "hl7",
    usage: "hl7('A^B')",
    takes: Takes::Nothing,
    gives: Gives::One,
    arguments: (1, 1),
    build: |arguments| {
        let text = arguments.text(0)?;
        if text.contains(['|', '\r', '\n']) {
            arguments.wrong(0, "part of one field, without | and line ends");
            return None;
        }
        Some(Box::new(Hl7(Arc::new(Structure::parse(text)))))
    },
};

#[derive(Debug)]
struct Hl7(Arc<Structure>);

impl Pipe for Hl7 {
    fn apply<'s>(&'s self, _: Value<'s>, _: &Scope<'_, 's>) -> Result<Value<'s>, Refusal> {
        Ok(Value::Structure(self.0.clone()))
    }

    fn structure(&self) -> Option<Arc<Structure>> {
        Some(self.0.clone())
    }
}
