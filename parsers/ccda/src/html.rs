//! The narrative as HTML for people to read.
//!
//! What always holds, whatever the document says: only tags and attributes that are written here, each tag closed where it was opened, each
//! value escaped; no script, no style, no event, no address but http, https, mailto and places in the narrative itself; images
//! only from bytes in the document that are the image they claim to be. Nothing is fetched. What is too deep is words without tags, and
//! what is too long is cut, which [`Html::is_whole`] tells.

use crate::document::Element;

/// How deep tags may be in one another. Real narratives have about ten levels; what lies deeper is written without tags.
const DEPTH_MAX: usize = 64;
/// Bytes of the whole, images included. The longest real narratives are about 1 MB.
const BYTES_MAX: usize = 8_000_000;
/// Bytes of one image as base64. A photograph of a wound, not a film.
const IMAGE_BYTES_MAX: usize = 2_000_000;
/// Images that are looked at: a page with more is none that a person reads.
const IMAGES_MAX: usize = 200;
/// Bytes of an address, of which browsers take about as many.
const ADDRESS_BYTES_MAX: usize = 2_048;
/// Bytes of an ID.
const ID_BYTES_MAX: usize = 128;
/// The most rows or columns that a cell may span, as HTML has it.
const SPAN_MAX: u32 = 1_000;

/// A section's words as HTML.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html {
    /// One `div` with everything in it, or nothing when the section has no words.
    pub text: String,
    /// False when it was too long, and what did not fit is missing.
    pub is_whole: bool,
}

/// The words of a section, with its tables, lists, links and images; sections in it have their own.
///
/// What styles name are classes: `bold`, `italics`, `underline`, `rule-left` and the like.
pub fn narrative_html(section: Element<'_>) -> Html {
    let Some(text) = section.child("text") else { return Html { text: String::new(), is_whole: true } };
    let mut writer = Writer::new(BYTES_MAX);
    writer.open("div", &[("class", "narrative")]);
    writer.inside(text);
    writer.close("div");
    Html { text: writer.html, is_whole: !writer.is_cut }
}

/// Writes tags, attributes and words, and nothing that was not opened and closed here.
struct Writer {
    html: String,
    left: usize,
    is_cut: bool,
    depth: usize,
    images: usize,
    /// What is open around the present place.
    around: Around,
}

#[derive(Clone, Copy, Default)]
struct Around {
    is_link: bool,
    is_table: bool,
    is_row: bool,
}

impl Writer {
    fn new(bytes_max: usize) -> Self {
        Self {
            html: String::new(),
            left: bytes_max,
            is_cut: false,
            depth: 0,
            images: 0,
            around: Around::default(),
        }
    }

    /// What stands in an element.
    fn inside(&mut self, element: Element<'_>) {
        self.words(element.leading_text());
        for child in element.children() {
            if self.is_cut {
                return;
            }
            self.element(child);
            self.words(child.tail());
        }
    }

    fn element(&mut self, element: Element<'_>) {
        if self.depth >= DEPTH_MAX {
            return self.words(&element.text());
        }
        self.depth += 1;
        let around = self.around;
        match element.name() {
            "br" => self.void("br", &[]),
            "content" => self.content(element),
            "paragraph" => self.paragraph(element),
            "list" => self.list(element),
            "table" => self.table(element),
            "thead" | "tbody" | "tfoot" | "colgroup" | "col" | "tr" | "th" | "td" => {
                self.part_of_table(element)
            }
            "caption" => self.caption(element),
            "sub" => self.wrapped("sub", element, None),
            "sup" => self.wrapped("sup", element, None),
            "linkHtml" => self.link(element),
            "footnote" => self.wrapped("span", element, Some("footnote")),
            "footnoteRef" => self.footnote_reference(element),
            "renderMultiMedia" => self.media(element),
            // What is no narrative is words: nobody may lose them.
            _ => self.inside(element),
        }
        self.around = around;
        self.depth -= 1;
    }

    /// A tag with an element's classes and ID around what is in it.
    fn wrapped(&mut self, tag: &'static str, element: Element<'_>, class: Option<&'static str>) {
        self.open_as(tag, element, class);
        self.inside(element);
        self.close(tag);
    }

