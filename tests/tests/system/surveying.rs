//! `orderly corpus`: what the parsers make of a folder; `orderly schema`: what a record is made of.

use orderly_tests::peers::admission;
use orderly_tests::running::orderly;
use orderly_tests::site::Site;
use serde_json::json;

const ODD: &[u8] = b"MSH|^~\\&|A|B|C|D|20260305||ADT^A04||P|2.3\rPID|1||7\rXQX|1\rZPI|1\rnot a segment\r";

#[tokio::test]
async fn a_folder_is_read_with_all_that_is_below_it() {
    let site = Site::of(&[("mail/notes.txt", "see you at eight"), ("mail/none.hl7", "")]);
    site.write("feeds/adt/one.hl7", admission("W1"));
    site.write("feeds/adt/two.hl7", [admission("W2"), admission("W3")].concat());
    site.write("feeds/odd.hl7", ODD);
    site.write("feeds/empty.xml", "<ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>");
    let survey = orderly(&site, ["corpus", ".", "--json"]).await.ended(0).json();
    let expected = json!({ "files": 6, "parsed": 4, "byte_exact": 3, "records": 4, "refused": 2, "crashed": 0, "messages": 7 });
    assert_eq!(survey[0]["total"], expected);
    let refused: Vec<_> =
        survey[0]["refusals"].as_array().unwrap().iter().map(|refusal| &refusal["file"]).collect();
    assert_eq!(refused, ["mail/none.hl7", "mail/notes.txt"]);
    assert_eq!(survey[0]["unknown"], json!({ "XQX": 1, "no segment name": 1 }));
    assert_eq!(survey[0]["tolerances"]["hl7-no-control-id"], 1);
    assert_eq!(survey[0]["types"]["ADT^A04"]["files"], 3);

    let text = orderly(&site, ["corpus", "feeds"]).await.ended(0).out;
    for expected in ["ADT^A04", "byte-exact", "hl7-bad-segment-name", "XQX"] {
        assert!(text.to_lowercase().contains(&expected.to_lowercase()), "{expected} is not in:\n{text}");
    }
    assert!(!text.contains("not a segment"), "{text}");
    orderly(&site, ["corpus", "feeds/odd.hl7"]).await.ended(0);
    let missing = orderly(&site, ["corpus", "nothing"]).await.ended(2);
    assert!(missing.err.contains("nothing cannot be read"), "{}", missing.err);
}

#[tokio::test]
async fn a_record_has_what_its_schema_says() {
    let site = Site::of(&[]);
    site.write("one.hl7", admission("W1"));
    let schema: serde_json::Value =
        serde_json::from_str(&orderly(&site, ["schema", "record"]).await.ended(0).out).unwrap();
    let record: serde_json::Value =
        serde_json::from_str(&orderly(&site, ["show", "one.hl7", "--record"]).await.ended(0).out).unwrap();
    for (member, _) in record.as_object().unwrap() {
        assert!(schema["properties"][member]["description"].is_string(), "{member} is not in the schema");
    }
    orderly(&site, ["schema", "nonsense"]).await.ended(2);
}

/// Public messages and documents, when they are at hand beside the workspace: all that are not broken on purpose are read, and all HL7 is
/// given back byte for byte.
#[tokio::test]
async fn the_corpus_is_read() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if !corpus.is_dir() {
        println!("the corpus is not here ({}): nothing was checked", corpus.display());
        return;
    }
    let site = Site::of(&[]);
    let survey = |folder: &str| {
        let folder = corpus.join(folder).into_os_string();
        let site = &site;
        async move { orderly(site, ["corpus".into(), folder, "--json".into()]).await.ended(0).json() }
    };
    let messages = &survey("hl7v2").await[0];
    let total = &messages["total"];
    assert!(total["files"].as_u64() > Some(500), "{total}");
    assert_eq!([&total["parsed"], &total["byte_exact"]], [&total["files"], &total["files"]], "{messages}");
    let documents = &survey("ccda").await[0];
    assert!(documents["total"]["parsed"].as_u64() > Some(150), "{documents}");
    for refusal in documents["refusals"].as_array().unwrap() {
        assert!(refusal["file"].as_str().unwrap().starts_with("malformed/"), "{refusal}");
    }
}
