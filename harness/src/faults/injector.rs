//! Begins and ends each fault at its time.
//!
//! It has no thread of its own: the run's loop calls [`Injector::attend`] a few dozen times a second, on the thread that
//! owns the child processes. While the broker is away it says so, so that nobody waits for answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, WallTime},
    fault::{FaultFacts, FaultTarget, LagSample},
};
use nix::sys::signal::Signal;

use super::{
    checks::{Action, Fault, Victim},
    lag::LagLog,
    line::Condition,
    links::Links,
    storm::{Group, Storm},
};
use crate::{
    broker::{BrokerError, Deed, RunningBroker},
    child::{Child, ChildError},
    resources::Target,
    subject::{RunningSubject, SubjectError, Surroundings},
};

/// How long a broker may take until it answers again.
const BACK_LIMIT: Duration = Duration::from_secs(180);

/// How long after a broker's absence questions to it may still fail: its coordinators load what they knew.
const EXCUSED: Duration = Duration::from_secs(30);

/// Why a fault could not be carried out or undone.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// A process did not start again.
    #[error("cannot carry out the fault `{fault}`")]
    Child {
        /// The fault.
        fault: String,
        /// Why not.
        #[source]
        source: ChildError,
    },
    /// A further process of the subject could not be started.
    #[error("cannot carry out the fault `{fault}`")]
    Subject {
        /// The fault.
        fault: String,
        /// Why not.
        #[source]
        source: SubjectError,
    },
    /// A socket or thread could not be had.
    #[error("cannot carry out the fault `{fault}`")]
    System {
        /// The fault.
        fault: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The broker did not come back.
    #[error("the broker did not come back after a fault")]
    Broker(#[source] BrokerError),
    /// No proxy could be made.
    #[error("cannot put a proxy between subject and broker")]
    Proxy(#[source] std::io::Error),
}

/// The processes that faults are done to.
pub(crate) struct Parts<'a> {
    pub(crate) broker: &'a mut RunningBroker,
    pub(crate) subject: &'a mut RunningSubject,
    /// What further processes of the subject have to be told.
    pub(crate) surroundings: &'a Surroundings<'a>,
}

/// Carries out the faults of a run.
pub(crate) struct Injector {
    slots: Vec<Slot>,
    links: Links,
    clock: Arc<dyn Clock>,
    /// First due time, once it is known.
    started_at: Option<WallTime>,
    /// Read by whoever owns the generator's processes.
    generator_paused: Arc<AtomicBool>,
    group: Option<Group>,
    storm: Option<Storm>,
    /// How many processes the subject had before there were more.
    subjects_before: usize,
    broker: Presence,
    lag: LagLog,
}

/// A fault and how far it is.
struct Slot {
    fault: Fault,
    stage: Stage,
}

enum Stage {
    Waiting,
    On(Begun),
    Over(FaultFacts),
}

/// What was done when a fault began.
struct Begun {
    from: RunMicros,
    did: String,
    problem: Option<String>,
}

/// Where the broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here,
    Away,
    /// Started again at this monotonic time, and not answering yet.
    ComingBack(i64),
    /// Answering since this monotonic time.
    Back(i64),
}

impl Injector {
    /// An injector for these faults, with the ways that they disturb.
    pub(crate) fn new(faults: &[Fault], links: Links, clock: Arc<dyn Clock>) -> Self {
        let waiting = |fault: &Fault| Slot {
            fault: fault.clone(),
            stage: Stage::Waiting,
        };
        Self {
            slots: faults.iter().map(waiting).collect(),
            links,
            clock,
            started_at: None,
            generator_paused: Arc::default(),
            group: None,
            storm: None,
            subjects_before: 0,
            broker: Presence::Here,
            lag: LagLog::default(),
        }
    }

