//! Times as public data sets write them.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::replay::sound_time;

/// Numbers below this are seconds, others milliseconds: it is 1973 in the one and 5138 in the other.
const SECONDS_BELOW: f64 = 1e11;

/// Reads a time in milliseconds since the Unix epoch: RFC 3339, the same without a zone (taken as UTC, a
/// space or a `T` in the middle), or a number of seconds or milliseconds.
///
/// # Errors
/// What was found and what would do.
pub(super) fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        let millis = if number.abs() < SECONDS_BELOW {
            number * 1000.0
        } else {
            number
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "too large a number gives the largest, which is no time"
        )]
        return sound_time(millis.round() as i64);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    text.parse::<DateTime>()
        .and_then(|civil| civil.to_zoned(TimeZone::UTC))
        .map(|zoned| zoned.timestamp().as_millisecond())
        .map_err(|_| {
            format!(
                "`{text}` is no time; write it like `2014-04-10 07:15:00`, `2014-04-10T07:15:00Z`, or in \
                 seconds or milliseconds since 1970"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ways_to_write_a_time_mean_the_same() {
        for text in [
            "2014-04-10 07:15:00",
            "2014-04-10 07:15:00.000000",
            "2014-04-10T07:15:00Z",
            "2014-04-10T09:15:00+02:00",
            "1397114100",
            "1397114100.0",
            "1397114100000",
        ] {
            assert_eq!(parse_time(text), Ok(1_397_114_100_000), "{text}");
        }
        for text in ["", "noon", "2014-13-01 00:00:00", "NaN"] {
            assert!(
                parse_time(text).unwrap_err().contains("is no time"),
                "{text}"
            );
        }
        for text in ["1e300", "-9223372036854775808", "253402300800000"] {
            assert!(
                parse_time(text).unwrap_err().contains("years 1 to 9999"),
                "{text}"
            );
        }
    }
}
