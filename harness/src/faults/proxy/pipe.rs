//! One connection through the proxy.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use socket2::SockRef;

use super::{super::line::Line, Shared};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Bytes that may be under way in one direction; then nothing more is read. With 100 ms of delay that is 160 MB/s.
const MOST_UNDER_WAY: usize = 16 << 20;

/// How often a thread that waits looks whether the connection was reset.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A client, what it is led to, and what is under way between them.
pub(super) struct Pipe {
    ends: [TcpStream; 2],
    /// What goes to the other end: from the client, and from what it is led to.
    queues: [Queue; 2],
    broken: AtomicBool,
}

#[derive(Default)]
struct Queue {
    inside: Mutex<Inside>,
    told: Condvar,
}

#[derive(Default)]
struct Inside {
    pieces: VecDeque<(i64, Vec<u8>)>,
    bytes: usize,
    /// Nothing more comes.
    closed: bool,
}

impl Queue {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to change, but not for long.
    fn wait<'a>(&self, inside: MutexGuard<'a, Inside>) -> MutexGuard<'a, Inside> {
        match self.told.wait_timeout(inside, LOOK_EVERY) {
            Ok((inside, _)) => inside,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    fn close(&self) {
        self.inside().closed = true;
        self.told.notify_all();
    }
}

impl Pipe {
    pub(super) fn new(client: TcpStream, upstream: TcpStream) -> std::io::Result<Self> {
        for stream in [&client, &upstream] {
            stream.set_nodelay(true)?;
            // A peer that does not read must not keep a writer from seeing that it is all over.
            stream.set_write_timeout(Some(LOOK_EVERY))?;
        }
        Ok(Self {
            ends: [client, upstream],
            queues: Default::default(),
            broken: AtomicBool::new(false),
        })
    }

    /// Ends the connection as a crash of the network does: both ends see a reset.
    pub(super) fn reset(&self) {
        self.broken.store(true, Ordering::Release);
        for (stream, queue) in self.ends.iter().zip(&self.queues) {
            let socket = SockRef::from(stream);
            // Closing it then sends a reset; shutting down the reading side sends nothing, but wakes the reader.
            // Either fails only for one that has ended by itself.
            let _ = socket.set_linger(Some(Duration::ZERO));
            let _ = socket.shutdown(Shutdown::Read);
            queue.told.notify_all();
        }
    }

    /// Carries bytes in both directions until both have ended.
    pub(super) fn carry(&self, shared: &Shared, number: u64) {
        std::thread::scope(|scope| {
            for direction in [0, 1] {
                scope.spawn(move || {
                    self.read_all(direction, shared, number);
                    self.queues[direction].close();
                });
                scope.spawn(move || self.write_all(direction, shared));
            }
        });
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    fn read_all(&self, direction: usize, shared: &Shared, number: u64) {
        let mut from = &self.ends[direction];
        let queue = &self.queues[direction];
        let mut line = Line::new(shared.seed, number, direction as u64);
        let mut buffer = vec![0; PIECE];
        loop {
            let length = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return self.reset(),
            };
            let condition = shared.state().condition;
            let due_us = line.due_us(shared.clock.monotonic_us(), length, &condition);
            let mut inside = queue.inside();
            while inside.bytes >= MOST_UNDER_WAY {
                inside = queue.wait(inside);
                if self.is_broken() {
                    return;
                }
            }
            inside.bytes += length;
            inside.pieces.push_back((due_us, buffer[..length].to_vec()));
            drop(inside);
            queue.told.notify_all();
        }
    }

    fn write_all(&self, direction: usize, shared: &Shared) {
        let to = &self.ends[1 - direction];
        let queue = &self.queues[direction];
        while let Some((due_us, piece)) = self.next(queue) {
            loop {
                let left = due_us - shared.clock.monotonic_us();
                if left <= 0 || self.is_broken() {
                    break;
                }
                let left = Duration::from_micros(left.unsigned_abs());
                shared.clock.sleep(left.min(LOOK_EVERY));
            }
            if self.is_broken() || !self.write(to, &piece) {
                return self.reset();
            }
        }
        if !self.is_broken() {
            // The other end may still have something to say.
            let _ = to.shutdown(Shutdown::Write);
        }
    }

    /// The next piece; none once all have been taken and no more come.
    fn next(&self, queue: &Queue) -> Option<(i64, Vec<u8>)> {
        let mut inside = queue.inside();
        loop {
            if let Some((due_us, piece)) = inside.pieces.pop_front() {
                inside.bytes -= piece.len();
                queue.told.notify_all();
                return Some((due_us, piece));
            }
            if inside.closed || self.is_broken() {
                return None;
            }
            inside = queue.wait(inside);
        }
    }

    /// True if all of it was written.
    fn write(&self, mut to: &TcpStream, mut piece: &[u8]) -> bool {
        while !piece.is_empty() {
            match to.write(piece) {
                Ok(0) => return false,
                Ok(length) => piece = &piece[length..],
                Err(error) if is_wait(&error) && !self.is_broken() => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Whether a write came to nothing only because there is no room yet.
fn is_wait(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
