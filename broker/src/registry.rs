//! The embedded schema registry: the part of the Confluent REST API that Kafka clients use.
//!
//! Subjects, versions and ids, look-ups, soft and permanent deletion, compatibility levels with a real
//! check of Avro schemas, and modes; with the error codes that clients branch on. `Store`
//! is the registry as plain data, without sockets; `http` translates requests to it. Absent: schema
//! types other than Avro, references between subjects, contexts, and the import mode. All of it lives in
//! memory and ends with the process.

mod compatibility;
mod error;
mod http;
mod level;
mod store;

#[cfg(fuzzing)]
pub(crate) use http::take_bodies;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::thread::{self, JoinHandle};

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A running registry. Dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct RegistryServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the registry could not start.
#[derive(Debug, thiserror::Error)]
pub enum RegistryStartError {
    /// The address is in use, or not one of this machine.
    #[error("the schema registry could not listen on `{listen}`; use a free port, or port `0`")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system has no room for another thread or another event queue.
    #[error("the schema registry could not start its thread")]
    Thread {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Starts an empty registry that listens on `listen`; port 0 takes any free port.
///
/// # Errors
///
/// When the address cannot be listened on, or the system refuses a thread.
pub fn start(listen: SocketAddr) -> Result<RegistryServer, RegistryStartError> {
    let listen_error = |source| RegistryStartError::Listen { listen, source };
    let thread_error = |source| RegistryStartError::Thread { source };
    let socket = StdListener::bind(listen).map_err(listen_error)?;
    socket.set_nonblocking(true).map_err(listen_error)?;
    let address = socket.local_addr().map_err(listen_error)?;
    // A runtime of its own: a registry that is busy with a large schema must not delay the broker's fetches.
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(thread_error)?;
    let listener = {
        let _inside = runtime.enter();
        TcpListener::from_std(socket).map_err(listen_error)?
    };
    let (stop, stopped) = oneshot::channel();
    let serve = move || {
        runtime.block_on(async {
            // Not the graceful way: that would wait for clients that keep a connection open for later.
            tokio::select! {
                served = axum::serve(listener, http::router()) => {
                    if let Err(error) = served {
                        tracing::error!(%error, "the schema registry stopped serving");
                    }
                }
                _ = stopped => {}
            }
        });
    };
    let thread = thread::Builder::new()
        .name("registry".to_owned())
        .spawn(serve)
        .map_err(thread_error)?;
    Ok(RegistryServer {
        address,
        stop: Some(stop),
        thread: Some(thread),
    })
}

impl RegistryServer {
    /// Where the registry answers, as clients want it: `http://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        // Either may be gone already if the thread ended by itself: there is nothing left to stop then.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if ended.is_err() {
                tracing::error!("the thread of the schema registry had panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_taken_port_is_named_in_the_error() {
        let first = start(([127, 0, 0, 1], 0).into()).unwrap();
        let error = start(first.address).unwrap_err();
        let wanted = format!(
            "the schema registry could not listen on `{}`; use a free port, or port `0`",
            first.address
        );
        assert_eq!(error.to_string(), wanted);
    }

    #[test]
    fn dropping_it_frees_the_port_even_with_a_client_connected() {
        let server = start(([127, 0, 0, 1], 0).into()).unwrap();
        let address = server.address;
        let _idle = TcpStream::connect(address).unwrap();
        drop(server);
        assert!(
            TcpStream::connect(address).is_err(),
            "nobody listens any more"
        );
    }
}
