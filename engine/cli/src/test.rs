//! `orderly test`: the cases beside mappings and routes, what of them does not hold, and which rules none of them ever touched.

mod junit;
mod report;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use orderly_mapping::{Fired, Idle};
use orderly_pipeline::suite::{Mismatch, Repair, Suite, repaired};
use orderly_pipeline::{Plan, Severity};

use crate::failure::{ANSWER_IS_NO, CommandResult, Failure};
use crate::site::{self, Site, TEST_ENDING, plural};

/// Run the tests beside the mappings and routes: x.test.yaml beside x.yaml.
///
/// Each case gives a message, and says what is expected of it: the whole output, some of its fields, or that it is filtered, failed or
/// parked. At the end stands which lines of the tested mappings no case ever used. Exit code 1 when a case failed.
#[derive(Args)]
#[command(after_help = "A test file:

  test: adt-to-hospital
  cases:
    - name: a newborn without a sex stays without one
      input: samples/hl7v2/adt_a01_newborn.hl7
      accepted_at: 2026-03-05T07:40:00-05:00
      expect:
        PID-8: is empty
        PV1-2: NEWBORN")]
pub(crate) struct TestArgs {
    /// Only these: a test file, the mapping or route that it tests, or a folder.
    paths: Vec<PathBuf>,
    /// The site's file; its routes and mappings, with their tests, lie in the folders beside it.
    #[arg(long, default_value = "orderly.yaml")]
    config: PathBuf,
    /// Rewrite what is expected to what there is, in place, and run again. Look at the difference before you keep it.
    #[arg(long)]
    update: bool,
    /// One JSON object a case and one for the lines never used, for programs.
    #[arg(long)]
    json: bool,
    /// Write the results as JUnit XML too, which most build servers show.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Everything that was run.
pub(crate) struct Ran {
    cases: Vec<RanCase>,
    /// Of each tested mapping what no case used.
    idle: Vec<(String, Idle)>,
    /// Mappings that have no test, when all tests were run.
    untested: Vec<String>,
}

/// One case that was run.
struct RanCase {
    /// The test file.
    file: String,
    /// The mapping or route.
    subject: String,
    name: String,
    mismatches: Vec<Mismatch>,
}

impl Ran {
    fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.mismatches.is_empty()).count()
    }
}

/// Runs, reports, and answers no when a case failed.
pub(crate) fn run(args: &TestArgs) -> CommandResult {
    if args.update {
        update(args)?;
    }
    let (mut site, suites) = load(args)?;
    let plan = site.take_plan()?;
    let ran = run_all(&suites, &plan, args.paths.is_empty());
    if args.json {
        report::print_objects(&ran);
    } else {
        report::print_text(&ran, &site);
    }
    if let Some(file) = &args.junit {
        let written = junit::document(&ran).and_then(|document| fs::write(file, document));
        written.map_err(|error| Failure::new(format!("{} cannot be written: {error}", file.display())))?;
    }
    Ok(if ran.failed() == 0 { ExitCode::SUCCESS } else { ANSWER_IS_NO })
}

/// The site and those of its tests that are asked for.
fn load(args: &TestArgs) -> Result<(Site, Vec<Suite>), Failure> {
    let mut site = site::load(&args.config)?;
    let mut suites = site.read_tests();
    let errors = site.count(Severity::Error);
    if errors > 0 {
        for text in site.rendered() {
            eprintln!("{text}\n");
        }
        return Err(Failure::new(format!(
            "the configuration and its tests have {errors} error{}",
            plural(errors)
        ))
        .help("mend what is shown above; `orderly check` shows it again"));
    }
    for path in &args.paths {
        if !suites.iter().any(|suite| is_asked_for(suite, path)) {
            return Err(Failure::new(format!("there is no test for {}", path.display())).help(format!(
                "a test lies beside its mapping or route and is called like it: x{TEST_ENDING} beside x.yaml"
            )));
        }
    }
    let asks =
        |suite: &Suite| args.paths.is_empty() || args.paths.iter().any(|path| is_asked_for(suite, path));
    suites.retain(asks);
    if suites.is_empty() {
        return Err(Failure::new("there are no tests")
            .help(format!("put x{TEST_ENDING} beside a mapping x.yaml; `orderly test --help` shows one")));
    }
    Ok((site, suites))
}

