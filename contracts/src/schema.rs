//! JSON Schemas of everything that others read or write.

use schemars::{JsonSchema, Schema, schema_for};

use crate::{
    accuracy::{RowScores, ScoredRow},
    alert::{Alert, CollectedAlert},
    calibration::Calibrations,
    compare::{Comparison, NoiseFloor},
    curve::CurveResult,
    doctor::Checkup,
    drain::DrainFigures,
    enrichment::Enrichment,
    event::{banking::BankingUiEvent, clickstream::ClickEvent, sensor::SensorReading},
    history::{DetectorComparison, History},
    job::{DetectorJob, GeneratorJob},
    label::Label,
    nab::NabResult,
    profile::Profile,
    record::{GeneratorFacts, RunRecord, SeriesRow},
    result::RunResult,
    row::Row,
    search::SearchResult,
    status::DetectorStatus,
};

/// Every published schema with its file name under `docs/schema/`.
#[must_use]
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("click-event.json", of::<ClickEvent<'static>>()),
        ("banking-ui-event.json", of::<BankingUiEvent<'static>>()),
        ("sensor-reading.json", of::<SensorReading<'static>>()),
        ("alert.json", of::<Alert>()),
        ("row.json", of::<Row>()),
        ("collected-alert.json", of::<CollectedAlert>()),
        ("label.json", of::<Label>()),
        ("enrichment.json", of::<Enrichment>()),
        ("profile.json", of::<Profile>()),
        ("generator-job.json", of::<GeneratorJob>()),
        ("detector-job.json", of::<DetectorJob>()),
        ("detector-status.json", of::<DetectorStatus>()),
        ("doctor.json", of::<Checkup>()),
        ("drain-figures.json", of::<DrainFigures>()),
        ("generator-facts.json", of::<GeneratorFacts>()),
        ("calibration.json", of::<Calibrations>()),
        ("record.json", of::<RunRecord>()),
        ("series-row.json", of::<SeriesRow>()),
        ("result.json", of::<RunResult>()),
        ("nab.json", of::<NabResult>()),
        ("scored-row.json", of::<ScoredRow>()),
        ("row-scores.json", of::<RowScores>()),
        ("search.json", of::<SearchResult>()),
        ("curve.json", of::<CurveResult>()),
        ("comparison.json", of::<Comparison>()),
        ("noise-floor.json", of::<NoiseFloor>()),
        ("history.json", of::<History>()),
        ("detectors.json", of::<DetectorComparison>()),
    ]
}

fn of<T: JsonSchema>() -> Schema {
    schema_for!(T)
}
