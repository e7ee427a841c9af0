//! Inputs that no mutation finds: deep ones, huge ones, and lengths that promise what does not come.

/// Bytes of the huge ones.
const HUGE: usize = 1 << 20;

/// The same for every target: what is hostile to one decoder is rubbish to the others, which is hostile enough.
pub fn inputs() -> Vec<Vec<u8>> {
    let huge = |part: &str| part.repeat(HUGE / part.len());
    let field = |name: &str, value: &str| format!("{{\"{name}\":{value}}}");
    let text = format!("\"{}\"", huge("x"));
    let mut all: Vec<Vec<u8>> = [
        huge("["),
        huge("{\"a\":"),
        huge("[[],"),
        huge("- "),
        huge("a: {b: "),
        huge("&a [*a, "),
        huge("\n"),
        huge(","),
        huge("\"\"\n"),
        huge("\\u0000"),
        huge("9"),
        huge("1e"),
        format!("[{}0]", huge("0,")),
        format!("{{\"a\":{}{}}}", huge("["), huge("]")),
        field("sensor_id", &text),
        field("event_id", &text),
        field("user_id", &text),
        field("events", &format!("[{}{{}}]", huge("{},"))),
        field("schema", &format!("\"{}\"", huge("[").repeat(1))),
        field("schema", &format!("\"{}\"", huge("{\\\"type\\\":"))),
        field("value", &huge("9")),
        field("value", &format!("1e{}", huge("9"))),
        bombs(),
    ]
    .map(String::into_bytes)
    .to_vec();
    for byte in [0, 1, 0x7f, 0x80, 0xff] {
        all.push(vec![byte; HUGE]);
    }
    // Lengths of all widths and both byte orders that promise as much as there can be.
    for length in [i64::MAX, i64::from(i32::MAX), i64::from(u32::MAX), -1] {
        all.push([&length.to_be_bytes()[..], &[0; 64]].concat());
        all.push([&length.to_le_bytes()[..], &[0; 64]].concat());
        all.push([&(length as i32).to_be_bytes()[..], &[0; 64]].concat());
        all.push([&[1, 0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 64]].concat());
    }
    all.push(Vec::new());
    all
}

/// Aliases of aliases: a few hundred bytes of YAML that mean ten to the ninth values.
fn bombs() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{below}]\n");
    }
    text
}
