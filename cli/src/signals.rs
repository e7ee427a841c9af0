//! Ctrl-C and SIGTERM: a flag that long work looks at.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::Signals,
    low_level,
};

use crate::exit::Failure;

/// The code with which a second signal ends the process.
const AT_ONCE: i32 = 130;

/// A flag that is set by the first Ctrl-C or SIGTERM. A second one ends the process at once, so that
/// nobody is held by a shutdown that hangs.
pub fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, AT_ONCE, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// The same where something has to be put right before the process ends, such as a terminal: a thread does that at the second
/// signal, as a handler of signals may do next to nothing.
pub fn stop_flag_and(
    put_right: impl FnOnce() + Send + 'static,
) -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let seen = Arc::clone(&stop);
    let watch = move || {
        if signals.forever().any(|_| seen.swap(true, Ordering::AcqRel)) {
            put_right();
            low_level::exit(AT_ONCE);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)?;
    Ok(stop)
}
