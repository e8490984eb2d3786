//! A site's files: `orderly.yaml`, and beside it the folders `routes` and `mappings`, read and compiled.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use orderly_pipeline::plan::Source;
use orderly_pipeline::suite::{Suite, TestText, Tested, compile_suites};
use orderly_pipeline::{Compiled, Diagnostic, Plan, Severity, Text, Texts, compile};
use orderly_record::{Fault, Place};
use orderly_runtime::check_outside;

use crate::diagnostics;
use crate::failure::Failure;

/// A site as read.
pub(crate) struct Site {
    /// The folder of `orderly.yaml`, from which the configuration's relative paths count.
    pub(crate) base: PathBuf,
    texts: Texts,
    tests: Vec<TestText>,
    /// Tests that could not be read, until they are asked for.
    unread_tests: Vec<Diagnostic>,
    /// What compiling gave.
    pub(crate) compiled: Compiled,
}

/// Reads and compiles a site. Errors in what the files say are in [`Site::compiled`]; a failure means that they could
/// not be read.
pub(crate) fn load(config: &Path) -> Result<Site, Failure> {
    let base = config.parent().unwrap_or(Path::new("")).to_owned();
    let main = read(config).map_err(|failure| {
        failure.help("name the site's file with --config, or run `orderly demo` to see one at work")
    })?;
    let mut unreadable = Vec::new();
    let [routes, mappings] = FOLDERS;
    let routes = read_folder(&base, routes, &mut unreadable)?;
    let mappings = read_folder(&base, mappings, &mut unreadable)?;
    let of = |of: Tested, texts: Vec<Text>| texts.into_iter().map(move |text| TestText { of, text });
    let tests = of(Tested::Mapping, mappings.tests).chain(of(Tested::Route, routes.tests)).collect();
    let unread_tests = mappings.unread_tests.into_iter().chain(routes.unread_tests).collect();
    let texts = Texts { site: main, routes: routes.texts, mappings: mappings.texts, tables: mappings.tables };
    let mut compiled = compile(&texts);
    if !unreadable.is_empty() {
        compiled.diagnostics.extend(unreadable);
        compiled.plan = None;
    }
    refuse_linked_folders(&base, None, &mut compiled);
    Ok(Site { base, texts, tests, unread_tests, compiled })
}

/// A link makes two names one folder, which only the disk tells.
fn refuse_linked_folders(base: &Path, journal: Option<&str>, compiled: &mut Compiled) {
    let Some(plan) = &compiled.plan else { return };
    let journal = journal.unwrap_or(&plan.journal.folder);
    let clashes = plan.folder_clashes(journal, &|folder| real_path(&base.join(folder)));
    if !clashes.is_empty() {
        compiled.diagnostics.extend(clashes);
        compiled.plan = None;
    }
}

/// The path without links; what is not there yet is as written below what is.
fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing = Vec::new();
    for existing in absolute.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            return missing.into_iter().rev().fold(real, |path, name| path.join(name));
        }
        missing.extend(existing.file_name());
    }
    absolute
}

/// Where the journal of a site lies, whatever else is wrong with the site.
pub(crate) fn journal_folder(config: &Path) -> Result<PathBuf, Failure> {
    let site =
        read(config).map_err(|failure| failure.help("name the site's file with --config, or --journal"))?;
    Ok(config.parent().unwrap_or(Path::new("")).join(orderly_pipeline::journal_folder(&site.text)))
}

impl Site {
    /// The plan, or a failure after the errors were printed.
    pub(crate) fn into_plan(mut self) -> Result<(PathBuf, Plan), Failure> {
        let plan = self.take_plan()?;
        Ok((self.base, plan))
    }

    /// Reads the tests beside the mappings and routes. What is wrong in them is added to the diagnostics, and keeps no engine from
    /// starting; nothing is read while there is no plan that they could be about.
    pub(crate) fn read_tests(&mut self) -> Vec<Suite> {
        let Some(plan) = &self.compiled.plan else { return Vec::new() };
        let base = self.base.clone();
        let file = |path: &str| {
            fs::read(base.join(path)).map_err(|error| format!("the file {path} cannot be read: {error}"))
        };
        let (suites, found) = compile_suites(&self.tests, plan, &file);
        self.compiled.diagnostics.append(&mut self.unread_tests);
        self.compiled.diagnostics.extend(found);
        suites
    }

