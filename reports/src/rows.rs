//! What the scores of all events are worth, as a text.

use floodmark_contracts::accuracy::RowScores;

use crate::{
    format::{UNDEFINED, count},
    table::Table,
};

/// The figures with what random scores get, then the score of the Numenta Anomaly Benchmark by its profiles.
#[must_use]
pub fn row_scores_text(scores: &RowScores) -> String {
    let mut figures = Table::new(["figure", "value", "random"]);
    let half = Some(0.5).filter(|_| scores.roc_auc.is_some());
    let prevalence = scores
        .prevalence
        .filter(|_| scores.average_precision.is_some());
    for (name, value, random) in [
        ("average precision", scores.average_precision, prevalence),
        ("ROC AUC", scores.roc_auc, half),
        ("VUS-PR", scores.volume.precision_recall, None),
        ("VUS-ROC", scores.volume.roc, None),
        ("oracle F1", scores.oracle_f1, None),
    ] {
        let random = random.map_or_else(String::new, |random| format!("{random:.3}"));
        figures.row([name.to_owned(), three_decimals(value), random]);
    }
    let mut nab = Table::new(["NAB profile", "score", "at the threshold"]);
    for one in &scores.nab {
        let score = one
            .score
            .map_or_else(|| UNDEFINED.to_owned(), |score| format!("{score:.1}"));
        nab.row([one.profile.clone(), score, three_decimals(one.threshold)]);
    }
    let mut text = format!(
        "{}\n{}\n{} rows of {} keys, {} of them in incidents, on {} keys\n",
        figures.to_text(),
        nab.to_text(),
        count(scores.rows),
        count(scores.keys),
        count(scores.true_rows),
        count(scores.labelled_keys),
    );
    if scores.without_score > 0 {
        text.push_str(&format!(
            "{} rows have no number for a score and are left out\n",
            count(scores.without_score)
        ));
    }
    if scores.labels_without_rows > 0 {
        text.push_str(&format!(
            "{} incidents last at no row of their keys and count nowhere\n",
            count(scores.labels_without_rows)
        ));
    }
    text
}

fn three_decimals(value: Option<f64>) -> String {
    value.map_or_else(|| UNDEFINED.to_owned(), |value| format!("{value:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undefined_says_so_and_what_is_left_out_is_told() {
        let text = row_scores_text(&RowScores {
            rows: 1200,
            without_score: 3,
            roc_auc: Some(0.75),
            ..RowScores::default()
        });
        for expected in [
            "ROC AUC",
            "0.750",
            "0.500",
            "undefined",
            "1,200 rows",
            "3 rows have no number",
        ] {
            assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
        }
        assert!(!text.contains("last at no row"), "{text}");
    }
}
