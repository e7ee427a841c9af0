//! Beginning again after a failure that may pass.
//!
//! What cannot be put right by trying again ends the detector at once: settings, missing topics, refused
//! credentials, a process in the same slot that took over. So does everything before the detector was a member of
//! its group for the first time: a wrong address is told at once. The rest is tried again, from what is committed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::clock::Clock;
use floodmark_kafka::{ErrorCode, SendError, registry::RegistryError};

use crate::{exactly_once::KeepError, run::DetectError, sink::TRANSACTION_TIMEOUT, watch::Watch};

/// Pause before the first restart; each further one in a row is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often a pause looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Wall time without a failure after which all restarts are there again.
const CALM_US: i64 = 10 * 60 * 1_000_000;

/// Makes attempts until one ends well, cannot be put right, or all restarts are used up.
pub(crate) fn insist<T>(
    watch: &Watch,
    allowed: u32,
    clock: &dyn Clock,
    stop: &AtomicBool,
    mut attempt: impl FnMut() -> Result<T, DetectError>,
) -> Result<T, DetectError> {
    let mut used = 0;
    let mut last_us = clock.monotonic_us();
    loop {
        let error = match attempt() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let now_us = clock.monotonic_us();
        if now_us.saturating_sub(std::mem::replace(&mut last_us, now_us)) > CALM_US {
            used = 0;
        }
        let quiet_us = watch.quiet_us(clock.now());
        let in_vain = !is_transient(&error, quiet_us) || !watch.has_joined() || allowed == 0;
        if in_vain || stop.load(Ordering::Relaxed) {
            return Err(error);
        }
        if used == allowed {
            return Err(DetectError::GaveUp {
                restarts: used,
                source: Box::new(error),
            });
        }
        used += 1;
        let reason = chain(&error);
        tracing::error!(
            reason,
            restart = used,
            of = allowed,
            "beginning again after a failure"
        );
        watch.restarting(&reason, allowed - used, clock.now());
        pause(pause_before(used), watch, clock, stop);
    }
}

/// Whether trying again may help. What is not known to be for good may pass: a restart costs little, and their
/// number is bounded. Nothing has been committed for `quiet_us`.
fn is_transient(error: &DetectError, quiet_us: i64) -> bool {
    match error {
        DetectError::Kafka(floodmark_kafka::Error::Settings(_)) => false,
        DetectError::Kafka(error) => match error.code() {
            // A transaction that was cut off from its broker expires, which looks the same as being replaced. Who
            // takes over from a process that is at work replaces one that has just committed.
            Some(code) if is_fenced(code) => quiet_us > micros(TRANSACTION_TIMEOUT),
            code => !code.is_some_and(is_for_good),
        },
        DetectError::Registry { source } => is_trouble(source),
        DetectError::State { source } => source
            .downcast_ref::<KeepError>()
            .is_some_and(|error| matches!(error, KeepError::Store(_))),
        DetectError::Send { source } => matches!(source, SendError::QueueFull),
        // A disk that is full may have room again; what was found is found again from what is committed.
        DetectError::Undelivered { .. } | DetectError::Spill(_) => true,
        _ => false,
    }
}

/// Whether a registry is away, or has trouble of its own: what it does not know or allow, it will not know later.
fn is_trouble(error: &RegistryError) -> bool {
    match error {
        RegistryError::Unreachable { .. } | RegistryError::Answer { .. } => true,
        RegistryError::Refused { error_code, .. } => {
            matches!(error_code, 500..600 | 50_000..60_000)
        }
        _ => false,
    }
}

fn is_fenced(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Fenced | ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch
    )
}

/// Codes that stay what they are, however often one tries.
fn is_for_good(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Authentication
            | ErrorCode::SaslAuthenticationFailed
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::ClusterAuthorizationFailed
            | ErrorCode::TransactionalIdAuthorizationFailed
            | ErrorCode::UnknownTopic
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnsupportedVersion
            | ErrorCode::UnsupportedForMessageFormat
            | ErrorCode::InvalidConfig
            | ErrorCode::FencedInstanceId
    )
}

/// An error with everything behind it.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn pause_before(restart: u32) -> Duration {
    let doublings = restart.saturating_sub(1).min(16);
    (FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE)
}