    /// A tag with an element's classes, its ID, and of a cell how far it reaches.
    fn open_as(&mut self, tag: &'static str, element: Element<'_>, class: Option<&'static str>) {
        let (class, id) = (classes(element, class), id(element));
        let is_cell = matches!(tag, "td" | "th");
        let [rows, columns] =
            ["rowspan", "colspan"].map(|name| if is_cell { span(element, name) } else { None });
        let all = [("class", class), ("id", id), ("rowspan", rows), ("colspan", columns)];
        let given: Vec<_> = all.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        self.open(tag, &given);
    }

    fn content(&mut self, content: Element<'_>) {
        let tag = match content.attribute("revised") {
            Some("insert") => "ins",
            Some("delete") => "del",
            _ => "span",
        };
        self.wrapped(tag, content, None);
    }

    /// A paragraph that may hold blocks is none to HTML, which would end it at the first one.
    fn paragraph(&mut self, paragraph: Element<'_>) {
        let is_inline = |child: Element<'_>| {
            let is_known =
                matches!(child.name(), "content" | "br" | "sub" | "sup" | "linkHtml" | "footnoteRef");
            is_known && child.children().next().is_none()
        };
        if paragraph.children().all(is_inline) {
            self.wrapped("p", paragraph, None);
        } else {
            self.wrapped("div", paragraph, Some("paragraph"));
        }
    }

    fn list(&mut self, list: Element<'_>) {
        self.around = Around { is_link: self.around.is_link, ..Around::default() };
        list.children_named("caption").for_each(|caption| self.element(caption));
        let tag = if list.attribute("listType") == Some("ordered") { "ol" } else { "ul" };
        self.open_as(tag, list, None);
        for child in list.children().filter(|child| child.name() != "caption") {
            if self.is_cut {
                break;
            }
            self.item(child);
        }
        self.close(tag);
        // Words between the items are nobody's; they are not lost.
        self.words(list.leading_text());
        list.children().for_each(|child| self.words(child.tail()));
    }

    fn item(&mut self, item: Element<'_>) {
        if item.name() == "item" {
            return self.wrapped("li", item, None);
        }
        self.open("li", &[]);
        self.element(item);
        self.close("li");
    }

    fn table(&mut self, table: Element<'_>) {
        self.around = Around { is_table: true, is_row: false, ..self.around };
        self.wrapped("table", table, None);
    }

    /// A part of a table where one may stand, else words.
    fn part_of_table(&mut self, part: Element<'_>) {
        let Around { is_table, is_row, .. } = self.around;
        match part.name() {
            "col" if is_table => self.void("col", &[]),
            "colgroup" if is_table => self.wrapped("colgroup", part, None),
            "thead" if is_table => self.wrapped("thead", part, None),
            "tbody" if is_table => self.wrapped("tbody", part, None),
            "tfoot" if is_table => self.wrapped("tfoot", part, None),
            "tr" if is_table => {
                self.around = Around { is_table: false, is_row: true, ..self.around };
                self.wrapped("tr", part, None);
            }
            "th" if is_row => self.cell("th", part),
            "td" if is_row => self.cell("td", part),
            _ => self.wrapped("div", part, None),
        }
    }

    fn cell(&mut self, tag: &'static str, cell: Element<'_>) {
        self.around = Around { is_link: self.around.is_link, ..Around::default() };
        self.wrapped(tag, cell, None);
    }

    fn caption(&mut self, caption: Element<'_>) {
        if self.around.is_table && caption.parent().is_some_and(|parent| parent.name() == "table") {
            self.around = Around { is_link: self.around.is_link, ..Around::default() };
            self.wrapped("caption", caption, None);
        } else {
            self.wrapped("div", caption, Some("caption"));
        }
    }

    fn link(&mut self, link: Element<'_>) {
        let address = link.attribute("href").and_then(address).filter(|_| !self.around.is_link);
        let Some(address) = address else { return self.wrapped("span", link, None) };
        self.around.is_link = true;
        self.open("a", &[("href", &address), ("rel", "noopener noreferrer nofollow")]);
        self.inside(link);
        // A link without words leads nobody anywhere.
        if link.text().trim().is_empty() {
            self.words(&address);
        }
        self.close("a");
    }

    fn footnote_reference(&mut self, reference: Element<'_>) {
        let target = reference.attribute("IDREF").and_then(own_place).filter(|_| !self.around.is_link);
        self.open("sup", &[("class", "footnote-reference")]);
        if let Some(target) = &target {
            self.open("a", &[("href", target)]);
        }
        self.words("*");
        if target.is_some() {
            self.close("a");
        }
        self.close("sup");
    }

    /// The images that it refers to, and its caption.
    fn media(&mut self, media: Element<'_>) {
        let document = media.document();
        let names = media.attribute("referencedObject").unwrap_or_default();
        self.open("span", &[("class", "media")]);
        for name in names.split_whitespace().take(16) {
            self.images += 1;
            let found = document.by_id(name).filter(|_| self.images <= IMAGES_MAX);
            match found.and_then(image) {
                Some(source) => self.void("img", &[("src", &source), ("alt", "")]),
                None => self.words("[image not shown]"),
            }
        }
        self.inside(media);
        self.close("span");
    }

    fn open(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) {
        let escaped: usize = attributes.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        self.left = self.left.saturating_sub(2 * tag.len() + 5 + escaped);
        self.html.push('<');
        self.html.push_str(tag);
        for (name, value) in attributes {
            self.html.push(' ');
            self.html.push_str(name);
            self.html.push_str("=\"");
            escape(value, &mut self.html);
            self.html.push('"');
        }
        self.html.push('>');
        self.is_cut |= self.left == 0;
    }

    fn close(&mut self, tag: &'static str) {
        self.html.push_str("</");
        self.html.push_str(tag);
        self.html.push('>');
    }

    /// A tag with nothing in it; one that does not fit is left out.
    fn void(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) {
        let bytes: usize = attributes.iter().map(|(_, value)| value.len()).sum();
        if bytes >= self.left {
            self.is_cut = true;
        } else {
            self.open(tag, attributes);
        }
    }

    /// Words, escaped. Those that do not fit are left out, and nothing comes after them.
    fn words(&mut self, words: &str) {
        if self.is_cut || words.is_empty() {
            return;
        }
        if words.len() >= self.left {
            self.is_cut = true;
            return;
        }
        let before = self.html.len();
        escape(words, &mut self.html);
        self.left = self.left.saturating_sub(self.html.len() - before);
    }
}

