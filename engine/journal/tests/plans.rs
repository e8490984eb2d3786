//! Which plans were in force, and what they said.

mod harness;

use harness::Running;
use orderly_journal::*;

fn plan(version: &str, since_us: i64) -> PlanInForce {
    PlanInForce { version: version.to_owned(), since_us }
}

#[test]
fn each_coming_into_force_is_kept_once_with_its_texts() {
    let folder = tempfile::tempdir().unwrap();
    let texts = |ward: &'static str| [("orderly.yaml", "site: a\n"), ("mappings/tables/ward.csv", ward)];
    {
        let running = Running::open(Options::new(folder.path()));
        assert_eq!(running.journal().reader().plans().unwrap(), []);
        assert_eq!(running.journal().reader().plan_files("a1").unwrap(), []);
        running.journal().note_plan(&plan("a1", 10), texts("code,name\n1,Östlich\n")).unwrap();
        running.journal().note_plan(&plan("b2", 20), texts("")).unwrap();
    }
    let running = Running::open(Options::new(folder.path()));
    running.journal().note_plan(&plan("b2", 30), texts("")).unwrap();
    running.journal().note_plan(&plan("a1", 40), texts("code,name\n1,Östlich\n")).unwrap();
    // Beside the engine, as a command reads it.
    let reader = Reader::open(folder.path()).unwrap();
    assert_eq!(reader.plans().unwrap(), [plan("a1", 10), plan("b2", 20), plan("a1", 40)]);
    let files = reader.plan_files("a1").unwrap();
    let files: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
    assert_eq!(files, texts("code,name\n1,Östlich\n"));
    assert_eq!(reader.plan_files("b2").unwrap()[1].text, "");
    assert_eq!(reader.plan_files("c3").unwrap(), []);
}
