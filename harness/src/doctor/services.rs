//! Services that were asked for: whether they answer.

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use floodmark_contracts::doctor::{Finding, FindingState};
use floodmark_kafka::{Admin, ClientSettings, registry::Registry};

use super::{Wanted, finding};

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn findings(wanted: &Wanted<'_>) -> Vec<Finding> {
    let cluster = wanted.cluster.map(|client| {
        let said = cluster(client);
        told("Kafka", said, "`--broker` can be this cluster")
    });
    let registry = wanted.registry.map(|url| {
        told(
            "schema registry",
            registry(url),
            "`--registry` can be this one",
        )
    });
    let redis = wanted.redis.map(|address| {
        told(
            "Redis",
            redis(address),
            "the detector's look-ups can use it",
        )
    });
    cluster.into_iter().chain(registry).chain(redis).collect()
}

fn told(name: &str, said: Result<String, String>, allows: &str) -> Finding {
    match said {
        Ok(found) => finding(name, FindingState::Good, found, allows),
        Err(why) => finding(
            name,
            FindingState::Broken,
            why,
            "it was asked for, and a run with it would fail",
        ),
    }
}

fn cluster(client: &ClientSettings) -> Result<String, String> {
    let admin = Admin::new(client, PATIENCE).map_err(|error| error.to_string())?;
    admin
        .wait_until_reachable(PATIENCE)
        .map_err(|error| error.to_string())?;
    let cluster = admin.cluster().map_err(|error| error.to_string())?;
    Ok(format!(
        "{} of {} broker(s), {} topics",
        cluster.brokers.join(", "),
        cluster.brokers.len(),
        cluster.topics.len()
    ))
}

/// Asks for a schema that no registry has: one that answers says so.
fn registry(url: &str) -> Result<String, String> {
    let registry = Registry::new(url).map_err(|error| error.to_string())?;
    match registry.schema(u32::MAX >> 1) {
        Err(error) if error.is_unreachable() => Err(error.to_string()),
        _ => Ok(registry.url().to_owned()),
    }
}

fn redis(address: &str) -> Result<String, String> {
    let ping = || -> std::io::Result<String> {
        let mut sockets = address.to_socket_addrs()?;
        let socket = sockets.next().ok_or(std::io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&socket, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 64];
        let read = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..read]).trim().to_owned())
    };
    match ping() {
        // One that wants a password answers as well, and is there.
        Ok(answer) if answer.starts_with("+PONG") || answer.starts_with("-NOAUTH") => {
            Ok(address.to_owned())
        }
        Ok(answer) => Err(format!("`{address}` answers `{answer}`, which is no Redis")),
        Err(error) => Err(format!("`{address}` does not answer: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_is_told_from_something_else_and_from_nothing() {
        let answering = |answer: &'static [u8]| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 16];
                let _ = stream.read(&mut asked);
                stream.write_all(answer).unwrap();
            });
            address
        };
        assert!(redis(&answering(b"+PONG\r\n")).is_ok());
        assert!(redis(&answering(b"-NOAUTH\r\n")).is_ok());
        assert!(
            redis(&answering(b"HTTP/1.1 400\r\n"))
                .unwrap_err()
                .contains("no Redis")
        );
        let nobody = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        assert!(redis(&nobody).unwrap_err().contains("does not answer"));
    }
}
