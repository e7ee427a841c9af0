//! What lies beside the report, with links that hold wherever the folder goes.

/// Files that a run, a report or a comparison writes, in the order of the list, with what each holds.
const KNOWN: [(&str, &str); 27] = [
    (
        "result.json",
        "every figure with its unit, its direction and its interval; the verdict and the gates",
    ),
    (
        "record.json",
        "the facts from which the result can be computed again",
    ),
    (
        "labels.ndjson",
        "the truth: what was injected, one incident a line",
    ),
    ("alerts.ndjson", "what the detector said, one alert a line"),
    (
        "timeseries.ndjson",
        "rates, lag, lateness and resources, one value a line",
    ),
    ("latency.hlog", "latencies as an HDR interval log"),
    ("profile.json", "the profile with everything that was set"),
    ("enrichment.ndjson", "what the detector could look up"),
    ("summary.md", "the result in brief"),
    ("throughput.png", "rates over time"),
    ("latency.png", "percentiles of latencies"),
    ("detection.png", "recall and precision per kind"),
    ("timeline.svg", "the time line"),
    ("latency.svg", "percentiles of latencies"),
    ("accuracy.svg", "recall and precision per kind"),
    ("precision-recall.svg", "precision over recall"),
    ("time-to-detect.svg", "time to detect"),
    ("difficulty.svg", "recall over difficulty"),
    ("junit.xml", "gates as test cases"),
    ("bmf.json", "metrics in Bencher’s format"),
    (
        "gha-smaller.json",
        "metrics of which less is better, for github-action-benchmark",
    ),
    (
        "gha-bigger.json",
        "metrics of which more is better, for github-action-benchmark",
    ),
    (
        "baseline/comparison.html",
        "the comparison with stored runs, every metric",
    ),
    ("baseline/comparison.json", "the same as figures"),
    ("baseline/comparison.md", "the same for a pull request"),
    ("logs/generator.log", "what the generator said"),
    ("logs/subject.log", "what the detector said"),
];

/// A file that can be opened from the page.
pub(super) struct FileRow<'a> {
    /// Its path from the report, which is its link too.
    pub(super) path: &'a str,
    pub(super) holds: &'static str,
}

/// Those of `present`, paths from the report, that are known, then other logs. What else lies there is not ours to show.
pub(super) fn files(present: &[String]) -> Vec<FileRow<'_>> {
    let known = KNOWN.iter().filter_map(|(name, holds)| {
        let path = present.iter().find(|path| path == name)?;
        Some(FileRow { path, holds })
    });
    let is_known = |path: &str| KNOWN.iter().any(|(name, _)| *name == path);
    let logs = present
        .iter()
        .filter(|path| is_log(path) && !is_known(path));
    let logs = logs.map(|path| FileRow {
        path,
        holds: "a log",
    });
    known.chain(logs).collect()
}

/// Whether a path is that of a log, with a name that needs no escapes in a link.
fn is_log(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = path
        .strip_prefix("logs/")
        .and_then(|name| name.strip_suffix(".log"));
    name.is_some_and(|name| !name.is_empty() && name.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_listed_in_order_and_nothing_else() {
        let present = [
            "logs/broker.log",
            "logs/a b.log",
            "secrets.txt",
            "logs/subject.log",
            "alerts.ndjson",
            "result.json",
        ]
        .map(str::to_owned);
        let found = files(&present);
        let found: Vec<&str> = found.iter().map(|row| row.path).collect();
        let expected = [
            "result.json",
            "alerts.ndjson",
            "logs/subject.log",
            "logs/broker.log",
        ];
        assert_eq!(found, expected);
        assert!(files(&[]).is_empty());
    }
}
