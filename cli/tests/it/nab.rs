//! The benchmark's score, end to end: a folder of series through broker, detector and scoring.

use std::{fmt::Write as _, path::Path};

use floodmark_contracts::nab::NabResult;

use crate::support::floodmark;

/// Rows of a series; windows lie at rows 1500 to 1599 and 2400 to 2499 of those that have some.
const ROWS: u32 = 3000;

/// A wave with a little noise, every five minutes.
fn series(strange: impl Fn(u32) -> f64) -> String {
    let mut text = "timestamp,value\n".to_owned();
    for i in 0..ROWS {
        let noise = f64::from(i.wrapping_mul(2_654_435_761) >> 16) / 65536.0;
        let value = 20.0 + 5.0 * (f64::from(i) / 24.0).sin() + noise + strange(i);
        let minutes = i * 5;
        let (day, hour, minute) = (minutes / 1440 + 1, minutes / 60 % 24, minutes % 60);
        writeln!(text, "2014-04-{day:02} {hour:02}:{minute:02}:00,{value}").unwrap();
    }
    text
}

fn time(row: u32) -> String {
    let minutes = row * 5;
    let (day, hour, minute) = (minutes / 1440 + 1, minutes / 60 % 24, minutes % 60);
    format!("2014-04-{day:02} {hour:02}:{minute:02}:00.000000")
}

/// Two series with two windows each, in one of which something happens at the start, and one without windows.
fn benchmark(folder: &Path) {
    let far = |i: u32| if i == 1501 || i == 2402 { 60.0 } else { 0.0 };
    let all = [
        ("real/spikes", series(far)),
        ("real/silent", series(|_| 0.0)),
        ("art/calm", series(|_| 0.0)),
    ];
    for (name, text) in all {
        let path = folder.join(format!("data/{name}.csv"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let windows = format!(
        r#"[["{}", "{}"], ["{}", "{}"]]"#,
        time(1500),
        time(1599),
        time(2400),
        time(2499)
    );
    let json = format!(
        r#"{{"real/spikes.csv": {windows}, "real/silent.csv": {windows}, "art/calm.csv": []}}"#
    );
    std::fs::create_dir_all(folder.join("labels")).unwrap();
    std::fs::write(folder.join("labels/combined_windows.json"), json).unwrap();
}

/// Exit code, what was printed and what was told.
fn score(folder: &Path, out: &Path, more: &[&str]) -> (i32, String, String) {
    let output = floodmark()
        .arg("replay")
        .arg(format!("nab:{}", folder.display()))
        .arg("--score")
        .arg("--out")
        .arg(out)
        .args(more)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn read(out: &Path) -> NabResult {
    serde_json::from_slice(&std::fs::read(out.join("nab.json")).unwrap()).unwrap()
}

#[test]
fn a_folder_of_series_is_scored_through_the_detector_beside_blind_alerts() {
    let dir = tempfile::tempdir().unwrap();
    benchmark(dir.path());
    let out = dir.path().join("out");
    let (code, table, errors) = score(dir.path(), &out, &["--partitions", "2"]);
    assert_eq!(code, 0, "{errors}");
    let result = read(&out);
    assert_eq!((result.windows, result.late), (4, 0));
    // Each series' first 450 rows are probation.
    assert_eq!(result.rows, 3 * (3000 - 450));
    let spikes = &result.series[2];
    assert_eq!((spikes.name.as_str(), spikes.found), ("real/spikes", 2));
    // Rows are those of the file: the alert is about the row of the spike or one of the two behind it.
    let near = |from: u64| {
        let rows = &spikes.alert_rows;
        rows.iter().any(|row| (from..from + 3).contains(row))
    };
    assert!(near(1501) && near(2402), "{:?}", spikes.alert_rows);
    let standard = &result.scores[0];
    assert_eq!(standard.profile, "standard");
    assert!(table.contains("reward_low_FN_rate"), "{table}");
    let shown = format!("{:.1}", standard.score.unwrap());
    assert!(table.contains(&shown), "{shown} is not in:\n{table}");
    assert!(standard.blind.is_some() && standard.best_blind.is_some());
    let alerts: u64 = result.series.iter().map(|one| one.alerts).sum();
    assert_eq!(alerts, result.alerts);

    // The same rows over another number of partitions give the same figures.
    let again = dir.path().join("again");
    let (code, _, errors) = score(dir.path(), &again, &["--partitions", "3"]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(read(&again).series, result.series);

    // A threshold that nothing reaches is silence, and one series can be left out.
    std::fs::write(dir.path().join("left.txt"), "# tuned on\nreal/silent.csv\n").unwrap();
    let left = dir.path().join("left.txt");
    let quiet = dir.path().join("quiet");
    let more = [
        "--threshold",
        "50",
        "--variant",
        "full",
        "--except",
        left.to_str().unwrap(),
    ];
    let (code, _, errors) = score(dir.path(), &quiet, &more);
    assert_eq!(code, 0, "{errors}");
    let result = read(&quiet);
    assert_eq!((result.windows, result.alerts), (2, 0));
    assert_eq!(result.scores[0].score, Some(0.0));
}

#[test]
fn what_cannot_be_scored_is_refused_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    benchmark(dir.path());
    let out = dir.path().join("out");
    for (more, expected, exit) in [
        (&["--variant", "odd"][..], "use `light` or `full`", 2),
        (&["--threshold", "0"], "detector.adaptive.threshold", 78),
        (&["--except", "/none/names"], "cannot read the names", 2),
        (&["--broker", "localhost:1"], "cannot be used with", 2),
    ] {
        let (code, _, errors) = score(dir.path(), &out, more);
        assert_eq!(code, exit, "{more:?}: {errors}");
        assert!(errors.contains(expected), "{more:?}: {errors}");
        assert!(!out.exists());
    }
    let output = floodmark()
        .args(["replay", "csv:x.csv", "--score"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("`--score` takes `nab:DIR`"), "{errors}");
}
