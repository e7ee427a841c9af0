//! The score of the Numenta Anomaly Benchmark as a table.

use floodmark_contracts::nab::{NabResult, NabScore};

use crate::{
    format::{UNDEFINED, count},
    table::Table,
};

/// The scores by profile beside what blind alerts get, then each series with its score by the first profile.
#[must_use]
pub fn nab_table(result: &NabResult) -> String {
    let mut scores = Table::new(["profile", "score", "blind alerts", "best of them"]);
    for score in &result.scores {
        let NabScore {
            profile,
            score,
            blind,
            best_blind,
        } = score;
        scores.row([
            profile.clone(),
            one_decimal(*score),
            one_decimal(*blind),
            one_decimal(*best_blind),
        ]);
    }
    let mut series = Table::new(["series", "rows", "windows", "found", "false", "score"]);
    let first = result.scores.first().map(|score| score.profile.as_str());
    for one in &result.series {
        let score = first.and_then(|profile| one.scores.get(profile).copied().flatten());
        series.row([
            one.name.clone(),
            count(one.rows),
            count(one.windows),
            count(one.found),
            count(one.false_alerts),
            one_decimal(score),
        ]);
    }
    format!(
        "{}\n{}\n{} of {} windows found; {} alerts in {} rows, {} of them outside of windows; threshold {} for all \
         series\n",
        series.to_text(),
        scores.to_text(),
        count(result.found),
        count(result.windows),
        count(result.alerts),
        count(result.rows),
        count(result.false_alerts),
        result.settings.threshold,
    )
}

fn one_decimal(score: Option<f64>) -> String {
    score.map_or_else(|| UNDEFINED.to_owned(), |score| format!("{score:.1}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use floodmark_contracts::{nab::NabSeries, profile::detector::AdaptiveSection};

    use super::*;

    #[test]
    fn a_score_stands_beside_what_guessing_gets_and_none_is_undefined() {
        let series = |name: &str, windows, score| NabSeries {
            name: name.to_owned(),
            rows: 4032,
            probation: 604,
            windows,
            found: windows,
            alerts: 3,
            false_alerts: 2,
            alert_rows: vec![700, 800, 900],
            scores: BTreeMap::from([("standard".to_owned(), score)]),
        };
        let result = NabResult {
            floodmark_version: "0".to_owned(),
            settings: AdaptiveSection::default(),
            rule: "adaptive".to_owned(),
            scores: vec![NabScore {
                profile: "standard".to_owned(),
                score: Some(55.96),
                blind: Some(-3.21),
                best_blind: None,
            }],
            rows: 6856,
            windows: 1,
            found: 1,
            alerts: 6,
            false_alerts: 4,
            series: vec![
                series("a/long-name", 1, Some(81.25)),
                series("b/x", 0, None),
            ],
            not_scored: BTreeMap::new(),
            late: 0,
        };
        let expected = "\
series        rows  windows  found  false      score
a/long-name  4,032        1      1      2       81.2
b/x          4,032        0      0      2  undefined

profile   score  blind alerts  best of them
standard   56.0          -3.2     undefined

1 of 1 windows found; 6 alerts in 6,856 rows, 4 of them outside of windows; threshold 2.2 for all series
";
        assert_eq!(nab_table(&result), expected);
    }
}
