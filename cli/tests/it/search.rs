//! Searches and curves on the embedded broker, with a detector that is not ours and whose limit is known.
//!
//! A busy machine may make trials void; what is asserted then is that they say so.

use std::path::Path;

use floodmark_contracts::{
    curve::{Axis, CurveResult},
    record::RunRecord,
    result::ValidityStatus,
    search::{SearchEnd, SearchLimit, SearchResult, TrialVerdict},
};
use serde::de::DeserializeOwned;

use crate::support::floodmark;

/// A profile for a detector that takes no more than 1000 events a second.
fn profile(dir: &Path) -> std::path::PathBuf {
    let program = assert_cmd::cargo::cargo_bin("floodmark");
    let detector = program.parent().unwrap().join("examples/foreign_detector");
    let file = dir.join("profile.yaml");
    let text = format!(
        "name: slow
seed: 5
duration: 4s
drain: 2s
event_time: {{ speed: 60 }}
streams:
  sensors:
    rate: 500/s
    partitions: 2
    population: {{ entities: 20 }}
    anomalies:
      - sensor-spike: {{ count: 12, magnitude: 8 }}
subject: {{ command: {{ run: ['{}', --max-rate, '1000'], name: slow }} }}
search: {{ from: 500/s, to: 2500/s, precision: 4, trials: 1, drain: 1s, retries: 1 }}
",
        detector.display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// A file that fits its published schema.
fn read<T: DeserializeOwned>(file: &Path, schema: &str) -> T {
    let value: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let schema =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/schema/{schema}.json"));
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    serde_json::from_value(value).unwrap()
}

/// Exit code and standard error.
fn run(command: &str, dir: &Path, arguments: &[&str]) -> (i32, String) {
    let output = floodmark()
        .arg(command)
        .arg(profile(dir))
        .args(arguments)
        .arg("--out")
        .arg(dir.join("out"))
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), errors)
}

#[test]
fn a_search_brackets_what_a_detector_sustains_with_every_trial_in_its_result() {
    let dir = tempfile::tempdir().unwrap();
    let (code, errors) = run("search", dir.path(), &[]);
    let out = dir.path().join("out");
    let result: SearchResult = read(&out.join("search.json"), "search");
    assert_eq!(result.subject, "slow");
    assert!(
        errors.contains("search: from 500/s; about 5 trials"),
        "{errors}"
    );
    assert!(errors.contains("trial 1: 500/s"), "{errors}");
    for trial in &result.trials {
        let record = out.join(&trial.folder).join("record.json");
        let record: RunRecord =
            serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
        let due: u64 = record.generator.values().map(|facts| facts.due).sum();
        let rate = due as f64 / 4.0;
        assert!(
            (rate / trial.rate - 1.0).abs() < 0.02,
            "{rate} for {}",
            trial.rate
        );
        assert_eq!(
            trial.reasons.is_empty(),
            trial.verdict == TrialVerdict::Sustained
        );
    }
    // Whatever the machine does, nobody sustains two and a half times what they can take.
    let above = result.trials.iter().filter(|trial| trial.rate > 2000.0);
    assert!(
        above
            .clone()
            .all(|trial| trial.verdict != TrialVerdict::Sustained)
    );
    if result
        .trials
        .iter()
        .all(|trial| trial.verdict != TrialVerdict::Void)
        && code == 0
    {
        assert_eq!(
            (result.sustained, result.not_sustained),
            (Some(500.0), Some(2500.0))
        );
        assert_eq!(result.limited_by, Some(SearchLimit::Subject));
        assert_eq!(result.ended, SearchEnd::Found);
        // The last one fell behind: what was consumed is what the detector takes.
        let consumed = result.trials.last().unwrap().figures.consumed.unwrap();
        assert!((500.0..1200.0).contains(&consumed), "{consumed}");
    }
    let page = std::fs::read_to_string(out.join("search.html")).unwrap();
    assert!(page.contains("</html>") && page.contains("id=\"search\""));
    assert!(
        std::fs::read(out.join("search.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

#[test]
fn a_search_without_time_says_that_nothing_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let (code, errors) = run("search", dir.path(), &["--limit", "0s"]);
    assert_eq!(code, 97, "{errors}");
    let result: SearchResult = read(&dir.path().join("out/search.json"), "search");
    assert_eq!(result.ended, SearchEnd::TimeLimit);
    assert_eq!(
        (result.sustained, result.limited_by, result.trials.len()),
        (None, None, 0)
    );
}

#[test]
fn a_curve_adds_incidents_of_all_seeds_up_and_falls_with_difficulty() {
    let dir = tempfile::tempdir().unwrap();
    let over = ["--over", "difficulty=0.01,8", "--seeds", "2"];
    let (code, errors) = run("curve", dir.path(), &over);
    let out = dir.path().join("out");
    let result: CurveResult = read(&out.join("curve.json"), "curve");
    assert!([0, 98].contains(&code), "{code}\n{errors}");
    assert_eq!(result.axis, Axis::Difficulty);
    let [hard, easy] = &result.points[..] else {
        panic!("{} points", result.points.len());
    };
    let seeds: Vec<u64> = easy.runs.iter().map(|run| run.seed).collect();
    assert_eq!((hard.value, easy.value, seeds), (0.01, 8.0, vec![5, 6]));
    let counts = |status: ValidityStatus| status != ValidityStatus::Invalid;
    if [hard, easy]
        .iter()
        .all(|point| point.runs.iter().all(|run| counts(run.status)))
    {
        // Of both seeds together; spikes that nothing tells from noise are not found.
        assert!(easy.labels > 12 && hard.labels > 12, "{result:?}");
        assert!(
            hard.recall < easy.recall && easy.recall > Some(0.8),
            "{result:?}"
        );
    }
    let page = std::fs::read_to_string(out.join("curve.html")).unwrap();
    for name in ["recall", "precision", "latency"] {
        assert!(page.contains(&format!("id=\"{name}-curve\"")), "{name}");
    }
    for name in ["recall.png", "precision.png", "alert-latency.png"] {
        assert!(
            std::fs::read(out.join(name))
                .unwrap()
                .starts_with(b"\x89PNG"),
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_searched_or_varied_is_refused_before_a_broker_is_touched() {
    for (command, arguments, code, expected) in [
        (
            "search",
            &["--recall", "2"][..],
            78,
            "search.recall: `2` is no recall",
        ),
        (
            "search",
            &["--alert-p99", "1s"],
            78,
            "search.alert_p99: the latency of alerts means nothing",
        ),
        (
            "search",
            &["--start", "9k/s"],
            78,
            "search.start: `9000/s` is not between",
        ),
        (
            "search",
            &["--for", "3s"],
            78,
            "search.duration: 3s with a warm-up of 0ns leaves too little",
        ),
        (
            "search",
            &["--set", "subject=none"],
            78,
            "subject: `none` commits no offsets",
        ),
        ("curve", &["--over", "rate"], 2, "names no axis and values"),
        (
            "curve",
            &["--over", "lateness=0.1"],
            78,
            "streams: no stream has `lateness`",
        ),
        (
            "curve",
            &["--over", "difficulty=1", "--seeds", "0"],
            2,
            "0 seeds",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (found, errors) = run(command, dir.path(), arguments);
        assert_eq!(found, code, "{arguments:?}: {errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
        assert!(!dir.path().join("out").exists(), "{arguments:?}");
    }
}
