//! Tells the program of which commit it was built.

use std::{path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=FLOODMARK_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    // Whoever builds without a repository, such as from an archive, may name the commit.
    let named = std::env::var("FLOODMARK_COMMIT").ok();
    let commit = named.filter(|name| !name.is_empty()).or_else(from_git);
    println!(
        "cargo:rustc-env=FLOODMARK_BUILT_OF={}",
        commit.unwrap_or_default()
    );
}

/// The commit that is checked out, short.
fn from_git() -> Option<String> {
    // Of another repository that this source merely lies in, nothing is told.
    let root = git(&["rev-parse", "--show-toplevel"])?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    if Path::new(&root).canonicalize().ok()? != here.canonicalize().ok()? {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
