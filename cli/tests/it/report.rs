//! `floodmark report`: every format of a real run, written and read again.

use std::path::Path;

use floodmark_contracts::result::RunResult;
use roxmltree::Document;
use serde_json::Value;

use crate::support::{floodmark, profile};

/// A run with a gate that holds, one that fails, one that warns and one on what is undefined at this length.
fn bench(dir: &Path) {
    let gates = "gates=[{ require: detection.recall >= 0.1 }, { require: detection.labels == 0 }, \
                 { require: detection.labels == 1, otherwise: warn }, { require: faults.unrecovered == 0 }]";
    floodmark()
        .args(["bench", "--quiet", "--set", gates, "--out"])
        .arg(dir)
        .arg(profile("smoke"))
        .assert()
        // On a busy machine the measurement may be invalid; what is written is the same.
        .code(vec![98, 99]);
}

/// The files of `report` with these arguments, as it says on standard output.
fn report(dir: &Path, arguments: &[&str]) -> Vec<String> {
    let output = floodmark()
        .arg("report")
        .arg(dir)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| {
        let path = line.strip_prefix("wrote `")?.strip_suffix('`')?;
        Path::new(path).file_name()?.to_str().map(str::to_owned)
    };
    lines.lines().filter_map(name).collect()
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn json(file: &Path) -> Value {
    serde_json::from_str(&text(file)).unwrap()
}

#[test]
fn every_format_of_a_run_is_written_and_parses() {
    let temporary = tempfile::tempdir().unwrap();
    let (run, out) = (
        temporary.path().join("run"),
        temporary.path().join("new/ci"),
    );
    bench(&run);
    let names = report(
        &run,
        &[
            "--format",
            "html,png,svg,md,junit,bmf,gha,json",
            "--out",
            out.to_str().unwrap(),
        ],
    );
    for name in &names {
        let file = out.join(name);
        match file.extension().unwrap().to_str().unwrap() {
            "json" => assert!(!json(&file).is_null()),
            "xml" | "svg" => assert!(Document::parse(&text(&file)).unwrap().root().has_children()),
            "png" => assert!(std::fs::read(&file).unwrap().starts_with(b"\x89PNG")),
            "html" => assert!(text(&file).trim_end().ends_with("</html>")),
            _ => assert!(text(&file).starts_with("# ")),
        }
    }
    let expected = [
        "report.html",
        "detection.png",
        "timeline.svg",
        "summary.md",
        "junit.xml",
        "bmf.json",
        "gha-smaller.json",
        "gha-bigger.json",
        "result.json",
    ];
    for name in expected {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    let result: RunResult = serde_json::from_value(json(&out.join("result.json"))).unwrap();
    assert_eq!(
        text(&out.join("result.json")),
        text(&run.join("result.json"))
    );
    every_link_leads_to_a_file(
        &out,
        &["result.json", "timeline.svg", "detection.png", "junit.xml"],
    );
    every_link_leads_to_a_file(&run, &["result.json", "record.json", "logs/subject.log"]);
    the_formats_say_what_the_result_says(&out, &result);
    only_the_result_is_needed_for_ci(&run, temporary.path());
}

/// The report of a folder links to what lies there, these among it, and to nothing else.
fn every_link_leads_to_a_file(folder: &Path, expected: &[&str]) {
    let page = text(&folder.join("report.html"));
    let links: Vec<&str> = page
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| !link.starts_with('#') && !link.starts_with("data:"))
        .collect();
    for link in &links {
        assert!(folder.join(link).is_file(), "{link}");
    }
    for name in expected {
        assert!(links.contains(name), "{name}: {links:?}");
    }
}

/// Test cases, measures and entries, counted.
fn the_formats_say_what_the_result_says(out: &Path, result: &RunResult) {
    let junit = text(&out.join("junit.xml"));
    let page = Document::parse(&junit).unwrap();
    let count = |tag| {
        page.descendants()
            .filter(|node| node.has_tag_name(tag))
            .count()
    };
    assert_eq!(count("testcase"), 1 + result.gates.len());
    assert_eq!(count("failure"), 1);
    assert!(count("error") >= 1, "{junit}");
    let defined = result
        .metrics
        .values()
        .filter(|metric| metric.value.is_some());
    let name = format!("smoke/{}", result.subject);
    let measures = &json(&out.join("bmf.json"))[&name];
    assert_eq!(measures.as_object().unwrap().len(), defined.count());
    for name in ["gha-smaller.json", "gha-bigger.json"] {
        assert!(
            !json(&out.join(name)).as_array().unwrap().is_empty(),
            "{name}"
        );
    }
}

/// A folder in which CI kept nothing else.
fn only_the_result_is_needed_for_ci(run: &Path, temporary: &Path) {
    let kept = temporary.join("kept");
    std::fs::create_dir(&kept).unwrap();
    std::fs::copy(run.join("result.json"), kept.join("result.json")).unwrap();
    let before = text(&kept.join("result.json"));
    let names = report(&kept, &["--format", "json,junit"]);
    assert_eq!(names, ["junit.xml"]);
    assert_eq!(text(&kept.join("result.json")), before);
    let there = report(run, &[]);
    let expected = [
        "report.html",
        "summary.md",
        "throughput.png",
        "latency.png",
        "detection.png",
    ];
    assert_eq!(there, expected);
}

#[test]
fn a_folder_without_a_result_and_a_format_that_is_none_end_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["--format", "md"][..], "floodmark score"),
        (&["--format", "pdf"], "junit"),
    ] {
        let output = floodmark()
            .arg("report")
            .arg(dir.path())
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains(expected), "{errors}");
    }
    std::fs::write(dir.path().join("result.json"), "{}").unwrap();
    floodmark().arg("report").arg(dir.path()).assert().code(2);
}
