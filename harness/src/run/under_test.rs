//! The detector under test within a run: started, waited for, ended.

use std::{path::Path, time::Duration};

use floodmark_contracts::{
    record::{Ending, SubjectFacts},
    stream::Stream,
};
use floodmark_kafka::admin::Lag;

use super::{
    Folders, Request, RunError, disturbed,
    files::{self, read_json},
    stages::{Setup, names_of},
};
use crate::subject::{
    Readiness, Ready, RunningSubject, Surroundings, answers, facts_file, write_enrichment,
};

/// How often it is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Starts the subject and waits until it is ready. One that is not in time, or dies meanwhile, ends the run; the setup
/// says so.
pub(super) fn start(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
) -> Result<(), RunError> {
    write_enrichment(&folders.subject, request.plan)?;
    let surroundings = surroundings(request, folders, setup);
    let subject = RunningSubject::start(&surroundings).map_err(RunError::Subject)?;
    setup.subject = subject;
    wait_until_ready(request, setup)
}

fn surroundings<'a>(
    request: &'a Request<'_>,
    folders: &'a Folders,
    setup: &'a Setup,
) -> Surroundings<'a> {
    Surroundings {
        exe: request.exe,
        sound: request.sound,
        connection: &setup.led.connection,
        detector: &setup.led.detector,
        group: &setup.group,
        dir: &folders.subject,
        logs: &folders.logs,
        written: &folders.written,
        roster: setup.sampler.roster(),
    }
}

fn wait_until_ready(request: &Request<'_>, setup: &mut Setup) -> Result<(), RunError> {
    let clock = &*request.clock;
    let subject = &request.sound.subject;
    let streams = request.profile.streams.iter();
    let wanted = streams
        .map(|(stream, section)| section.partitions as usize * section.topics(stream).len())
        .sum();
    let begun = clock.monotonic_us();
    loop {
        if setup.must_end(request)? {
            return Ok(());
        }
        let missing = match &subject.ready {
            Ready::Url(url) if answers(url) => return Ok(()),
            Ready::Url(url) => format!("`{url}` did not answer with success"),
            Ready::Group => {
                let group = setup.admin.group(&setup.group).map_err(RunError::Cluster)?;
                let readiness = Readiness::of(group, &setup.inputs, wanted);
                if readiness.is_complete() {
                    return Ok(());
                }
                format!(
                    "its group `{}` had {} of {wanted} partitions",
                    setup.group, readiness.assigned
                )
            }
        };
        if clock.monotonic_us() - begun > files::micros(subject.ready_within) {
            let waited = format!("{missing} within {:?}", subject.ready_within);
            let lines = setup.subject.last_lines();
            setup.subject_lines = lines.lines().map(str::to_owned).collect();
            setup.ending = Some(Ending::SubjectNotReady(waited));
            return Ok(());
        }
        clock.sleep(ASK_EVERY);
    }
}

/// Ends the subject and takes its figures; what it does not tell is taken from its offsets.
pub(super) fn end(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
) -> Result<Option<SubjectFacts>, RunError> {
    if setup.subject.is_ours() {
        setup.subject.terminate(&*request.clock);
        setup.processes.extend(setup.subject.resources());
    }
    let told = told(&folders.subject, setup.faults.most_subjects())?;
    // Where processes came and went, no one of them can tell what all have consumed; the offsets can.
    if told.is_some() && !setup.faults.changed_subjects() {
        return Ok(told);
    }
    let Some(group) = &setup.lag_group else {
        return Ok(told);
    };
    let names = names_of(&setup.inputs);
    let lag = setup.admin.lag(group, &names).map_err(RunError::Cluster)?;
    let consumed = |(stream, topics): (&Stream, &Vec<String>)| (*stream, read_of(&lag, topics));
    Ok(Some(SubjectFacts {
        consumed: setup.inputs.iter().map(consumed).collect(),
        ..told.unwrap_or_default()
    }))
}

/// What the processes of our own detector left, if it came to that; those that were killed left nothing.
fn told(dir: &Path, processes: u32) -> Result<Option<SubjectFacts>, RunError> {
    let mut all: Option<SubjectFacts> = None;
    for slot in 0..processes {
        let file = facts_file(dir, slot);
        if file.exists() {
            let facts = read_json(&file)?;
            all = Some(match all {
                Some(sum) => disturbed::sum(sum, facts),
                None => facts,
            });
        }
    }
    Ok(all)
}

/// Records of a stream that were read, by the offsets that were committed.
fn read_of(lag: &[Lag], topics: &[String]) -> u64 {
    let parts = lag
        .iter()
        .filter(|part| topics.contains(&part.partition.topic));
    let read: i64 = parts.filter_map(|part| part.committed).sum();
    u64::try_from(read).unwrap_or(0)
}
