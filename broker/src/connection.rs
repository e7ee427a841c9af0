//! One connection: requests are served one after the other, as clients expect of a broker.

use std::io::{IoSlice, Write};
use std::sync::Arc;

use bytes::Bytes;
use tracing::{debug, warn};

use crate::dispatch::{self, Answer, Refusal};
use crate::frame::{FrameError, FrameReader};
use crate::peers::Peer;
use crate::shared::Shared;

/// Serves a connection until it ends, or until it sends what makes no sense. Whatever it sends,
/// only this connection is closed.
pub(crate) fn serve(shared: &Arc<Shared>, peer: &Peer) {
    if let Err(error) = serve_all(shared, peer) {
        match error {
            ServeError::Frame(FrameError::Io(error)) | ServeError::Write(error) => {
                debug!(peer = %peer.address, %error, "connection lost");
            }
            ServeError::Frame(error) => warn!(peer = %peer.address, %error, "connection closed"),
            ServeError::Refused(error) => warn!(peer = %peer.address, %error, "connection closed"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("cannot read a request")]
    Frame(#[from] FrameError),
    #[error("cannot serve a request")]
    Refused(#[from] Refusal),
    #[error("cannot write an answer")]
    Write(#[from] std::io::Error),
}

fn serve_all(shared: &Arc<Shared>, peer: &Peer) -> Result<(), ServeError> {
    peer.stream().set_nodelay(true)?;
    let mut frames = FrameReader::new(peer.stream());
    while let Some(frame) = frames.next()? {
        match dispatch::answer(shared, peer, frame)? {
            Answer::None => {}
            Answer::Whole(bytes) => peer.stream().write_all(&bytes)?,
            Answer::Parts(parts) => write_parts(peer.stream(), &parts)?,
        }
        if shared.is_stopping() {
            break;
        }
    }
    Ok(())
}

/// Writes batches straight from the log: they are never copied into an answer.
fn write_parts(mut stream: impl Write, parts: &[Bytes]) -> std::io::Result<()> {
    let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut left = slices.as_mut_slice();
    // Empty slices at the front would make a write of nothing look like a closed connection.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match stream.write_vectored(left) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut left, n),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, as a full socket does.
    struct Narrow(Vec<u8>);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let n = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn parts_are_written_whole_whatever_the_socket_takes() {
        let parts = ["", "head", "", "first batch", "x", ""].map(Bytes::from);
        let mut narrow = Narrow(Vec::new());
        write_parts(&mut narrow, &parts).expect("written");
        assert_eq!(narrow.0, b"headfirst batchx");
    }
}
