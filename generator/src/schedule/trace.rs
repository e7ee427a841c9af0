//! Recorded traces: read once, when the profile is, and carried in the plan from then on.

use std::path::Path;

use floodmark_contracts::{
    problem::{Problem, Problems},
    profile::{
        StreamsSection,
        phases::{RawPhase, RawTrace},
    },
    stream::Stream,
};

/// Numbers that a trace may have: the plan carries them all.
const MOST_NUMBERS: usize = 1_000_000;

/// Replaces the files of traces by the numbers in them, so that the sections need no other file. Paths
/// are taken from `folder`, the profile's.
///
/// # Errors
/// Every file that cannot be used, with its path in the profile.
pub fn read_traces(streams: &mut StreamsSection, folder: &Path) -> Result<(), Vec<Problem>> {
    let mut problems = Problems::new();
    for stream in Stream::ALL {
        let Some(section) = streams.get_mut(stream) else {
            continue;
        };
        for (index, phase) in section.phases.iter_mut().enumerate() {
            if let RawPhase::Trace(trace) = phase {
                let path = format!("streams.{stream}.phases[{index}].trace.file");
                problems.check(&path, read(trace, folder));
            }
        }
    }
    let problems = problems.into_vec();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn read(trace: &mut RawTrace, folder: &Path) -> Result<(), String> {
    let Some(file) = trace.file.clone() else {
        return Ok(());
    };
    if !trace.numbers.is_empty() {
        return Err(format!(
            "`{file}` and `numbers` are both there; leave one out"
        ));
    }
    let text = std::fs::read_to_string(folder.join(&file)).map_err(|error| {
        format!(
            "cannot read the trace `{}`: {error}",
            folder.join(&file).display()
        )
    })?;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let number = text.parse().map_err(|_| {
            format!("line {line} of `{file}` is `{text}`; write one number a line, such as `120` or `0.25`")
        })?;
        trace.numbers.push(number);
        if trace.numbers.len() > MOST_NUMBERS {
            return Err(format!(
                "`{file}` has more than {MOST_NUMBERS} numbers; use longer bins"
            ));
        }
    }
    if trace.numbers.is_empty() {
        return Err(format!("`{file}` holds no number; write one a line"));
    }
    trace.file = None;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(file: &str) -> RawTrace {
        RawTrace {
            file: Some(file.to_owned()),
            numbers: Vec::new(),
            bin: None,
            scale: 1.0,
            span: None,
        }
    }

    #[test]
    fn a_file_becomes_its_numbers_without_comments_and_empty_lines() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t"), "# per second\n10\n\n 2.5 \n").unwrap();
        let mut found = trace("t");
        read(&mut found, folder.path()).unwrap();
        assert_eq!((found.file, found.numbers), (None, vec![10.0, 2.5]));
    }

    #[test]
    fn what_is_no_trace_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("1\ntwo\n", "line 2 of `t` is `two`"),
            ("# nothing\n", "`t` holds no number"),
        ] {
            std::fs::write(folder.path().join("t"), text).unwrap();
            let error = read(&mut trace("t"), folder.path()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = read(&mut trace("missing"), folder.path()).unwrap_err();
        assert!(error.contains("missing"), "{error}");
    }
}