/// Characters that mean something to HTML, as what they stand for.
fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

/// The classes of an element: that of what it is, those that its styles name, and how its words are aligned.
fn classes(element: Element<'_>, own: Option<&'static str>) -> Option<String> {
    let styles = element.attribute("styleCode").unwrap_or_default().split_whitespace();
    let mut classes: Vec<&str> = own.into_iter().chain(styles.filter_map(style)).take(16).collect();
    classes.extend(element.attribute("align").and_then(alignment));
    classes.dedup();
    (!classes.is_empty()).then(|| classes.join(" "))
}

/// The styles that the narrative's schema knows; those of a vendor (`x...`) mean nothing here.
fn style(code: &str) -> Option<&'static str> {
    Some(match code {
        "Bold" => "bold",
        "Italics" => "italics",
        "Underline" => "underline",
        "Emphasis" => "emphasis",
        "Lrule" => "rule-left",
        "Rrule" => "rule-right",
        "Toprule" => "rule-top",
        "Botrule" => "rule-bottom",
        "Arabic" => "arabic",
        "LittleRoman" => "little-roman",
        "BigRoman" => "big-roman",
        "LittleAlpha" => "little-alpha",
        "BigAlpha" => "big-alpha",
        "Disc" => "disc",
        "Circle" => "circle",
        "Square" => "square",
        _ => return None,
    })
}

fn alignment(align: &str) -> Option<&'static str> {
    Some(match align {
        "left" => "align-left",
        "center" => "align-center",
        "right" => "align-right",
        "justify" => "align-justify",
        _ => return None,
    })
}

/// How many rows or columns a cell takes.
fn span(cell: Element<'_>, name: &str) -> Option<String> {
    let count: u32 = cell.attribute(name)?.trim().parse().ok()?;
    (2..=SPAN_MAX).contains(&count).then(|| count.to_string())
}

/// The ID with a prefix, so that it is none of the page's own.
fn id(element: Element<'_>) -> Option<String> {
    element.attribute("ID").and_then(own_id)
}

fn own_id(id: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let is_usable = !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(is_plain);
    is_usable.then(|| format!("ccda-{id}"))
}

/// The address of a place in the narrative.
fn own_place(id: &str) -> Option<String> {
    own_id(id.trim()).map(|id| format!("#{id}"))
}

