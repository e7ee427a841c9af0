//! Quantities as people write them in profiles: `250ms`, `50k/s`.

use std::time::Duration;

/// Why a quantity could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error(
        "`{found}` is not a duration; write a number and a unit, such as `250ms`, `15s`, `2m`, `1h`"
    )]
    Duration {
        /// The text as it stands.
        found: String,
    },
    /// Not a rate.
    #[error("`{found}` is not a rate; write events per second, such as `500/s`, `50k/s`, `1.5M/s`")]
    Rate {
        /// The text as it stands.
        found: String,
    },
    /// A rate of zero.
    #[error("`{found}` offers no load; use `1/s` or more")]
    NoLoad {
        /// The text as it stands.
        found: String,
    },
}

/// Reads a duration: a number with `us`, `ms`, `s`, `m`, `h` or `d`. At most 10,000 days.
///
/// ```
/// use floodmark_contracts::units::parse_duration;
/// assert_eq!(parse_duration("1.5s").unwrap().as_millis(), 1500);
/// assert!(parse_duration("15").is_err());
/// ```
///
/// # Errors
/// [`UnitError::Duration`] if the text is anything else.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let bad = || UnitError::Duration {
        found: text.to_owned(),
    };
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(bad)?;
    let (number, unit) = trimmed.split_at(split);
    let seconds_per_unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(bad()),
    };
    let seconds = parse_plain(number).ok_or_else(bad)? * seconds_per_unit;
    if seconds > 10_000.0 * 86_400.0 {
        return Err(bad());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

/// Reads a rate in events per second: a number, optionally `k` or `M`, then `/s`.
///
/// # Errors
/// [`UnitError::Rate`] if the text is no rate, [`UnitError::NoLoad`] if it is zero.
pub fn parse_rate(text: &str) -> Result<f64, UnitError> {
    let bad = || UnitError::Rate {
        found: text.to_owned(),
    };
    let number = text.trim().strip_suffix("/s").ok_or_else(bad)?.trim_end();
    let (digits, factor) = match number.as_bytes().last() {
        Some(b'k') => (&number[..number.len() - 1], 1e3),
        Some(b'M') => (&number[..number.len() - 1], 1e6),
        _ => (number, 1.0),
    };
    let rate = parse_plain(digits).ok_or_else(bad)? * factor;
    if rate == 0.0 {
        return Err(UnitError::NoLoad {
            found: text.to_owned(),
        });
    }
    if rate > 1e9 {
        return Err(bad());
    }
    Ok(rate)
}

/// A non-negative decimal number without sign, exponent or spaces; `None` for anything else.
fn parse_plain(text: &str) -> Option<f64> {
    let plain = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.bytes().next().is_some_and(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, micros) in [
            ("250ms", 250_000),
            ("15s", 15_000_000),
            ("2m", 120_000_000),
            ("0.5s", 500_000),
            ("7us", 7),
        ] {
            assert_eq!(parse_duration(text).unwrap().as_micros(), micros, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "15", "s", "-1s", "1e3s", "15 parsecs", "99999d"] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains("`15s`"), "{text}: {error}");
        }
    }

    #[test]
    fn rates_are_read_with_their_factors() {
        for (text, rate) in [
            ("500/s", 500.0),
            ("50k/s", 50_000.0),
            ("1.5M/s", 1_500_000.0),
        ] {
            assert_eq!(parse_rate(text).unwrap(), rate, "{text}");
        }
        assert!(matches!(parse_rate("0/s"), Err(UnitError::NoLoad { .. })));
        for text in ["50", "k/s", "1/m", "-5/s", "2G/s"] {
            assert!(
                matches!(parse_rate(text), Err(UnitError::Rate { .. })),
                "{text}"
            );
        }
    }
}
