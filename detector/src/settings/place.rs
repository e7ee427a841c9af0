//! Places for objects, made valid.

use std::path::PathBuf;

use floodmark_contracts::{problem::Problems, profile::detector::S3Section};

use crate::reach::{Place, S3, Secret};

/// Validates the service behind `s3://`.
pub(super) fn service(problems: &mut Problems, section: &S3Section) -> Option<S3> {
    let mut sound = true;
    if let Some(url) = &section.endpoint
        && !(url.starts_with("http://") || url.starts_with("https://"))
    {
        let message = "this is no URL of a service; use `http://HOST:PORT` or `https://HOST`";
        problems.add("detector.s3.endpoint", message);
        sound = false;
    } else if section
        .endpoint
        .as_ref()
        .is_some_and(|url| url.contains('@'))
    {
        let message = "keys do not belong into a profile; use `secret_key: { env: NAME }`";
        problems.add("detector.s3.endpoint", message);
        sound = false;
    }
    let keys = match (&section.access_key, &section.secret_key) {
        (Some(access), Some(secret)) => Some((Secret::from(access), Secret::from(secret))),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let message = "`access_key` and `secret_key` go together; name both, or none for those of the environment";
            problems.add("detector.s3", message);
            sound = false;
            None
        }
    };
    sound.then(|| S3 {
        endpoint: section.endpoint.clone(),
        region: section.region.clone(),
        keys,
        ca: section.ca.as_ref().map(PathBuf::from),
    })
}

/// Validates a place; `path` is where it stands, `example` a folder that would do.
pub(super) fn place(
    problems: &mut Problems,
    path: &str,
    text: &str,
    example: &str,
    service: Option<&S3>,
) -> Option<Place> {
    if text.is_empty() {
        let message = format!("there is no folder without a name; use {example}");
        problems.add(path, message);
        return None;
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some(Place::Folder(PathBuf::from(text)));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    if scheme != "s3" || !(3..=63).contains(&bucket.len()) || !bucket.chars().all(allowed) {
        let message =
            format!("`{text}` is no place for files; use `s3://BUCKET/PREFIX`, or {example}");
        problems.add(path, message);
        return None;
    }
    Some(Place::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        // A service with a problem has been told already.
        service: service?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::profile::{DetectorSection, detector::SecretSection};

    use super::*;
    use crate::Settings;

    fn check(text: &str, expected: Result<Place, &str>) {
        let mut problems = Problems::new();
        let found = place(
            &mut problems,
            "at",
            text,
            "one such as `x`",
            Some(&S3::default()),
        );
        match expected {
            Ok(expected) => assert_eq!(found, Some(expected), "{text}"),
            Err(part) => {
                assert_eq!(found, None, "{text}");
                let problem = problems.into_vec().remove(0).to_string();
                assert!(problem.contains(part), "{problem}");
            }
        }
    }

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        let bucket = |bucket: &str, prefix: &str| Place::S3 {
            bucket: bucket.into(),
            prefix: prefix.into(),
            service: S3::default(),
        };
        check("lake/clicks", Ok(Place::Folder("lake/clicks".into())));
        check("s3://lake", Ok(bucket("lake", "")));
        check("s3://my-lake.1/a/b/", Ok(bucket("my-lake.1", "a/b")));
        check("", Err("one such as `x`"));
        check("gs://lake/a", Err("s3://BUCKET"));
        check("s3:///a", Err("s3://BUCKET"));
        check("s3://Lake/a", Err("s3://BUCKET"));
    }

    #[test]
    fn keys_go_together_and_never_into_the_url() {
        let problems = |section: S3Section| -> Vec<String> {
            let section = DetectorSection {
                s3: section,
                ..DetectorSection::default()
            };
            let problems = Settings::validate(&section).err().unwrap_or_default();
            problems.iter().map(ToString::to_string).collect()
        };
        let alone = S3Section {
            access_key: Some(SecretSection::Env("KEY".into())),
            ..S3Section::default()
        };
        assert!(problems(alone)[0].contains("go together"));
        for (url, part) in [
            ("127.0.0.1:9000", "http://HOST"),
            ("http://me:hush@host", "env: NAME"),
        ] {
            let section = S3Section {
                endpoint: Some(url.into()),
                ..S3Section::default()
            };
            let found = problems(section);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(
                found[0].contains(part) && !found[0].contains("hush"),
                "{found:?}"
            );
        }
        assert!(problems(S3Section::default()).is_empty());
    }
}