    /// The journal lies in this folder, whatever the files say: it must be no other folder of the site.
    pub(crate) fn keep_journal_in(&mut self, folder: &Path) {
        // A path of the command line counts from where the command runs.
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        refuse_linked_folders(&self.base, Some(&absolute.to_string_lossy()), &mut self.compiled);
    }

    /// Looks at what the files only name: certificates, keys. What is wrong with it forbids to run, and not to test or to explain.
    pub(crate) fn check_outside(&mut self) {
        let Some(plan) = &self.compiled.plan else { return };
        let found = check_outside(plan, &self.base);
        if found.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            self.compiled.plan = None;
        }
        self.compiled.diagnostics.extend(found);
    }

    /// A diagnostic about the configuration as text for people.
    pub(crate) fn shown(&self, diagnostic: &Diagnostic) -> String {
        diagnostics::render(diagnostic, &self.texts.by_name())
    }

    /// The plan, taken out, or a failure after the errors were printed.
    pub(crate) fn take_plan(&mut self) -> Result<Plan, Failure> {
        if let Some(plan) = self.compiled.plan.take() {
            return Ok(plan);
        }
        for text in self.rendered() {
            eprintln!("{text}\n");
        }
        let errors = self.count(Severity::Error);
        Err(Failure::new(format!("the configuration has {errors} error{}", plural(errors)))
            .help("mend what is shown above; `orderly check` shows it again"))
    }

    /// The text of one of its files, by the name that diagnostics use.
    pub(crate) fn text(&self, file: &str) -> Option<&str> {
        let mut texts = self.texts.routes.iter().chain(&self.texts.mappings);
        texts.find(|text| text.file == file).map(|text| text.text.as_str())
    }

    /// What a line of one of its files says, without the dash of a list.
    pub(crate) fn line(&self, file: &str, line: usize) -> &str {
        let text = self.text(file).unwrap_or_default();
        text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim().trim_start_matches("- ")
    }

    /// How many diagnostics are this severe.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.compiled.diagnostics.iter().filter(|found| found.severity == severity).count()
    }

    /// The diagnostics as text for people.
    pub(crate) fn rendered(&self) -> impl Iterator<Item = String> {
        let mut texts = self.texts.by_name();
        texts.extend(self.tests.iter().map(|test| (test.text.file.clone(), test.text.text.clone())));
        self.diagnostics().into_iter().map(move |diagnostic| diagnostics::render(diagnostic, &texts))
    }

    /// The diagnostics: errors before warnings, of each those of the site's file first, then file by file and line by line; at last what
    /// stands nowhere.
    pub(crate) fn diagnostics(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.compiled.diagnostics.iter().collect();
        sorted.sort_by_key(|diagnostic| {
            let severity = match diagnostic.severity {
                Severity::Error => 0,
                Severity::Warning => 1,
                Severity::Note => 2,
            };
            let place = match &diagnostic.place {
                Place::File { file, span, .. } => {
                    (0, **file != *self.texts.site.file, file.to_string(), span.start)
                }
                Place::Input { .. } | Place::None => (1, true, String::new(), 0),
            };
            (severity, place)
        });
        sorted
    }

    /// How many routes and mappings were read.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.texts.routes.len(), self.texts.mappings.len())
    }

    /// The texts of the tests.
    pub(crate) fn tests(&self) -> &[TestText] {
        &self.tests
    }
}

/// The source that a file is taken to have come in by: the one named, else `likely`, else the site's only one.
pub(crate) fn source_of_file<'p>(
    plan: &'p Plan,
    named: Option<&str>,
    likely: Option<&'p Source>,
) -> Result<&'p Source, Failure> {
    let names = || plan.sources.iter().map(|source| &*source.name).collect::<Vec<_>>().join(", ");
    if let Some(name) = named {
        return plan.source(name).ok_or_else(|| {
            Failure::new(format!("there is no source `{name}`")).help(format!("there are {}", names()))
        });
    }
    let only = plan.sources.first().filter(|_| plan.sources.len() == 1);
    likely.or(only).ok_or_else(|| {
        Failure::new("this does not say which source the file came in by")
            .help(format!("name it with --source, or a route with --route; the sources are {}", names()))
    })
}

