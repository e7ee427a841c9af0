//! The connections that are open: who they are, and how to reach a thread that waits on one.

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use parking_lot::Mutex;

use crate::groups::{Outbox, Reply, Token};
use crate::wake::Wake;

/// More connections than this are turned away: each costs a thread and a buffer.
const MAX_CONNECTIONS: usize = 2000;

/// Where clients are told to find the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: StrBytes,
    pub(crate) port: u16,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Also the token of its group requests: a connection waits for one reply at a time.
    pub(crate) id: Token,
    pub(crate) address: SocketAddr,
    /// Where this client is told to find the broker.
    pub(crate) told: Arc<Endpoint>,
    pub(crate) wake: Arc<Wake>,
    stream: TcpStream,
    mail: Mutex<Option<Reply>>,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    open: Mutex<HashMap<Token, Arc<Peer>>>,
}

impl Peers {
    /// Takes note of a connection; `None` if there are too many.
    pub(crate) fn admit(
        &self,
        id: Token,
        stream: TcpStream,
        address: SocketAddr,
        told: &Arc<Endpoint>,
    ) -> Option<Arc<Peer>> {
        let mut open = self.open.lock();
        if open.len() >= MAX_CONNECTIONS {
            return None;
        }
        let wake = Arc::default();
        let peer = Arc::new(Peer {
            id,
            address,
            told: Arc::clone(told),
            wake,
            stream,
            mail: Mutex::default(),
        });
        open.insert(id, Arc::clone(&peer));
        Some(peer)
    }

    /// Forgets a connection that was closed.
    pub(crate) fn remove(&self, id: Token) {
        self.open.lock().remove(&id);
    }

    /// Hands replies to the threads that wait for them. Those of closed connections are lost, as
    /// they would be on the wire.
    pub(crate) fn deliver(&self, outbox: Outbox) {
        for (token, reply) in outbox {
            let peer = self.open.lock().get(&token).cloned();
            if let Some(peer) = peer {
                *peer.mail.lock() = Some(reply);
                peer.wake.raise();
            }
        }
    }

    /// Cuts all connections and wakes their threads.
    pub(crate) fn cut(&self) {
        for peer in self.open.lock().values() {
            // It fails only for a connection that is gone already.
            let _ = peer.stream.shutdown(Shutdown::Both);
            peer.wake.raise();
        }
    }
}

impl Peer {
    /// The reply that was delivered, if any.
    pub(crate) fn take_mail(&self) -> Option<Reply> {
        self.mail.lock().take()
    }

    /// The connection itself.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }
}
