//! What is going on, for whoever watches: a progress bar on a terminal, plain lines without one.

use std::io::IsTerminal;

use floodmark_harness::run::RunEvent;
use indicatif::{ProgressBar, ProgressStyle};

use crate::commands::tell;

/// Shows the events of a run on standard error.
pub struct Watcher {
    quiet: bool,
    bar: Option<ProgressBar>,
    on_terminal: bool,
}

impl Watcher {
    /// A watcher for this process's standard error.
    pub fn new(quiet: bool) -> Self {
        Self {
            quiet,
            bar: None,
            on_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Shows an event.
    pub fn see(&mut self, event: &RunEvent) {
        if self.quiet {
            return;
        }
        match event {
            RunEvent::Stage(text) => {
                self.finish();
                tell(text);
            }
            RunEvent::Progress {
                second,
                of,
                sent,
                alerts,
            } => {
                self.progress(*second, *of, *sent, *alerts);
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn progress(&mut self, second: i64, of: f64, sent: u64, alerts: u64) {
        let text = format!("{sent} events/s, {alerts} alerts");
        if !self.on_terminal {
            tell(&format!("  {second} of {of:.0} s: {text}"));
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(of.ceil() as u64);
            if let Ok(style) = ProgressStyle::with_template("  [{bar:40}] {pos}/{len} s  {msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(u64::try_from(second).unwrap_or(0));
        bar.set_message(text);
    }
}