/// An address that leads to a page, to a mailbox, or to a place in the narrative.
fn address(address: &str) -> Option<String> {
    let address = address.trim();
    if let Some(id) = address.strip_prefix('#') {
        return own_place(id);
    }
    let is_plain = !address.chars().any(|character| character.is_control() || character.is_whitespace());
    let has_scheme =
        |scheme: &str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let is_allowed = ["http://", "https://", "mailto:"].into_iter().any(has_scheme);
    (is_plain && is_allowed && address.len() <= ADDRESS_BYTES_MAX).then(|| address.to_owned())
}

/// The image in an observationMedia, or in the one that a region of interest is of.
fn image(object: Element<'_>) -> Option<String> {
    let media = match object.name() {
        "observationMedia" => object,
        "regionOfInterest" => {
            object.children_named("entryRelationship").find_map(|one| one.child("observationMedia"))?
        }
        _ => return None,
    };
    let value = media.child("value")?;
    let is_base64 = value.attribute("representation") == Some("B64");
    let written = value.leading_text();
    if !is_base64 || written.len() > IMAGE_BYTES_MAX {
        return None;
    }
    let kind = image_kind(written.trim_ascii_start())?;
    let declared = value.attribute("mediaType")?.trim().to_ascii_lowercase();
    let is_declared = declared == kind || (declared == "image/jpg" && kind == "image/jpeg");
    let is_base64 =
        |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte) || byte.is_ascii_whitespace();
    if !is_declared || !written.bytes().all(is_base64) {
        return None;
    }
    let data: String = written.split_ascii_whitespace().collect();
    Some(format!("data:{kind};base64,{data}"))
}

