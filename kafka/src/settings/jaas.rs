//! `sasl.jaas.config`: `some.LoginModule required name="value" …;`

/// A login module with its options.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Login {
    /// The module's class without its package.
    pub(super) module: String,
    /// Its options in their order.
    pub(super) options: Vec<(String, String)>,
}

/// Parses a login configuration; an error says what is wrong without quoting the text, which may
/// hold a password.
pub(super) fn parse(text: &str) -> Result<Login, String> {
    let text = text.trim();
    let text = text.strip_suffix(';').ok_or("it does not end in `;`")?;
    let (class, rest) = text
        .split_once(char::is_whitespace)
        .ok_or("there is no control flag")?;
    let rest = rest.trim_start();
    let (flag, mut rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if !["required", "requisite", "sufficient", "optional"].contains(&flag) {
        return Err("the module's name is not followed by `required`".to_owned());
    }
    let module = class.rsplit('.').next().unwrap_or(class).to_owned();
    let mut options = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(Login { module, options });
        }
        let (name, after) = rest.split_once('=').ok_or("an option has no `=`")?;
        let (value, after) = value(after.trim_start())?;
        options.push((name.trim().to_owned(), value));
        rest = after;
    }
}

/// A value, quoted or not, and what follows it.
fn value(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Ok((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &quoted[i + 1..])),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    Err("a quotation mark is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_user_and_password() {
        let login = parse(
            "org.apache.kafka.common.security.scram.ScramLoginModule required \
             username=\"alice\" password=\"a \\\"b\\\" = c\";",
        )
        .unwrap();
        assert_eq!(login.module, "ScramLoginModule");
        let options: Vec<_> = login
            .options
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            options,
            [("username", "alice"), ("password", "a \"b\" = c")]
        );
    }

    #[test]
    fn problems_never_quote_the_text() {
        for (text, problem) in [
            ("PlainLoginModule required password=\"hunter2\"", "`;`"),
            ("PlainLoginModule;", "control flag"),
            ("PlainLoginModule username=\"u\";", "`required`"),
            ("PlainLoginModule required hunter2;", "`=`"),
            (
                "PlainLoginModule required password=\"hunter2;",
                "not closed",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
