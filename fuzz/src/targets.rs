//! All targets. Each takes any bytes, and panics where a law of its decoder does not hold.

mod broker;
mod detector;
mod events;
mod files;
mod texts;

/// A decoder.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Takes an input.
    pub run: fn(&[u8]),
    /// Sound inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// MiB that every input may take, beside what each of its bytes may.
    pub any_mib: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    // State that is made anew for each input, or once: a broker, an engine.
    Target {
        name,
        run,
        seeds,
        any_mib: 64,
    }
}

impl Target {
    /// The same with more memory.
    const fn with_mib(self, any_mib: usize) -> Self {
        Self { any_mib, ..self }
    }
}

/// Every one.
pub static ALL: &[Target] = &[
    target("plain-json", events::plain_json, events::json_seeds),
    target("click", events::click, events::click_seeds),
    target("reading", events::reading, events::reading_seeds),
    target("banking", events::banking, events::banking_seeds),
    target("alert", events::alert, events::alert_seeds),
    target(
        "broker-connection",
        broker::connection,
        broker::connection_seeds,
    ),
    target("broker-batch", broker::batch, broker::batch_seeds),
    target("registry-body", broker::registry, broker::registry_seeds),
    target("engine", detector::engine, detector::engine_seeds),
    target("mark", detector::mark, detector::mark_seeds),
    target("snapshot", detector::snapshot, detector::snapshot_seeds),
    target("frame", detector::frame, detector::frame_seeds),
    target("schema-answer", detector::schema, detector::schema_seeds),
    target("scorer", detector::scorer, detector::scorer_seeds),
    target("geoip", detector::geoip, detector::geoip_seeds),
    target("sink-record", detector::sink, detector::sink_seeds),
    target("collect-body", files::collect, files::collect_seeds),
    target("recording-csv", files::csv, files::csv_seeds),
    target("recording-lines", files::lines, files::lines_seeds),
    target("recording-nab", files::nab, files::nab_seeds),
    target("run-facts", files::facts, files::facts_seeds),
    target("histogram", files::histogram, files::histogram_seeds),
    // A YAML text may stand for 250,000 values, however short it is: the parser counts them.
    target("profile", texts::profile, texts::profile_seeds).with_mib(256),
    target("small-texts", texts::small, texts::small_seeds),
];
