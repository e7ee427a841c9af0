//! What a comparison leaves out of a run's figures.

use floodmark_scoring::{compare::figures_of, score};

use crate::support::Run;

#[test]
fn a_p99_9_of_under_ten_thousand_samples_is_withheld_even_if_a_file_has_it() {
    let run = Run::new();
    let mut result = score(&run.record, &run.labels, &run.alerts, &[]).unwrap();
    let name = "latency.alert.p99.9";
    let set = |result: &mut floodmark_contracts::result::RunResult, samples| {
        result.latency.get_mut("alert").unwrap().count = samples;
        result.metrics.get_mut(name).unwrap().value = Some(7.0);
    };
    set(&mut result, 9_999);
    assert_eq!(figures_of(&result)[name].value, None);
    set(&mut result, 10_000);
    assert_eq!(figures_of(&result)[name].value, Some(7.0));
}
