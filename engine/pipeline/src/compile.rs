//! Texts of `orderly.yaml`, routes and mappings to a plan, with everything that is wrong in them at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderly_mapping::Mapping;
use orderly_mapping::problems::Problems;
use orderly_mapping::yaml::{self, Document, Span};
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
    let diagnostics = problems.into_vec();
    let failed = diagnostics.iter().any(|diagnostic| matches!(diagnostic.severity, Severity::Error));
    let files = files(texts);
    let plan = match (site, routes) {
        (Some(site), Some(routes)) if !failed => Some(Plan {
            version: version(&files),
            files,
            site: site.name,
            journal: site.journal,
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
    /// Their names and where they stand, in the order of the files.
    declared: Vec<(String, Span)>,
}

fn mappings(texts: &Texts, problems: &Problems) -> Mappings {
    let mut mappings = BTreeMap::new();
    let mut declared = Vec::new();
    let table = |path: &str| {
        texts
            .tables
            .get(path)
            .cloned()
            .ok_or_else(|| format!("there is no file {path} in the mappings folder"))
    };
    for text in &texts.mappings {
        let Some(document) = parse(text, problems) else {
            // Files are called like their mappings: a route that uses this one is not to blame.
            mappings.insert(stem(&text.file).to_owned(), None);
            continue;
        };
        let (mapping, diagnostics) = orderly_mapping::compile(&document, &table);
        for diagnostic in diagnostics {
            problems.add(diagnostic);
        }
        // The name as written also where the rules have errors, so that a route that uses it is not blamed too.
        let Some(name) = document.root.get("mapping") else { continue };
        let Some(key) = name.text() else { continue };
        declared.push((key.to_owned(), name.span.clone()));
        if mappings.insert(key.to_owned(), mapping.map(Arc::new)).is_some() {
            problems
                .error("mapping-name-twice", &name.span, format!("another mapping is already called `{key}`"))
                .help("give each mapping a name of its own");
        }
    }
    Mappings { by_name: mappings, declared }
}

/// What a mapping says that no route uses never happens.
fn warn_of_unused(declared: &[(String, Span)], routes: &[Route], problems: &Problems) {
    let targets = routes.iter().flat_map(|route| &route.to);
    let used: Vec<&str> = targets.filter_map(|target| Some(target.mapping.as_ref()?.name())).collect();
    for (name, span) in declared.iter().filter(|(name, _)| !used.contains(&name.as_str())) {
        problems
            .warning("mapping-unused", span, format!("no route uses the mapping `{name}`"))
            .help("name it in a route, or take its file out of the mappings folder");
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
