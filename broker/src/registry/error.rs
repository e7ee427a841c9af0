//! What the registry refuses, and the codes by which clients tell refusals apart.

/// A refusal. Its message goes to the client as it is.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum RegistryError {
    #[error("subject `{subject}` not found")]
    SubjectNotFound { subject: String },
    #[error("subject `{subject}` has no version `{version}`")]
    VersionNotFound { subject: String, version: String },
    #[error("no schema has the id `{id}`")]
    SchemaIdNotFound { id: String },
    #[error("subject `{subject}` does not hold this schema")]
    SchemaNotFound { subject: String },
    #[error("subject `{subject}` was deleted; add `permanent=true` to remove it for good")]
    SubjectSoftDeleted { subject: String },
    #[error("subject `{subject}` must be deleted without `permanent=true` first")]
    SubjectNotSoftDeleted { subject: String },
    #[error(
        "version `{version}` of `{subject}` was deleted; add `permanent=true` to remove it for good"
    )]
    VersionSoftDeleted { subject: String, version: i32 },
    #[error("version `{version}` of `{subject}` must be deleted without `permanent=true` first")]
    VersionNotSoftDeleted { subject: String, version: i32 },
    #[error("subject `{subject}` has no compatibility level of its own")]
    LevelNotSet { subject: String },
    #[error("subject `{subject}` has no mode of its own")]
    ModeNotSet { subject: String },
    #[error("the schema is incompatible with an earlier one of `{subject}`: {}", reasons.join("; "))]
    Incompatible {
        subject: String,
        reasons: Vec<String>,
    },
    #[error("the schema is not valid Avro: {problem}")]
    InvalidSchema { problem: String },
    #[error("`{version}` is not a version; use a number from 1 on, or `latest`")]
    InvalidVersion { version: String },
    #[error(
        "`{level}` is not a compatibility level; use NONE, BACKWARD, BACKWARD_TRANSITIVE, FORWARD, \
         FORWARD_TRANSITIVE, FULL or FULL_TRANSITIVE"
    )]
    UnknownLevel { level: String },
    #[error("`{mode}` is not a mode of this registry; use READWRITE or READONLY")]
    UnknownMode { mode: String },
    #[error("subject `{subject}` is read-only; set its mode to READWRITE")]
    ReadOnly { subject: String },
    #[error("the request body was not understood: {problem}")]
    BadBody { problem: String },
    #[error("the request is not valid JSON: {problem}")]
    BadJson { problem: String },
    #[error("the request body is larger than `{limit}` bytes; no schema is")]
    TooLarge { limit: usize },
    #[error("the request body broke off")]
    BrokenOff,
    #[error("no such resource; the paths are those of the Confluent schema registry")]
    NoSuchPath,
    #[error("the resource does not answer this method")]
    NoSuchMethod,
}

impl RegistryError {
    /// The code in the answer's body. Where it has five digits, the first three are the HTTP status.
    pub(super) fn code(&self) -> u32 {
        match self {
            Self::BadJson { .. } | Self::BrokenOff => 400,
            Self::TooLarge { .. } => 413,
            Self::NoSuchPath => 404,
            Self::NoSuchMethod => 405,
            Self::Incompatible { .. } => 409,
            Self::BadBody { .. } => 422,
            Self::SubjectNotFound { .. } => 40401,
            Self::VersionNotFound { .. } => 40402,
            Self::SchemaIdNotFound { .. } | Self::SchemaNotFound { .. } => 40403,
            Self::SubjectSoftDeleted { .. } => 40404,
            Self::SubjectNotSoftDeleted { .. } => 40405,
            Self::VersionSoftDeleted { .. } => 40406,
            Self::VersionNotSoftDeleted { .. } => 40407,
            Self::LevelNotSet { .. } => 40408,
            Self::ModeNotSet { .. } => 40409,
            Self::InvalidSchema { .. } => 42201,
            Self::InvalidVersion { .. } => 42202,
            Self::UnknownLevel { .. } => 42203,
            Self::UnknownMode { .. } => 42204,
            Self::ReadOnly { .. } => 42205,
        }
    }

    /// The HTTP status of the answer.
    pub(super) fn status(&self) -> u16 {
        let code = self.code();
        let status = if code >= 10_000 { code / 100 } else { code };
        // Every code above fits; an overflow would be a new one without its place in the table.
        u16::try_from(status).unwrap_or(500)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_head_of_the_code() {
        let subject = || "s".to_owned();
        for (error, code, status) in [
            (
                RegistryError::SubjectNotFound { subject: subject() },
                40401,
                404,
            ),
            (
                RegistryError::Incompatible {
                    subject: subject(),
                    reasons: Vec::new(),
                },
                409,
                409,
            ),
            (
                RegistryError::UnknownLevel {
                    level: "X".to_owned(),
                },
                42203,
                422,
            ),
            (
                RegistryError::BadJson {
                    problem: "x".to_owned(),
                },
                400,
                400,
            ),
        ] {
            assert_eq!((error.code(), error.status()), (code, status), "{error}");
        }
    }
}