/// Whether a path names this test file, its mapping or route, or a folder it is in.
fn is_asked_for(suite: &Suite, path: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (file, asked) = (real(Path::new(&suite.file)), real(path));
    let tested = suite.file.strip_suffix(TEST_ENDING).map(|stem| real(Path::new(&format!("{stem}.yaml"))));
    file.starts_with(&asked) || tested.is_some_and(|tested| tested == asked)
}

fn run_all(suites: &[Suite], plan: &Plan, are_all: bool) -> Ran {
    let mut fired = Fired::default();
    let mut cases = Vec::new();
    for suite in suites {
        for case in &suite.cases {
            let mismatches = suite.run(case, plan, &mut fired).mismatches;
            let (file, subject, name) = (suite.file.clone(), suite.name.clone(), case.name.clone());
            cases.push(RanCase { file, subject, name, mismatches });
        }
    }
    let is_tested = |name: &String| {
        suites.iter().any(|suite| suite.mapping().is_some_and(|mapping| mapping.name() == name))
    };
    let (tested, untested): (Vec<_>, Vec<_>) = plan.mappings.iter().partition(|(name, _)| is_tested(name));
    let idle = tested.into_iter().map(|(name, mapping)| (name.clone(), mapping.idle(&fired))).collect();
    let untested = untested.into_iter().map(|(name, _)| name.clone()).filter(|_| are_all).collect();
    Ran { cases, idle, untested }
}

/// Rewrites the expectations that do not hold.
fn update(args: &TestArgs) -> Result<(), Failure> {
    let (mut site, suites) = load(args)?;
    // Of all test files, also those that are not asked for now.
    let inputs: HashSet<String> = site
        .read_tests()
        .iter()
        .flat_map(|suite| &suite.cases)
        .filter_map(|case| case.input_file.clone())
        .collect();
    let texts: Vec<_> = site.tests().to_vec();
    let base = site.base.clone();
    let plan = site.take_plan()?;
    let mut changed = 0;
    let of_suite = |suite: &Suite| -> Vec<Repair> {
        suite.cases.iter().flat_map(|case| suite.run(case, &plan, &mut Fired::default()).repairs).collect()
    };
    let repairs: Vec<Vec<Repair>> = suites.iter().map(of_suite).collect();
    let contested = contested(repairs.iter().flatten());
    for path in &contested {
        eprintln!("{path} stays as it is: cases that expect it have different outputs");
    }
    for (suite, mut repairs) in suites.iter().zip(repairs) {
        repairs.retain(|repair| match repair {
            Repair::File { path, .. } if inputs.contains(path) => {
                eprintln!("{path} stays as it is: it is the input of a test");
                false
            }
            Repair::File { path, .. } => !contested.contains(path),
            Repair::Text { .. } => true,
        });
        let Some(test) = texts.iter().find(|test| test.text.file == suite.file) else { continue };
        if repairs.is_empty() {
            continue;
        }
        changed += repairs.len();
        let (text, files) = repaired(&test.text.text, &repairs);
        write(Path::new(&suite.file), text.as_bytes())?;
        for (path, bytes) in files {
            write(&base.join(path), &bytes)?;
        }
    }
    eprintln!("{changed} expectation{} rewritten", plural(changed));
    Ok(())
}

/// The files that cannot hold what all of their cases give.
fn contested<'r>(repairs: impl IntoIterator<Item = &'r Repair>) -> BTreeSet<String> {
    let mut contents: HashMap<&str, &[u8]> = HashMap::new();
    let mut contested = BTreeSet::new();
    for repair in repairs {
        if let Repair::File { path, bytes } = repair
            && *contents.entry(path).or_insert(bytes) != bytes.as_slice()
        {
            contested.insert(path.clone());
        }
    }
    contested
}

/// In one step, so that nobody reads half a file.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|file| {
        fs::write(file.path(), bytes)?;
        if let Ok(meta) = fs::metadata(path) {
            fs::set_permissions(file.path(), meta.permissions())?;
        }
        file.persist(path).map_err(|error| error.error)
    });
    written
        .map(|_| ())
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_two_cases_want_otherwise_is_contested() {
        let file = |path: &str, bytes: &[u8]| Repair::File { path: path.to_owned(), bytes: bytes.to_vec() };
        let repairs = [file("a", b"1"), file("b", b"1"), file("a", b"1"), file("b", b"2")];
        assert_eq!(contested(&repairs), BTreeSet::from(["b".to_owned()]));
    }
}