fn pause(length: Duration, watch: &Watch, clock: &dyn Clock, stop: &AtomicBool) {
    let until_us = clock.monotonic_us().saturating_add(micros(length));
    while clock.monotonic_us() < until_us && !stop.load(Ordering::Relaxed) {
        watch.alive(clock.now());
        clock.sleep(LOOK);
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use floodmark_contracts::{clock::WallTime, status::Phase};
    use floodmark_kafka::Error;

    use super::*;

    /// Time passes by sleeping, and by nothing else.
    #[derive(Default)]
    struct Asleep(AtomicI64);

    impl Clock for Asleep {
        fn now(&self) -> WallTime {
            WallTime(self.monotonic_us())
        }

        fn monotonic_us(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }

        fn sleep(&self, span: Duration) {
            self.0.fetch_add(micros(span), Ordering::Relaxed);
        }
    }

    fn refused(code: ErrorCode) -> DetectError {
        DetectError::Kafka(Error::Refused {
            attempt: "poll".to_owned(),
            code,
            detail: "as told".to_owned(),
        })
    }

    fn joined() -> Watch {
        let watch = Watch::new();
        watch.joined(None, WallTime(0));
        watch
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
        let second = 1_000_000;
        for (error, quiet_us, expected) in [
            (refused(ErrorCode::BrokerNotAvailable), 0, true),
            (refused(ErrorCode::CoordinatorLoadInProgress), 0, true),
            (refused(ErrorCode::TopicAuthorizationFailed), 0, false),
            (refused(ErrorCode::UnknownTopicOrPartition), 0, false),
            (refused(ErrorCode::ProducerFenced), second, false),
            (refused(ErrorCode::ProducerFenced), 11 * second, true),
            (DetectError::NoInput, 0, false),
        ] {
            assert_eq!(is_transient(&error, quiet_us), expected, "{error}");
        }
        let registry = |error_code| DetectError::Registry {
            source: RegistryError::Refused {
                attempt: String::new(),
                url: String::new(),
                error_code,
                detail: String::new(),
            },
        };
        assert!(is_transient(&registry(50_001), 0) && is_transient(&registry(503), 0));
        assert!(!is_transient(&registry(40_403), 0) && !is_transient(&registry(401), 0));
    }

    #[test]
    fn it_gives_up_after_as_many_restarts_as_are_allowed_with_longer_pauses_between() {
        let (watch, clock) = (joined(), Asleep::default());
        let mut at_s = Vec::new();
        let given_up = insist(&watch, 3, &clock, &AtomicBool::new(false), || {
            at_s.push(clock.monotonic_us() / 1_000_000);
            Err::<(), _>(refused(ErrorCode::BrokerNotAvailable))
        });
        assert_eq!(at_s, [0, 1, 3, 7]);
        let error = given_up.unwrap_err();
        assert!(
            error.to_string().starts_with("gave up after 3 restarts"),
            "{error}"
        );
        let status = watch.status();
        assert_eq!((status.restarts, status.restarts_left), (3, 0));
        assert_eq!(status.phase, Phase::Restarting);
        assert_eq!(status.last_failure.as_deref(), Some("poll: as told"));
    }

    #[test]
    fn ten_quiet_minutes_give_all_restarts_back() {
        let (watch, clock) = (joined(), Asleep::default());
        let mut attempts = 0;
        let done = insist(&watch, 1, &clock, &AtomicBool::new(false), || {
            attempts += 1;
            clock.sleep(Duration::from_secs(601));
            match attempts {
                5 => Ok(attempts),
                _ => Err(refused(ErrorCode::BrokerNotAvailable)),
            }
        });
        assert_eq!(done.unwrap(), 5);
    }

    #[test]
    fn before_it_was_in_its_group_nothing_is_tried_again() {
        let mut attempts = 0;
        let clock = Asleep::default();
        let ended = insist(&Watch::new(), 3, &clock, &AtomicBool::new(false), || {
            attempts += 1;
            Err::<(), _>(refused(ErrorCode::BrokerNotAvailable))
        });
        assert!(matches!(ended, Err(DetectError::Kafka(_))));
        assert_eq!(attempts, 1);
    }

    #[test]
    fn a_stop_ends_the_attempts() {
        let stop = AtomicBool::new(false);
        let mut attempts = 0;
        let ended = insist(&joined(), 3, &Asleep::default(), &stop, || {
            attempts += 1;
            stop.store(attempts == 2, Ordering::Relaxed);
            Err::<(), _>(refused(ErrorCode::BrokerNotAvailable))
        });
        assert!(matches!(ended, Err(DetectError::Kafka(_))));
        assert_eq!(attempts, 2);
    }
}
