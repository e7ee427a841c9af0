//! The detector under test within a run: started, waited for, ended.

use std::{path::Path, time::Duration};

use floodmark_contracts::{
    clock::Clock,
    job::facts_files,
    record::{Ending, SubjectFacts},
    stream::Stream,
};
use floodmark_kafka::admin::Lag;

use super::{
    Folders, Request, RunError,
    disturbed::{self, Around},
    files::{self, read_json},
    lookout::Reader,
    progress::read_of,
    stages::Setup,
};
use crate::subject::{
    Health, Readiness, Ready, RunningSubject, SubjectKind, facts_file, write_enrichment,
};

/// How often it is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long it is asked what the subject has consumed.
const LAST_LOOK: Duration = Duration::from_secs(30);

/// Starts the subject and waits until it is ready. One that is not in time, or dies meanwhile, ends the run; the setup
/// says so.
pub(super) fn start(
    request: &Request<'_>,
    folders: &Folders,
    setup: &mut Setup,
) -> Result<(), RunError> {
    write_enrichment(&folders.subject, request.plan)?;
    let around = Around {
        led: &setup.led,
        group: &setup.reader.group,
        roster: setup.sampler.roster(),
    };
    let subject =
        RunningSubject::start(&around.surroundings(request, folders)).map_err(RunError::Subject)?;
    setup.subject = subject;
    wait_until_ready(request, setup)
}

fn wait_until_ready(request: &Request<'_>, setup: &mut Setup) -> Result<(), RunError> {
    let clock = &*request.clock;
    let subject = &request.sound.subject;
    let streams = request.profile.streams.iter();
    let wanted = streams
        .map(|(stream, section)| section.partitions as usize * section.topics(stream).len())
        .sum();
    let begun = clock.monotonic_us();
    let health = Health::new();
    loop {
        if setup.must_end(request)? {
            return Ok(());
        }
        let missing = match &subject.ready {
            Ready::Url(url) if health.answers(url) => return Ok(()),
            Ready::Url(url) => format!("`{url}` did not answer with success"),
            Ready::Group => {
                let Reader { admin, group, .. } = &*setup.reader;
                let found = admin.group(group).map_err(RunError::Cluster)?;
                let readiness = Readiness::of(found, &setup.inputs, wanted);
                if readiness.is_complete() {
                    return Ok(());
                }
                format!(
                    "its group `{group}` had {} of {wanted} partitions",
                    readiness.assigned
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
    let forced = setup.subject.was_forced();
    let told = told(&folders.subject, setup.faults.most_subjects())?.map(|facts| SubjectFacts {
        partial: facts.partial || forced,
        ..facts
    });
    // Where processes came and went, no one of them can tell what all have consumed; the offsets can.
    if told.is_some() && !setup.faults.changed_subjects() {
        return Ok(told);
    }
    // Offsets count the markers of transactions as well.
    let counts = request.plan.transactions().is_none();
    if !counts || !setup.commits {
        return Ok(told);
    }
    let Some(lag) = last_lag(setup, &*request.clock) else {
        return Ok(told);
    };
    let starts = &setup.reader.starts;
    let consumed = |(stream, topics): (&Stream, &Vec<String>)| {
        let of_stream = lag
            .iter()
            .filter(|part| topics.contains(&part.partition.topic));
        (*stream, of_stream.map(|part| read_of(part, starts)).sum())
    };
    let told = told.unwrap_or_else(|| SubjectFacts {
        partial: matches!(request.sound.subject.kind, SubjectKind::Bundled { .. }),
        ..SubjectFacts::default()
    });
    Ok(Some(SubjectFacts {
        consumed: setup.inputs.iter().map(consumed).collect(),
        ..told
    }))
}

/// The lag when the subject has ended. A cluster that does not answer at this moment does not undo the run.
fn last_lag(setup: &mut Setup, clock: &dyn Clock) -> Option<Vec<Lag>> {
    let deadline = clock.monotonic_us() + files::micros(LAST_LOOK);
    loop {
        match setup.reader.lag() {
            Ok(lag) => return Some(lag),
            Err(_) if clock.monotonic_us() >= deadline => {
                let text =
                    "the cluster did not tell what the subject has consumed when it had ended";
                setup.notices.push(text.to_owned());
                return None;
            }
            Err(_) => clock.sleep(ASK_EVERY),
        }
    }
}

/// What the processes of our own detector left, one after another in each slot, if it came to that; those that were killed left
/// nothing.
fn told(dir: &Path, processes: u32) -> Result<Option<SubjectFacts>, RunError> {
    let mut all: Option<SubjectFacts> = None;
    for slot in 0..processes {
        let first = facts_file(dir, slot);
        for file in facts_files(&first).take_while(|file| file.exists()) {
            let facts = read_json(&file)?;
            all = Some(match all {
                Some(sum) => disturbed::sum(sum, facts),
                None => facts,
            });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_processes_that_a_slot_had_one_after_another_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(told(dir.path(), 2).unwrap(), None);
        let first = facts_file(dir.path(), 0);
        for (file, alerts) in facts_files(&first).zip([36, 78]) {
            let facts = SubjectFacts {
                alerts,
                late: [(Stream::Sensors, alerts / 10)].into(),
                ..SubjectFacts::default()
            };
            std::fs::write(file, serde_json::to_vec(&facts).unwrap()).unwrap();
        }
        let all = told(dir.path(), 2).unwrap().unwrap();
        assert_eq!((all.alerts, all.late[&Stream::Sensors]), (114, 10));
    }
}
