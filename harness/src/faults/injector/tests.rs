use std::{process::Command, sync::atomic::AtomicI64};

use floodmark_contracts::{
    clock::SystemClock, fault::FaultKind, job::Connection, profile::Profile,
};

use super::*;
use crate::profile::{Sound, check};

/// A clock that stands where the test sets it; waiting is real.
#[derive(Default)]
struct Stands(AtomicI64);

impl Clock for Stands {
    fn now(&self) -> WallTime {
        WallTime(self.monotonic_us())
    }

    fn monotonic_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn sleep(&self, span: Duration) {
        SystemClock::new().sleep(span);
    }
}

/// A run with a broker that is nothing but a process, a subject, and one fault from 2 s to 3 s.
struct Scene {
    clock: Arc<Stands>,
    injector: Injector,
    broker: RunningBroker,
    subject: RunningSubject,
    profile: Profile,
    sound: Sound,
    connection: Connection,
    dir: tempfile::TempDir,
}

/// A subject that does nothing, of which there can be more.
const PROFILE: &str = "{ name: x, duration: 10s, subject: { command: { run: [sh, -c, sleep 60] } }, \
    streams: { sensors: { rate: 1k/s, population: { entities: 10, skew: 0 } } } }";

fn shell(role: &str, dir: &tempfile::TempDir) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "echo up; sleep 60"]);
    Child::spawn(role, &mut command, &dir.path().join(role)).unwrap()
}

/// A fault of one second.
fn fault(kind: FaultKind, at_s: u64, action: Action) -> Fault {
    Fault {
        kind,
        at: Duration::from_secs(at_s),
        span: Duration::from_secs(1),
        action,
    }
}

impl Scene {
    fn of(kind: FaultKind, action: Action) -> Self {
        Self::of_all(&[fault(kind, 2, action)])
    }

    fn of_all(faults: &[Fault]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(Stands::default());
        let shared: Arc<dyn Clock> = Arc::<Stands>::clone(&clock);
        let links = Links::of(faults, 1, Arc::clone(&shared));
        let mut injector = Injector::new(faults, links, shared);
        injector.start(WallTime(0));
        let profile: Profile = serde_saphyr::from_str(PROFILE).unwrap();
        Self {
            clock,
            injector,
            broker: RunningBroker::of_process(shell("broker", &dir)),
            subject: RunningSubject::of_process(shell("subject", &dir)),
            sound: check(&profile).unwrap(),
            profile,
            connection: Connection {
                bootstrap: "127.0.0.1:1".to_owned(),
                properties: Default::default(),
                registry: None,
            },
            dir,
        }
    }

    /// Lets it be `seconds` after the start.
    fn at(&mut self, seconds: f64) {
        self.try_at(seconds).unwrap();
    }

    fn try_at(&mut self, seconds: f64) -> Result<(), FaultError> {
        let now_us = (seconds * 1e6) as i64;
        self.clock.0.store(now_us, Ordering::Relaxed);
        self.with(Injector::attend)
    }

