//! A TCP proxy that can be slow, lose packets, and cut.
//!
//! Each direction of a connection has a queue of pieces with the times at which they are due (see
//! [`super::line`]), a thread that reads into it and one that writes from it. A cut resets all connections and lets the
//! listener refuse new ones; its port stays bound, so that it is the same afterwards.

mod pipe;

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use floodmark_contracts::clock::Clock;
use socket2::SockRef;

use self::pipe::Pipe;
use super::line::Condition;

/// How long the other end may take to accept.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Free ports that are tried.
const TRIES: u32 = 20;

/// Time after which accepting is tried again when it failed without a reason of ours.
const RETRY: Duration = Duration::from_millis(50);

/// A proxy on loopback. Dropping it ends it and its connections.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// What the proxy's threads and its owner both look at.
struct Shared {
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    seed: u64,
    state: Mutex<State>,
    told: Condvar,
    /// Connections so far, which numbers them.
    number: AtomicU64,
}

#[derive(Default)]
struct State {
    condition: Condition,
    /// Where connections lead to; they are reset until that is known.
    upstream: Option<String>,
    cut: bool,
    ended: bool,
    open: BTreeMap<u64, Arc<Pipe>>,
}

impl Proxy {
    /// A proxy at a free port of loopback. Where it leads to is said by [`Proxy::lead_to`].
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn bind(clock: Arc<dyn Clock>, seed: u64) -> std::io::Result<Self> {
        let listener = bind_by_name()?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            listener,
            clock,
            seed,
            state: Mutex::default(),
            told: Condvar::new(),
            number: AtomicU64::new(0),
        });
        let owned = Arc::clone(&shared);
        let thread = Builder::new()
            .name("proxy".to_owned())
            .spawn(move || accept(&owned))?;
        Ok(Self {
            shared,
            address,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads connections to `HOST:PORT` from now on.
    pub(crate) fn lead_to(&self, upstream: &str) {
        self.shared.state().upstream = Some(upstream.to_owned());
    }

    /// What is wrong with the lines from now on, in both directions.
    pub(crate) fn disturb(&self, condition: Condition) {
        self.shared.state().condition = condition;
    }

    /// Resets all connections and refuses new ones.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn cut(&self) -> std::io::Result<()> {
        let open: Vec<Arc<Pipe>> = {
            let mut state = self.shared.state();
            state.cut = true;
            state.open.values().cloned().collect()
        };
        // Linux lets a listener that is shut down keep its port, and listen again later.
        SockRef::from(&self.shared.listener).shutdown(Shutdown::Both)?;
        for pipe in open {
            pipe.reset();
        }
        Ok(())
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn mend(&self) -> std::io::Result<()> {
        let mut state = self.shared.state();
        if state.cut {
            SockRef::from(&self.shared.listener).listen(BACKLOG)?;
            state.cut = false;
            self.shared.told.notify_all();
        }
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        if let Err(error) = self.cut() {
            tracing::debug!(%error, "ending a proxy");
        }
        self.shared.told.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the thread of a proxy had failed");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener at a free port of loopback that is asked for by its number: one that the system chose itself is given
/// back when the listener is shut down.
fn bind_by_name() -> std::io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            // Somebody else was quicker.
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

/// Takes connections until the proxy ends.
fn accept(shared: &Arc<Shared>) {
    let mut threads = Vec::<JoinHandle<()>>::new();
    loop {
        let accepted = shared.listener.accept();
        let mut state = shared.state();
        while state.cut && !state.ended {
            let waited = shared.told.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if state.ended {
            break;
        }
        drop(state);
        threads.retain(|thread| !thread.is_finished());
        match accepted {
            Ok((client, _)) => threads.extend(open(shared, client)),
            // Our own cut, which is over.
            Err(error) if error.kind() == ErrorKind::InvalidInput => {}
            Err(error) => {
                tracing::debug!(%error, "a proxy cannot accept a connection");
                shared.clock.sleep(RETRY);
            }
        }
    }
    for thread in threads {
        if thread.join().is_err() {
            tracing::warn!("the thread of a proxy's connection had failed");
        }
    }
}

/// Starts the threads of one connection.
fn open(shared: &Arc<Shared>, client: TcpStream) -> Option<JoinHandle<()>> {
    let number = shared.number.fetch_add(1, Ordering::Relaxed);
    let owned = Arc::clone(shared);
    Builder::new()
        .name("proxy-conn".to_owned())
        .spawn(move || {
            if let Err(error) = serve(&owned, client, number) {
                tracing::debug!(%error, "a connection through a proxy ended");
            }
        })
        .inspect_err(|error| tracing::warn!(%error, "no thread for a proxy's connection"))
        .ok()
}

fn serve(shared: &Shared, client: TcpStream, number: u64) -> std::io::Result<()> {
    let upstream = shared.state().upstream.clone();
    let upstream = match connect(upstream.as_deref()) {
        Ok(upstream) => upstream,
        Err(error) => {
            // What stands behind us is away: whoever comes must not think that it was reached.
            SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
            return Err(error);
        }
    };
    let pipe = Arc::new(Pipe::new(client, upstream)?);
    {
        let mut state = shared.state();
        state.open.insert(number, Arc::clone(&pipe));
        if state.cut {
            pipe.reset();
        }
    }
    pipe.carry(shared, number);
    shared.state().open.remove(&number);
    Ok(())
}

fn connect(upstream: Option<&str>) -> std::io::Result<TcpStream> {
    let unknown = || std::io::Error::new(ErrorKind::NotConnected, "nowhere to lead to yet");
    let mut last = unknown();
    for address in upstream.ok_or_else(unknown)?.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;
