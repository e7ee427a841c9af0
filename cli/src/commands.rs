//! One module per command.

pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod completions;
pub(crate) mod detect;
pub(crate) mod generate;
pub(crate) mod report;
pub(crate) mod schema;
pub(crate) mod score;
pub(crate) mod topics;
pub(crate) mod validate;

use std::io::Write;

use crate::args::Global;

/// Prints a line of a command's result.
pub fn say(line: &str) {
    // A reader that has gone away (`| head`) is no reason to fail.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line of what is going on, unless only the result is wanted.
pub fn tell(global: &Global, line: &str) {
    if !global.quiet {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}
