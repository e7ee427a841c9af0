//! Questions about the subject's group, asked beside the run's loop.
//!
//! That loop carries out the faults and ends the run at its time. A cluster that is slow to answer, as it is after a
//! fault, must not delay it: the thread here waits in its place, and one question is on its way at a time.

use std::sync::{
    Arc,
    mpsc::{Receiver, Sender, TryRecvError, channel},
};
use std::thread::JoinHandle;

use floodmark_contracts::clock::{Clock, WallTime};
use floodmark_kafka::{
    Admin, Error,
    admin::{GroupDescription, Lag, Watermarks},
};

use super::trim::{Trimmer, trim};
use crate::audit::start_of;

/// Whose progress is asked for, and in what.
pub(super) struct Reader {
    pub(super) admin: Arc<Admin>,
    pub(super) group: String,
    /// The inputs and the bundled detector's own topic.
    pub(super) topics: Vec<String>,
    /// The bounds of the inputs before the first event.
    pub(super) starts: Vec<Watermarks>,
}

impl Reader {
    /// The group's lag. A partition of which nothing is committed counts as committed up to where it began.
    pub(super) fn lag(&self) -> Result<Vec<Lag>, Error> {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let mut lag = self.admin.lag(&self.group, &topics)?;
        for part in &mut lag {
            let start = start_of(&self.starts, &part.partition);
            part.committed.get_or_insert(start);
        }
        Ok(lag)
    }
}

/// What an answer tells beside the lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    /// Who has which partitions.
    pub(super) members: bool,
    /// The lag is for the facts on faults.
    pub(super) for_faults: bool,
}

/// What was found at one look.
pub(super) struct Answer {
    pub(super) question: Question,
    /// Monotonic microseconds at which it was asked.
    pub(super) asked_us: i64,
    /// When the lag was known.
    pub(super) at: WallTime,
    /// The same as monotonic microseconds.
    pub(super) at_us: i64,
    /// None where nobody reads.
    pub(super) lag: Result<Option<Vec<Lag>>, Error>,
    pub(super) members: Option<GroupDescription>,
    /// Whether room could be made where that was due.
    pub(super) trimmed: Result<(), Error>,
}

/// A thread that asks.
pub(super) struct Lookout {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    is_waiting: bool,
    thread: Option<JoinHandle<()>>,
}

impl Lookout {
    /// A lookout whose answers come from `answer`. It ends with the answer that it is waiting for when this is dropped:
    /// nobody waits for a cluster that no longer matters.
    ///
    /// # Errors
    /// What the system says if there is no thread to be had.
    pub(super) fn start(
        mut answer: impl FnMut(Question) -> Answer + Send + 'static,
    ) -> std::io::Result<Self> {
        let (questions, asked) = channel();
        let (answered, answers) = channel();
        let thread = std::thread::Builder::new()
            .name("lookout".to_owned())
            .spawn(move || {
                while let Ok(question) = asked.recv() {
                    if answered.send(answer(question)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            questions,
            answers,
            is_waiting: false,
            thread: Some(thread),
        })
    }

    /// Whether the last question was answered, so that another can be asked.
    pub(super) fn is_free(&self) -> bool {
        !self.is_waiting
    }

    /// Asks, unless an answer is still to come.
    pub(super) fn ask(&mut self, question: Question) {
        if self.is_free() {
            // A thread that is gone is found by the next look for its answer.
            self.is_waiting = true;
            let _gone = self.questions.send(question);
        }
    }

    /// The answer, once it is there.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        match self.answers.try_recv() {
            Ok(answer) => {
                self.is_waiting = false;
                Some(answer)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                // It ends of itself only by a panic, which is this thread's as well.
                if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                    std::panic::resume_unwind(panic);
                }
                None
            }
        }
    }
}

/// Who answers for a subject that reads, or for nobody: then all that is there is of no more use at once.
pub(super) fn answers(
    reader: Arc<Reader>,
    is_unread: bool,
    mut trimmer: Option<Trimmer>,
    clock: Arc<dyn Clock>,
) -> impl FnMut(Question) -> Answer + Send + 'static {
    move |question| {
        let asked_us = clock.monotonic_us();
        let mut lag = reader.lag();
        let (at, at_us) = (clock.now(), clock.monotonic_us());
        if is_unread {
            for part in lag.iter_mut().flatten() {
                part.committed = Some(part.end);
            }
        }
        let trimmed = match (&mut trimmer, &lag) {
            (Some(trimmer), Ok(lag)) => trim(trimmer, &reader.admin, at_us, lag),
            _ => Ok(()),
        };
        let members = question.members && !is_unread && lag.is_ok();
        Answer {
            question,
            asked_us,
            at,
            at_us,
            lag: lag.map(|lag| Some(lag).filter(|_| !is_unread)),
            members: members.then(|| members_of(&reader)).flatten(),
            trimmed,
        }
    }
}

/// What a reader of the time line would like to know is no reason to end a run.
fn members_of(reader: &Reader) -> Option<GroupDescription> {
    match reader.admin.group(&reader.group) {
        Ok(group) => group,
        Err(error) => {
            tracing::debug!(%error, "the members of the subject's group");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use floodmark_contracts::clock::SystemClock;

    use super::*;

    const QUESTION: Question = Question {
        members: true,
        for_faults: false,
    };

    fn answer(question: Question) -> Answer {
        Answer {
            question,
            asked_us: 0,
            at: WallTime(0),
            at_us: 0,
            lag: Ok(None),
            members: None,
            trimmed: Ok(()),
        }
    }

    fn wait_for(lookout: &mut Lookout) -> Answer {
        let clock = SystemClock::new();
        let deadline = clock.monotonic_us() + 20_000_000;
        loop {
            if let Some(answer) = lookout.answer() {
                return answer;
            }
            assert!(clock.monotonic_us() < deadline, "waited for 20 s");
            clock.sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn nobody_waits_for_a_cluster_that_is_slow_and_it_is_asked_no_more_meanwhile() {
        let (answers_now, slow) = channel();
        let mut asked = 0_i64;
        let mut lookout = Lookout::start(move |question| {
            asked += 1;
            slow.recv().unwrap();
            Answer {
                asked_us: asked,
                ..answer(question)
            }
        })
        .unwrap();
        for _ in 0..3 {
            lookout.ask(QUESTION);
            assert!(lookout.answer().is_none() && !lookout.is_free());
        }
        answers_now.send(()).unwrap();
        assert_eq!(wait_for(&mut lookout).asked_us, 1);
        assert!(lookout.is_free());
        answers_now.send(()).unwrap();
        lookout.ask(QUESTION);
        let second = wait_for(&mut lookout);
        assert_eq!((second.asked_us, second.question), (2, QUESTION));
        // It is waiting for an answer that will not come: the end does not wait with it.
        lookout.ask(QUESTION);
        drop(lookout);
    }

    #[test]
    #[should_panic(expected = "broken for the test")]
    fn a_lookout_that_breaks_breaks_the_run() {
        let mut lookout = Lookout::start(|_| panic!("broken for the test")).unwrap();
        lookout.ask(QUESTION);
        wait_for(&mut lookout);
    }
}