/// "s" unless there is one.
pub(crate) fn plural<N: From<u8> + PartialEq>(count: N) -> &'static str {
    if count == N::from(1) { "" } else { "s" }
}

/// Texts by the name that diagnostics use.
trait ByName {
    fn by_name(&self) -> BTreeMap<String, String>;
}

impl ByName for Texts {
    fn by_name(&self) -> BTreeMap<String, String> {
        let texts = std::iter::once(&self.site).chain(&self.routes).chain(&self.mappings);
        texts.map(|text| (text.file.clone(), text.text.clone())).collect()
    }
}

fn read(path: &Path) -> Result<Text, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(Text { file: path.display().to_string(), text })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{} cannot be read: {error}", path.display()))
}

fn not_read(file: &Path, error: &io::Error) -> Diagnostic {
    let help = match error.kind() {
        io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "make it readable, or remove it",
    };
    let message = format!("{} cannot be read: {error}", file.display());
    Diagnostic::error("config-unreadable", Fault::Configuration, message).with_help(help)
}

/// The files of a folder that say something, each kind in the order of their names.
#[derive(Default)]
struct Folder {
    texts: Vec<Text>,
    tests: Vec<Text>,
    unread_tests: Vec<Diagnostic>,
    /// By path below the folder.
    tables: BTreeMap<String, String>,
}

/// The YAML files of a folder, apart from them the tests, and the CSV files. One that cannot be read is an error among the others, and
/// no error of the configuration when it is a test.
fn read_folder(base: &Path, name: &str, unreadable: &mut Vec<Diagnostic>) -> Result<Folder, Failure> {
    let folder = base.join(name);
    let mut files = Vec::new();
    list(&folder, &mut files)?;
    files.sort();
    let mut read = Folder::default();
    for file in files {
        let Some(kind) = Kind::of(&file) else { continue };
        let shown = file.display().to_string();
        match (kind, fs::read_to_string(&file)) {
            (Kind::Yaml, Ok(text)) => read.texts.push(Text { file: shown, text }),
            (Kind::Test, Ok(text)) => read.tests.push(Text { file: shown, text }),
            (Kind::Table, Ok(text)) => {
                let below = file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned();
                read.tables.insert(below, text);
            }
            (Kind::Test, Err(error)) => read.unread_tests.push(not_read(&file, &error)),
            (_, Err(error)) => unreadable.push(not_read(&file, &error)),
        }
    }
    Ok(read)
}

/// How the names of tests end.
pub(crate) const TEST_ENDING: &str = ".test.yaml";

/// The folders whose files, and those below them, make a site, beside its own file.
pub(crate) const FOLDERS: [&str; 2] = ["routes", "mappings"];

/// The files that a plan is made of now, so without tests; of a folder that cannot be read, none.
pub(crate) fn files(config: &Path) -> Vec<PathBuf> {
    let base = config.parent().unwrap_or(Path::new(""));
    let mut files = vec![config.to_owned()];
    for folder in FOLDERS {
        let mut found = Vec::new();
        // What is wrong with it, reading tells.
        let _ = list(&base.join(folder), &mut found);
        found.sort();
        files.extend(
            found.into_iter().filter(|file| matches!(Kind::of(file), Some(Kind::Yaml | Kind::Table))),
        );
    }
    files
}

/// What a file of a site is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Yaml,
    Test,
    Table,
}

impl Kind {
    /// Nothing for what is no part of a site.
    fn of(file: &Path) -> Option<Kind> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        match () {
            () if name.ends_with(TEST_ENDING) => Some(Kind::Test),
            () if name.ends_with(".yaml") || name.ends_with(".yml") => Some(Kind::Yaml),
            () => name.ends_with(".csv").then_some(Kind::Table),
        }
    }
}

/// All files below a folder; none when it does not exist.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
