//! Checks of the scores that the literature defines.

use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path};

use floodmark_scoring::published::{
    affiliation as affiliated, event_wise as esa,
    nab::{self as numenta, Profile, Series},
    point_adjust as adjusted,
    range_based::{self as ranges, Bias, Cardinality, Rows, Rules},
    volume as surface,
};
use serde_json::Value;

use super::{
    Case, Vectors,
    checks::{list, number, spans, whole},
};

const PROFILES: [(&str, Profile); 3] = [
    ("standard", numenta::STANDARD),
    ("reward_low_FP_rate", numenta::FEW_FALSE_POSITIVES),
    ("reward_low_FN_rate", numenta::FEW_FALSE_NEGATIVES),
];

fn row(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn rows(input: &Value, name: &str) -> Vec<usize> {
    list(input, name).iter().map(row).collect()
}

fn row_ranges(input: &Value, name: &str) -> Vec<Rows> {
    let range = |v: &Value| [row(&v[0]), row(&v[1])];
    list(input, name).iter().map(range).collect()
}

fn floats(input: &Value, name: &str) -> Vec<f64> {
    list(input, name)
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

pub fn affiliation(case: &mut Case<'_>) {
    let range = &case.input["range"];
    let range = [0, 1].map(|i| range[i].as_f64().unwrap());
    let [truth, predicted] = ["truth", "predicted"].map(|name| spans(case.input, name));
    let zones = affiliated::zones(&truth, &predicted, range);
    let distances = affiliated::distances(&truth, &predicted, range);
    case.check("precision", affiliated::precision(&zones));
    case.check("recall", affiliated::recall(&zones));
    for (i, (zone, distances)) in zones.iter().zip(distances).enumerate() {
        for (name, figure) in [
            ("precision_probabilities", zone.precision),
            ("recall_probabilities", Some(zone.recall)),
            ("precision_distances", distances.predicted),
            ("recall_distances", Some(distances.truth)),
        ] {
            case.check(&format!("individual_{name}[{i}]"), figure);
        }
    }
}

pub fn event_wise(case: &mut Case<'_>) {
    let range = &case.input["range"];
    let range = [0, 1].map(|i| range[i].as_f64().unwrap());
    let incidents: Vec<_> = list(case.input, "labels")
        .iter()
        .map(|label| spans(label, "segments"))
        .collect();
    let scores = esa::score(&incidents, &spans(case.input, "alert_intervals"), range);
    case.check("event_recall", scores.recall);
    case.check("event_precision_tnr_corrected", scores.precision);
    match scores.alarming_precision {
        None => case.undefined("alarming_precision"),
        found => case.check("alarming_precision", found),
    }
    let beta = number(case.input, "beta");
    let name = format!("event_f_{beta:.2}");
    match scores.f_beta(beta) {
        None => case.undefined(&name),
        found => case.check(&name, found),
    }
    let found = scores.before + scores.after;
    case.check("timing.n_before", Some(scores.before as f64));
    case.check("timing.n_after", Some(scores.after as f64));
    let after = (found > 0).then(|| scores.after as f64 / found as f64);
    case.check("timing.after_rate", after);
    case.check("timing.adtqc_mean", scores.timing);
}

pub fn point_adjust(case: &mut Case<'_>) {
    let truth: Vec<bool> = floats(case.input, "y_true")
        .iter()
        .map(|t| *t > 0.0)
        .collect();
    let threshold = number(case.input, "threshold");
    let scores = floats(case.input, "score");
    let hits: Vec<bool> = scores.iter().map(|score| *score > threshold).collect();
    check_rows(case, "unadjusted", &truth, &hits);
    for k in floats(case.input, "k_percent") {
        let filled = adjusted::adjust(&truth, &hits, k);
        check_rows(case, &format!("pa_k{k}"), &truth, &filled);
        let hit = filled.iter().enumerate().filter(|(_, hit)| **hit);
        let hit: Vec<f64> = hit.map(|(row, _)| row as f64).collect();
        case.check_list(&format!("pa_k{k}.adjusted_rows"), &hit);
    }
}

fn check_rows(case: &mut Case<'_>, path: &str, truth: &[bool], hits: &[bool]) {
    let scores = adjusted::score(truth, hits);
    case.check(&format!("{path}.precision"), scores.precision);
    case.check(&format!("{path}.recall"), scores.recall);
    case.check(&format!("{path}.f1"), scores.f1);
}

pub fn range_based(case: &mut Case<'_>) {
    let input = case.input;
    let rules = |bias: &str| Rules {
        alpha: number(input, "alpha_recall"),
        cardinality: match input["cardinality"].as_str() {
            Some("one") => Cardinality::One,
            Some("reciprocal") => Cardinality::Reciprocal,
            other => panic!("cardinality {other:?}"),
        },
        bias: match input[bias].as_str() {
            Some("flat") => Bias::Flat,
            Some("front") => Bias::Front,
            Some("middle") => Bias::Middle,
            Some("back") => Bias::Back,
            other => panic!("bias {other:?}"),
        },
    };
    assert_eq!(input["mode"], "range", "there is no other mode");
    let (real, predicted) = (row_ranges(input, "real"), row_ranges(input, "predicted"));
    let recall = ranges::recall(&real, &predicted, rules("bias_recall"));
    case.check("recall", recall);
    let Some(precision) = ranges::precision(&real, &predicted, rules("bias_precision")) else {
        case.undefined("precision");
        return case.check("fscore", None);
    };
    let (recall, weight) = (recall.unwrap(), number(input, "beta").powi(2));
    let f = (1.0 + weight) * precision * recall / (weight * precision + recall);
    for source in ["", "prts_"] {
        case.check(&format!("{source}precision"), Some(precision));
        case.check(&format!("{source}recall"), Some(recall));
        case.check(&format!("{source}fscore"), Some(f));
    }
}

pub fn volume(case: &mut Case<'_>) {
    let count = |name| usize::try_from(whole(case.input, name)).unwrap();
    let scores = floats(case.input, "score");
    assert_eq!(scores.len(), count("rows"));
    let truth = row_ranges(case.input, "y_true_ranges");
    let found = surface::volume(&truth, &scores, count("window"), count("thresholds")).unwrap();
    case.check("vus_roc", Some(found.roc));
    case.check("vus_pr", Some(found.precision_recall));
}

pub fn nab(case: &mut Case<'_>) {
    let corpus: Vec<(String, Series, Vec<usize>)> = list(case.input, "files")
        .iter()
        .map(|file| {
            let n_rows = usize::try_from(whole(file, "rows")).unwrap();
            let series = Series::new(n_rows, &row_ranges(file, "window_rows"));
            let name = file["name"].as_str().unwrap().to_owned();
            (name, series, rows(file, "detection_rows"))
        })
        .collect();
    check_corpus(case, &corpus);
    for (profile, weights) in PROFILES {
        for (name, series, detections) in &corpus {
            let path = format!("{profile}.files.{name}.row_score_at_detection");
            let scores = detections.iter().map(|row| series.row_score(*row, weights));
            case.check_list(&path, &scores.collect::<Vec<_>>());
        }
    }
}

fn check_corpus(case: &mut Case<'_>, corpus: &[(String, Series, Vec<usize>)]) {
    let n_windows: usize = corpus.iter().map(|(_, series, _)| series.n_windows()).sum();
    for (profile, weights) in PROFILES {
        let mut total = 0.0;
        for (name, series, detections) in corpus {
            let score = series.score(detections, weights);
            total += score.raw;
            for (figure, value) in [
                ("raw_score", score.raw),
                ("tp", score.true_positives as f64),
                ("fp", score.false_positives as f64),
                ("tn", score.true_negatives as f64),
                ("fn", score.false_negatives as f64),
            ] {
                case.check(&format!("{profile}.files.{name}.{figure}"), Some(value));
            }
        }
        let silent: f64 = corpus
            .iter()
            .map(|(_, series, _)| series.score(&[], weights).raw)
            .sum();
        case.check(&format!("{profile}.raw_total"), Some(total));
        case.check(&format!("{profile}.null_total"), Some(silent));
        let perfect = weights.found * n_windows as f64;
        case.check(&format!("{profile}.perfect_total"), Some(perfect));
        let normalised = numenta::normalised(total, n_windows, weights);
        case.check(&format!("{profile}.normalized"), normalised);
    }
}

/// Checks the cases over real series, which `folder` holds in the layout of the benchmark.
pub fn nab_real(vectors: &Vectors, folder: &OsStr) -> usize {
    let folder = Path::new(folder);
    // In the benchmark's own repository the labels have a folder; copies often put them beside the data.
    let places = ["labels/combined_windows.json", "combined_windows.json"];
    let place = places
        .map(|place| folder.join(place))
        .into_iter()
        .find(|place| place.is_file());
    let labels =
        read(&place.unwrap_or_else(|| panic!("{}: no `combined_windows.json`", folder.display())));
    let windows: BTreeMap<String, Vec<[String; 2]>> = serde_json::from_str(&labels).unwrap();
    vectors.each_with(|case| {
        let corpus: Vec<(String, Series, Vec<usize>)> = list(case.input, "files")
            .iter()
            .map(|file| {
                let path = file["series"].as_str().unwrap();
                let times = timestamps(&read(&folder.join("data").join(path)));
                let series = Series::new(times.len(), &labelled_rows(&times, &windows[path]));
                let name = path.rsplit('/').next().unwrap().trim_end_matches(".csv");
                (name.to_owned(), series, rows(file, "detection_rows"))
            })
            .collect();
        check_corpus(case, &corpus);
    })
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The first column, below its header.
fn timestamps(csv: &str) -> Vec<String> {
    let lines = csv.lines().skip(1).filter(|line| !line.is_empty());
    lines
        .map(|line| line.split(',').next().unwrap().to_owned())
        .collect()
}

/// Windows as rows; their ends are texts such as `2014-04-10 07:15:00.000000`.
fn labelled_rows(times: &[String], windows: &[[String; 2]]) -> Vec<Rows> {
    let place = |end: &String| {
        let whole = end.split('.').next().unwrap();
        times
            .iter()
            .position(|time| time.as_str() == whole)
            .unwrap()
    };
    windows
        .iter()
        .map(|ends| [place(&ends[0]), place(&ends[1])])
        .collect()
}
