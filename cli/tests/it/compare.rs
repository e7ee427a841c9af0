//! Stored runs against each other.

use std::path::{Path, PathBuf};

use floodmark_contracts::{
    accuracy::RowScores,
    compare::{Comparison, Verdict},
};
use serde_json::Value;

use crate::support::{Run, floodmark, profile, result_of_a_quiet_machine};

/// The metric by which the sides differ.
const CPU: &str = "cpu.subject.per_million_events";

/// Seven runs of one kind below `dir`, each a little different, with CPU times `times` those of `run`.
fn runs(dir: &Path, name: &str, run: &Value, times: f64) -> PathBuf {
    let side = dir.join(name);
    for number in 0..7 {
        let mut result = run.clone();
        let cpu = &mut result["metrics"][CPU]["value"];
        *cpu = Value::from(cpu.as_f64().unwrap() * times * (1.0 + 0.002 * f64::from(number)));
        let folder = side.join(format!("{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("result.json"), result.to_string()).unwrap();
    }
    side
}

/// A real result.
fn result() -> Value {
    let run = Run::of_file(&profile("smoke"), &["--set", "duration=5s"]);
    result_of_a_quiet_machine(&run.dir.join("result.json"))
}

/// The exit code, and the comparison as the command prints it.
fn compare(base: &Path, cand: &Path) -> (i32, Comparison) {
    let output = floodmark()
        .args(["compare", "--json", "--gate", CPU])
        .args([base, cand])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let comparison = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {errors}"));
    (output.status.code().unwrap(), comparison)
}

#[test]
fn runs_that_cost_a_fifth_more_are_a_regression_and_the_other_way_round_none() {
    let dir = tempfile::tempdir().unwrap();
    let result = result();
    let base = runs(dir.path(), "base", &result, 1.0);
    let cand = runs(dir.path(), "cand", &result, 1.2);
    let (code, comparison) = compare(&base, &cand);
    assert_eq!((code, comparison.verdict), (100, Verdict::Regressed));
    let cpu = comparison
        .metrics
        .iter()
        .find(|metric| metric.name == CPU)
        .unwrap();
    assert!((cpu.effect.unwrap() - 0.2).abs() < 0.01, "{cpu:?}");
    let (code, comparison) = compare(&cand, &base);
    assert_eq!((code, comparison.verdict), (0, Verdict::Improved));
    let (code, comparison) = compare(&base, &base);
    assert_eq!((code, comparison.verdict), (0, Verdict::Equivalent));
}

#[test]
fn one_run_a_side_is_advice_and_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let result = result();
    let base = runs(dir.path(), "base", &result, 1.0);
    let cand = runs(dir.path(), "cand", &result, 1.2);
    let (code, comparison) = compare(&base.join("0"), &cand.join("0"));
    assert_eq!(code, 0);
    assert!(!comparison.advisory.is_empty());
}

#[test]
fn every_file_of_a_comparison_is_written_and_what_cannot_be_compared_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut result = result();
    let base = runs(dir.path(), "base", &result, 1.0);
    let out = dir.path().join("out");
    let outcome = floodmark()
        .arg("compare")
        .args([&base, &base])
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(0));
    let printed = String::from_utf8(outcome.stdout).unwrap();
    let text = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    for said in [printed, text("comparison.md"), text("comparison.html")] {
        assert!(said.contains("Equivalent"), "{said}");
    }
    assert!(text("comparison.svg").contains("<svg"));
    assert!(
        std::fs::read(out.join("comparison.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    assert!(serde_json::from_str::<Comparison>(&text("comparison.json")).is_ok());
    assert!(serde_json::from_str::<Value>(&text("bmf.json")).is_ok());
    assert!(text("junit.xml").contains("<testsuite "));

    result["profile"] = Value::from("another");
    let other = runs(dir.path(), "other", &result, 1.0);
    for (base, cand, expected) in [
        (&base, &other, "compare runs of one profile"),
        (&base, &dir.path().join("nowhere"), "cannot read the folder"),
        (&base, &out, "has no `result.json`"),
    ] {
        let refused = floodmark()
            .arg("compare")
            .args([base, cand])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
}

#[test]
fn a_score_for_every_event_is_held_against_the_labels() {
    let dir = tempfile::tempdir().unwrap();
    let made = floodmark()
        .args(["generate", "--sink", "null", "--rate", "max", "--quiet"])
        .arg(profile("smoke"))
        .arg("--out")
        .arg(dir.path().join("truth"))
        .output()
        .unwrap();
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let labels = std::fs::read_to_string(dir.path().join("truth/labels.ndjson")).unwrap();
    let mut labels = labels
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let spike = labels.find(|label| label["kind"] == "stuck-value").unwrap();
    // A reading each two seconds, with high scores while the incident lasts.
    let (start, end) = (
        spike["start"].as_i64().unwrap(),
        spike["end"].as_i64().unwrap(),
    );
    let rows = (-40..80).map(|step| {
        let time = start + 2_000 * step;
        let score = if (start..=end).contains(&time) {
            0.9
        } else {
            0.1
        };
        serde_json::json!({ "key": spike["keys"][0], "time": time, "score": score }).to_string()
    });
    let scores = dir.path().join("scores.ndjson");
    std::fs::write(&scores, rows.collect::<Vec<_>>().join("\n")).unwrap();
    let truth = dir.path().join("truth");
    let score = |args: &[&str]| {
        let output = floodmark()
            .arg("score")
            .arg("--scores")
            .arg(&scores)
            .arg("--truth")
            .arg(&truth)
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let found: RowScores = serde_json::from_str(&score(&["--json"])).unwrap();
    assert!(found.true_rows > 5, "{found:?}");
    assert_eq!(found.average_precision, Some(1.0), "{found:?}");
    assert!(score(&[]).contains("VUS-PR"));
}
