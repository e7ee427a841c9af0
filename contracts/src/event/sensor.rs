//! `sensor-data_2`: sensor readings, JSON, keyed by `sensor_id`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DecodeError,
    json::{integer_field, number_field, text_field},
};
use crate::clock::EventTime;

/// The Avro schema, where a profile asks for Avro.
pub const SCHEMA: &str = include_str!("../../schemas/sensor_reading.avsc");

/// One reading of the stream `sensors`. Its id is its sensor and timestamp: [`reading_id`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SensorReading<'a> {
    /// The sensor; also the record key.
    #[serde(borrow)]
    pub sensor_id: Cow<'a, str>,
    /// The reading, in the sensor's own unit; finite.
    pub value: f64,
    /// Event time, milliseconds since the Unix epoch; unique per sensor.
    pub timestamp: EventTime,
    /// What the sensor measures, where a profile has several types of sensors.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sensor_type: Option<Cow<'a, str>>,
}

/// Id of a reading, as labels and alerts name it: `sensor_1@1749531840000`.
#[must_use]
pub fn reading_id(sensor_id: &str, timestamp: EventTime) -> String {
    format!("{sensor_id}@{}", timestamp.0)
}

impl SensorReading<'_> {
    /// Appends the record as JSON to `out`. A value that is not finite is written as `null`, which
    /// no reader accepts: JSON has no other way.
    pub fn encode(&self, out: &mut Vec<u8>) {
        text_field(out, "{\"sensor_id\":\"", &self.sensor_id);
        number_field(out, ",\"value\":", self.value);
        integer_field(out, ",\"timestamp\":", self.timestamp.0);
        if let Some(sensor_type) = &self.sensor_type {
            text_field(out, ",\"sensor_type\":\"", sensor_type);
        }
        out.push(b'}');
    }

    /// Reads a record. Unknown fields are ignored, missing ones are errors.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not such a record or its id is empty.
    pub fn decode(bytes: &[u8]) -> Result<SensorReading<'_>, DecodeError> {
        let reading: SensorReading<'_> =
            serde_json::from_slice(bytes).map_err(|error| DecodeError::Json {
                record: "SensorReading",
                reason: error.to_string(),
            })?;
        if reading.sensor_id.is_empty() {
            return Err(DecodeError::Value {
                field: "sensor_id",
                found: String::new(),
                expected: "a non-empty id",
            });
        }
        Ok(reading)
    }

    /// Id of this reading.
    #[must_use]
    pub fn id(&self) -> String {
        reading_id(&self.sensor_id, self.timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_survives_its_encoding() {
        let mut reading = SensorReading {
            sensor_id: "sensor_1".into(),
            value: 23.125,
            timestamp: EventTime(5),
            sensor_type: None,
        };
        let mut out = Vec::new();
        reading.encode(&mut out);
        assert_eq!(
            out,
            br#"{"sensor_id":"sensor_1","value":23.125,"timestamp":5}"#
        );
        assert_eq!(SensorReading::decode(&out).unwrap(), reading);
        assert_eq!(reading.id(), "sensor_1@5");
        reading.sensor_type = Some("humidity".into());
        let mut typed = Vec::new();
        reading.encode(&mut typed);
        assert_eq!(
            typed,
            br#"{"sensor_id":"sensor_1","value":23.125,"timestamp":5,"sensor_type":"humidity"}"#
        );
        assert_eq!(SensorReading::decode(&typed).unwrap(), reading);
    }

    #[test]
    fn readings_that_are_no_numbers_are_refused() {
        for value in ["null", "\"1\"", "NaN"] {
            let json = format!(r#"{{"sensor_id":"s","value":{value},"timestamp":5}}"#);
            assert!(SensorReading::decode(json.as_bytes()).is_err(), "{value}");
        }
    }
}
