//! Calls resolved: the function, what it is applied to, its arguments, and whether it gives a list.

use orderly_hl7v2::{Level, Select, dictionary};

use super::Typed;
use super::expression::Reader;
use crate::Format;
use crate::expression::{self, Expression, Kind};
use crate::functions::{self, Arguments, Gives, Takes};
use crate::plan::{Place, Start, Term};

impl Reader<'_, '_> {
    pub(super) fn call(
        &self,
        expression: &Expression,
        value: Option<&Expression>,
        function: &expression::Word,
        written: &[Expression],
    ) -> Option<Typed> {
        let Some(found) = functions::find(&function.text) else {
            let message = format!("there is no function `{}`", function.text);
            self.error("mapping-unknown-function", function.range.clone(), message)
                .suggest(&function.text, functions::FUNCTIONS.iter().map(|function| function.name));
            return None;
        };
        let input = match (found.takes, value) {
            (Takes::Nothing, Some(_)) => {
                let message = format!("`{}` stands alone and takes no value", found.name);
                self.error("mapping-call", function.range.clone(), message)
                    .help(format!("write {}", found.usage));
                return None;
            }
            (Takes::Text | Takes::Whole(_) | Takes::List, None) => {
                let message = format!("`{}` is applied to a value", found.name);
                let help = format!("write it as a pipe, as in PID-5.1 | {}", found.usage);
                self.error("mapping-call", function.range.clone(), message).help(help);
                return None;
            }
            (_, value) => value.map(|value| self.input(value, found)),
        };
        let (least, most) = found.arguments;
        if written.len() < least || written.len() > most {
            let message = format!("`{}` does not take {} arguments", found.name, written.len());
            self.error("mapping-arguments", expression.range.clone(), message)
                .help(format!("write {}", found.usage));
            return None;
        }
        let data_type = match &input {
            Some(Some(Typed { term: Term::Hl7(place), .. })) => self.data_type(place),
            _ => None,
        };
        let pipe = (found.build)(&Arguments {
            function: found,
            written,
            node: self.node,
            data_type,
            problems: self.compiler.problems,
            compile: &|argument| self.one(argument),
            tables: &|name| self.compiler.table(name),
        });
        let (input, pipe) = match input {
            Some(input) => (Some(input?), pipe?),
            None => (None, pipe?),
        };
        if let Some(structure) = pipe.structure() {
            if self.compiler.output != Format::Hl7v2 {
                let message = format!("structure of HL7 v2 has no meaning in {}", self.compiler.output);
                self.error("mapping-structure", expression.range.clone(), message)
                    .help("write the text itself, in quotes");
                return None;
            }
            return Some(Typed::one(Term::Structure(structure)));
        }
        let several = match found.gives {
            Gives::Same => input.as_ref().is_some_and(|input| input.several),
            Gives::List => true,
            Gives::One => false,
        };
        let value = input.map(|input| Box::new(input.term));
        Some(Typed { several, ..Typed::one(Term::Piped { value, pipe }) })
    }

    /// What a function is applied to. One that takes a list sees a whole field as all its repetitions.
    fn input(&self, value: &Expression, function: &functions::Function) -> Option<Typed> {
        let mut typed = match (function.takes, &value.kind) {
            (Takes::Whole(_), Kind::Reference(reference)) => self.reference(reference, value, true)?,
            _ => self.value(value)?,
        };
        match function.takes {
            Takes::Whole(member)
                if typed.object.is_some_and(|object| super::record::member(object, member).is_none()) =>
            {
                let message = format!("`{}` is not for this part of the record", function.name);
                self.error("mapping-call", value.range.clone(), message)
                    .help(format!("it is for one that has `{member}`"));
                None
            }
            Takes::List => {
                if let (Term::Hl7(place), Some(Some(Level::Field))) = (&mut typed.term, typed.lone) {
                    place.part.repetition = Some(Select::All);
                }
                Some(typed)
            }
            _ if function.gives == Gives::One => {
                let term = self.single(typed, self.span(value.range.clone()))?;
                Some(Typed::one(term))
            }
            _ if typed.lone == Some(None) => {
                self.single(typed, self.span(value.range.clone())).map(Typed::one)
            }
            _ => Some(typed),
        }
    }

    /// HL7's data type of a path that says its segment, where the dictionary has it.
    fn data_type(&self, place: &Place) -> Option<&'static str> {
        let Start::Segment { received, segment } = &place.start else { return None };
        let field = place.part.field?;
        let of_field = match self.compiler.version_of(*received) {
            Some(version) => dictionary::field(&segment.name, field, version).map(|part| part.data_type),
            None => dictionary::data_types(&segment.name, field).last(),
        };
        match place.part.component {
            Some(component) => dictionary::component_types(of_field?, component).last(),
            None => of_field,
        }
    }
}
