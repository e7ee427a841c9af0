//! `--tui` on a terminal: what somebody at it sees, and what is left of it.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, ExitStatus},
    sync::{Arc, Mutex},
    time::Duration,
};

use floodmark_contracts::clock::{Clock as _, SystemClock};
use nix::{
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{LocalFlags, tcgetattr},
    },
    unistd::Pid,
};

use crate::support::{profile, program};

/// What programs send to take the whole screen, and to give it back.
const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN_BACK: &str = "\u{1b}[?1049l";

/// What makes the cursor visible again.
const CURSOR: &str = "\u{1b}[?25h";

/// A run with a view on a terminal of its own.
struct Seat {
    terminal: OwnedFd,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    run: Child,
    _folder: tempfile::TempDir,
}

impl Seat {
    /// Starts a run of so many seconds, and waits until its view shows what the run does.
    fn of(seconds: u32) -> Self {
        let size = Winsize {
            ws_row: 40,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let ends = openpty(&size, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = program(assert_cmd::cargo::cargo_bin("floodmark"))
            .args(["bench", "--tui", "--set"])
            .arg(format!("duration={seconds}s"))
            .arg(profile("smoke"))
            .arg("--out")
            .arg(folder.path().join("run"))
            .env("TERM", "xterm-256color")
            .stdin(ends.slave.try_clone().unwrap())
            .stdout(ends.slave.try_clone().unwrap())
            .stderr(ends.slave.try_clone().unwrap())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let mut shown = File::from(ends.master.try_clone().unwrap());
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(n @ 1..) = shown.read(&mut buffer) {
                seen.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        let seat = Self {
            terminal: ends.slave,
            keyboard: File::from(ends.master),
            screen,
            run,
            _folder: folder,
        };
        seat.until("the view is there", || {
            let shown = seat.shown();
            shown.contains(TAKEN) && shown.contains("smoke")
        });
        seat
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    fn types(&mut self, key: u8) {
        self.keyboard.write_all(&[key]).unwrap();
    }

    /// Whether the terminal takes lines and shows what is typed, as a shell wants it.
    fn is_a_shells(&self) -> bool {
        let flags = tcgetattr(&self.terminal).unwrap().local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }

    fn until(&self, what: &str, mut met: impl FnMut() -> bool) {
        let clock = SystemClock::new();
        while !met() {
            assert!(
                clock.monotonic_us() < 60_000_000,
                "{what}: waited for 60 s; shown: {:?}",
                self.shown()
            );
            clock.sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the run's end.
    fn ends(&mut self) -> ExitStatus {
        let clock = SystemClock::new();
        loop {
            if let Some(status) = self.run.try_wait().unwrap() {
                return status;
            }
            assert!(clock.monotonic_us() < 120_000_000, "{}", self.shown());
            clock.sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.run.kill();
        let _ = self.run.wait();
    }
}

#[test]
fn q_leaves_the_view_and_the_run_goes_on_in_lines() {
    let mut seat = Seat::of(6);
    assert!(!seat.is_a_shells(), "keys are read one by one");
    seat.types(b'q');
    seat.until("the terminal is given back", || {
        seat.shown().contains(GIVEN_BACK) && seat.is_a_shells()
    });
    assert!(seat.run.try_wait().unwrap().is_none(), "the run goes on");
    let code = seat.ends().code().unwrap();
    assert!([0, 98].contains(&code), "{code}");
    seat.until("the verdict", || {
        let shown = seat.shown();
        let after = shown.rsplit_once(GIVEN_BACK).unwrap().1;
        after.contains("verdict:")
    });
}

/// Ends a run in a way, and holds what it leaves of the terminal against what a shell wants.
fn leaves_a_shells_terminal(what: &str, end: impl Fn(&mut Seat)) {
    let mut seat = Seat::of(60);
    end(&mut seat);
    let code = seat.ends().code();
    assert_ne!(code, Some(0), "{what}");
    assert!(seat.is_a_shells(), "{what}: {code:?}");
    seat.until("the screen is given back", || {
        let shown = seat.shown();
        shown.matches(TAKEN).count() == shown.matches(GIVEN_BACK).count() && shown.contains(CURSOR)
    });
}

#[test]
fn the_terminal_is_a_shells_again_after_ctrl_c() {
    leaves_a_shells_terminal("one key", |seat| seat.types(3));
}

#[test]
fn the_terminal_is_a_shells_again_after_a_second_signal_which_ends_the_run_at_once() {
    leaves_a_shells_terminal("two signals", |seat| {
        let run = Pid::from_raw(seat.run.id().try_into().unwrap());
        kill(run, Signal::SIGTERM).unwrap();
        // Two that wait together are one.
        SystemClock::new().sleep(Duration::from_millis(10));
        kill(run, Signal::SIGTERM).unwrap();
    });
}
