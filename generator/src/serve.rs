//! A small HTTP server on a thread of its own, for pages that watch or feed a run.

use std::{
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::Router;
use tokio::{net::TcpListener, runtime::Builder, sync::oneshot};

/// How long requests under way may take after a stop.
const GRACE: Duration = Duration::from_secs(5);

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is in use, or not one of this machine.
    #[error("the {name} could not listen on `{listen}`; use a free port, or port `0`")]
    Listen {
        /// Whose address it was to be.
        name: &'static str,
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system has no room for another thread.
    #[error("the {name} could not start a thread")]
    Thread {
        /// Whose thread it was to be.
        name: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct HttpServer {
    name: &'static str,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Serves what the router says; port 0 takes a free one. Handlers can ask for the client's address.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start(
        name: &'static str,
        listen: SocketAddr,
        router: Router,
    ) -> Result<Self, ServeError> {
        let listen_error = |source| ServeError::Listen {
            name,
            listen,
            source,
        };
        let thread_error = |source| ServeError::Thread { name, source };
        let socket = std::net::TcpListener::bind(listen).map_err(listen_error)?;
        socket.set_nonblocking(true).map_err(listen_error)?;
        let address = socket.local_addr().map_err(listen_error)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(thread_error)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(socket).map_err(listen_error)?
        };
        let (stop, stopped) = oneshot::channel();
        let serve = move || runtime.block_on(serve(name, listener, router, stopped));
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(serve)
            .map_err(thread_error)?;
        Ok(Self {
            name,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it answers: `http://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening and ends the requests under way.
    pub(crate) fn end(&mut self) {
        // Whoever listens may be gone already if its thread ended by itself.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(name = self.name, "the thread of a server had panicked");
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.end();
    }
}

async fn serve(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    stopped: oneshot::Receiver<()>,
) {
    let (closing, closed) = oneshot::channel::<()>();
    let signal = async {
        let _ = stopped.await;
        let _ = closing.send(());
    };
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(signal);
    let deadline = async {
        // Requests under way end by themselves; a client that hangs does not hold us.
        let _ = closed.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = async { serving.await } => {
            if let Err(error) = served {
                tracing::error!(name, %error, "a server stopped serving");
            }
        }
        () = deadline => tracing::warn!(name, "requests were cut off by the stop"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_and_is_free_again_after_the_end() {
        let start = |listen| HttpServer::start("test", listen, Router::new());
        let first = start(([127, 0, 0, 1], 0).into()).unwrap();
        let address = first.address;
        let error = start(address).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the test could not listen on `{address}`; use a free port, or port `0`")
        );
        drop(first);
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
