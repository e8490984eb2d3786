//! The narrative as plain text: a row a line with its cells between ` | `, an item a line, a paragraph a line; blanks run together, and
//! what was struck out is left out.

use orderly_record::Text;

use crate::document::Element;

/// The words in an element, and how much work they were: elements and bytes. `None` when there are none, or more than `work_max`.
pub(super) fn render(element: Element<'_>, work_max: usize) -> (Option<Text>, usize) {
    let mut writer = Writer { left: work_max, ..Writer::default() };
    writer.inside(element);
    let used = work_max - writer.left;
    let text = writer.text.trim_end();
    let is_whole = writer.left > 0;
    ((is_whole && !text.is_empty()).then(|| Text::new(text)), used)
}

#[derive(Default)]
struct Writer {
    text: String,
    has_blank: bool,
    /// How many cells are open: inside a cell nothing starts a line.
    cells: usize,
    left: usize,
}

impl Writer {
    fn element(&mut self, element: Element<'_>) {
        match element.name() {
            "br" => self.line(),
            // What was struck out is not said any more.
            "content" if element.attribute("revised") == Some("delete") => {}
            "table" | "thead" | "tbody" | "tfoot" | "paragraph" | "list" | "item" | "caption"
            | "footnote" => {
                self.line();
                self.inside(element);
                self.line();
            }
            "tr" => self.row(element),
            "td" | "th" => self.cell(element),
            _ => self.inside(element),
        }
    }

    fn row(&mut self, row: Element<'_>) {
        self.line();
        let cells = row.children().filter(|cell| matches!(cell.name(), "td" | "th"));
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                self.text.push_str(" | ");
                self.has_blank = false;
            }
            self.cell(cell);
        }
        self.line();
    }

    fn cell(&mut self, cell: Element<'_>) {
        self.cells += 1;
        self.inside(cell);
        self.cells -= 1;
        self.has_blank = false;
    }

    fn inside(&mut self, element: Element<'_>) {
        self.left = self.left.saturating_sub(1);
        self.words(element.leading_text());
        for child in element.children() {
            if self.left == 0 {
                return;
            }
            self.element(child);
            self.words(child.tail());
        }
    }

    /// The words of a text, one blank between two.
    fn words(&mut self, text: &str) {
        self.left = self.left.saturating_sub(text.len());
        if self.left == 0 {
            return;
        }
        self.has_blank |= text.starts_with(char::is_whitespace);
        for (index, word) in text.split_whitespace().enumerate() {
            let begins = self.text.is_empty() || self.text.ends_with(['\n', ' ']);
            if (index > 0 || self.has_blank) && !begins {
                self.text.push(' ');
            }
            self.has_blank = false;
            self.text.push_str(word);
        }
        self.has_blank |= text.ends_with(char::is_whitespace);
    }

    fn line(&mut self) {
        if self.cells > 0 {
            self.has_blank = true;
        } else if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
            self.has_blank = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse};

    fn rendered(body: &str, work_max: usize) -> Option<String> {
        let text = format!("<ClinicalDocument xmlns='urn:hl7-org:v3'><text>{body}</text></ClinicalDocument>");
        let document = parse(text.as_bytes(), &Limits::default()).unwrap();
        render(document.root().child("text").unwrap(), work_max).0.map(String::from)
    }

    #[test]
    fn each_block_is_lines() {
        let table = [
            ("  plain\n  words ", "plain words"),
            ("a<br/>b<content>c</content> d", "a\nbc d"),
            (
                "no <content revised='delete'>known </content><content revised='insert'>drug</content> allergy",
                "no drug allergy",
            ),
            ("<paragraph>one</paragraph>\n <paragraph>two</paragraph>", "one\ntwo"),
            (
                "<list><caption>L</caption><item>one</item><item>two <content>x</content></item></list>after",
                "L\none\ntwo x\nafter",
            ),
            (
                "<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr> <td>1<br/>2</td> <td/><td><paragraph>3</paragraph></td></tr></tbody></table>",
                "A | B\n1 2 |  | 3",
            ),
        ];
        for (body, expected) in table {
            assert_eq!(rendered(body, usize::MAX).as_deref(), Some(expected), "{body}");
        }
        assert_eq!(rendered(" <br/> ", usize::MAX), None);
    }

    #[test]
    fn what_is_more_than_allowed_is_not_half_there() {
        assert_eq!(rendered("1234567890", 5), None);
        assert_eq!(rendered("<a/><a/><a/><a/><a/><a/>x", 5), None);
        assert_eq!(rendered("1234567890", 20).as_deref(), Some("1234567890"));
    }
}
