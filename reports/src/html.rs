//! `report.html`: one file that fetches nothing and is complete without scripts; the one that it holds zooms the time line.
//!
//! The template holds the page, the modules below hold what stands in it, ready to print: the page
//! contains no logic beyond loops and absent parts.

mod accuracy;
mod confusion;
mod facts;
mod faults;
mod files;
mod incidents;
mod settings;
mod tables;
mod tiles;
mod troubles;
mod waterfall;

use std::io::Write;

use askama::Template;
use floodmark_contracts::{accuracy::KindPair, result::RunResult};

use self::{
    accuracy::{LateRow, WayRow},
    confusion::Matrix,
    facts::{AuditRow, ProcessRow},
    faults::{FaultRow, faults},
    files::{FileRow, files},
    incidents::{Listing, false_alerts, missed},
    settings::{Settings, settings},
    tables::{
        DecoyRow, DifficultyRow, DisorderRow, GateRow, KindRow, LatencyRow, Pair, ThroughputRow,
    },
    tiles::Tile,
    troubles::TroubleSection,
    waterfall::{Key, PhaseRow, WaterfallRow},
};
use crate::{
    ReportError, ReportInput, STYLE, chart,
    comparison::{Section, section},
    format::wall_time,
    model::Model,
    prose,
    verdict::{Badge, advice, badge, sentence, sentence_of},
};

/// What zooms the time line, in browsers that run it.
const ZOOM: &str = include_str!("../templates/zoom.js");

/// Everything on the page, from top to bottom. Strings that are HTML already say so; the template
/// escapes all others.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    style: &'static str,
    profile: &'a str,
    subject: &'a str,
    broker: &'a str,
    seed: u64,
    version: &'a str,
    started_at: String,
    badge: Badge,
    sentence: String,
    /// HTML, as the warnings: both hold values in backticks.
    advice: Vec<String>,
    tiles: Vec<Tile>,
    gates: Vec<GateRow<'a>>,
    /// Reasons against the figures; values are HTML.
    validity: Vec<Pair>,
    validity_word: &'static str,
    reproduce: &'a str,
    settings: Settings,
    /// SVG, as the other charts.
    timeline: String,
    throughput: Vec<ThroughputRow>,
    disorder: Vec<DisorderRow>,
    latency_chart: String,
    latency: Vec<LatencyRow<'a>>,
    waterfall: Vec<WaterfallRow>,
    waterfall_keys: Vec<Key>,
    phase_figures: Vec<PhaseRow>,
    steady: String,
    /// Of alerts without a latency; empty where there are none.
    ahead: String,
    accuracy_chart: String,
    kinds: Vec<KindRow>,
    decoys: Vec<DecoyRow>,
    /// SVG; none where no label says how hard it is.
    difficulty_chart: Option<String>,
    /// The measure's name and its ranges.
    difficulty: [(&'static str, Vec<DifficultyRow>); 2],
    ways: Vec<WayRow>,
    /// Recall by lateness; empty where no label says.
    late: Vec<LateRow>,
    /// SVG; none where [`Self::no_curve`] says why.
    precision_recall: Option<String>,
    no_curve: Option<String>,
    /// SVG; none where no incident counts.
    detect_chart: Option<String>,
    burden: Vec<Pair>,
    /// None where there is nothing to confuse, or too much for a matrix.
    matrix: Option<Matrix<'a>>,
    confusions: Vec<&'a KindPair>,
    counts: Vec<Pair>,
    /// Empty in a run without.
    faults: Vec<FaultRow>,
    /// Missed incidents and false alerts.
    lists: [Listing; 2],
    troubles: TroubleSection,
    processes: Vec<ProcessRow<'a>>,
    machine: Vec<Pair>,
    clock: Vec<Pair>,
    audit: Vec<AuditRow>,
    audit_notes: Vec<Pair>,
    environment: Vec<Pair>,
    phases: Vec<Pair>,
    warnings: Vec<String>,
    tolerances: Vec<Pair>,
    lateness: Vec<Pair>,
    /// Only where the run was compared.
    comparison: Option<Section>,
    /// Those that are there.
    files: Vec<FileRow<'a>>,
    zoom: &'static str,
}

/// Writes the report.
///
/// # Errors
/// [`ReportError::Write`] if the writer fails.
pub fn html(input: &ReportInput<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
    let result = input.result;
    let model = Model::new(input);
    let page = Page {
        style: STYLE,
        profile: &result.profile,
        subject: &result.subject,
        broker: &result.broker,
        seed: result.seed,
        version: &result.floodmark_version,
        started_at: wall_time(result.started_at),
        badge: badge(result.outcome),
        sentence: sentence(result),
        advice: advice(result)
            .iter()
            .map(|line| prose::html(line))
            .collect(),
        tiles: tiles::tiles(result),
        gates: tables::gates(result),
        validity: tables::validity(result),
        validity_word: tables::validity_word(result),
        reproduce: &result.reproduce,
        settings: settings(result),
        timeline: chart::timeline(&model),
        throughput: tables::throughput(result),
        disorder: tables::disorder(result),
        latency_chart: chart::latency(result),
        latency: tables::latency(result),
        waterfall: waterfall::rows(result),
        waterfall_keys: waterfall::keys(result),
        phase_figures: waterfall::phases(result),
        steady: waterfall::steady(result),
        ahead: waterfall::ahead(result),
        accuracy_chart: chart::accuracy(&result.detection),
        kinds: tables::kinds(&result.detection),
        decoys: tables::decoys(&result.detection),
        difficulty_chart: chart::difficulty(&result.detection),
        difficulty: [
            (
                "Signal to noise",
                tables::difficulty(&result.detection.difficulty.snr),
            ),
            (
                "Magnitude",
                tables::difficulty(&result.detection.difficulty.magnitude),
            ),
        ],
        ways: accuracy::ways(&result.detection),
        late: accuracy::lateness(&result.detection.accuracy.lateness),
        precision_recall: chart::precision_recall(&result.detection),
        no_curve: chart::no_precision_recall(&result.detection),
        detect_chart: chart::detect(&result.detection.accuracy.time_to_detect),
        burden: accuracy::burden(&result.detection.accuracy),
        matrix: confusion::matrix(&result.detection.accuracy.kinds.pairs),
        confusions: accuracy::confusions(&result.detection.accuracy),
        counts: tables::counts(&result.detection),
        faults: faults(result),
        lists: [missed(input), false_alerts(input, &model)],
        troubles: troubles::section(result),
        processes: facts::processes(result),
        machine: facts::machine(result),
        clock: facts::clock(result),
        audit: facts::audit(result),
        audit_notes: facts::audit_notes(result),
        environment: tables::environment(result),
        phases: tables::phases(result),
        warnings: warnings(result),
        tolerances: tables::tolerances(&result.detection.tolerances),
        lateness: tables::lateness(&result.detection.tolerances),
        comparison: input.comparison.map(section),
        files: files(input.files),
        zoom: ZOOM,
    };
    // No tool that reads the file, a terminal among them, should meet control characters in it.
    let shown = |c: char| if c == '\n' { c } else { prose::visible(c) };
    let text: String = page.render()?.chars().map(shown).collect();
    Ok(out.write_all(text.as_bytes())?)
}

/// Warnings as sentences; they may quote what came off a wire.
fn warnings(result: &RunResult) -> Vec<String> {
    let warnings = result.warnings.iter();
    warnings
        .map(|line| prose::html(&sentence_of(line)))
        .collect()
}
