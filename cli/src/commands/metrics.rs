//! The page for Prometheus beside a run.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use floodmark_generator::metrics::MetricsServer;

use crate::{
    args::Global,
    commands::tell,
    exit::{Exit, Failure},
};

/// A page with the counts of this process alone; the file in between goes with it.
pub(super) struct OwnPage {
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl OwnPage {
    /// Has the page show what this process will write.
    pub(super) fn on(server: &MetricsServer) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("counts.json");
        server.add(file.clone());
        Ok(Self {
            file,
            _folder: folder,
        })
    }

    /// The file that the counts go into.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

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
