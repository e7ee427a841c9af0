//! Starting and stopping: the socket, the thread that accepts, and the one that keeps time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use kafka_protocol::protocol::StrBytes;
use parking_lot::{Condvar, Mutex};
use tracing::{info, warn};

use crate::clock::SystemClock;
use crate::config::BrokerConfig;
use crate::connection;
use crate::peers::{Endpoint, Peers};
use crate::registry::{self, RegistryServer, RegistryStartError};
use crate::shared::Shared;
use crate::wake::Wake;

/// How long to wait with accepting after it failed.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// A running broker; dropping it stops it.
pub struct Broker {
    shared: Arc<Shared>,
    address: SocketAddr,
    second: Option<SocketAddr>,
    registry: Mutex<Option<RegistryServer>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stopped: Arc<Stopped>,
}

/// Why a broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on `{listen}`; use a free port (`0` takes one) of an address of this machine"
    )]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system gives no more threads.
    #[error("cannot start the thread `{name}` of the broker")]
    Thread {
        /// What it would have done.
        name: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The schema registry that was asked for did not start.
    #[error("the broker's schema registry did not start")]
    Registry(#[from] RegistryStartError),
    /// A setting makes no sense.
    #[error("setting `{setting}` is `{found}`; use {works}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        found: String,
        /// A value that would do.
        works: &'static str,
    },
}

#[derive(Debug, Default)]
struct Stopped {
    flag: Mutex<bool>,
    told: Condvar,
}

impl Broker {
    /// Starts a broker and returns once clients can connect.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on, a setting makes no sense, or a thread cannot be had.
    pub fn start(config: BrokerConfig) -> Result<Self, StartError> {
        check(&config)?;
        // First of all, so that nobody who reads the log can miss it.
        info!(
            "embedded broker: for benchmarks and tests, not a place to keep data (all of it is in memory)"
        );
        let (listener, address) = listen_on(config.listen)?;
        let second = config.second.as_ref();
        let second = second.map(|second| listen_on(second.listen)).transpose()?;
        let (host, port) = config
            .advertise
            .clone()
            .unwrap_or_else(|| advertised(address));
        let clock = Box::new(SystemClock::new());
        let broker = Self {
            shared: Arc::new(Shared::new(&config, &host, port, clock)),
            address,
            second: second.as_ref().map(|(_, address)| *address),
            registry: Mutex::default(),
            threads: Mutex::default(),
            stopped: Arc::default(),
        };
        if let Some(listen) = config.registry_listen {
            *broker.registry.lock() = Some(registry::start(listen)?);
        }
        let shared = Arc::clone(&broker.shared);
        let told = Arc::clone(&shared.endpoint);
        broker.spawn("broker-accept", move || accept(&shared, &listener, &told))?;
        if let (Some((listener, _)), Some(second)) = (second, &config.second) {
            let shared = Arc::clone(&broker.shared);
            let (host, port) = second.advertise.clone();
            let host = StrBytes::from_string(host);
            let told = Arc::new(Endpoint { host, port });
            broker.spawn("broker-accept-2", move || accept(&shared, &listener, &told))?;
        }
        let shared = Arc::clone(&broker.shared);
        broker.spawn("broker-timer", move || keep_time(&shared))?;
        info!(listen = %address, bootstrap = %broker.bootstrap(), memory_cap_bytes = config.memory_cap_bytes, "embedded broker is up");
        Ok(broker)
    }

    /// What clients put into `bootstrap.servers`: `HOST:PORT`.
    pub fn bootstrap(&self) -> String {
        let Endpoint { host, port } = &*self.shared.endpoint;
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }

    /// Where the second listener takes connections, if one was asked for.
    pub fn second(&self) -> Option<SocketAddr> {
        self.second
    }

    /// Where the schema registry answers, if one was asked for.
    pub fn registry_url(&self) -> Option<String> {
        self.registry.lock().as_ref().map(RegistryServer::url)
    }