    fn with(
        &mut self,
        what: fn(&mut Injector, &mut Parts<'_>) -> Result<(), FaultError>,
    ) -> Result<(), FaultError> {
        let surroundings = Surroundings {
            exe: std::path::Path::new("floodmark"),
            sound: &self.sound,
            connection: &self.connection,
            detector: &self.profile.detector,
            group: "g",
            dir: self.dir.path(),
            logs: self.dir.path(),
            written: self.dir.path(),
            roster: crate::resources::Roster::nobodys(),
        };
        let mut parts = Parts {
            broker: &mut self.broker,
            subject: &mut self.subject,
            surroundings: &surroundings,
        };
        what(&mut self.injector, &mut parts)
    }

    /// The first process of the subject.
    fn first(&mut self) -> &mut Child {
        self.subject.children().next().unwrap()
    }

    fn end(mut self) -> Vec<FaultFacts> {
        self.with(Injector::end_all).unwrap();
        self.injector.into_facts().0
    }
}

fn until(what: &str, mut met: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let deadline = clock.monotonic_us() + 20_000_000;
    while !met() {
        assert!(clock.monotonic_us() < deadline, "{what}: waited for 20 s");
        clock.sleep(Duration::from_millis(5));
    }
}

/// The letter by which the kernel says what a process does.
fn state(id: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let rest = stat.rsplit_once(')').unwrap().1;
    rest.split_whitespace().next().unwrap().to_owned()
}

/// A shell that is stopped while it starts a program waits for that one, which is stopped as well.
fn stands_still(id: u32) -> bool {
    matches!(&*state(id), "T" | "D")
}

#[test]
fn a_killed_subject_is_another_process_afterwards() {
    let mut scene = Scene::of(FaultKind::SubjectKill, Action::Kill(Victim::Subject));
    let first = scene.first().id();
    scene.at(1.9);
    assert!(!scene.first().has_ended() && !scene.injector.changed_subjects());
    scene.at(2.1);
    until("killed", || scene.first().has_ended());
    assert!(scene.first().check().is_ok(), "it is down on purpose");
    scene.at(3.0);
    assert!(
        scene.first().has_ended(),
        "it began late, and lasts as long"
    );
    scene.at(3.2);
    assert!(!scene.first().has_ended() && scene.first().id() != first);
    assert!(scene.injector.changed_subjects() && scene.first().was_forced());
    let second = scene.first().id();
    let facts = scene.end();
    assert_eq!((facts[0].from.0, facts[0].until.0), (2_100_000, 3_200_000));
    let did = format!("SIGKILL to process {first}, started again as {second}");
    assert_eq!(
        (facts[0].did.as_str(), &facts[0].problem),
        (did.as_str(), &None)
    );
}

#[test]
fn a_paused_subject_stands_still_for_the_time_of_the_fault() {
    let mut scene = Scene::of(FaultKind::SubjectPause, Action::Pause(Victim::Subject));
    let id = scene.first().id();
    scene.at(2.0);
    until("stopped", || stands_still(id));
    scene.at(3.0);
    until("going on", || state(id) == "S");
    assert!(!scene.injector.changed_subjects() && !scene.first().was_forced());
    assert_eq!(scene.end()[0].kind, FaultKind::SubjectPause);
}

#[test]
fn a_fault_that_follows_another_at_once_is_not_undone_with_it() {
    let pause = |at_s| {
        fault(
            FaultKind::SubjectPause,
            at_s,
            Action::Pause(Victim::Subject),
        )
    };
    let mut scene = Scene::of_all(&[pause(2), pause(3)]);
    let id = scene.first().id();
    scene.at(2.1);
    until("stopped", || stands_still(id));
    // The second is due, and the first lasts a second all the same.
    scene.at(3.05);
    until("still stopped", || stands_still(id));
    scene.at(3.15);
    scene.at(3.9);
    // It may be going on for a moment, between the two.
    until("stopped again", || stands_still(id));
    scene.at(4.2);
    until("going on", || state(id) == "S");
    let spans: Vec<(i64, i64)> = scene
        .end()
        .iter()
        .map(|facts| (facts.from.0, facts.until.0))
        .collect();
    assert_eq!(spans, [(2_100_000, 3_150_000), (3_150_000, 4_200_000)]);
}

#[test]
fn a_run_that_ends_early_leaves_nobody_stopped_and_says_so() {
    let mut scene = Scene::of(FaultKind::SubjectPause, Action::Pause(Victim::Subject));
    let id = scene.first().id();
    scene.at(2.5);
    until("stopped", || stands_still(id));
    scene.with(Injector::end_all).unwrap();
    until("going on", || state(id) == "S");
    let facts = scene.end();
    let problem = facts[0].problem.clone().unwrap();
    assert!(problem.contains("the run ended before it"), "{problem}");
}

#[test]
fn what_never_began_is_not_told() {
    let mut scene = Scene::of(FaultKind::SubjectKill, Action::Kill(Victim::Subject));
    scene.at(1.0);
    assert_eq!(scene.end(), []);
}

#[test]
fn while_the_broker_is_away_nobody_asks_it_and_for_a_while_after_it_is_excused() {
    let mut scene = Scene::of(FaultKind::BrokerPause, Action::Pause(Victim::Broker));
    scene.at(1.0);
    assert!(scene.injector.wants_lag() && !scene.injector.excuses_broker());
    scene.at(2.0);
    let is_away = |scene: &mut Scene| {
        let wants = scene.injector.wants_lag();
        (scene.injector.is_broker_away(), wants)
    };
    assert_eq!(is_away(&mut scene), (true, false));
    scene.at(3.0);
    assert_eq!(is_away(&mut scene), (false, true));
    assert!(scene.injector.excuses_broker());
    scene.at(60.0);
    assert!(!scene.injector.excuses_broker());
}

#[test]
fn a_broker_that_was_started_again_is_away_until_it_answers_and_given_up_after_three_minutes() {
    let mut scene = Scene::of(FaultKind::BrokerKill, Action::Kill(Victim::Broker));
    scene.at(2.0);
    let first = scene.broker.process().unwrap().id();
    until("killed", || scene.broker.process().unwrap().has_ended());
    scene.at(3.0);
    assert_ne!(scene.broker.process().unwrap().id(), first);
    scene.at(4.0);
    assert!(
        scene.injector.is_broker_away(),
        "nothing listens at its port"
    );
    let error = scene.try_at(190.0).unwrap_err();
    assert!(error.to_string().contains("did not come back"), "{error}");
}

#[test]
fn a_scaled_subject_has_more_processes_for_a_while() {
    let mut scene = Scene::of(FaultKind::SubjectScale, Action::Scale(3));
    assert_eq!(scene.injector.most_subjects(), 3);
    scene.at(2.0);
    assert_eq!(scene.subject.count(), 3);
    let ids: Vec<u32> = scene.subject.children().map(|child| child.id()).collect();
    scene.at(3.0);
    assert_eq!(scene.subject.count(), 1);
    let lives = |id: &u32| std::path::Path::new(&format!("/proc/{id}")).exists();
    let alive: Vec<bool> = ids.iter().map(lives).collect();
    assert_eq!(alive, [true, false, false], "the first one stays");
    assert!(scene.injector.changed_subjects());
}

#[test]
fn what_cannot_be_done_is_a_fact_and_no_failure() {
    let mut scene = Scene::of(FaultKind::SubjectScale, Action::Scale(2));
    scene.subject = RunningSubject::default();
    scene.at(2.0);
    let facts = scene.end();
    assert_eq!(facts[0].did, "nothing");
    assert!(facts[0].problem.is_some());
}

#[test]
fn the_generator_is_paused_by_whoever_owns_it() {
    let mut scene = Scene::of(FaultKind::GeneratorPause, Action::Pause(Victim::Generator));
    let paused = scene.injector.generator_paused();
    scene.at(2.0);
    assert!(paused.load(Ordering::Relaxed));
    scene.at(3.0);
    assert!(!paused.load(Ordering::Relaxed));
}

#[test]
fn a_fault_that_fails_names_itself() {
    let mut scene = Scene::of(FaultKind::SubjectKill, Action::Kill(Victim::Subject));
    scene.at(2.0);
    until("killed", || scene.first().has_ended());
    // Its log can no longer be opened.
    let log = scene.dir.path().join("subject");
    std::fs::remove_file(&log).unwrap();
    let error = scene.try_at(3.0).unwrap_err();
    assert!(error.to_string().contains("`subject-kill`"), "{error}");
}
