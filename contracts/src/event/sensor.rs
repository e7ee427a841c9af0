//! `sensor-data_2`: sensor readings, JSON, keyed by `sensor_id`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    DecodeError,
    json::{
        integer_field, number_field, parse,
        plain::{Plain, once},
        text_field,
    },
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
        let reading = match Self::plain(bytes) {
            Some(reading) => reading,
            None => Self::parsed(bytes)?,
        };
        if reading.sensor_id.is_empty() {
            return Err(DecodeError::Value {
                field: "sensor_id",
                found: String::new(),
                expected: "a non-empty id",
            });
        }
        Ok(reading)
    }

    /// Reads a plain record; `None` if it is none, whether or not it can be read.
    fn plain(bytes: &[u8]) -> Option<SensorReading<'_>> {
        let mut fields = Plain::open(bytes)?;
        let (mut sensor_id, mut value, mut timestamp, mut sensor_type) = (None, None, None, None);
        // Most producers write the fields in this order and without spaces.
        if fields.guess("\"sensor_id\":") {
            sensor_id = Some(fields.text()?);
        }
        if fields.guess(",\"value\":") {
            value = Some(fields.number()?);
        }
        if fields.guess(",\"timestamp\":") {
            timestamp = Some(fields.integer()?);
        }
        if fields.guess(",\"sensor_type\":") {
            sensor_type = Some(fields.text()?);
        }
        while let Some(name) = fields.name()? {
            match name {
                "sensor_id" => once(&mut sensor_id, fields.text()?)?,
                "value" => once(&mut value, fields.number()?)?,
                "timestamp" => once(&mut timestamp, fields.integer()?)?,
                "sensor_type" => once(&mut sensor_type, fields.text()?)?,
                _ => fields.skip()?,
            }
        }
        Some(SensorReading {
            sensor_id: sensor_id?.into(),
            value: value?,
            timestamp: EventTime(timestamp?),
            sensor_type: sensor_type.map(Cow::from),
        })
    }

    fn parsed(bytes: &[u8]) -> Result<SensorReading<'_>, DecodeError> {
        parse(bytes, "SensorReading")
    }

    /// Id of this reading.
    #[must_use]
    pub fn id(&self) -> String {
        reading_id(&self.sensor_id, self.timestamp)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// Found by fuzzing: whoever copies such a record would write what is no JSON.
    #[test]
    fn a_record_that_is_no_text_is_refused_wherever_that_is() {
        let json = br#"{"sensor_id":"s","value":1,"timestamp":7,"more":"?"}"#;
        assert!(SensorReading::decode(json).is_ok());
        let bad = json.map(|byte| if byte == b'?' { 0xff } else { byte });
        let error = SensorReading::decode(&bad).unwrap_err().to_string();
        assert!(error.contains("utf-8"), "{error}");
    }

    proptest! {
        /// forall readings: their encoding is plain, and read as `serde_json` reads it.
        #[test]
        fn plain_readings_are_read_without_the_parser(id in "[ -~]{1,20}", cents: i32, at in -1_000_000_000_000i64..9_000_000_000_000, kind in prop::option::of("[a-z]{0,8}")) {
            let reading = SensorReading {
                sensor_id: id.into(),
                value: f64::from(cents) / 100.0,
                timestamp: EventTime(at),
                sensor_type: kind.map(Cow::from),
            };
            let mut json = Vec::new();
            reading.encode(&mut json);
            let plain = SensorReading::plain(&json);
            prop_assert_eq!(plain.is_some(), !reading.sensor_id.contains(['"', '\\']));
            prop_assert_eq!(SensorReading::decode(&json).unwrap(), SensorReading::parsed(&json).unwrap());
        }
    }

    #[test]
    fn fields_in_any_order_and_foreign_ones_are_read_and_doubled_ones_refused() {
        let json =
            br#"{ "unit" : "C", "timestamp":7, "seq": 12, "value": -0.5, "sensor_id": "s" }"#;
        let reading = SensorReading::plain(json).unwrap();
        assert_eq!(reading, SensorReading::parsed(json).unwrap());
        let nested = br#"{"sensor_id":"s","value":1,"timestamp":7,"meta":{"a":[1,true]}}"#;
        assert_eq!(SensorReading::plain(nested), None);
        assert_eq!(SensorReading::decode(nested).unwrap().value, 1.0);
        let twice = br#"{"sensor_id":"s","value":1,"value":2,"timestamp":7}"#;
        let error = SensorReading::decode(twice).unwrap_err().to_string();
        assert!(error.contains("duplicate field `value`"), "{error}");
    }
}
