//! What a mapping declares and never uses: tables, and values that `let` names.

use super::Compiler;
use crate::yaml::Node;

impl Compiler<'_> {
    /// Warns of it. Where something is wrong, what uses a name may not have been understood, so nothing is said then.
    pub(super) fn warn_of_unused(&self, tables: Option<&Node>) {
        if self.problems.errors() > 0 {
            return;
        }
        let looked_up = self.looked_up.borrow();
        for entry in tables.and_then(Node::entries).unwrap_or_default() {
            if !looked_up.contains(&entry.key) {
                let message = format!("nothing is looked up in table `{}`", entry.key);
                self.problems
                    .warning("mapping-unused-table", &entry.key_span, message)
                    .help(format!("write `| lookup({})` where it is meant, or remove it", entry.key));
            }
        }
        let asked = self.asked.borrow();
        for (_, span) in self.lets.borrow().iter().filter(|(slot, _)| !asked.contains(slot)) {
            let message = format!("nothing uses `${}`", span.text());
            self.problems.warning("mapping-unused-name", span, message).help("remove this line");
        }
    }
}
