//! ApiVersions.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use crate::dispatch::Call;
use crate::guard::schemas::{SCHEMAS, Schema};

/// What is served. No features are named, finalised ones least of all: clients would take those as
/// leave to use newer protocols.
pub(crate) fn versions(_: &Call<'_>, _: ApiVersionsRequest) -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_api_keys(SCHEMAS.iter().map(version).collect())
}

/// The answer to a version of ApiVersions itself that is not served.
pub(crate) fn unsupported() -> ApiVersionsResponse {
    let own = SCHEMAS
        .iter()
        .filter(|s| s.key == kafka_protocol::messages::ApiKey::ApiVersions);
    ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(own.map(version).collect())
}

fn version(schema: &Schema) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(schema.key as i16)
        .with_min_version(schema.min)
        .with_max_version(schema.max)
}
