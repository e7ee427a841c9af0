//! What is known about devices and accounts from elsewhere, held in memory.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use floodmark_contracts::enrichment::{AccountStatus, Enrichment};

use crate::{fraud, rules::account_takeover::Standing};

/// Why enrichment data could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum EnrichmentError {
    /// The file cannot be read.
    #[error("enrichment data `{path}` cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A line is not an enrichment record.
    #[error("line {line} of enrichment data `{path}` is not an enrichment record")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The parser's reason.
        #[source]
        source: serde_json::Error,
    },
}

/// Devices' risks and accounts' statuses.
#[derive(Debug, Default)]
pub struct EnrichmentStore {
    risks: HashMap<Box<str>, f64>,
    statuses: HashMap<Box<str>, AccountStatus>,
}

impl EnrichmentStore {
    /// Loads a file of one JSON object per line; blank lines are skipped, later ones win.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no record.
    pub fn load(path: &Path) -> Result<Self, EnrichmentError> {
        let unreadable = |source| EnrichmentError::Read {
            path: path.to_owned(),
            source,
        };
        let mut store = Self::default();
        let lines = BufReader::new(File::open(path).map_err(unreadable)?).lines();
        for (index, text) in lines.enumerate() {
            let text = text.map_err(unreadable)?;
            if text.trim().is_empty() {
                continue;
            }
            let record = serde_json::from_str(&text).map_err(|source| EnrichmentError::Line {
                path: path.to_owned(),
                line: index + 1,
                source,
            })?;
            store.insert(record);
        }
        Ok(store)
    }

    /// Adds a record, in place of an earlier one.
    pub fn insert(&mut self, record: Enrichment) {
        match record {
            Enrichment::DeviceRisk { device, score } => {
                self.risks.insert(device.into(), score);
            }
            Enrichment::AccountStatus { user, status } => {
                self.statuses.insert(user.into(), status);
            }
        }
    }

    /// What is known about a device and an account.
    #[must_use]
    pub fn standing(&self, device: &str, user: &str) -> Standing {
        Standing {
            device_risk: self.risks.get(device).copied(),
            status: self.statuses.get(user).copied(),
        }
    }
}

impl EnrichmentStore {
    /// What is known about a device and an account, as a session's score takes it.
    #[must_use]
    pub fn known(&self, device: &str, user: &str) -> fraud::Standing {
        fraud::Standing {
            device_risk: self.risks.get(device).copied(),
            status: self.statuses.get(user).copied(),
            login_failures: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn records_are_found_and_others_are_unknown() {
        let file = file(concat!(
            "{\"device-risk\":{\"device\":\"fp-1\",\"score\":0.25}}\n\n",
            "{\"account-status\":{\"user\":\"u-1\",\"status\":\"dormant\"}}\n",
        ));
        let store = EnrichmentStore::load(file.path()).unwrap();
        let known = Standing {
            device_risk: Some(0.25),
            status: Some(AccountStatus::Dormant),
        };
        assert_eq!(store.standing("fp-1", "u-1"), known);
        assert_eq!(store.standing("fp-2", "u-2"), Standing::default());
    }

    #[test]
    fn a_bad_line_is_named() {
        let file = file("{\"device-risk\":{\"device\":\"fp-1\",\"score\":0.25}}\nrubbish\n");
        let error = EnrichmentStore::load(file.path()).unwrap_err();
        assert!(error.to_string().starts_with("line 2 of"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = EnrichmentStore::load(Path::new("/nonexistent/enrichment.ndjson")).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/enrichment.ndjson"),
            "{error}"
        );
    }
}
