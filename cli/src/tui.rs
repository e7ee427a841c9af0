//! `--tui`: a run as it goes on, over the whole terminal. A thread of its own draws what events of the run have told, so that
//! nothing waits for the terminal.

mod snapshot;
mod view;

use std::{
    io::IsTerminal as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use floodmark_contracts::clock::{Clock as _, SystemClock};
use floodmark_harness::run::RunEvent;
use nix::sys::signal::{Signal, kill};
use ratatui::{
    DefaultTerminal,
    crossterm::{
        event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
        terminal,
    },
};

pub use self::snapshot::Snapshot;
use crate::{colour, exit::Failure, logging::LogLines};

/// How long one picture stands at least: ten a second.
const PICTURE: Duration = Duration::from_millis(100);

/// How long a view may take to give the terminal back when the process is about to end.
const GIVEN_BACK_WITHIN_US: i64 = 500_000;

/// What the thread and its owner both look at.
struct Shared {
    snapshot: Mutex<Snapshot>,
    stage: Stage,
}

/// Whether there is a view, for those who may have to end it.
#[derive(Debug, Clone, Default)]
pub struct Stage(Arc<StageFlags>);

#[derive(Debug, Default)]
struct StageFlags {
    /// The terminal is taken over.
    is_up: AtomicBool,
    /// The view is to end, or has ended.
    is_over: AtomicBool,
}

impl Stage {
    /// Gives the terminal back, for a process that ends at once. A view that does not do so by itself, because its terminal
    /// takes no more, is left alone: only the keys are put right then, which needs nobody.
    pub fn clear(&self) {
        self.clear_within(GIVEN_BACK_WITHIN_US);
    }

    fn clear_within(&self, limit_us: i64) {
        let clock = SystemClock::new();
        self.end();
        while self.0.is_up.load(Ordering::Acquire) {
            if clock.monotonic_us() > limit_us {
                let _ = terminal::disable_raw_mode();
                return;
            }
            clock.sleep(Duration::from_millis(5));
        }
    }

    fn end(&self) {
        self.0.is_over.store(true, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Acquire)
    }
}

impl Shared {
    fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is a terminal to draw on and to read keys from.
///
/// # Errors
/// If there is none: the usage is wrong.
pub fn check_terminal() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(
        "`--tui` needs a terminal, and standard input or output is none; leave it out here: progress is told as lines",
    ))
}

/// A view of a run. It gives the terminal back when it is dropped.
pub struct Tui {
    shared: Arc<Shared>,
    lines: LogLines,
    thread: Option<JoinHandle<()>>,
}

impl Tui {
    /// Takes the terminal over. Log lines are held back until it is given back.
    ///
    /// # Errors
    /// If the terminal cannot be set up.
    pub fn start(first: Snapshot, lines: LogLines, stage: Stage) -> Result<Self, Failure> {
        stage.0.is_up.store(true, Ordering::Release);
        // It also sees to it that a panic gives the terminal back before it says anything.
        let terminal = ratatui::try_init().map_err(|error| {
            // It may have been set up by half.
            ratatui::restore();
            stage.0.is_up.store(false, Ordering::Release);
            anyhow::Error::new(error).context("cannot set the terminal up for `--tui`")
        })?;
        lines.hold();
        let screen = Screen {
            terminal,
            lines: lines.clone(),
            stage: stage.clone(),
        };
        let shared = Arc::new(Shared {
            snapshot: Mutex::new(first),
            stage,
        });
        let theirs = Arc::clone(&shared);
        let show = move || screen.show(&theirs);
        let thread = std::thread::Builder::new()
            .name("tui".to_owned())
            .spawn(show)?;
        Ok(Self {
            shared,
            lines,
            thread: Some(thread),
        })
    }

    /// Takes note of an event. False if the view is over, so that it is to be told otherwise.
    pub fn see(&self, event: &RunEvent) -> bool {
        if self.shared.stage.is_over() {
            return false;
        }
        self.shared.snapshot().see(event);
        true
    }

