//! Log lines, to standard error.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    args::{Global, LogFormat},
    colour,
};

/// Installs the subscriber. A filter that cannot be read falls back to warnings.
pub fn install(global: &Global) {
    let level = if global.quiet {
        "error"
    } else {
        global.log.as_str()
    };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(global.log_lines.clone());
    match global.log_format {
        LogFormat::Text => builder.with_ansi(colour::on_stderr()).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// Where log lines go: to standard error, or for a while into memory, so that they do not run over what is drawn there.
#[derive(Debug, Clone, Default)]
pub struct LogLines {
    held: Arc<Mutex<Option<Vec<u8>>>>,
}

impl LogLines {
    /// Keeps lines back from now on.
    pub fn hold(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert_default();
    }

    /// Writes what was kept back, and what comes from now on at once.
    pub fn release(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lines) = held.take() {
            let _ = std::io::stderr().write_all(&lines);
        }
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        match &mut *self.held.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(held) => held.write(line),
            None => std::io::stderr().write(line),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_until_they_are_released() {
        let lines = LogLines::default();
        let kept = |lines: &LogLines| lines.held.lock().unwrap().clone();
        lines.hold();
        lines.make_writer().write_all(b"one\n").unwrap();
        lines.hold();
        lines.make_writer().write_all(b"two\n").unwrap();
        assert_eq!(kept(&lines).as_deref(), Some(&b"one\ntwo\n"[..]));
        lines.release();
        assert_eq!(kept(&lines), None);
    }
}
