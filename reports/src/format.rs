//! Figures as people read them: with units, and as many digits as mean something.

use floodmark_contracts::{
    clock::{EventTime, WallTime},
    result::RecallBin,
};

/// What stands where there is no value.
pub(crate) const UNDEFINED: &str = "undefined";

/// A whole number with commas between thousands.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with three significant digits, whole and with commas from a hundred on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "only positive numbers below 2^64 get there; larger ones saturate"
)]
pub(crate) fn number(value: f64) -> String {
    // There is no negative nothing.
    let value = if value == 0.0 { 0.0 } else { value };
    let size = value.abs();
    if size >= 100.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(size.round() as u64));
    }
    let decimals = match size {
        s if s >= 9.995 => 1,
        s if s >= 0.9995 => 2,
        s if s > 0.0 => 3,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// A round value of an axis: whole ones without decimals.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ticks are positive and far below 2^64"
)]
pub(crate) fn tick(value: f64) -> String {
    if value.fract() == 0.0 {
        count(value as u64)
    } else {
        number(value)
    }
}

/// Events per second.
pub(crate) fn rate(value: f64) -> String {
    format!("{}/s", number(value))
}

/// Microseconds, in the unit that keeps the number short.
pub(crate) fn micros(us: f64) -> String {
    match us.abs() {
        size if size >= 1e6 => format!("{} s", number(us / 1e6)),
        size if size >= 1e3 => format!("{} ms", number(us / 1e3)),
        _ => format!("{} µs", number(us)),
    }
}

/// Milliseconds of event time.
pub(crate) fn millis(ms: f64) -> String {
    match ms.abs() {
        size if size >= 60_000.0 => format!("{} min", number(ms / 60_000.0)),
        size if size >= 1_000.0 => format!("{} s", number(ms / 1_000.0)),
        _ => format!("{} ms", number(ms)),
    }
}

/// Milliseconds of a setting, without the decimals that a measurement would have: `5 min`, `1.5 s`.
pub(crate) fn setting_millis(ms: i64) -> String {
    match ms.unsigned_abs() {
        size if size >= 60_000 && ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        size if size >= 1_000 => format!("{} s", ms as f64 / 1_000.0),
        _ => format!("{ms} ms"),
    }
}

/// Microseconds of a round bound: `20 µs`, `5 ms`, `1 s`.
pub(crate) fn setting_micros(us: u64) -> String {
    if us < 1_000 {
        return format!("{us} µs");
    }
    setting_millis(i64::try_from(us / 1_000).unwrap_or(i64::MAX))
}

/// A length of bytes.
pub(crate) fn bytes(value: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{} {}", number(scaled), UNITS[unit])
}

/// A share between 0 and 1 with three decimals, or that it is undefined. Two would call 0.996 perfect.
pub(crate) fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| UNDEFINED.to_owned(), |value| format!("{value:.3}"))
}

/// A share in per cent, with as many digits as small shares need.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        found if found < 1.0 => format!("{found:.2} %"),
        found => format!("{found:.1} %"),
    }
}

/// The range of a measure, such as `0.5–1`. Its bounds are powers of two; small ones are written as
/// fractions, which are shorter.
pub(crate) fn range(bin: &RecallBin) -> String {
    let bound = |at: f64| {
        if at > 0.0 && at < 0.25 {
            format!("1/{}", 1.0 / at)
        } else {
            at.to_string()
        }
    };
    match bin.below {
        Some(below) if bin.from == 0.0 => format!("under {}", bound(below)),
        Some(below) => format!("{}–{}", bound(bin.from), bound(below)),
        None => format!("from {}", bound(bin.from)),
    }
}

/// An interval of shares; nothing if there is none. Two decimals: its ends are not known better.
pub(crate) fn interval(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[low, high]| format!("{low:.2}–{high:.2}"))
}

/// A metric's value with its unit.
pub(crate) fn metric(value: Option<f64>, unit: &str) -> String {
    let Some(value) = value else {
        return UNDEFINED.to_owned();
    };
    match unit {
        "ratio" => ratio(Some(value)),
        "us" => micros(value),
        "ms" => millis(value),
        "events/s" => rate(value),
        "bytes" => bytes(value),
        "count" => tick(value),
        "cpu-s/M" => format!("{} CPU-s per million", number(value)),
        _ => number(value),
    }
}

/// An instant of event time in UTC; the bare number where it is beyond any calendar.
pub(crate) fn event_time(at: EventTime) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| format!("{} ms", at.0),
        |time| time.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string(),
    )
}

/// An instant of wall time in UTC, to the second.
pub(crate) fn wall_time(at: WallTime) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(
        |_| format!("{} µs", at.0),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// The day of an instant of wall time in UTC.
pub(crate) fn day(at: WallTime) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(
        |_| format!("{} µs", at.0),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

/// One thing or several: `1 gate`, `2 gates`.
pub(crate) fn plural(n: u64, thing: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {thing}{s}", count(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.12345, "0.123"),
            (1.0, "1.00"),
            (9.999, "10.0"),
            (12.345, "12.3"),
            (99.96, "100.0"),
            (1_234_567.8, "1,234,568"),
            (-1_234.0, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn quantities_take_the_unit_that_keeps_them_short() {
        assert_eq!(micros(950.0), "950 µs");
        assert_eq!(micros(12_345.0), "12.3 ms");
        assert_eq!(micros(1_250_000.0), "1.25 s");
        assert_eq!(millis(-500.0), "-500 ms");
        assert_eq!(millis(90_000.0), "1.50 min");
        assert_eq!(
            [300_000, 90_000, 1_500, 0].map(setting_millis),
            ["5 min", "90 s", "1.5 s", "0 ms"]
        );
        assert_eq!(bytes(1023.0), "1,023 B");
        assert_eq!(bytes(-3072.0), "-3.00 KiB");
        assert_eq!(bytes(64.0 * 1024.0 * 1024.0), "64.0 MiB");
        assert_eq!(rate(50_000.0), "50,000/s");
        assert_eq!([0.5, 2.0, 12_000.0].map(tick), ["0.500", "2", "12,000"]);
    }

    #[test]
    fn ranges_are_written_as_short_as_they_are_exact() {
        for (from, below, expected) in [
            (0.0, Some(0.031_25), "under 1/32"),
            (0.062_5, Some(0.125), "1/16–1/8"),
            (0.125, Some(0.25), "1/8–0.25"),
            (0.5, Some(1.0), "0.5–1"),
            (1024.0, None, "from 1024"),
        ] {
            let bin = RecallBin {
                from,
                below,
                labels: 1,
                detected: 0,
                recall: Some(0.0),
                interval: None,
            };
            assert_eq!(range(&bin), expected);
        }
    }

    #[test]
    fn what_is_undefined_says_so() {
        assert_eq!(ratio(None), "undefined");
        assert_eq!(metric(None, "us"), "undefined");
        assert_eq!(metric(Some(0.8), "ratio"), "0.800");
        assert_eq!(metric(Some(10.0), "count"), "10");
        assert_eq!(interval(None), "");
        assert_eq!(interval(Some([0.5, 1.0])), "0.50–1.00");
    }

    #[test]
    fn instants_are_utc_and_nonsense_is_shown_as_it_is() {
        assert_eq!(
            event_time(EventTime(1_749_531_600_123)),
            "2025-06-10 05:00:00.123Z"
        );
        assert_eq!(event_time(EventTime(i64::MAX)), "9223372036854775807 ms");
        assert_eq!(
            wall_time(WallTime(1_749_531_600_123_000)),
            "2025-06-10 05:00:00 UTC"
        );
    }
}
