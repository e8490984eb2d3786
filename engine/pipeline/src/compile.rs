//! Texts of `orderly.yaml`, routes and mappings to a plan, with everything that is wrong in them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{self, Document, Node, Span};
use orderly_mapping::{Library, Mapping};
use orderly_record::{Diagnostic, Fault, Severity};
use sha2::{Digest, Sha256};

use crate::plan::{Plan, Route};
use crate::route::{self, Known};
use crate::site;

/// All texts of a configuration, read by whoever may read files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// `orderly.yaml`.
    pub site: Text,
    /// The files of the routes folder, ordered by name.
    pub routes: Vec<Text>,
    /// The files of the mappings folder, ordered by name.
    pub mappings: Vec<Text>,
    /// Code tables: their text by path below the mappings folder, such as `tables/ward.csv`.
    pub tables: BTreeMap<String, String>,
}

/// One text and the name it is shown under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// The name that diagnostics show.
    pub file: String,
    /// The text.
    pub text: String,
}

/// What compiling gave.
#[derive(Debug)]
pub struct Compiled {
    /// The plan; none when there are errors.
    pub plan: Option<Plan>,
    /// Errors and warnings, by file and place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles a configuration. Nothing is read from anywhere but `texts`.
#[must_use]
pub fn compile(texts: &Texts) -> Compiled {
    let problems = Problems::new();
    let site = parse(&texts.site, &problems).and_then(|document| site::read(&document, &problems));
    let mappings = mappings(texts, &problems);
    let (mappings, declared) = (mappings.by_name, mappings.declared);
    let routes = site.as_ref().map(|site| routes(texts, &Known { site, mappings: &mappings }, &problems));
    if let Some(routes) = routes.as_deref().filter(|routes| !routes.is_empty() && problems.errors() == 0) {
        warn_of_unused(&declared, routes, &problems);
    }
    if let (Some(site), Some(routes), 0) = (&site, &routes, problems.errors()) {
        site::relay::check_routes(site, routes, &problems);
    }
    let diagnostics = problems.into_vec();
    let failed = diagnostics.iter().any(|diagnostic| matches!(diagnostic.severity, Severity::Error));
    let files = files(texts);
    let plan = match (site, routes) {
        (Some(site), Some(routes)) if !failed => Some(Plan {
            version: version(&files),
            files,
            site: site.name,
            journal: site.journal,
            queue: site.queue,
            reload: site.reload,
            sources: site.sources,
            destinations: site.destinations,
            routes,
            mappings: mappings.into_iter().filter_map(|(name, mapping)| Some((name, mapping?))).collect(),
        }),
        _ => None,
    };
    Compiled { plan, diagnostics }
}

fn parse(text: &Text, problems: &Problems) -> Option<Document> {
    match yaml::parse(&text.file, &text.text) {
        Ok(document) => Some(document),
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                problems.add(diagnostic);
            }
            None
        }
    }
}

/// The mappings of a configuration.
struct Mappings {
    /// By name; `None` where one has errors.
    by_name: BTreeMap<String, Option<Arc<Mapping>>>,
    /// The names of those that no other mapping uses, and where they stand.
    declared: Vec<(String, Span)>,
}

fn mappings(texts: &Texts, problems: &Problems) -> Mappings {
    let mut mappings = BTreeMap::new();
    let documents = named_documents(texts, problems, &mut mappings);
    let table = |path: &str| {
        texts
            .tables
            .get(path)
            .cloned()
            .ok_or_else(|| format!("there is no file {path} in the mappings folder"))
    };
    let library = Library { table: &table, mappings: &documents };
    for (name, document) in &documents {
        if is_fragment(document) {
            continue;
        }
        let (mapping, diagnostics) = orderly_mapping::compile(document, &library);
        for diagnostic in diagnostics {
            problems.add(diagnostic);
        }
        // The name also where the rules have errors, so that a route that uses it is not blamed too.
        mappings.insert(name.clone(), mapping.map(Arc::new));
    }
    let mut used = BTreeSet::new();
    documents.values().for_each(|document| names_used(&document.root, &mut used));
    warn_of_fragments(&documents, &used, problems);
    let alone =
        documents.iter().filter(|(name, document)| !is_fragment(document) && !used.contains(name.as_str()));
    let declared =
        alone.filter_map(|(name, document)| Some((name.clone(), document.root.get("mapping")?.span.clone())));
    Mappings { declared: declared.collect(), by_name: mappings }
}

/// The files of mappings and fragments by the names that they give themselves. Those that can't be read go into `unread` by the names of
/// their files, because files are called like their mappings: a route that uses one of them is not to blame.
fn named_documents(
    texts: &Texts,
    problems: &Problems,
    unread: &mut BTreeMap<String, Option<Arc<Mapping>>>,
) -> BTreeMap<String, Document> {
    let mut documents: BTreeMap<String, Document> = BTreeMap::new();
    let no_files = |_: &str| Err("the name comes first".to_owned());
    let nameless = Library { table: &no_files, mappings: &BTreeMap::new() };
    for text in &texts.mappings {
        let Some(document) = parse(text, problems) else {
            unread.insert(stem(&text.file).to_owned(), None);
            continue;
        };
        let name = document.root.get("mapping").or(document.root.get(FRAGMENT));
        let Some((name, key)) = name.and_then(|name| Some((name, name.text()?.to_owned()))) else {
            // Without a name nothing can use it; what else is wrong with it is told all the same.
            for diagnostic in orderly_mapping::compile(&document, &nameless).1 {
                problems.add(diagnostic);
            }
            continue;
        };
        if documents.contains_key(&key) {
            problems
                .error("mapping-name-twice", &name.span, format!("another mapping is already called `{key}`"))
                .help("give each mapping a name of its own");
            continue;
        }
        documents.insert(key, document);
    }
    documents
}

