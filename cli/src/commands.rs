//! One module per command.

pub mod bench;
pub mod broker;
pub mod completions;
pub mod detect;
pub mod generate;
pub mod report;
pub mod schema;
pub mod score;
pub mod topics;
pub mod validate;

use std::io::Write;

/// Prints a line of a command's result.
pub fn say(line: &str) {
    // A reader that has gone away (`| head`) is no reason to fail.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line of what is going on.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
