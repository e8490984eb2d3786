//! Paths into a C-CDA document resolved: `/ClinicalDocument/recordTarget/patientRole/id/@extension`.
//!
//! Names are those of CDA without a prefix, whatever prefix a document uses; those of HL7's extensions begin with `sdtc:`. No list of
//! names is checked: the path is for what the record has no place for.

use orderly_hl7v2::Select;

use super::expression::Reader;
use super::{Here, Typed};
use crate::expression::{Expression, Member};
use crate::plan::{Accepts, ElementPath, Term};

/// The root of every document.
const ROOT: &str = "ClinicalDocument";

impl Reader<'_, '_> {
    pub(super) fn element(
        &self,
        below: bool,
        written: &[Member],
        attribute: Option<&str>,
        whole: &Expression,
    ) -> Option<Typed> {
        if below && !matches!(self.here, Here::Element) {
            let message = "there is no filter of a path into a document that this could belong to";
            self.error("mapping-relative", whole.range.clone(), message)
                .help("write the whole path, as in /ClinicalDocument/code/@code");
            return None;
        }
        if self.compiler.accepts == Accepts::Hl7v2 {
            let message = "this mapping takes HL7 v2, which has no such elements";
            self.error("mapping-no-document", whole.range.clone(), message)
                .help("write a path like PID-5.1, or read the record, as in patient.name.family");
            return None;
        }
        let rest = match written.split_first() {
            Some((root, rest)) if !below => match root.name == ROOT && root.select.is_none() {
                true => rest,
                false => {
                    let message = "a document has one root, `ClinicalDocument`";
                    self.error("mapping-path", root.range.clone(), message)
                        .help("begin with /ClinicalDocument/");
                    return None;
                }
            },
            _ => written,
        };
        let mut path =
            ElementPath { below, steps: Vec::new(), attribute: attribute.map(Into::into), several: false };
        for step in rest {
            let select = step.select.as_deref().unwrap_or(&Select::First);
            if matches!(select, Select::Append) {
                self.error("mapping-append", step.range.clone(), "`[+]` is for what is written to");
                return None;
            }
            path.several |= matches!(select, Select::All | Select::AllWhere(_));
            path.steps.push((step.name.as_str().into(), self.at(Here::Element).select(select)?));
        }
        let several = path.several;
        Some(Typed { several, ..Typed::one(Term::Element(path)) })
    }
}
