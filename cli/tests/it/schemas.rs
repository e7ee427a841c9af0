//! The published schemas are current.

use std::path::Path;

use crate::support::floodmark;

#[test]
fn the_published_schemas_are_what_the_types_say() {
    let dir = tempfile::tempdir().unwrap();
    floodmark()
        .args(["schema", "--write"])
        .arg(dir.path())
        .assert()
        .success();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
    let names = |dir: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&published), names(dir.path()));
    for name in names(dir.path()) {
        let read = |dir: &Path| std::fs::read_to_string(dir.join(&name)).unwrap();
        // Both are thousands of lines; which one differs is all that helps.
        assert!(
            read(&published) == read(dir.path()),
            "`docs/schema/{}` is stale: run `cargo run -- schema --write docs/schema`",
            name.display()
        );
    }
}