    /// Gives the terminal back.
    pub fn finish(&mut self) {
        self.shared.stage.end();
        if let Some(thread) = self.thread.take() {
            // It may have panicked, and has given the terminal back then.
            let _ = thread.join();
        }
        self.lines.release();
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A terminal that is given back, and with it the log, whatever happens.
struct Screen {
    terminal: DefaultTerminal,
    lines: LogLines,
    stage: Stage,
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
        self.lines.release();
        self.stage.0.is_up.store(false, Ordering::Release);
    }
}

/// What somebody wants who has pressed a key.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// No view.
    Leave,
    /// No run.
    End,
    /// Nothing that is known here.
    None,
}

fn wish_of(event: &Event) -> Wish {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind,
        ..
    }) = event
    else {
        return Wish::None;
    };
    match code {
        _ if *kind == KeyEventKind::Release => Wish::None,
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Wish::End,
        KeyCode::Char('q' | 'Q') => Wish::Leave,
        _ => Wish::None,
    }
}

impl Screen {
    /// Draws until the owner or somebody at the terminal has had enough.
    fn show(mut self, shared: &Shared) {
        let clock = SystemClock::new();
        let coloured = colour::on_stdout();
        while !shared.stage.is_over() {
            let snapshot = shared.snapshot().clone();
            let drawn = self
                .terminal
                .draw(|frame| view::draw(frame, &snapshot, coloured));
            // A terminal that is gone is no reason to end a run.
            let wish = match drawn {
                Ok(_) => wait_for_wish(&clock).unwrap_or(Wish::Leave),
                Err(_) => Wish::Leave,
            };
            if wish == Wish::None {
                continue;
            }
            shared.stage.end();
            drop(self);
            if wish == Wish::End {
                // The terminal sends no signal while it hands out single keys.
                let _ = kill(nix::unistd::Pid::this(), Signal::SIGINT);
            }
            return;
        }
    }
}

/// The first wish within the time of a picture.
fn wait_for_wish(clock: &SystemClock) -> std::io::Result<Wish> {
    let begun = clock.monotonic_us();
    loop {
        let waited = u64::try_from(clock.monotonic_us() - begun).unwrap_or(0);
        let left = PICTURE.saturating_sub(Duration::from_micros(waited));
        if left.is_zero() || !event::poll(left)? {
            return Ok(Wish::None);
        }
        match wish_of(&event::read()?) {
            Wish::None => {}
            wish => return Ok(wish),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_the_process_waits_until_the_terminal_is_given_back() {
        let stage = Stage::default();
        stage.clear();
        assert!(
            stage.is_over(),
            "without a view there is nothing to wait for"
        );
        let stage = Stage::default();
        stage.0.is_up.store(true, Ordering::Release);
        let view = stage.clone();
        let drawing = std::thread::spawn(move || {
            while !view.is_over() {
                std::thread::yield_now();
            }
            SystemClock::new().sleep(Duration::from_millis(20));
            view.0.is_up.store(false, Ordering::Release);
        });
        stage.clear_within(60_000_000);
        assert!(!stage.0.is_up.load(Ordering::Acquire));
        drawing.join().unwrap();
    }

    #[test]
    fn a_view_that_hangs_holds_nobody() {
        let stage = Stage::default();
        stage.0.is_up.store(true, Ordering::Release);
        let clock = SystemClock::new();
        stage.clear();
        assert!((GIVEN_BACK_WITHIN_US..10 * GIVEN_BACK_WITHIN_US).contains(&clock.monotonic_us()));
    }

    #[test]
    fn keys_ask_for_what_the_last_line_says() {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        for (event, expected) in [
            (key(KeyCode::Char('q'), KeyModifiers::NONE), Wish::Leave),
            (key(KeyCode::Char('c'), KeyModifiers::CONTROL), Wish::End),
            (key(KeyCode::Char('c'), KeyModifiers::NONE), Wish::None),
            (key(KeyCode::Esc, KeyModifiers::NONE), Wish::None),
            (Event::Resize(10, 10), Wish::None),
        ] {
            assert_eq!(wish_of(&event), expected, "{event:?}");
        }
    }
}