    /// Whether there is nothing to do, in this run.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots.is_empty()
    }

    /// The proxies.
    pub(crate) fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    /// Whether the generator's processes are to stand still.
    pub(crate) fn generator_paused(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.generator_paused)
    }

    /// The most processes of the subject that a fault asks for, the first included.
    pub(crate) fn most_subjects(&self) -> u32 {
        let counts = self.slots.iter().map(|slot| match slot.fault.action {
            Action::Scale(count) => count,
            _ => 1,
        });
        counts.max().unwrap_or(1)
    }

    /// The group that storms disturb.
    pub(crate) fn set_group(&mut self, group: Group) {
        self.group = Some(group);
    }

    /// Whether the subject's processes were others at its end than at its begin: then what the last one tells of
    /// itself is not all.
    pub(crate) fn changed_subjects(&self) -> bool {
        self.slots.iter().any(|slot| {
            let changes = matches!(
                slot.fault.action,
                Action::Kill(Victim::Subject)
                    | Action::Restart(Victim::Subject)
                    | Action::Scale(_)
                    | Action::Storm(_)
            );
            changes && !matches!(slot.stage, Stage::Waiting)
        })
    }

    /// Whether a fault is done to the broker in this run.
    pub(crate) fn disturbs_broker(&self) -> bool {
        let mut slots = self.slots.iter();
        slots.any(|slot| slot.fault.kind.target() == FaultTarget::Broker)
    }

    /// Whether the broker is away by a fault: it would not answer.
    pub(crate) fn is_broker_away(&self) -> bool {
        matches!(self.broker, Presence::Away | Presence::ComingBack(_))
    }

    /// Whether it is no surprise that the broker does not answer, or not yet as it should.
    pub(crate) fn excuses_broker(&self) -> bool {
        match self.broker {
            Presence::Here => false,
            Presence::Away | Presence::ComingBack(_) => true,
            Presence::Back(since_us) => {
                self.clock.monotonic_us() - since_us < EXCUSED.as_micros() as i64
            }
        }
    }

    /// Due time 0: from here the times of faults count.
    pub(crate) fn start(&mut self, started_at: WallTime) {
        self.started_at.get_or_insert(started_at);
    }

    /// Begins and ends what is due.
    ///
    /// # Errors
    /// [`FaultError`] if something could not be done or undone.
    pub(crate) fn attend(&mut self, parts: &mut Parts<'_>) -> Result<(), FaultError> {
        self.look_for_broker(parts)?;
        let Some(now) = self.now() else { return Ok(()) };
        // What ends first: where one fault follows another, undoing the first would undo the second.
        for number in 0..self.slots.len() {
            if let Slot {
                fault,
                stage: Stage::On(begun),
            } = &self.slots[number]
                && now.0 >= begun.from.0 + micros(fault.span)
            {
                self.end(number, None, parts)?;
            }
        }
        for number in 0..self.slots.len() {
            let slot = &self.slots[number];
            let is_due = matches!(slot.stage, Stage::Waiting) && now.0 >= micros(slot.fault.at);
            if is_due && !self.is_disturbed(slot.fault.kind.target()) {
                self.begin(number, now, parts)?;
            }
        }
        Ok(())
    }

    /// Whether a fault is done to the target just now: the next one waits for its end.
    fn is_disturbed(&self, target: FaultTarget) -> bool {
        let coming_back = target == FaultTarget::Broker && self.is_broker_away();
        let mut slots = self.slots.iter();
        coming_back
            || slots.any(|slot| {
                matches!(slot.stage, Stage::On(_)) && slot.fault.kind.target() == target
            })
    }

    /// Undoes whatever is still in force, and waits until the broker answers. What never began stays undone.
    ///
    /// # Errors
    /// [`FaultError`] if something could not be undone.
    pub(crate) fn end_all(&mut self, parts: &mut Parts<'_>) -> Result<(), FaultError> {
        for number in 0..self.slots.len() {
            if matches!(self.slots[number].stage, Stage::On(_)) {
                self.end(number, Some("the run ended before it"), parts)?;
            }
        }
        while self.is_broker_away() {
            self.look_for_broker(parts)?;
            self.clock.sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether the subject's lag is to be looked at now.
    pub(crate) fn wants_lag(&mut self) -> bool {
        let now = self.now().filter(|_| !self.is_idle());
        now.is_some_and(|now| !self.is_broker_away() && self.lag.is_due(now))
    }

    /// Takes note of the subject's lag.
    pub(crate) fn note_lag(&mut self, records: u64) {
        if let Some(at) = self.now() {
            self.lag.note(LagSample { at, records });
        }
    }

    /// What was done, and the samples of the lag.
    pub(crate) fn into_facts(self) -> (Vec<FaultFacts>, Vec<LagSample>) {
        let facts = self.slots.into_iter().filter_map(|slot| match slot.stage {
            Stage::Over(facts) => Some(facts),
            Stage::Waiting | Stage::On(_) => None,
        });
        (facts.collect(), self.lag.into_samples())
    }

    fn now(&self) -> Option<RunMicros> {
        let started_at = self.started_at?;
        Some(self.clock.now().offset_from(started_at))
    }

    /// Whether the broker that was started again answers by now.
    fn look_for_broker(&mut self, parts: &mut Parts<'_>) -> Result<(), FaultError> {
        let Presence::ComingBack(since_us) = self.broker else {
            return Ok(());
        };
        let now_us = self.clock.monotonic_us();
        if parts.broker.answers_again().map_err(FaultError::Broker)? {
            self.broker = Presence::Back(now_us);
        } else if now_us - since_us > BACK_LIMIT.as_micros() as i64 {
            return Err(FaultError::Broker(parts.broker.unreachable(BACK_LIMIT)));
        }
        Ok(())
    }

    fn begin(
        &mut self,
        number: usize,
        now: RunMicros,
        parts: &mut Parts<'_>,
    ) -> Result<(), FaultError> {
        let Fault { kind, action, .. } = self.slots[number].fault;
        tracing::info!(%kind, "a fault begins");
        let failed = |source| FaultError::System {
            fault: kind.to_string(),
            source,
        };
        let outcome = match action {
            Action::Kill(victim) => self.take_down(victim, Signal::SIGKILL, parts),
            Action::Restart(victim) => self.take_down(victim, Signal::SIGTERM, parts),
            Action::Pause(victim) => self.pause(victim, parts),
            Action::Slow(condition) => {
                self.links.disturb(condition);
                Ok(describe(&condition))
            }
            Action::Cut(way) => {
                self.links.cut(way).map_err(failed)?;
                Ok(format!("cut off from `{}`", self.links.upstreams(way)))
            }
            Action::Scale(count) => {
                let scaled = self.scale(count, parts);
                let scaled = scaled.map_err(|source| FaultError::Subject {
                    fault: kind.to_string(),
                    source,
                })?;
                scaled.map_err(str::to_owned)
            }
            Action::Storm(every) => {
                let group = self.group.clone();
                match group {
                    Some(group) => {
                        let storm = Storm::begin(group, every, Arc::clone(&self.clock));
                        self.storm = Some(storm.map_err(failed)?);
                        Ok(format!("a member joins every {every:?}"))
                    }
                    None => Err("there is no group to join".to_owned()),
                }
            }
            // The generator knows when by itself.
            Action::Skew(by_ms) => Ok(format!("timestamps of one producer off by {by_ms} ms")),
        };
        let (did, problem) = match outcome {
            Ok(did) => (did, None),
            Err(problem) => ("nothing".to_owned(), Some(problem)),
        };
        self.slots[number].stage = Stage::On(Begun {
            from: now,
            did,
            problem,
        });
        Ok(())
    }

    fn take_down(
        &mut self,
        victim: Victim,
        signal: Signal,
        parts: &mut Parts<'_>,
    ) -> Result<String, String> {
        if victim == Victim::Broker {
            self.broker = Presence::Away;
            if let Some(done) = parts.broker.in_container(Deed::TakeDown(signal)) {
                return done.map(|id| format!("{signal} to container {id}"));
            }
        }
        let ids = on_each(victim, parts, |child| {
            child.take_down(signal);
            Ok(())
        });
        told(ids).map(|ids| format!("{signal} to process {ids}"))
    }

    fn pause(&mut self, victim: Victim, parts: &mut Parts<'_>) -> Result<String, String> {
        match victim {
            Victim::Generator => {
                self.generator_paused.store(true, Ordering::Relaxed);
                return Ok("SIGSTOP to all processes of the generator".to_owned());
            }
            Victim::Broker => {
                self.broker = Presence::Away;
                if let Some(done) = parts.broker.in_container(Deed::Pause) {
                    return done.map(|id| format!("container {id} paused"));
                }
            }
            Victim::Subject => {}
        }
        let ids = on_each(victim, parts, |child| {
            child.pause();
            Ok(())
        });
        told(ids).map(|ids| format!("SIGSTOP to process {ids}"))
    }

    /// Starts processes beside those that are there, until there are `count`.
    fn scale(
        &mut self,
        count: u32,
        parts: &mut Parts<'_>,
    ) -> Result<Result<String, &'static str>, SubjectError> {
        self.subjects_before = parts.subject.count();
        let before = u32::try_from(self.subjects_before).unwrap_or(u32::MAX);
        if before == 0 || before >= count {
            return Ok(Err(
                "there were none that could be more, or as many already",
            ));
        }
        for slot in before..count {
            parts.subject.spawn(slot, parts.surroundings)?;
        }
        let new = parts.subject.children().skip(self.subjects_before);
        let ids: Vec<String> = new.map(|child| child.id().to_string()).collect();
        Ok(Ok(format!(
            "started beside {before}: process {}",
            ids.join(", ")
        )))
    }

    fn end(
        &mut self,
        number: usize,
        early: Option<&str>,
        parts: &mut Parts<'_>,
    ) -> Result<(), FaultError> {
        let Slot { fault, stage } = &mut self.slots[number];
        let Stage::On(begun) = std::mem::replace(stage, Stage::Waiting) else {
            return Ok(());
        };
        let Fault { kind, action, .. } = *fault;
        tracing::info!(%kind, "a fault ends");
        // What is undone first counts from now, however long undoing takes.
        let until = self.now().unwrap_or(begun.from);
        let more = self
            .undo(action, parts)
            .map_err(|cause| cause.of(&kind.to_string()))?;
        self.slots[number].stage = Stage::Over(FaultFacts {
            kind,
            did: begun.did + &more,
            from: begun.from,
            until,
            problem: begun.problem.or_else(|| early.map(str::to_owned)),
        });
        Ok(())
    }

    /// Undoes what was done; what that was, to be added to the words of the begin.
    fn undo(&mut self, action: Action, parts: &mut Parts<'_>) -> Result<String, Cause> {
        let now_us = self.clock.monotonic_us();
        Ok(match action {
            Action::Kill(victim) | Action::Restart(victim) => {
                if victim == Victim::Broker {
                    self.broker = Presence::ComingBack(now_us);
                    if let Some(done) = parts.broker.in_container(Deed::StartAgain) {
                        done.map_err(Cause::container)?;
                        return Ok(", started again".to_owned());
                    }
                }
                let roster = parts.surroundings.roster.clone();
                let again = |child: &mut Child| {
                    child.start_again()?;
                    // It has another number now, and what it uses is still the victim's.
                    roster.watch(victim.role(), Target::Tree(child.id()));
                    Ok(())
                };
                let ids = on_each(victim, parts, again).map_err(Cause::Child)?;
                if ids.is_empty() {
                    String::new()
                } else {
                    format!(", started again as {}", ids.join(", "))
                }
            }
            Action::Pause(Victim::Generator) => {
                self.generator_paused.store(false, Ordering::Relaxed);
                ", then SIGCONT".to_owned()
            }
            Action::Pause(victim) => {
                if victim == Victim::Broker {
                    self.broker = Presence::Back(now_us);
                    if let Some(done) = parts.broker.in_container(Deed::GoOn) {
                        done.map_err(Cause::container)?;
                        return Ok(", then let go on".to_owned());
                    }
                }
                let go_on = |child: &mut Child| {
                    child.go_on();
                    Ok(())
                };
                on_each(victim, parts, go_on).map_err(Cause::Child)?;
                ", then SIGCONT".to_owned()
            }
            Action::Slow(_) => {
                self.links.disturb(Condition::default());
                String::new()
            }
            Action::Cut(way) => {
                self.links.mend(way).map_err(Cause::System)?;
                String::new()
            }
            Action::Scale(_) if parts.subject.count() <= self.subjects_before => String::new(),
            Action::Scale(_) => {
                parts.subject.reduce_to(self.subjects_before, &*self.clock);
                ", which ended again".to_owned()
            }
            Action::Storm(_) => self.storm.take().map_or_else(String::new, |storm| {
                let counts = storm.end();
                format!(
                    ": it joined {} times and was given partitions {} times",
                    counts.joined, counts.assigned
                )
            }),
            Action::Skew(_) => String::new(),
        })
    }
}

