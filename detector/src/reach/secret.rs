//! Secrets, which come from the environment or from files alone.

use std::path::PathBuf;

use floodmark_contracts::profile::detector::SecretSection;

/// Where a secret is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A variable of the environment.
    Env(String),
    /// A file.
    File(PathBuf),
}

/// Why a secret is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment has no text in `{variable}`; set it to the secret")]
    NoVariable {
        /// Its name.
        variable: String,
    },
    /// The file cannot be read.
    #[error("the secret in `{path}` cannot be read")]
    NoFile {
        /// Where it was looked for.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl Secret {
    /// The secret itself.
    ///
    /// # Errors
    /// If it is not there.
    pub fn read(&self) -> Result<String, SecretError> {
        match self {
            Self::Env(variable) => std::env::var(variable).map_err(|_| SecretError::NoVariable {
                variable: variable.clone(),
            }),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|source| SecretError::NoFile {
                    path: path.clone(),
                    source,
                }),
        }
    }
}

impl From<&SecretSection> for Secret {
    fn from(section: &SecretSection) -> Self {
        match section {
            SecretSection::Env(name) => Self::Env(name.clone()),
            SecretSection::File(path) => Self::File(PathBuf::from(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_a_file_or_is_missed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let secret = Secret::File(path.clone());
        assert!(secret.read().unwrap_err().to_string().contains("password"));
        std::fs::write(&path, "hunter2\n").unwrap();
        assert_eq!(secret.read().unwrap(), "hunter2");
        let missing = Secret::Env("FLOODMARK_NO_SUCH_SECRET".into());
        let error = missing.read().unwrap_err().to_string();
        assert!(error.contains("FLOODMARK_NO_SUCH_SECRET"), "{error}");
    }
}
