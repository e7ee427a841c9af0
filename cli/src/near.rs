//! Profiles that people may have meant.

use std::path::{Path, PathBuf};

use floodmark_contracts::near::nearest;

/// The profile that may have been meant by a file that is not there: one of a similar name beside it or in `profiles`.
pub fn profile(missing: &Path) -> Option<PathBuf> {
    let name = missing.file_name()?.to_str()?;
    let beside = missing
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folders = [beside.unwrap_or(Path::new(".")), Path::new("profiles")];
    folders.into_iter().find_map(|folder| {
        let files = profiles_in(folder);
        // `quickstart` means `quickstart.yaml`.
        let names = files.iter().flat_map(|file| [file.as_str(), stem(file)]);
        let near = nearest(name, names)?;
        let file = files
            .iter()
            .find(|file| *file == near || stem(file) == near)?;
        Some(match folder == Path::new(".") {
            true => PathBuf::from(file),
            false => folder.join(file),
        })
    })
}

fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// Names of the YAML files in a folder, sorted.
fn profiles_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_by_a_name_with_a_slip_or_without_its_ending() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["quickstart.yaml", "smoke.yml", "notes.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        for (missing, expected) in [
            ("quickstrat.yaml", Some("quickstart.yaml")),
            ("quickstart", Some("quickstart.yaml")),
            ("smoke.yaml", Some("smoke.yml")),
            ("nothing-like-it.yaml", None),
        ] {
            let found = profile(&dir.path().join(missing));
            assert_eq!(
                found,
                expected.map(|name| dir.path().join(name)),
                "{missing}"
            );
        }
    }
}
