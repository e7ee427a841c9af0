//! What the documentation tells its readers to type does work: commands that need nothing but this machine are run as
//! they stand on their page. All others are parsed (`cli/src/args/documented.rs`).

use std::{collections::BTreeSet, path::Path, time::Duration};

use floodmark_contracts::kind::Kind;

use crate::{
    documents::{Line, Tried, blocks, files_below, root, text_of},
    support::{program, result_of_a_quiet_machine},
};

/// A folder like that of a reader who has this repository, a profile in `bench/`, and stored runs.
struct Reader {
    dir: tempfile::TempDir,
    tried: BTreeSet<String>,
}

impl Reader {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root().join("profiles"), dir.path().join("profiles")).unwrap();
        std::fs::create_dir(dir.path().join("bench")).unwrap();
        let smoke = root().join("profiles/smoke.yaml");
        std::fs::copy(smoke, dir.path().join("bench/profile.yaml")).unwrap();
        Self {
            dir,
            tried: BTreeSet::new(),
        }
    }

    /// Runs a command in the folder, as a shell has it.
    fn types(&mut self, line: &Line) {
        let built = assert_cmd::cargo::cargo_bin("floodmark");
        let path = std::env::var("PATH").unwrap();
        let folder = built.parent().unwrap().display();
        let output = assert_cmd::Command::from_std(program("sh"))
            .args(["-c", &line.text])
            .current_dir(self.dir.path())
            .env("PATH", format!("{folder}:{path}"))
            .timeout(Duration::from_secs(120))
            .output()
            .unwrap();
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let is_bench = words.starts_with(&["floodmark", "bench"]);
        // A machine that is too busy for the figures is no fault of the page, nor is a gate.
        let accepted: &[i32] = if is_bench { &[0, 98, 99] } else { &[0] };
        let (code, errors) = (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr),
        );
        let is_accepted = code.is_some_and(|code| accepted.contains(&code));
        assert!(
            is_accepted,
            "{}: `{}` ended with {code:?}\n{errors}",
            line.place, line.text
        );
        self.tried.extend(words.get(1).map(|&name| name.to_owned()));
    }

    /// Writes the alerts that a run collected as their topic held them.
    fn reads_alerts(&self, from: &str, to: &str) {
        let collected = std::fs::read_to_string(self.dir.path().join(from)).unwrap();
        let alert = |line: &str| -> String {
            let collected: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{}\n", collected["alert"])
        };
        let alerts: String = collected.lines().map(alert).collect();
        std::fs::write(self.dir.path().join(to), alerts).unwrap();
    }

    /// Puts a copy of a run elsewhere into the folder, as a quiet machine leaves it: what is compared has to be valid.
    fn copies(&self, from: &str, to: &str) {
        let to = self.dir.path().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let mut copy = std::process::Command::new("cp");
        let status = copy
            .arg("-r")
            .arg(self.dir.path().join(from))
            .arg(&to)
            .status();
        assert!(status.unwrap().success());
        let file = to.join("result.json");
        std::fs::write(&file, result_of_a_quiet_machine(&file).to_string()).unwrap();
    }
}

#[test]
fn what_the_pages_say_to_type_works() {
    let mut reader = Reader::new();
    let mut blocks = blocks();
    blocks.retain(|block| block.tried == Some(Tried::ByTests));
    // The page on CI makes the run that others look at.
    blocks.sort_by_key(|block| block.page != Path::new("docs/ci.md"));
    for (index, block) in blocks.iter().enumerate() {
        block.lines.iter().for_each(|line| reader.types(line));
        if index == 0 {
            for stored in ["runs/main/1", "runs/branch/1"] {
                reader.copies("run", stored);
            }
            reader.reads_alerts("run/alerts.ndjson", "alerts.ndjson");
        }
    }
    for command in [
        "bench",
        "compare",
        "completions",
        "doctor",
        "explain",
        "generate",
        "history",
        "init",
        "man",
        "report",
        "schema",
        "score",
        "validate",
    ] {
        assert!(
            reader.tried.contains(command),
            "no page shows `{command}`: {:?}",
            reader.tried
        );
    }
}

#[test]
fn every_command_of_the_pages_is_typed_by_somebody() {
    for block in blocks() {
        let is_ours = |line: &&Line| line.text.split_whitespace().any(|word| word == "floodmark");
        let Some(line) = block.lines.iter().find(is_ours) else {
            continue;
        };
        assert!(
            block.tried.is_some() || line.text.starts_with("git clone"),
            "{}: nobody runs `{}`; put one of the comments of `documents.rs` above its block",
            line.place,
            line.text
        );
    }
}

#[test]
fn every_kind_has_its_picture_in_the_catalogue() {
    let page = text_of(Path::new("docs/anomalies.md"));
    for kind in Kind::ALL.into_iter().chain(Kind::DECOYS) {
        let picture = format!("images/anomalies/{kind}.svg");
        assert_eq!(page.matches(&format!("]({picture})")).count(), 1, "{kind}");
        let svg = text_of(&Path::new("docs").join(picture));
        assert!(svg.len() < 15_000, "{kind}: {} bytes", svg.len());
        assert!(svg.contains("prefers-color-scheme:dark"), "{kind}");
        let svg = roxmltree::Document::parse(&svg).unwrap();
        let has = |class: &str| {
            svg.descendants()
                .any(|node| node.attribute("class") == Some(class))
        };
        assert!(has("incident") && has("known"), "{kind}");
        let title = svg.descendants().find(|node| node.has_tag_name("title"));
        assert!(
            title
                .and_then(|node| node.text())
                .unwrap()
                .starts_with(kind.name())
        );
    }
}

#[test]
fn every_link_of_the_pages_leads_to_what_is_there() {
    let mut pages = files_below("docs", "md");
    pages.extend(
        [
            "README.md",
            "CONTRIBUTING.md",
            "ARCHITECTURE.md",
            "subjects/README.md",
        ]
        .map(Into::into),
    );
    let mut n_links = 0;
    for page in pages {
        let text = text_of(&page);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains(' ') {
                continue;
            }
            let target = root().join(&page).parent().unwrap().join(file);
            assert!(target.exists(), "{}: `{link}`", page.display());
            n_links += 1;
        }
    }
    assert!(n_links > 150, "{n_links}");
}
