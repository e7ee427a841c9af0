//! The commands that the documentation tells its readers to type, with where they stand.
//!
//! A block of them is fenced as `sh`, `bash` or `console`. One that needs nothing but this machine, and seconds, has
//! the comment [`TRIED`] on the line above its fence: then the tests run it, and do not only parse it. The comment
//! [`TRIED_WITH_PARTS`] says the same of `ci/documented`, which has a cluster.

use std::path::{Path, PathBuf};

/// What stands above a block that the tests run.
const TRIED: &str = "<!-- tried by the tests -->";

/// What stands above a block that `ci/documented` runs.
const TRIED_WITH_PARTS: &str = "<!-- tried with real parts -->";

/// Who runs a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    /// The tests.
    ByTests,
    /// `ci/documented`.
    WithParts,
}

/// A fenced block of commands.
#[derive(Debug)]
pub(crate) struct Block {
    /// The page, from the root of the repository.
    pub(crate) page: PathBuf,
    /// Who runs it, and does not only parse it.
    pub(crate) tried: Option<Tried>,
    /// The commands in their order.
    pub(crate) lines: Vec<Line>,
}

/// A command of a block, its continuations joined, as a shell takes it.
#[derive(Debug)]
pub(crate) struct Line {
    /// Page and line on which it begins.
    pub(crate) place: String,
    /// The command.
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of commands of every page, in the order of the pages' names.
pub(crate) fn blocks() -> Vec<Block> {
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "CONTRIBUTING.md",
        "deploy/README.md",
        "subjects/README.md",
    ]
    .map(PathBuf::from)
    .to_vec();
    pages.extend(files_below("docs", "md"));
    pages.iter().flat_map(|page| blocks_of(page)).collect()
}

/// Files below a folder of the repository whose names end in `.extension`, in the order of their names.
pub(crate) fn files_below(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = Path::new(folder).join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_below(path.to_str().unwrap(), extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The text of a file of the repository.
pub(crate) fn text_of(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn blocks_of(page: &Path) -> Vec<Block> {
    let text = text_of(page);
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut above = "";
    while let Some((_, line)) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let inside: Vec<(usize, &str)> = lines
                .by_ref()
                .take_while(|(_, line)| !line.trim_start().starts_with("```"))
                .collect();
            if ["sh", "bash", "console"].contains(&language.trim()) {
                blocks.push(Block {
                    page: page.to_owned(),
                    tried: match above.trim() {
                        TRIED => Some(Tried::ByTests),
                        TRIED_WITH_PARTS => Some(Tried::WithParts),
                        _ => None,
                    },
                    lines: commands(page, &inside, language.trim() == "console"),
                });
            }
        }
        above = line;
    }
    blocks
}

/// The commands of a block. In one that shows output as well, they are the lines after a prompt.
fn commands(page: &Path, lines: &[(usize, &str)], has_prompts: bool) -> Vec<Line> {
    let mut commands: Vec<Line> = Vec::new();
    let mut goes_on = false;
    for (index, line) in lines {
        let text = match has_prompts && !goes_on {
            true => line.strip_prefix("$ ").unwrap_or_default(),
            false => line,
        };
        let text = text.trim();
        let (text, is_continued) = match text.strip_suffix('\\') {
            Some(text) => (text, true),
            None => (text, false),
        };
        match commands.last_mut().filter(|_| goes_on) {
            Some(command) => command.text.extend([" ", text]),
            None if text.is_empty() || text.starts_with('#') => {}
            None => commands.push(Line {
                place: format!("{}:{}", page.display(), index + 1),
                text: text.to_owned(),
            }),
        }
        goes_on = is_continued;
    }
    commands
}
