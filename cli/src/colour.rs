//! Colour: where it is wanted, and the few words that get it.
//!
//! Colour repeats what a word says already, so that nothing is lost in a file, in a pipe or to whoever sees no
//! difference between red and green.

use std::ffi::OsString;

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum as _;

use crate::args::ColourWhen;

/// The environment variable behind `--color`.
pub const VARIABLE: &str = "FLOODMARK_COLOR";

/// Settles colour for the whole process, before the arguments are parsed: help and usage errors are coloured too.
///
/// `--color` wins over [`VARIABLE`], and both over `NO_COLOR`, `CLICOLOR_FORCE` and `CLICOLOR`, which count under `auto`.
/// A value that is none is left for the parser to refuse.
pub fn settle(arguments: impl Iterator<Item = OsString>, variable: Option<OsString>) {
    let said = of_arguments(arguments).or_else(|| variable?.into_string().ok());
    let when = said.and_then(|text| ColourWhen::from_str(&text, false).ok());
    match when.unwrap_or(ColourWhen::Auto) {
        ColourWhen::Auto => ColorChoice::Auto,
        ColourWhen::Always => ColorChoice::Always,
        ColourWhen::Never => ColorChoice::Never,
    }
    .write_global();
}

/// The last value of `--color` among the arguments, up to a `--`.
fn of_arguments(arguments: impl Iterator<Item = OsString>) -> Option<String> {
    let mut found = None;
    let mut is_next = false;
    for word in arguments {
        let word = word.into_string().unwrap_or_default();
        if word == "--" {
            break;
        }
        if is_next {
            found = Some(word);
            is_next = false;
        } else if let Some(value) = word.strip_prefix("--color=") {
            found = Some(value.to_owned());
        } else {
            is_next = word == "--color";
        }
    }
    found
}

/// Whether colour is wanted on standard output.
pub fn on_stdout() -> bool {
    is_wanted(&std::io::stdout())
}

/// Whether colour is wanted on standard error.
pub fn on_stderr() -> bool {
    is_wanted(&std::io::stderr())
}

fn is_wanted<S: RawStream>(stream: &S) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

const GOOD: Style = AnsiColor::Green.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What is coloured wherever it stands as a word of its own; of several in a line, the first of this list.
const MARKED: [(&str, Style); 17] = [
    ("GATE FAILED", BAD),
    ("REGRESSED", BAD),
    ("✗ Regressed", BAD),
    ("FAILS", BAD),
    ("INVALID", BAD),
    ("invalid [", BAD),
    ("! Invalid", BAD),
    ("BROKEN", BAD),
    ("error:", BAD),
    ("INTERRUPTED", DOUBTFUL),
    ("DEGRADED", DOUBTFUL),
    ("degraded [", DOUBTFUL),
    ("? Inconclusive", DOUBTFUL),
    ("PASSED", GOOD),
    ("✓ Improved", GOOD),
    ("✓ improved", GOOD),
    ("VALID", GOOD),
];

/// The text with the word of each line that says how things stand in colour.
pub fn painted(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(painted_line).collect();
    lines.join("\n")
}

fn painted_line(line: &str) -> String {
    let found = MARKED
        .iter()
        .find_map(|(words, style)| Some((place(line, words)?, *words, style)));
    let Some((at, words, style)) = found else {
        return line.to_owned();
    };
    // A bracket only tells the word from others; it is not part of it.
    let words = words.trim_end_matches(" [");
    let (before, rest) = line.split_at(at);
    let after = &rest[words.len()..];
    format!("{before}{style}{words}{style:#}{after}")
}

/// Where the words begin, unless they are part of a longer word.
fn place(line: &str, words: &str) -> Option<usize> {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    line.match_indices(words).map(|(at, _)| at).find(|at| {
        let before = line[..*at].chars().next_back();
        let after = line[at + words.len()..].chars().next();
        let goes_on = words.ends_with(char::is_alphanumeric) && is_letter(after);
        !is_letter(before) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_that_says_how_things_stand_is_coloured_and_only_as_a_whole() {
        let (red, green, plain) = ("\u{1b}[1m\u{1b}[31m", "\u{1b}[1m\u{1b}[32m", "\u{1b}[0m");
        for (line, expected) in [
            (
                "verdict: PASSED (no gates)",
                format!("verdict: {green}PASSED{plain} (no gates)"),
            ),
            (
                "verdict: INVALID: x",
                format!("verdict: {red}INVALID{plain}: x"),
            ),
            (
                "invalid [clock-skew]: x",
                format!("{red}invalid{plain} [clock-skew]: x"),
            ),
            (
                "a >= 1  0.5  FAILS\nb",
                format!("a >= 1  0.5  {red}FAILS{plain}\nb"),
            ),
            (
                "an invalid value, UNBROKEN",
                "an invalid value, UNBROKEN".to_owned(),
            ),
        ] {
            assert_eq!(painted(line), expected);
        }
    }

    #[test]
    fn the_last_word_on_colour_before_a_double_dash_counts() {
        for (words, expected) in [
            (&["bench", "--color", "never"][..], Some("never")),
            (&["--color=always", "bench", "--color=never"], Some("never")),
            (&["bench", "--", "--color=never"], None),
            (&["bench", "--colour=never"], None),
        ] {
            let found = of_arguments(words.iter().map(OsString::from));
            assert_eq!(found.as_deref(), expected, "{words:?}");
        }
    }
}
