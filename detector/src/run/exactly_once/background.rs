//! Snapshots that are written beside the thread that works.
//!
//! State is frozen between two batches, which takes milliseconds however much there is; encoding and writing it takes
//! as long as it takes. Commits go on naming the snapshot before, and name this one once it can be read whole.

use std::thread::JoinHandle;

use crate::exactly_once::{KeepError, Round, Written};

/// The round that is being written, if there is one.
#[derive(Debug, Default)]
pub(super) struct Background(Option<Writing>);

#[derive(Debug)]
struct Writing {
    thread: JoinHandle<Result<Written, KeepError>>,
    began_us: i64,
    stop_us: i64,
}

/// What a snapshot took, until a commit has named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// From the first look at state until everything was written.
    pub(super) took_us: i64,
    /// How long no record was read for it.
    pub(super) stop_us: i64,
    /// Bytes written.
    pub(super) n_bytes: u64,
}

impl Background {
    /// Begins to write what was frozen from `began_us` on, until now.
    pub(super) fn begin(&mut self, round: Round, began_us: i64, now_us: i64) {
        self.0 = Some(Writing {
            thread: std::thread::spawn(|| round.write()),
            began_us,
            stop_us: now_us - began_us,
        });
    }

    /// True while something is being written, or has not been looked at since.
    pub(super) fn is_busy(&self) -> bool {
        self.0.is_some()
    }

    /// True if what was begun has come to its end.
    pub(super) fn is_done(&self) -> bool {
        let writing = self.0.as_ref();
        writing.is_some_and(|writing| writing.thread.is_finished())
    }

    /// What was written, waited for if need be; nothing if nothing was begun.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(super) fn finish(
        &mut self,
        now_us: impl FnOnce() -> i64,
    ) -> Result<Option<(Written, Taken)>, KeepError> {
        let Some(writing) = self.0.take() else {
            return Ok(None);
        };
        let joined = writing.thread.join();
        let written = joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let taken = Taken {
            took_us: now_us() - writing.began_us,
            stop_us: writing.stop_us,
            n_bytes: written.n_bytes,
        };
        Ok(Some((written, taken)))
    }
}
