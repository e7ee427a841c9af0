//! What a run comes to: everything that was seen, gathered from whoever saw it, and written down.

use floodmark_contracts::{
    clock::{RunMicros, WallTime},
    record::{Ending, Phase, RunRecord},
    result::{SCHEMA_VERSION, Validity},
};

use super::{
    Course, Folders, Request, RunError, RunEvent, alerts_file, audited,
    files::{self, FileError},
    kept::LeftOver,
    look,
};
use crate::{
    child::resources_of,
    environment,
    resources::{self, Gathered},
    validity,
};

/// A run whose figures are known and not written down yet.
pub(super) struct Observed {
    record: RunRecord,
    series: Vec<floodmark_contracts::record::SeriesRow>,
    /// Looks at the processes, which lie in a file.
    watched: Gathered,
}

/// Ends everything that looks, and gathers what it saw. What is still up comes back beside it.
pub(super) fn observe(
    request: &Request<'_>,
    folders: &Folders,
    course: Course,
    watch: &mut dyn FnMut(RunEvent),
) -> Result<(Observed, LeftOver), RunError> {
    let Course {
        mut setup,
        generated,
        drained,
        subject_facts,
        begun,
        generated_at,
    } = course;
    let start = generated.facts.started_at;
    let mut series = generated.series;
    series.extend(setup.seen.rows(start));
    series.sort_by_key(|row| row.t);
    let collector = setup.collector.finish().map_err(RunError::Collect)?;
    let ended_at = request.clock.now();
    settle_times(request, start)?;
    let ending = setup.ending.unwrap_or_default();
    let clock = setup.probe.finish();
    let looks = folders.generator.join("resources.ndjson");
    let watched = setup.sampler.finish().unwrap_or_else(|error| {
        setup.notices.push(format!(
            "what the processes use was not looked at to the end: {error}"
        ));
        Gathered::cut_short(&looks)
    });
    setup.notices.extend(setup.seen.notice());
    let machine = watched.machine(start);
    let remains = audited::Remains {
        client: &setup.client,
        admin: &setup.reader.admin,
        inputs: &setup.inputs,
        starts: &setup.reader.starts,
        generator: &generated.facts,
        subject: subject_facts.as_ref(),
        ending: &ending,
    };
    let audit = audited::audit(request, &remains, watch);
    let validity = validity::judge(&validity::Evidence {
        generator: &generated.facts.streams,
        subject: subject_facts.as_ref(),
        collector: &collector,
        drain_cut_short: drained.cut_short,
        alerts_after_drain: drained.alerts_came,
        ending: &ending,
        series: &series,
        alerts: look::at_alerts(request, start)?,
        machine: &machine,
        audit: &audit,
        clock: &clock,
    });
    setup.processes.extend(setup.broker.resources());
    setup
        .processes
        .push(resources_of("harness", std::process::id()));
    let (faults, lag) = setup.faults.into_facts();
    let record = RunRecord {
        broker: setup.broker.kind().to_owned(),
        phases: phases(start, &[begun, start, generated_at, ended_at]),
        generator: generated.facts.streams,
        subject_facts: subject_facts.unwrap_or_default(),
        collector,
        processes: resources::combined(setup.processes, watched.processes.clone()),
        machine,
        audit,
        clock,
        interrupted: generated.facts.interrupted,
        ending,
        subject_lines: setup.subject_lines,
        notices: setup.notices,
        faults,
        lag,
        ..asked_for(request, start, validity)
    };
    let up = LeftOver {
        broker: setup.broker,
        registry: setup.registry,
        registry_url: setup.connection.registry,
        client: setup.client,
        topics: setup.topics,
    };
    let observed = Observed {
        record,
        series,
        watched,
    };
    Ok((observed, up))
}

/// The record of a run as it was asked for, of which nothing was seen yet.
fn asked_for(request: &Request<'_>, start: WallTime, validity: Validity) -> RunRecord {
    let sound = request.sound;
    let event_time = |span| sound.timeline.event_time(RunMicros(files::micros(span)));
    RunRecord {
        schema_version: SCHEMA_VERSION,
        floodmark_version: request.version.to_owned(),
        plan: request.profile.into(),
        scoring: request.profile.scoring.clone(),
        gates: request.profile.gates.clone(),
        reproduce: request.reproduce.clone(),
        broker: String::new(),
        subject: sound.subject.name.clone(),
        client: request.client.redacted(),
        settings: request.settings.to_vec(),
        started_at: start,
        phases: Vec::new(),
        timeline: sound.timeline,
        warm_up_until: event_time(sound.warm_up),
        event_time_end: event_time(sound.duration),
        watermark_bound_ms: sound.subject.watermark_bound_ms,
        generator: Default::default(),
        subject_facts: Default::default(),
        collector: Default::default(),
        processes: Vec::new(),
        machine: Default::default(),
        audit: Default::default(),
        clock: Default::default(),
        environment: environment::here(),
        validity,
        interrupted: false,
        ending: Ending::default(),
        subject_lines: Vec::new(),
        notices: Vec::new(),
        faults: Vec::new(),
        lag: Vec::new(),
    }
}

/// Gives alerts that said no time one, now that the run's start is known.
fn settle_times(request: &Request<'_>, start: WallTime) -> Result<(), FileError> {
    let mut sources = request.sound.subject.alerts.iter();
    if sources.any(|source| source.shape.may_be_untimed()) {
        files::settle_times(&alerts_file(request), start, &request.sound.timeline)?;
    }
    Ok(())
}

/// Leaves the facts in the run's folder.
pub(super) fn write_down(
    request: &Request<'_>,
    folders: &Folders,
    observed: Observed,
) -> Result<RunRecord, RunError> {
    let looks = observed.watched.rows(observed.record.started_at);
    let series = observed.series.into_iter().chain(looks);
    files::leave(request, folders, &observed.record, series)?;
    Ok(observed.record)
}

fn phases(start: WallTime, ends: &[WallTime; 4]) -> Vec<Phase> {
    ["setup", "generate", "drain"]
        .iter()
        .zip(ends.windows(2))
        .map(|(name, pair)| Phase {
            name: (*name).to_owned(),
            from: pair[0].offset_from(start),
            to: pair[1].offset_from(start),
        })
        .collect()
}
