//! Histograms as they stand in files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An HDR histogram in the V2 Deflate format, base64-encoded as in interval logs. The unit is
/// microseconds unless the field that holds it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EncodedHistogram(pub String);