/// What the bytes are by how they begin; `None` when they are no image.
fn image_kind(data: &str) -> Option<&'static str> {
    let kinds = [("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif")];
    kinds.iter().find(|(beginning, _)| data.starts_with(beginning)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse};

    fn html_of(body: &str, beside: &str) -> Html {
        let text = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody><component><section><text>{body}</text>{beside}</section></component>\
             </structuredBody></component></ClinicalDocument>"
        );
        let document = parse(text.as_bytes(), &Limits::default()).unwrap();
        narrative_html(document.sections()[0])
    }

    /// Without the `div` around it.
    fn html(body: &str) -> String {
        let html = html_of(body, "").text;
        let inside = html.strip_prefix("<div class=\"narrative\">").unwrap();
        inside.strip_suffix("</div>").unwrap().to_owned()
    }

    #[test]
    fn each_element_is_what_html_has_for_it() {
        let table = [
            ("a &lt;b&gt; &amp; \"c\"", "a &lt;b&gt; &amp; &quot;c&quot;"),
            (
                "<content styleCode='Bold xVendor Italics' ID='p1'>x</content>",
                "<span class=\"bold italics\" id=\"ccda-p1\">x</span>",
            ),
            ("<content revised='delete'>x</content>", "<del>x</del>"),
            ("<paragraph>x<br/>y</paragraph>", "<p>x<br>y</p>"),
            (
                "<paragraph><caption>C</caption>x</paragraph>",
                "<div class=\"paragraph\"><div class=\"caption\">C</div>x</div>",
            ),
            (
                "<list listType='ordered' styleCode='LittleRoman'><caption>L</caption><item>1</item><item>2<list><item>3</item></list></item></list>",
                "<div class=\"caption\">L</div><ol class=\"little-roman\"><li>1</li><li>2<ul><li>3</li></ul></li></ol>",
            ),
            (
                "<table border='1' onclick='x()'><caption>T</caption><colgroup><col width='10'/></colgroup><thead><tr><th align='right'>A</th></tr></thead>\
                 <tbody><tr><td rowspan='2' colspan='99999' styleCode='Botrule'>1</td></tr></tbody></table>",
                "<table><caption>T</caption><colgroup><col></colgroup><thead><tr><th class=\"align-right\">A</th></tr></thead>\
                 <tbody><tr><td class=\"rule-bottom\" rowspan=\"2\">1</td></tr></tbody></table>",
            ),
            ("H<sub>2</sub>O<sup>+</sup>", "H<sub>2</sub>O<sup>+</sup>"),
            ("<tr><td>x</td></tr>", "<div><div>x</div></div>"),
            ("<script>alert(1)</script><div onload='x'>y</div>", "alert(1)y"),
            (
                "<footnote ID='f'>n</footnote><footnoteRef IDREF='f'/>",
                "<span class=\"footnote\" id=\"ccda-f\">n</span><sup class=\"footnote-reference\"><a href=\"#ccda-f\">*</a></sup>",
            ),
        ];
        for (body, expected) in table {
            assert_eq!(html(body), expected, "{body}");
        }
    }

    #[test]
    fn links_lead_only_where_they_may() {
        let rel = "rel=\"noopener noreferrer nofollow\"";
        for (href, expected) in [
            ("https://x.example/?a=1&amp;b=2", Some("https://x.example/?a=1&amp;b=2")),
            (" HTTP://x.example ", Some("HTTP://x.example")),
            ("mailto:a@x.example", Some("mailto:a@x.example")),
            ("#p1", Some("#ccda-p1")),
            ("javascript:alert(1)", None),
            (" java&#9;script:alert(1)", None),
            ("data:text/html,x", None),
            ("https://x.example/ onclick=x", None),
            ("//x.example", None),
            ("#a&quot;b", None),
        ] {
            let written = html(&format!("<linkHtml href=\"{href}\" onclick='x()'>t</linkHtml>"));
            let expected = match expected {
                Some(address) => format!("<a href=\"{address}\" {rel}>t</a>"),
                None => "<span>t</span>".to_owned(),
            };
            assert_eq!(written, expected, "{href}");
        }
        let nested = html("<linkHtml href='#a'>x<linkHtml href='#b'>y</linkHtml></linkHtml>");
        assert_eq!(nested.matches("<a ").count(), 1);
    }

    #[test]
    fn images_are_what_they_claim_to_be() {
        let entry = |kind: &str, data: &str| {
            format!(
                "<entry><observationMedia ID='m'><value mediaType='{kind}' representation='B64'>{data}</value></observationMedia></entry>"
            )
        };
        let png = "iVBORw0KGgoAAAAN\n SUhEUg==";
        for (beside, is_shown) in [
            (entry("image/png", png), true),
            (entry("image/svg+xml", png), false),
            (entry("image/png", "PHN2Zz4="), false),
            (entry("image/png", "iVBORw0KGgo&quot;onload="), false),
            (entry("image/png", png).replace("'B64'", "'TXT'"), false),
            ("<entry><observation ID='m'/></entry>".to_owned(), false),
            (String::new(), false),
        ] {
            let html = html_of(
                "<renderMultiMedia referencedObject='m'><caption>C</caption></renderMultiMedia>",
                &beside,
            )
            .text;
            let image = "<img src=\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==\" alt=\"\">";
            assert_eq!((html.contains(image), html.contains("not shown")), (is_shown, !is_shown), "{beside}");
            assert!(html.contains("<div class=\"caption\">C</div>"));
        }
        let region = "<entry><regionOfInterest ID='m'><entryRelationship><observationMedia><value mediaType='image/jpg' representation='B64'>/9j/AA==</value>\
                      </observationMedia></entryRelationship></regionOfInterest></entry>";
        assert!(
            html_of("<renderMultiMedia referencedObject='m'/>", region)
                .text
                .contains("data:image/jpeg;base64,/9j/AA==")
        );
    }

    #[test]
    fn what_is_too_deep_is_words_and_what_is_too_long_is_cut() {
        let deep = format!("{}x{}", "<content>".repeat(100), "</content>".repeat(100));
        let written = html(&deep);
        assert_eq!((written.matches("<span>").count(), written.contains('x')), (DEPTH_MAX, true));
        let image = format!("iVBORw0KGgo{}", "A".repeat(1_500_000));
        let beside = format!(
            "<entry><observationMedia ID='m'><value mediaType='image/png' representation='B64'>{image}</value></observationMedia></entry>"
        );
        let many = "<content><renderMultiMedia referencedObject='m'/></content>".repeat(50);
        let html = html_of(&many, &beside);
        assert!(!html.is_whole && html.text.len() < BYTES_MAX + 10_000);
        assert!(html.text.ends_with("</span></span></div>"));
        assert_eq!(html.text.matches("<img").count(), 5);
    }

    #[test]
    fn a_section_without_words_is_nothing() {
        let document = parse(
            b"<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody><component><section/></component></structuredBody></component></ClinicalDocument>",
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(narrative_html(document.sections()[0]), Html { text: String::new(), is_whole: true });
    }
}
