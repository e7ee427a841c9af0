use super::*;
use crate::draw::Purpose;

fn key() -> Key {
    Key::root(1).purpose(Purpose::Arrival)
}

#[test]
fn constant_arrivals_do_not_drift() {
    let schedule = Schedule::constant(3e6, 60_000_000_000);
    assert_eq!(schedule.count(), 180_000_000);
    assert_eq!(schedule.arrival_ns(3_000_000), 1_000_000_000);
    assert_eq!(schedule.arrival_ns(179_999_999), 59_999_999_666);
}

#[test]
fn every_slot_lies_in_the_run_and_the_next_would_not() {
    for rate in [0.3, 1.0, 7.0, 999.0, 1e5 / 3.0] {
        let schedule = Schedule::constant(rate, 2_000_000_000);
        assert!(
            schedule.arrival_ns(schedule.count() - 1) < 2_000_000_000,
            "{rate}"
        );
        assert!(
            schedule.arrival_ns(schedule.count()) >= 2_000_000_000,
            "{rate}"
        );
    }
}

#[test]
fn poisson_gaps_are_exponential() {
    let schedule = Schedule::poisson(1000.0, 50_000_000_000, key());
    let arrivals: Vec<i64> = schedule.cursor().map(|(_, at)| at).collect();
    let gaps: Vec<f64> = arrivals
        .windows(2)
        .map(|w| (w[1] - w[0]) as f64 / 1e6)
        .collect();
    // Kolmogorov-Smirnov against 1 - e^-x, at a level of 0.001.
    let mut sorted = gaps.clone();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let distance = sorted
        .iter()
        .enumerate()
        .map(|(i, x)| ((1.0 - (-x).exp()) - i as f64 / n).abs())
        .fold(0.0, f64::max);
    assert!(distance < 1.95 / n.sqrt(), "{distance} over {n} gaps");
    assert!((n - 50_000.0).abs() < 1000.0, "{n}");
}

#[test]
fn a_cursor_walks_what_single_look_ups_give() {
    for schedule in [
        Schedule::constant(777.0, 5_000_000_000),
        Schedule::poisson(777.0, 5_000_000_000, key()),
    ] {
        let walked: Vec<(u64, i64)> = schedule.cursor().collect();
        assert_eq!(walked.len() as u64, schedule.count());
        for &(slot, at) in walked.iter().step_by(97) {
            assert_eq!(schedule.arrival_ns(slot), at);
            assert_eq!(schedule.first_at(at), slot);
            assert_eq!(schedule.first_at(at + 1), slot + 1);
        }
    }
}

/// The schedule of phases in YAML, over so many seconds.
fn phased(yaml: &str, seconds: i64, poisson: bool) -> Schedule {
    let phases: Vec<floodmark_contracts::profile::phases::RawPhase> =
        serde_saphyr::from_str(yaml).unwrap();
    let mut problems = floodmark_contracts::problem::Problems::new();
    let duration_ns = seconds * 1_000_000_000;
    let intensity = resolve_phases(&phases, "phases", duration_ns, key(), &mut problems);
    let found: Vec<String> = problems
        .into_vec()
        .iter()
        .map(ToString::to_string)
        .collect();
    let intensity = intensity.unwrap_or_else(|| panic!("{found:?}"));
    if poisson {
        Schedule::shaped_poisson(intensity, duration_ns, key())
    } else {
        Schedule::shaped(intensity, duration_ns)
    }
}

const ALL_SHAPES: &str = "
- constant: { rate: 1k/s, for: 2s }
- ramp: { from: 1k/s, to: 4k/s, for: 4s }
- steps: { rates: [500/s, 0/s, 2k/s], each: 1s }
- burst: { base: 100/s, peak: 5k/s, every: 2s, length: 500ms, for: 5s }
- diurnal: { mean: 1k/s, amplitude: 0.8, period: 4s, offset: 0.75, for: 6s }
- self-similar: { mean: 2k/s, bias: 0.7, bin: 10ms, for: 8s }
- trace: { numbers: [10, 500, 0, 90], bin: 500ms, scale: 2 }
- trace: { numbers: [7.5, 7.6, 7.6, 8.0] }
- constant: { rate: 333/s }
";

