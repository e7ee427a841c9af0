//! The page for Prometheus beside a run.

use std::net::SocketAddr;

use floodmark_generator::metrics::MetricsServer;

use crate::{
    args::Global,
    commands::tell,
    exit::{Exit, Failure},
};

/// Opens the page, if one is asked for, and says where it is.
pub(super) fn start(
    listen: Option<SocketAddr>,
    global: &Global,
) -> Result<Option<MetricsServer>, Failure> {
    let Some(listen) = listen else {
        return Ok(None);
    };
    let server = MetricsServer::start(listen).map_err(|error| Failure::new(Exit::Usage, error))?;
    tell(global, &format!("metrics {}", server.url()));
    if !listen.ip().is_loopback() {
        tell(
            global,
            "they are shown beyond this machine, to whoever reaches it",
        );
    }
    Ok(Some(server))
}
