use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Every field of an object as this reader sees them; `None` if it is not plain.
fn read(json: &[u8]) -> Option<Vec<(String, Value)>> {
    let mut fields = Plain::open(json)?;
    let mut found = Vec::new();
    while let Some(name) = fields.name()? {
        let value = match fields.peek()? {
            b'"' => fields.text()?.into(),
            _ => fields.number()?.into(),
        };
        found.push((name.to_owned(), value));
    }
    Some(found)
}

/// The same by `serde_json`; numbers as doubles.
fn reference(json: &[u8]) -> Option<Vec<(String, Value)>> {
    let object: serde_json::Map<String, Value> = serde_json::from_slice(json).ok()?;
    let double = |value: Value| match value.as_f64() {
        Some(number) => number.into(),
        None => value,
    };
    Some(
        object
            .into_iter()
            .map(|(name, value)| (name, double(value)))
            .collect(),
    )
}

#[test]
fn plain_objects_are_read_whatever_their_spaces() {
    for json in [
        r#"{"a":"x","b":-1.25,"c":0}"#,
        " {\n\t\"a\" : \"x\" ,\r\n \"b\":-1.25 , \"c\" : 0 } \n",
        r#"{"größe":"π","leer":"","n":123456789012345}"#,
    ] {
        let found = read(json.as_bytes());
        assert!(found.is_some(), "{json}");
        assert_eq!(found, reference(json.as_bytes()), "{json}");
    }
}

#[test]
fn what_is_not_plain_is_left_to_the_parser() {
    for json in [
        "",
        "{",
        "{}",
        "[]",
        "null",
        r#"{"a":1"#,
        r#"{"a":1,}"#,
        r#"{"a":1}x"#,
        r#"{,"a":1}"#,
        r#"{"a"1}"#,
        r#"{"a":}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":.5}"#,
        r#"{"a":5.}"#,
        r#"{"a":1e3}"#,
        r#"{"a":-}"#,
        r#"{"a":1234567890123456}"#,
        r#"{"a":1.234567890123456}"#,
        r#"{"a":99999999999999999999999999}"#,
        r#"{"a":NaN}"#,
        r#"{"a":true}"#,
        r#"{"a":null}"#,
        r#"{"a":{}}"#,
        r#"{"a":"\n"}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":"b}"#,
        r#"{"a":1 2}"#,
    ] {
        assert_eq!(read(json.as_bytes()), None, "{json}");
    }
    assert_eq!(read(b"{\"a\":\"\xff\"}"), None);
}

#[test]
fn integers_are_whole_and_a_minus_zero_is_none() {
    let integer = |json: &str| {
        let mut fields = Plain::open(json.as_bytes())?;
        fields.name()?;
        fields.integer()
    };
    assert_eq!(integer(r#"{"a":1749531840000}"#), Some(1_749_531_840_000));
    assert_eq!(integer(r#"{"a":-7}"#), Some(-7));
    assert_eq!(integer(r#"{"a":0}"#), Some(0));
    assert_eq!(integer(r#"{"a":-0}"#), None);
    assert_eq!(integer(r#"{"a":1.0}"#), None);
}

#[test]
fn a_guess_passes_over_what_is_there_and_nothing_else() {
    let mut fields = Plain::open(br#"{"a":1,"b":"x"}"#).unwrap();
    assert!(!fields.guess(r#","a":"#));
    assert!(fields.guess(r#""a":"#));
    assert_eq!(fields.integer(), Some(1));
    assert!(!fields.guess(r#","bc":"#));
    assert_eq!(fields.name(), Some(Some("b")));
    assert_eq!(fields.text(), Some("x"));
    assert_eq!(fields.name(), Some(None));
    // A guess that is wrong at the start leaves the first field first.
    let mut fields = Plain::open(br#"{,"a":1}"#).unwrap();
    assert!(!fields.guess(r#""a":"#));
    assert_eq!(fields.name(), None);
}

#[test]
fn a_field_that_comes_twice_is_refused() {
    let mut field = None;
    assert_eq!(once(&mut field, 1), Some(()));
    assert_eq!(once(&mut field, 2), None);
}

proptest! {
    /// forall texts: the end is where a look at each byte finds it.
    #[test]
    fn the_end_of_a_text_is_found(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let plainly = bytes.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\');
        prop_assert_eq!(special(&bytes), plainly);
    }

    /// forall numbers of up to fifteen digits: the double is the one that is nearest.
    #[test]
    fn numbers_are_the_nearest_doubles(digits in 0u64..1_000_000_000_000_000, decimals in 0usize..15, negative: bool) {
        let mut text = format!("{digits:0width$}", width = decimals + 1);
        if decimals > 0 {
            text.insert(text.len() - decimals, '.');
        }
        let text = format!("{}{text}", if negative { "-" } else { "" });
        let json = format!("{{\"a\":{text}}}");
        let mut fields = Plain::open(json.as_bytes()).unwrap();
        fields.name();
        let nearest: f64 = text.parse().unwrap();
        prop_assert_eq!(fields.number().map(f64::to_bits), Some(nearest.to_bits()), "{}", text);
    }

    /// forall objects with bytes changed, left out or put in: what is read is what `serde_json` reads.
    #[test]
    fn nothing_is_read_that_the_parser_reads_otherwise(
        name in "[a-zé]{0,9}", text in "[ -~é]{0,20}", number: i32, decimals in 0u8..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, prop::sample::select(b"\"\\{}:,.-+eE0123456789 \n\ta\xff\x01tfn[]".to_vec())), 0..4),
    ) {
        let number = f64::from(number) / 10f64.powi(decimals.into());
        let mut json = format!("{{\"{name}\":\"{text}\", \"z\" :{number},\"y\":-1}}").into_bytes();
        for (place, kind, byte) in changes {
            let place = place.index(json.len());
            match kind {
                0 => json[place] = byte,
                1 => json.insert(place, byte),
                _ => {
                    json.remove(place);
                }
            }
            if json.is_empty() {
                break;
            }
        }
        if let Some(found) = read(&json) {
            // A map keeps the last of fields of one name; who calls refuses those.
            let mut names: Vec<&String> = found.iter().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            if names.len() == found.len() {
                prop_assert_eq!(Some(found), reference(&json), "{}", String::from_utf8_lossy(&json));
            } else {
                prop_assert!(reference(&json).is_some());
            }
        }
    }
}
