//! Where the time of alerts goes: a bar of stages for each pipeline and kind.

use floodmark_contracts::result::{PhaseFigures, RunResult, Stage, Waterfall};

use crate::format::{count, micros};

/// What stands where a figure is undefined.
const NOTHING: &str = "–";

/// A pipeline and kind.
pub(super) struct WaterfallRow {
    pub(super) name: String,
    pub(super) alerts: String,
    /// Parts of the bar from left to right.
    pub(super) parts: Vec<Part>,
    /// What the bar says, for those who listen.
    pub(super) spoken: String,
    /// Median and 99th percentile, from due and from hand-over.
    pub(super) from_due: [String; 2],
    pub(super) from_hand_over: [String; 2],
}

/// A stage in a bar.
pub(super) struct Part {
    pub(super) class: &'static str,
    /// Percent of the widest bar.
    pub(super) width: String,
    pub(super) title: String,
}

/// A stage in the legend.
pub(super) struct Key {
    pub(super) class: &'static str,
    pub(super) name: String,
    pub(super) meaning: String,
}

/// The bars, all on one scale: that of the slowest.
pub(super) fn rows(result: &RunResult) -> Vec<WaterfallRow> {
    let whole = |fall: &Waterfall| fall.stages.iter().map(|stage| stage.mean_us).sum::<f64>();
    let widest = result.waterfall.iter().map(whole).fold(1.0, f64::max);
    let row = |fall: &Waterfall| WaterfallRow {
        name: match &fall.kind {
            Some(kind) => format!("{} · {kind}", fall.pipeline),
            None => fall.pipeline.clone(),
        },
        alerts: count(fall.alerts),
        parts: fall
            .stages
            .iter()
            .map(|stage| part(stage, widest))
            .collect(),
        spoken: spoken(fall),
        from_due: figures(&fall.from_due),
        from_hand_over: figures(&fall.from_hand_over),
    };
    result.waterfall.iter().map(row).collect()
}

/// What the parts of a bar mean.
pub(super) fn keys(result: &RunResult) -> Vec<Key> {
    let stages = result
        .waterfall
        .first()
        .map_or(&[][..], |fall| &fall.stages);
    let key = |stage: &Stage| Key {
        class: class(&stage.name),
        name: stage.name.clone(),
        meaning: stage.meaning.clone(),
    };
    stages.iter().map(key).collect()
}

fn part(stage: &Stage, widest: f64) -> Part {
    Part {
        class: class(&stage.name),
        width: format!("{:.3}", 100.0 * stage.mean_us / widest),
        title: format!("{}: {} on average", stage.name, micros(stage.mean_us)),
    }
}

fn class(stage: &str) -> &'static str {
    match stage {
        "window" => "w-window",
        "hand-over" => "w-hand",
        "wait" => "w-wait",
        "detector" => "w-detector",
        _ => "w-collect",
    }
}

fn spoken(fall: &Waterfall) -> String {
    let stages = fall.stages.iter();
    let stages: Vec<String> = stages
        .map(|stage| format!("{} {}", stage.name, micros(stage.mean_us)))
        .collect();
    format!("On average {}", stages.join(", "))
}

fn figures(stage: &Stage) -> [String; 2] {
    let p99 = stage.p99_us.map(|us| micros(us as f64));
    [
        micros(stage.p50_us as f64),
        p99.unwrap_or_else(|| NOTHING.to_owned()),
    ]
}

/// A phase of the run.
pub(super) struct PhaseRow {
    pub(super) name: String,
    pub(super) span: String,
    pub(super) sent: String,
    pub(super) consumed: String,
    pub(super) lag: String,
    pub(super) alerts: String,
    pub(super) latency: [String; 2],
}

/// Figures of warm-up, steady state and drain.
pub(super) fn phases(result: &RunResult) -> Vec<PhaseRow> {
    result.phase_figures.iter().map(phase).collect()
}

fn phase(figures: &PhaseFigures) -> PhaseRow {
    let number = |value: Option<f64>| {
        value.map_or_else(
            || NOTHING.to_owned(),
            |value| count(value.max(0.0).round() as u64),
        )
    };
    let latency = |us: Option<u64>| us.map_or_else(|| NOTHING.to_owned(), |us| micros(us as f64));
    let lag = match (figures.lag_mean, figures.lag_max) {
        (Some(_), Some(_)) => format!("{} / {}", number(figures.lag_mean), number(figures.lag_max)),
        _ => NOTHING.to_owned(),
    };
    PhaseRow {
        name: figures.name.clone(),
        span: format!("{:.0} to {:.0} s", figures.from_s, figures.until_s),
        sent: number(figures.sent),
        consumed: number(figures.consumed),
        lag,
        alerts: count(figures.alerts),
        latency: [latency(figures.alert_p50_us), latency(figures.alert_p99_us)],
    }
}

/// What is said of alerts that have no latency; empty where all have one.
pub(super) fn ahead(result: &RunResult) -> String {
    let ahead: u64 = result.phase_figures.iter().map(|phase| phase.ahead).sum();
    match ahead {
        0 => String::new(),
        1 => "1 alert came before the end that it names, and has no latency: behind the last event, closing events end windows \
              before wall time does."
            .to_owned(),
        n => format!(
            "{} alerts came before the ends that they name, and have no latency: behind the last event, closing events end \
             windows before wall time does.",
            count(n)
        ),
    }
}

/// Whether there is a steady state, in a sentence.
pub(super) fn steady(result: &RunResult) -> String {
    let steady = &result.steady;
    match steady.detected {
        _ if steady.reason.is_empty() => String::new(),
        Some(true) => format!("Steady state: {}.", steady.reason),
        Some(false) => format!("No steady state was found: {}.", steady.reason),
        None => format!(
            "Whether there was a steady state is not known: {}.",
            steady.reason
        ),
    }
}
