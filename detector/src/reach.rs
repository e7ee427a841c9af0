//! How parts outside of the process are reached: where they are, with which secrets, and whom to trust.

pub(crate) mod objects;
pub(crate) mod redis;
mod secret;
pub(crate) mod tls;
mod url;

pub use objects::{Place, S3};
pub use redis::{RedisAddress, RedisSetupError};
pub use secret::{Secret, SecretError};
pub(crate) use url::without_password;
