//! Which schema ids carry banking events that we can read.

use std::{collections::HashMap, time::Duration};

use floodmark_contracts::{
    clock::Clock,
    event::{banking::SCHEMA, confluent::split_frame},
};
use floodmark_kafka::registry::{Registry, RegistryError};
use serde_json::Value;

/// How often a registry that does not answer is asked, and the pause in between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Ids that are remembered. A topic has a handful; more are rubbish, which must not fill the memory.
const MOST_IDS: usize = 10_000;

/// Ids found so far. Each is looked up once.
pub(crate) struct Schemas {
    registry: Option<Registry>,
    known: HashMap<u32, Result<(), String>>,
}

impl Schemas {
    /// No ids yet. Without a registry every id is taken for the compiled-in schema.
    pub(crate) fn new(registry: Option<Registry>) -> Self {
        Self {
            registry,
            known: HashMap::new(),
        }
    }

    /// Whether the value's body is written with the schema that we read: the inner result. A value
    /// without a frame passes; the decoder says what is wrong with it.
    ///
    /// # Errors
    /// If the registry does not answer, or has trouble of its own: then nothing can be said about the
    /// record, and to call it malformed would throw good events away.
    pub(crate) fn admit(
        &mut self,
        value: &[u8],
        clock: &dyn Clock,
    ) -> Result<Result<(), String>, RegistryError> {
        let (Some(registry), Ok((id, _))) = (&self.registry, split_frame(value)) else {
            return Ok(Ok(()));
        };
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let found = match ask(registry, id, clock) {
            Ok(text) => compare(id, &text),
            Err(error) if is_about_the_id(&error) => {
                Err(format!("schema id {id} is not in the registry: {error}"))
            }
            Err(error) => return Err(error),
        };
        if self.known.len() >= MOST_IDS {
            self.known.retain(|_, known| known.is_ok());
        }
        self.known.insert(id, found.clone());
        Ok(found)
    }
}

fn ask(registry: &Registry, id: u32, clock: &dyn Clock) -> Result<String, RegistryError> {
    let mut attempt = 1;
    loop {
        match registry.schema(id) {
            Err(error) if error.is_unreachable() && attempt < ATTEMPTS => {
                tracing::warn!(%error, attempt, "schema id {id}: trying again");
                attempt += 1;
                clock.sleep(PAUSE);
            }
            answer => return answer,
        }
    }
}

/// Whether a refusal speaks of the id that was asked for, and not of who asks or of the registry. Codes
/// are those of HTTP, or five digits that begin with one; 0 stands for a refusal without a code.
fn is_about_the_id(error: &RegistryError) -> bool {
    let RegistryError::Refused { error_code, .. } = error else {
        return false;
    };
    let status = if *error_code >= 10_000 {
        error_code / 100
    } else {
        *error_code
    };
    !matches!(status, 401 | 403 | 408 | 429 | 500..)
}

/// Whether a schema has the fields that we read, in our order. Documentation may differ.
pub(crate) fn compare(id: u32, text: &str) -> Result<(), String> {
    let shape = |text: &str| {
        serde_json::from_str::<Value>(text)
            .ok()
            .map(|value| fields(&value))
    };
    if shape(text).is_some_and(|found| Some(found) == shape(SCHEMA)) {
        return Ok(());
    }
    Err(format!(
        "schema id {id} is not the schema of `BankingUIEvent` that this detector reads"
    ))
}

/// Name and type of each field.
fn fields(schema: &Value) -> Vec<(Value, Value)> {
    let fields = schema
        .get("fields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    fields
        .map(|field| (field["name"].clone(), bare_type(&field["type"])))
        .collect()
}

/// A type by its encoding: logical types are annotations.
fn bare_type(of: &Value) -> Value {
    match of {
        Value::Object(annotated) => annotated.get("type").map_or(Value::Null, bare_type),
        Value::Array(union) => union.iter().map(bare_type).collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::clock::SystemClock;

    use super::*;

    #[test]
    fn our_own_schema_is_known_however_it_is_written() {
        assert_eq!(compare(1, SCHEMA), Ok(()));
        let compact: Value = serde_json::from_str(SCHEMA).unwrap();
        let undocumented = compact.to_string().replace("\"doc\":", "\"note\":");
        assert_eq!(compare(1, &undocumented), Ok(()));
    }

    #[test]
    fn another_schema_is_refused() {
        let renamed = SCHEMA.replace("latency_ms", "latency_us");
        let retyped = SCHEMA.replace("\"int\"", "\"long\"");
        for other in [
            renamed.as_str(),
            retyped.as_str(),
            "{}",
            "\"string\"",
            "not json",
        ] {
            assert!(
                compare(7, other).unwrap_err().contains("schema id 7"),
                "{other}"
            );
        }
    }

    #[test]
    fn only_what_speaks_of_the_id_condemns_a_record() {
        let refused = |error_code| RegistryError::Refused {
            attempt: "look up schema 7".into(),
            url: "http://localhost".into(),
            error_code,
            detail: String::new(),
        };
        for (error_code, condemned) in [
            (0, true),
            (404, true),
            (40403, true),
            (422, true),
            (401, false),
            (40301, false),
            (429, false),
            (500, false),
            (50001, false),
        ] {
            assert_eq!(
                is_about_the_id(&refused(error_code)),
                condemned,
                "{error_code}"
            );
        }
    }

    #[test]
    fn without_a_registry_every_id_passes() {
        let mut schemas = Schemas::new(None);
        let admitted = schemas.admit(&[0, 0, 0, 0, 9, 1], &SystemClock::new());
        assert!(matches!(admitted, Ok(Ok(()))));
    }
}