    /// Stops the broker: cuts all connections, and with that its data is gone. Harmless if it has
    /// stopped already.
    pub fn stop(&self) {
        if !self.shared.stop() {
            return;
        }
        // The accepting threads sit in a system call; a connection gets each out.
        for address in [Some(self.address), self.second].into_iter().flatten() {
            let _ = TcpStream::connect(reachable(address));
        }
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                warn!("a thread of the broker had failed");
            }
        }
        drop(self.registry.lock().take());
        *self.stopped.flag.lock() = true;
        self.stopped.told.notify_all();
    }

    /// Blocks until another thread stops the broker.
    pub fn wait(&self) {
        let mut stopped = self.stopped.flag.lock();
        while !*stopped {
            self.stopped.told.wait(&mut stopped);
        }
    }

    fn spawn(
        &self,
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let thread = Builder::new().name(name.to_owned()).spawn(work);
        let thread = thread.map_err(|source| {
            self.shared.stop();
            StartError::Thread { name, source }
        })?;
        self.threads.lock().push(thread);
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn check(config: &BrokerConfig) -> Result<(), StartError> {
    const SMALLEST_CAP: usize = 1 << 20;
    if config.memory_cap_bytes < SMALLEST_CAP {
        return Err(StartError::Setting {
            setting: "memory_cap_bytes",
            found: config.memory_cap_bytes.to_string(),
            works: "`1048576` or more: the largest batch clients send by default must fit",
        });
    }
    match config.auto_create_partitions {
        Some(n) if !(1..=crate::topics::MAX_PARTITIONS).contains(&n) => Err(StartError::Setting {
            setting: "auto_create_partitions",
            found: n.to_string(),
            works: "`1` to `4096`, or none at all",
        }),
        _ => Ok(()),
    }
}

fn listen_on(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { listen, source };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, told: &Arc<Endpoint>) {
    let mut threads = Vec::<JoinHandle<()>>::new();
    let retry = Wake::default();
    loop {
        let accepted = listener.accept();
        if shared.is_stopping() {
            break;
        }
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: they come back as connections close.
                warn!(%error, "cannot accept a connection");
                retry.sleep(ACCEPT_RETRY);
                continue;
            }
        };
        threads.retain(|thread| !thread.is_finished());
        threads.extend(open(shared, stream, address, told));
    }
    for thread in threads {
        if thread.join().is_err() {
            warn!("the thread of a connection had failed");
        }
    }
}

fn open(
    shared: &Arc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
    told: &Arc<Endpoint>,
) -> Option<JoinHandle<()>> {
    // Two listeners, one list of connections.
    let id = shared.connections.fetch_add(1, Ordering::Relaxed);
    let Some(peer) = shared.peers.admit(id, stream, address, told) else {
        warn!(peer = %address, "too many connections: this one was turned away");
        return None;
    };
    if shared.is_stopping() {
        shared.peers.cut();
    }
    let owned = Arc::clone(shared);
    let thread = Builder::new()
        .name("broker-conn".to_owned())
        .spawn(move || {
            let _registered = Registered {
                peers: &owned.peers,
                id,
            };
            connection::serve(&owned, &peer);
        });
    thread
        .inspect_err(|error| {
            warn!(peer = %address, %error, "no thread for a connection: it was turned away");
            shared.peers.remove(id);
        })
        .ok()
}

/// Takes a connection off the list however its thread ends.
struct Registered<'a> {
    peers: &'a Peers,
    id: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.peers.remove(self.id);
    }
}

fn keep_time(shared: &Shared) {
    while !shared.is_stopping() {
        let next = shared.tick();
        shared.timer.sleep(next);
    }
}

/// What to tell clients of an address that was listened on.
fn advertised(address: SocketAddr) -> (String, u16) {
    (reachable(address).ip().to_string(), address.port())
}

/// "Any address" is none that can be connected to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;