/// The key of a file that mappings can use and that is none itself.
const FRAGMENT: &str = "fragment";

fn is_fragment(document: &Document) -> bool {
    document.root.get("mapping").is_none()
}

/// A fragment is read where it is used, so that nothing is known of one that nobody uses.
fn warn_of_fragments(documents: &BTreeMap<String, Document>, used: &BTreeSet<&str>, problems: &Problems) {
    for (name, document) in documents.iter().filter(|(_, document)| is_fragment(document)) {
        if let Some(said) = document.root.get(FRAGMENT).filter(|_| !used.contains(name.as_str())) {
            let message = format!("no mapping uses the fragment `{name}`");
            problems
                .warning("mapping-fragment-unused", &said.span, message)
                .help("use it, or remove the file: it is read only where it is used");
        }
    }
}

/// What a mapping says that no route and no other mapping uses never happens.
fn warn_of_unused(declared: &[(String, Span)], routes: &[Route], problems: &Problems) {
    let targets = routes.iter().flat_map(|route| &route.to);
    let used: Vec<&str> = targets.filter_map(|target| Some(target.mapping.as_ref()?.name())).collect();
    for (name, span) in declared.iter().filter(|(name, _)| !used.contains(&name.as_str())) {
        problems
            .warning("mapping-unused", span, format!("no route uses the mapping `{name}`"))
            .help("name it in a route, or take its file out of the mappings folder");
    }
}

/// What stands under `use` and `$use` anywhere in a file.
fn names_used<'d>(node: &'d Node, used: &mut BTreeSet<&'d str>) {
    if let Some(entries) = node.entries() {
        for entry in entries {
            if matches!(entry.key.as_str(), "use" | "$use") {
                used.extend(entry.value.text());
            }
            names_used(&entry.value, used);
        }
    } else if node.text().is_none() {
        node.items().iter().for_each(|item| names_used(item, used));
    }
}

/// `mappings/adt.yaml` → `adt`
fn stem(file: &str) -> &str {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

fn routes(texts: &Texts, known: &Known<'_>, problems: &Problems) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for text in &texts.routes {
        let Some(document) = parse(text, problems) else { continue };
        let Some(route) = route::read(&document, known, problems) else { continue };
        if routes.iter().any(|other| other.name == route.name)
            && let Some(name) = document.root.get("route")
        {
            let message = format!("another route is already called `{}`", route.name);
            problems.error("route-name-twice", &name.span, message).help("give each route a name of its own");
        }
        routes.push(route);
    }
    if routes.is_empty() && problems.errors() == 0 {
        let message = "there is no route: every message would be stored and go nowhere";
        let warning = Diagnostic::warning("config-no-routes", Fault::Configuration, message);
        problems.add(warning.with_help("add a file to the routes folder"));
    } else if problems.errors() == 0 {
        warn_of_unrouted(known.site, &routes, problems);
    }
    routes
}

/// What comes in there would be stored and go nowhere.
fn warn_of_unrouted(site: &site::Site, routes: &[Route], problems: &Problems) {
    for (index, source) in site.sources.iter().enumerate() {
        if !routes.iter().any(|route| route.source == index) {
            let message =
                format!("no route takes what comes from `{}`: it is stored and goes nowhere", source.name);
            let warning = Diagnostic::warning("config-source-unrouted", Fault::Configuration, message);
            problems.add(
                warning.with_help(format!("add a route with `from: {}`, or remove the source", source.name)),
            );
        }
    }
}

/// All texts by path below the folder of `orderly.yaml`: the same wherever that folder lies and however it was named.
fn files(texts: &Texts) -> Vec<Text> {
    let folder = texts.site.file.rfind('/').and_then(|end| texts.site.file.get(..=end)).unwrap_or_default();
    let below = |text: &Text| Text {
        file: text.file.strip_prefix(folder).unwrap_or(&text.file).to_owned(),
        text: text.text.clone(),
    };
    let yaml = std::iter::once(&texts.site).chain(&texts.routes).chain(&texts.mappings).map(below);
    let table =
        |(path, text): (&String, &String)| Text { file: format!("mappings/{path}"), text: text.clone() };
    yaml.chain(texts.tables.iter().map(table)).collect()
}

/// The plan's version: equal texts under equal names give an equal one.
fn version(files: &[Text]) -> String {
    let mut hash = Sha256::new();
    for part in files.iter().flat_map(|text| [&text.file, &text.text]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(folder: &str, ward: &str) -> Texts {
        let text = |name: &str| Text { file: format!("{folder}{name}"), text: name.to_owned() };
        Texts {
            site: text("orderly.yaml"),
            routes: vec![text("routes/a.yaml")],
            mappings: vec![text("mappings/a.yaml")],
            tables: [("tables/ward.csv".to_owned(), ward.to_owned())].into(),
        }
    }

    #[test]
    fn the_version_is_of_what_the_files_say_wherever_they_lie() {
        let here = files(&texts("", "1"));
        let names: Vec<&str> = here.iter().map(|text| text.file.as_str()).collect();
        assert_eq!(names, ["orderly.yaml", "routes/a.yaml", "mappings/a.yaml", "mappings/tables/ward.csv"]);
        for folder in ["./", "/srv/site/", "../"] {
            assert_eq!(version(&files(&texts(folder, "1"))), version(&here), "{folder}");
        }
        assert_ne!(version(&files(&texts("", "2"))), version(&here));
    }
}
