//! The score from which on a session is flagged, which can change while the detector runs.

use std::path::PathBuf;

/// Wall time between two looks at the file.
const LOOK_EVERY_US: i64 = 500_000;

/// A threshold, perhaps in a file that is watched.
///
/// The file is read again and again rather than its changes subscribed to: it holds a few bytes, and a file
/// that is replaced, linked or on a network is read all the same.
#[derive(Debug)]
pub(crate) struct Threshold {
    fallback: f64,
    value: f64,
    file: Option<PathBuf>,
    next_look_us: i64,
    /// What was wrong at the last look; it is told once.
    problem: Option<String>,
}

impl Threshold {
    /// A threshold; the file's goes before it.
    pub(crate) fn new(fallback: f64, file: Option<PathBuf>) -> Self {
        Self {
            fallback,
            value: fallback,
            file,
            next_look_us: i64::MIN,
            problem: None,
        }
    }

    /// The threshold at an instant of a clock that never steps.
    pub(crate) fn at(&mut self, now_us: i64) -> f64 {
        if self.file.is_some() && now_us >= self.next_look_us {
            self.next_look_us = now_us.saturating_add(LOOK_EVERY_US);
            self.look();
        }
        self.value
    }

    /// Reads the file. One that is half written, or no number, leaves the threshold as it was; without a file it
    /// is the fallback's again.
    fn look(&mut self) {
        let Some(path) = &self.file else { return };
        let (value, problem) = match std::fs::read_to_string(path) {
            Ok(text) => match read_threshold(&text) {
                Ok(value) => (value, None),
                Err(problem) => (self.value, Some(problem)),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                (self.fallback, Some("it is not there".to_owned()))
            }
            Err(error) => (self.value, Some(error.to_string())),
        };
        if problem != self.problem
            && let Some(problem) = &problem
        {
            tracing::warn!(file = %path.display(), problem, "the threshold's file cannot be used; it stays {value}");
        }
        if value.to_bits() != self.value.to_bits() {
            tracing::info!(file = %path.display(), from = self.value, to = value, "another threshold");
        }
        (self.value, self.problem) = (value, problem);
    }
}

/// The threshold in a file's text.
pub(crate) fn read_threshold(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => {
            let start: String = text.trim().chars().take(40).collect();
            Err(format!("it holds `{start}`; expected a number from 0 to 1"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contents of the file, each half a second after the other, and the threshold that follows.
    #[test]
    fn the_threshold_follows_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("threshold");
        let mut threshold = Threshold::new(0.8, Some(path.clone()));
        let steps = [
            (None, 0.8),
            (Some("0.5\n"), 0.5),
            (Some(""), 0.5),
            (Some("rubbish"), 0.5),
            (Some("1.5"), 0.5),
            (Some("NaN"), 0.5),
            (Some(" 0 "), 0.0),
            (None, 0.8),
        ];
        for (number, (content, expected)) in (0i64..).zip(steps) {
            match content {
                Some(content) => std::fs::write(&path, content).unwrap(),
                None => drop(std::fs::remove_file(&path)),
            }
            let now_us = number * LOOK_EVERY_US;
            assert_eq!(threshold.at(now_us), expected, "{content:?}");
        }
    }

    #[test]
    fn the_file_is_not_read_for_every_session() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0.4").unwrap();
        let mut threshold = Threshold::new(0.8, Some(file.path().to_owned()));
        assert_eq!(threshold.at(0), 0.4);
        std::fs::write(file.path(), "0.6").unwrap();
        assert_eq!(threshold.at(LOOK_EVERY_US - 1), 0.4);
        assert_eq!(threshold.at(LOOK_EVERY_US), 0.6);
    }
}
