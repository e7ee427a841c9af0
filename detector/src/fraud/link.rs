//! A connection to something that may be down: the circuit breaker.
//!
//! Whoever asks gets the connection or gets nothing, at once. A connection that failed is thrown away, and a
//! thread of its own tries to have another one, first soon, then less often. So a part that is down costs one
//! time-out in all, and not one for every batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use floodmark_contracts::clock::{Clock, SystemClock};

/// Pause before the first try to connect again, and the longest one; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Makes a connection and proves that it works, within a time-out of its own.
pub(crate) type Connect<C> = Arc<dyn Fn() -> Result<C, String> + Send + Sync>;

/// A connection that comes and goes.
pub(crate) struct Link<C> {
    /// What it leads to, for people.
    name: String,
    connect: Connect<C>,
    connection: Option<C>,
    arriving: Option<Receiver<C>>,
    /// Tells threads that nobody waits for their connection any more.
    gone: Arc<AtomicBool>,
}

impl<C: Send + 'static> Link<C> {
    /// Connects, or starts to try.
    pub(crate) fn open(name: impl Into<String>, connect: Connect<C>) -> Self {
        let mut link = Self {
            name: name.into(),
            connection: None,
            arriving: None,
            gone: Arc::new(AtomicBool::new(false)),
            connect,
        };
        match (link.connect)() {
            Ok(connection) => link.connection = Some(connection),
            Err(reason) => link.broke(&reason),
        }
        link
    }

    /// The connection, if there is one.
    pub(crate) fn get(&mut self) -> Option<&mut C> {
        if self.connection.is_none()
            && let Some(arriving) = &self.arriving
            && let Ok(connection) = arriving.try_recv()
        {
            tracing::info!(to = self.name, "answers again");
            self.connection = Some(connection);
            self.arriving = None;
        }
        self.connection.as_mut()
    }

    /// Throws the connection away and starts to look for another one.
    pub(crate) fn broke(&mut self, reason: &str) {
        self.connection = None;
        if self.arriving.is_some() {
            return;
        }
        tracing::warn!(
            to = self.name,
            reason,
            "does not answer; going on without it"
        );
        let (found, arriving) = sync_channel(1);
        let (connect, gone) = (Arc::clone(&self.connect), Arc::clone(&self.gone));
        let thread = std::thread::Builder::new()
            .name("reconnect".to_owned())
            .spawn(move || reconnect(&connect, &gone, &found));
        match thread {
            Ok(_) => self.arriving = Some(arriving),
            // The next failure, or the next batch, tries again.
            Err(error) => tracing::error!(%error, "no thread to connect again"),
        }
    }
}

impl<C> Drop for Link<C> {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

fn reconnect<C>(connect: &Connect<C>, gone: &AtomicBool, found: &SyncSender<C>) {
    let clock = SystemClock::new();
    let mut pause = FIRST_PAUSE;
    while !gone.load(Ordering::Relaxed) {
        clock.sleep(pause);
        match connect() {
            Ok(connection) => {
                // Nobody may be waiting any more.
                let _ = found.send(connection);
                return;
            }
            Err(reason) => tracing::debug!(reason, "still no connection"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    /// A part that is down for its first `failures` tries, and the number of tries.
    fn part(failures: u32) -> (Connect<u32>, Arc<AtomicU32>) {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&tries);
        let connect: Connect<u32> = Arc::new(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            if number < failures {
                return Err("down".to_owned());
            }
            Ok(number)
        });
        (connect, tries)
    }

    fn wait_for(link: &mut Link<u32>) -> u32 {
        let clock = SystemClock::new();
        while clock.monotonic_us() < 60_000_000 {
            if let Some(connection) = link.get() {
                return *connection;
            }
            clock.sleep(Duration::from_millis(5));
        }
        panic!("no connection");
    }

    #[test]
    fn what_is_up_is_connected_at_once() {
        let mut link = Link::open("test", part(0).0);
        assert_eq!(link.get(), Some(&mut 0));
    }

    #[test]
    fn what_is_down_is_not_waited_for_and_comes_back_by_itself() {
        let (connect, tries) = part(3);
        let mut link = Link::open("test", connect);
        assert_eq!(link.get(), None);
        assert_eq!(wait_for(&mut link), 3);
        assert_eq!(tries.load(Ordering::SeqCst), 4, "asking makes no tries");
    }

    #[test]
    fn a_connection_that_failed_is_replaced() {
        let mut link = Link::open("test", part(0).0);
        link.get();
        link.broke("reset");
        link.broke("reset once more");
        assert_eq!(wait_for(&mut link), 1, "one thread, one new connection");
    }
}
