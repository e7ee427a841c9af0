//! Questions to the cluster that were not answered while a run went on.
//!
//! On a cluster somewhere else a leader moves or an answer is late now and then. The run goes on without that sample; it
//! ends when nothing was answered for so long that it has no broker any more.

use std::time::Duration;

use floodmark_kafka::Error;

/// How long no question may have been answered.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was not answered.
#[derive(Debug, Default)]
pub(super) struct Misses {
    /// Monotonic microseconds of the first failure since the last answer.
    since_us: Option<i64>,
    count: u64,
    last: Option<String>,
}

impl Misses {
    /// Takes note of how a question went; none is an answer that did not come, and may be missed.
    ///
    /// # Errors
    /// The failure, if nothing was answered for a minute.
    pub(super) fn note<T>(
        &mut self,
        now_us: i64,
        outcome: Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let error = match outcome {
            Ok(answer) => {
                self.since_us = None;
                return Ok(Some(answer));
            }
            Err(error) => error,
        };
        let since_us = *self.since_us.get_or_insert(now_us);
        self.count += 1;
        self.last = Some(error.to_string());
        tracing::warn!(%error, "the cluster did not answer; the run goes on without that sample");
        if now_us - since_us > PATIENCE.as_micros() as i64 {
            return Err(error);
        }
        Ok(None)
    }

    /// What a reader of the run should know of it.
    pub(super) fn notice(&self) -> Option<String> {
        let last = self.last.as_ref()?;
        Some(format!(
            "the cluster left {} questions about the subject's lag without an answer, so that it was not sampled then; the last \
             time: {last}",
            self.count
        ))
    }
}

#[cfg(test)]
mod tests {
    use floodmark_kafka::ErrorCode;

    use super::*;

    fn refused() -> Result<(), Error> {
        Err(Error::Refused {
            attempt: "read offsets".to_owned(),
            code: ErrorCode::NotLeaderForPartition,
            detail: "it moved".to_owned(),
        })
    }

    #[test]
    fn an_answer_that_does_not_come_is_missed_and_a_minute_without_any_ends_the_run() {
        let mut misses = Misses::default();
        assert_eq!(misses.notice(), None);
        let second = 1_000_000;
        assert_eq!(misses.note(0, refused()).unwrap(), None);
        assert_eq!(misses.note(50 * second, Ok(())).unwrap(), Some(()));
        // It counts from the first failure after that.
        assert_eq!(misses.note(55 * second, refused()).unwrap(), None);
        assert_eq!(misses.note(115 * second, refused()).unwrap(), None);
        assert!(misses.note(116 * second, refused()).is_err());
        let notice = misses.notice().unwrap();
        assert!(
            notice.contains("left 4 questions") && notice.contains("it moved"),
            "{notice}"
        );
    }
}
