//! Where there is colour, and that it never is the only sign.

use crate::support::{floodmark, profile};

/// Both outputs of a command that says `error:` on one and `BROKEN` on the other, as text.
fn said(arguments: &[&str], variables: &[(&str, &str)]) -> [String; 3] {
    let run = |words: &[&str]| {
        let mut command = floodmark();
        command.args(words).args(arguments);
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let [table, _] = run(&["doctor", "--kafka-home", "no-such-folder"]);
    let [_, failure] = run(&["score", "no-such-folder"]);
    let [help, _] = run(&["bench", "--help"]);
    [table, failure, help]
}

/// Whether there is colour on all outputs, or on none.
fn check(arguments: &[&str], variables: &[(&str, &str)], expected: bool) {
    for text in said(arguments, variables) {
        let found = text.contains('\u{1b}');
        assert_eq!(found, expected, "{arguments:?} {variables:?}:\n{text}");
    }
}

#[test]
fn a_pipe_gets_colour_only_if_asked_and_the_nearest_word_counts() {
    check(&[], &[], false);
    check(&[], &[("CLICOLOR_FORCE", "1")], true);
    check(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false);
    check(&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false);
    check(&["--color=always"], &[("NO_COLOR", "1")], true);
    check(
        &[],
        &[("FLOODMARK_COLOR", "always"), ("NO_COLOR", "1")],
        true,
    );
    check(
        &["--color", "auto"],
        &[("FLOODMARK_COLOR", "always")],
        false,
    );
}

#[test]
fn without_its_colour_a_text_says_the_same() {
    let [_, plain, _] = said(&["--color", "never"], &[]);
    let coloured = said(&["--color", "always"], &[]);
    assert_eq!(stripped(&coloured[1]), plain);
    assert!(
        coloured[0].contains("\u{1b}[31mBROKEN\u{1b}[0m"),
        "{}",
        coloured[0]
    );
    assert!(
        coloured[1].starts_with("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m "),
        "{}",
        coloured[1]
    );
}

/// The text without escapes that set colours.
fn stripped(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').unwrap().1)
}

#[test]
fn log_lines_are_coloured_as_the_rest() {
    for (when, expected) in [("always", true), ("never", false)] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("client.properties");
        std::fs::write(&file, "max.poll.records=5\n").unwrap();
        let output = floodmark()
            .args(["validate", "--color", when, "-F"])
            .arg(&file)
            .arg(profile("smoke"))
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stderr).unwrap();
        assert!(lines.contains("max.poll.records"), "{lines}");
        assert_eq!(lines.contains('\u{1b}'), expected, "{lines}");
    }
}

#[test]
fn another_word_than_the_three_is_refused_with_them() {
    let output = floodmark()
        .args(["doctor", "--color", "alwys"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("auto, always, never"), "{text}");
}