/// Does something to each process of a victim; the numbers of those processes afterwards.
fn on_each(
    victim: Victim,
    parts: &mut Parts<'_>,
    mut what: impl FnMut(&mut Child) -> Result<(), ChildError>,
) -> Result<Vec<String>, ChildError> {
    let mut ids = Vec::new();
    let mut each = |child: &mut Child| {
        what(child)?;
        ids.push(child.id().to_string());
        Ok(())
    };
    match victim {
        Victim::Broker => parts.broker.process().map_or(Ok(()), each)?,
        Victim::Subject => parts.subject.children().try_for_each(&mut each)?,
        Victim::Generator => {}
    }
    Ok(ids)
}

/// The numbers of the processes that something was done to.
fn told(ids: Result<Vec<String>, ChildError>) -> Result<String, String> {
    match ids {
        Ok(ids) if !ids.is_empty() => Ok(ids.join(", ")),
        _ => Err("there was no process to do it to".to_owned()),
    }
}

/// What kept a fault from being undone.
enum Cause {
    Child(ChildError),
    System(std::io::Error),
}

impl Cause {
    fn container(error: String) -> Self {
        Self::System(std::io::Error::other(error))
    }

    fn of(self, fault: &str) -> FaultError {
        let fault = fault.to_owned();
        match self {
            Self::Child(source) => FaultError::Child { fault, source },
            Self::System(source) => FaultError::System { fault, source },
        }
    }
}

fn describe(condition: &Condition) -> String {
    let ms = |us: i64| us as f64 / 1000.0;
    if condition.loss > 0.0 {
        format!(
            "a share of {} of the packets lost, both ways",
            condition.loss
        )
    } else {
        format!(
            "{} ms in each direction, give or take {}",
            ms(condition.delay_us),
            ms(condition.jitter_us)
        )
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