#[test]
fn every_shape_sends_the_integral_of_its_rate() {
    for (yaml, seconds, expected) in [
        ("- constant: { rate: 333/s, for: 3s }", 3, 999),
        ("- ramp: { from: 0/s, to: 1k/s, for: 10s }", 10, 5000),
        ("- steps: { rates: [100/s, 0/s, 300/s], each: 2s }", 6, 800),
        // Two bursts of half a second, a third that the end of the phase leaves out, and the base.
        (
            "- burst: { base: 100/s, peak: 1k/s, every: 2s, length: 500ms, for: 5s }",
            5,
            1400,
        ),
        (
            "- diurnal: { mean: 1k/s, amplitude: 0.9, period: 2s, for: 6s }",
            6,
            6000,
        ),
        (
            "- self-similar: { mean: 1k/s, bias: 0.8, bin: 1ms, for: 10s }",
            10,
            10_000,
        ),
        // The trace once and a half.
        ("- trace: { numbers: [10, 20], bin: 1s, for: 3s }", 3, 40),
    ] {
        let schedule = phased(yaml, seconds, false);
        assert_eq!(schedule.count(), expected, "{yaml}");
        let in_seconds: f64 = (0..seconds)
            .map(|second| schedule.expected_in(second))
            .sum();
        assert!(
            (in_seconds - expected as f64).abs() < 1e-6,
            "{yaml}: {in_seconds}"
        );
        assert!((schedule.mean_rate() * seconds as f64 - expected as f64).abs() < 1e-6);
    }
}

#[test]
fn one_phase_of_one_rate_is_the_same_as_the_rate_and_does_not_drift() {
    let plain = Schedule::constant(3e6, 60_000_000_000);
    let phase = phased("- constant: { rate: 3M/s }", 60, false);
    assert_eq!(phase.count(), plain.count());
    for slot in (0..plain.count()).step_by(999_983) {
        assert_eq!(phase.arrival_ns(slot), plain.arrival_ns(slot));
    }
}

#[test]
fn a_trace_of_arrivals_comes_out_as_it_was_recorded() {
    let schedule = phased(
        "- trace: { numbers: [100.5, 100.75, 100.75, 102.5] }\n- constant: { rate: 1/s }",
        5,
        false,
    );
    let arrivals: Vec<i64> = schedule.cursor().map(|(_, at)| at / 1_000_000).collect();
    // The last gap is the mean one, 667 ms; then one event a second follows.
    assert_eq!(arrivals, [0, 250, 250, 2000, 2666, 3666, 4666]);
}

#[test]
fn a_walk_agrees_with_single_look_ups_in_every_shape() {
    for poisson in [false, true] {
        let schedule = phased(ALL_SHAPES, 32, poisson);
        let walked: Vec<(u64, i64)> = schedule.cursor().collect();
        assert_eq!(walked.len() as u64, schedule.count());
        assert!(walked.is_sorted_by_key(|(_, at)| *at));
        assert!(
            walked
                .iter()
                .all(|(_, at)| (0..32_000_000_000).contains(at))
        );
        for (index, &(slot, at)) in walked.iter().enumerate().step_by(41) {
            assert_eq!(slot, index as u64);
            assert_eq!(schedule.arrival_ns(slot), at);
            let first = walked.partition_point(|(_, other)| *other < at) as u64;
            assert_eq!(schedule.first_at(at), first);
        }
        assert_eq!(schedule.first_at(i64::MAX), schedule.count());
    }
}

/// The largest distance between the distribution of `values` and the uniform one, times sqrt n.
fn distance_to_uniform(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance = (0..)
        .zip(&values)
        .map(|(i, x)| {
            (x - f64::from(i) / n)
                .abs()
                .max((f64::from(i + 1) / n - x).abs())
        })
        .fold(0.0, f64::max);
    distance * n.sqrt()
}

#[test]
fn a_poisson_process_follows_every_shape() {
    // Under its own intensity, a Poisson process is one of rate 1: its gaps there are exponential, and
    // arrivals are uniform over the mass (Kolmogorov-Smirnov at a level of 0.001).
    let even = phased(ALL_SHAPES, 32, false);
    let Spacing::Shaped(intensity) = &even.spacing else {
        panic!("shaped");
    };
    let schedule = phased(ALL_SHAPES, 32, true);
    // Where events share an instant, their mass cannot be told apart: the recorded arrivals are left out.
    let masses: Vec<f64> = schedule
        .cursor()
        .map(|(_, at)| intensity.mass_by(at as f64))
        .filter(|mass| *mass < intensity.total() - 700.0)
        .collect();
    let gaps = masses
        .windows(2)
        .map(|w| 1.0 - (w[0] - w[1]).exp())
        .collect();
    assert!(distance_to_uniform(gaps) < 1.95);
    let end = masses[masses.len() - 1];
    assert!(distance_to_uniform(masses.iter().map(|m| m / end).collect()) < 1.95);
    let (found, mean) = (schedule.count() as f64, intensity.total());
    assert!(
        (found - mean).abs() < 4.0 * mean.sqrt(),
        "{found} of {mean}"
    );
}

