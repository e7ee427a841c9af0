//! What is going on, for whoever watches: a progress bar on a terminal, plain lines without one.

use std::io::IsTerminal;

use floodmark_harness::run::RunEvent;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{args::Global, commands::tell, tui::Tui};

/// Shows how far a job has got, on standard error.
pub struct Watcher<'a> {
    global: &'a Global,
    /// The last second that was told without a terminal.
    told: Option<i64>,
    bar: Option<ProgressBar>,
    on_terminal: bool,
    /// The view over the whole terminal, until it is left.
    tui: Option<Tui>,
}

impl<'a> Watcher<'a> {
    /// A watcher for this process's standard error.
    pub fn new(global: &'a Global) -> Self {
        Self {
            global,
            told: None,
            bar: None,
            on_terminal: std::io::stderr().is_terminal(),
            tui: None,
        }
    }

    /// The same with a view over the whole terminal.
    pub fn with_tui(global: &'a Global, tui: Tui) -> Self {
        Self {
            tui: Some(tui),
            ..Self::new(global)
        }
    }

    /// Shows an event of a run.
    pub fn see(&mut self, event: &RunEvent) {
        if self.tui.as_ref().is_some_and(|tui| tui.see(event)) {
            return;
        }
        // Somebody has left it; from here on the run is told as ever.
        self.tui = None;
        match event {
            RunEvent::Stage(text) => {
                self.finish();
                tell(self.global, text);
            }
            RunEvent::Notice(text) => {
                self.finish();
                tell(self.global, &format!("note: {text}"));
            }
            RunEvent::Progress(live) => {
                let text = format!("{} events/s, {} alerts", live.sent, live.alerts);
                self.progress(live.second, live.of, &text);
            }
            RunEvent::Draining { .. } => {}
        }
    }

    /// Takes the bar or the view away.
    pub fn finish(&mut self) {
        self.tui = None;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Shows how far a job of `of` seconds has got: a bar on a terminal, else a line a second.
    pub fn progress(&mut self, second: i64, of: f64, text: &str) {
        if self.global.quiet {
            return;
        }
        if !self.on_terminal {
            if self.told.is_none_or(|told| second > told) {
                self.told = Some(second);
                tell(self.global, &format!("  {second} of {of:.0} s: {text}"));
            }
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
        bar.set_message(text.to_owned());
    }
}
