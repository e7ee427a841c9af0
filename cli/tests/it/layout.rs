//! Who may import whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The edges that ARCHITECTURE.md allows, of ordinary dependencies.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let all = [
        "contracts",
        "kafka",
        "broker",
        "generator",
        "detector",
        "harness",
        "scoring",
        "reports",
    ];
    BTreeMap::from([
        ("contracts", BTreeSet::new()),
        ("kafka", BTreeSet::new()),
        ("broker", BTreeSet::new()),
        ("generator", BTreeSet::from(["contracts", "kafka"])),
        ("detector", BTreeSet::from(["contracts", "kafka"])),
        ("scoring", BTreeSet::from(["contracts"])),
        ("reports", BTreeSet::from(["contracts", "scoring"])),
        (
            "harness",
            BTreeSet::from(["contracts", "kafka", "generator"]),
        ),
        ("cli", all.into_iter().collect()),
    ])
}

#[test]
fn crates_import_only_what_the_architecture_allows() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let allowed = allowed();
    let mut seen = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let name = package.name.strip_prefix("floodmark-").unwrap().to_owned();
        let may = allowed
            .get(name.as_str())
            .unwrap_or_else(|| panic!("`{name}` has no rule"));
        for dependency in &package.dependencies {
            let Some(other) = dependency.name.strip_prefix("floodmark-") else {
                continue;
            };
            if dependency.kind == DependencyKind::Normal {
                assert!(may.contains(other), "`{name}` must not import `{other}`");
            }
        }
        seen.insert(name);
    }
    assert_eq!(seen.len(), allowed.len(), "{seen:?}");
}

#[test]
fn the_detector_names_neither_labels_nor_the_run_record() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../detector/src");
    let mut folders = vec![root];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for name in ["contracts::label", "contracts::record", "contracts::result"] {
                assert!(!text.contains(name), "{} names {name}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 5, "the detector's sources were not found");
}