#[test]
fn self_similar_load_bursts_on_every_scale_as_the_b_model_says() {
    let yaml = "- self-similar: { mean: 4k/s, bias: 0.7, bin: 40ms, for: 40s }";
    let schedule = phased(yaml, 40, false);
    // Of 2^l stretches the busiest has bias^l of the events, and the mean square of their shares is
    // ((bias^2 + (1 - bias)^2) / 2)^l.
    let total = schedule.count() as f64;
    for level in 1..=9 {
        let stretches = 1i64 << level;
        let shares: Vec<f64> = (0..stretches)
            .map(|i| {
                let edge = |i: i64| schedule.first_at(i * 40_000_000_000 / stretches);
                (edge(i + 1) - edge(i)) as f64 / total
            })
            .collect();
        let busiest = shares.iter().copied().fold(0.0, f64::max);
        let square = shares.iter().map(|s| s * s).sum::<f64>() / stretches as f64;
        let expected = f64::powi((0.49 + 0.09) / 2.0, level);
        assert!(
            (busiest / 0.7f64.powi(level) - 1.0).abs() < 0.02,
            "{level}: {busiest}"
        );
        assert!(
            (square / expected - 1.0).abs() < 0.02,
            "{level}: {square} {expected}"
        );
    }
}

#[test]
fn a_self_similar_shape_depends_on_the_seed() {
    let phases = |seed: u64| {
        let raw = serde_saphyr::from_str::<Vec<_>>(
            "- self-similar: { mean: 1k/s, bias: 0.8, bin: 100ms }",
        )
        .unwrap();
        let key = Key::root(seed).purpose(Purpose::Arrival);
        let mut problems = floodmark_contracts::problem::Problems::new();
        resolve_phases(&raw, "phases", 10_000_000_000, key, &mut problems).unwrap()
    };
    assert_eq!(phases(1), phases(1));
    assert_ne!(phases(1), phases(2));
}

#[test]
fn unsound_phases_are_told_with_their_path_and_what_would_work() {
    for (yaml, path, text) in [
        (
            "- constant: { rate: 1k/s, for: 3s }",
            "phases",
            "last `3s` together, the run `10s`",
        ),
        (
            "- constant: { rate: fast }",
            "phases[0].constant.rate",
            "is not a rate",
        ),
        (
            "- ramp: { from: 1/s, to: 2/s }\n- constant: { rate: 1/s }",
            "phases[0].ramp.for",
            "only the last phase may leave it out",
        ),
        (
            "- constant: { rate: 1/s, for: 10s }\n- constant: { rate: 1/s }",
            "phases[1].constant.for",
            "nothing is left for it",
        ),
        (
            "- steps: { rates: [], each: 1s }",
            "phases[0].steps.rates",
            "there is no step",
        ),
        (
            "- steps: { rates: [1/s, x], each: 1s }",
            "phases[0].steps.rates[1]",
            "is not a rate",
        ),
        (
            "- burst: { base: 1/s, peak: 2/s, every: 1s, length: 2s }",
            "phases[0].burst.length",
            "does not fit",
        ),
        (
            "- diurnal: { mean: 1/s, amplitude: 1.5, period: 1s }",
            "phases[0].diurnal.amplitude",
            "use 0 to 1",
        ),
        (
            "- self-similar: { mean: 1/s, bias: 0.3, bin: 1s }",
            "phases[0].self-similar.bias",
            "use 0.5 to 0.95",
        ),
        (
            "- diurnal: { mean: 1/s, amplitude: 0.5, period: 10us }",
            "phases[0]",
            "more than 2000000",
        ),
        (
            "- trace: { file: gone.txt }",
            "phases[0].trace.file",
            "was not read",
        ),
        (
            "- trace: { bin: 1s }",
            "phases[0].trace.numbers",
            "there is no number",
        ),
        (
            "- trace: { numbers: [2, 1] }",
            "phases[0].trace.numbers",
            "arrival 2 at `1` s",
        ),
        (
            "- trace: { numbers: [-2, 1], bin: 1s }",
            "phases[0].trace.numbers",
            "number 1 is `-2`",
        ),
    ] {
        let phases: Vec<_> = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = floodmark_contracts::problem::Problems::new();
        let found = resolve_phases(&phases, "phases", 10_000_000_000, key(), &mut problems);
        assert!(found.is_none(), "{yaml}");
        let problems = problems.into_vec();
        assert!(
            problems
                .iter()
                .any(|p| p.path == path && p.message.contains(text)),
            "{yaml}: {problems:?}"
        );
    }
}
