//! Compatibility levels and modes, as they are written in requests and answers.

use super::error::RegistryError;

/// Which earlier schemas a new one has to get along with, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// A reader with the new schema understands data of the earlier ones.
    pub(super) backward: bool,
    /// A reader with an earlier schema understands data of the new one.
    pub(super) forward: bool,
    /// Every earlier schema counts, not only the last one.
    pub(super) transitive: bool,
}

const LEVELS: [(&str, Level); 7] = [
    ("NONE", level(false, false, false)),
    ("BACKWARD", level(true, false, false)),
    ("BACKWARD_TRANSITIVE", level(true, false, true)),
    ("FORWARD", level(false, true, false)),
    ("FORWARD_TRANSITIVE", level(false, true, true)),
    ("FULL", level(true, true, false)),
    ("FULL_TRANSITIVE", level(true, true, true)),
];

const fn level(backward: bool, forward: bool, transitive: bool) -> Level {
    Level {
        backward,
        forward,
        transitive,
    }
}

impl Level {
    /// What holds where nobody has set anything.
    pub(super) const DEFAULT: Self = level(true, false, false);

    /// Reads a level in any case, as other registries do.
    pub(super) fn parse(name: &str) -> Result<Self, RegistryError> {
        let name = name.to_ascii_uppercase();
        let found = LEVELS.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, level)| *level)
            .ok_or(RegistryError::UnknownLevel { level: name })
    }

    /// The name in requests and answers.
    pub(super) fn name(self) -> &'static str {
        LEVELS
            .iter()
            .find(|(_, level)| *level == self)
            .map_or("NONE", |(name, _)| name)
    }
}

/// Whether a subject takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The usual one.
    ReadWrite,
    /// Schemas are neither registered nor deleted.
    ReadOnly,
}

impl Mode {
    /// Reads a mode in any case. The import mode, in which clients choose ids, is not served.
    pub(super) fn parse(name: &str) -> Result<Self, RegistryError> {
        match name.to_ascii_uppercase().as_str() {
            "READWRITE" => Ok(Self::ReadWrite),
            "READONLY" => Ok(Self::ReadOnly),
            other => Err(RegistryError::UnknownMode {
                mode: other.to_owned(),
            }),
        }
    }

    /// The name in requests and answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ReadWrite => "READWRITE",
            Self::ReadOnly => "READONLY",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_read_back_by_its_name() {
        for (name, level) in LEVELS {
            assert_eq!(Level::parse(&name.to_lowercase()).unwrap(), level, "{name}");
            assert_eq!(level.name(), name);
        }
        assert_eq!(Level::DEFAULT.name(), "BACKWARD");
    }

    #[test]
    fn unknown_names_are_refused_with_what_would_work() {
        let error = Level::parse("sideways").unwrap_err().to_string();
        assert!(
            error.contains("`SIDEWAYS`") && error.contains("FULL_TRANSITIVE"),
            "{error}"
        );
        let error = Mode::parse("IMPORT").unwrap_err().to_string();
        assert!(
            error.contains("`IMPORT`") && error.contains("READONLY"),
            "{error}"
        );
    }
}
