//! Every command that a page, a help text, a profile or a workflow shows is one, and what it names is there.

use std::path::Path;

use clap::{CommandFactory, Parser};

use super::Cli;

#[path = "../../tests/it/documents.rs"]
mod documents;

use documents::{files_below, root, text_of};

/// Programs that pages use beside floodmark and what this repository has.
const OTHERS: [&str; 8] = [
    "cd", "git", "head", "kcat", "less", "man", "mkdir", "python3",
];

/// The simple commands of a line of a shell, each as its words: without what is piped or written where, variables that
/// are set for it, and comments.
fn simple_commands(line: &str) -> Option<Vec<Vec<String>>> {
    let mut commands = vec![Vec::new()];
    let mut words = shlex::split(line)?.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "|" | "||" | "&&" | "&" | ";" => commands.push(Vec::new()),
            ">" | ">>" | "<" => drop(words.next()),
            _ => commands.last_mut()?.push(word),
        }
    }
    let sets_variable = |word: &String| {
        word.split_once('=')
            .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    for command in &mut commands {
        let first = command.iter().position(|word| !sets_variable(word));
        command.drain(..first.unwrap_or(command.len()));
    }
    commands.retain(|command| !command.is_empty());
    Some(commands)
}

/// What is wrong with a command, if anything is.
fn problem(words: &[String]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    match program.as_str() {
        "floodmark" => problem_of_ours(words),
        "cargo" => problem_of_cargo(arguments),
        "just" => {
            let recipe = arguments.first()?;
            let has = text_of(Path::new("justfile"))
                .lines()
                .any(|line| line.split([' ', ':']).next() == Some(recipe));
            (!has).then(|| format!("the justfile has no recipe `{recipe}`"))
        }
        other if other.contains('/') => missing(other),
        other => (!OTHERS.contains(&other)).then(|| format!("`{other}` is no program of ours")),
    }
}

fn problem_of_ours(words: &[String]) -> Option<String> {
    if let Err(error) = Cli::try_parse_from(words) {
        let is_answer = !error.use_stderr();
        return (!is_answer).then(|| error.to_string());
    }
    words.iter().find_map(|word| missing(word))
}

/// A file or folder of this repository that is named and not there.
fn missing(word: &str) -> Option<String> {
    let ours = ["profiles/", "docs/", "ci/", "deploy/", "subjects/", "cli/"];
    let is_ours = ours.iter().any(|folder| word.starts_with(folder));
    (is_ours && !root().join(word).exists()).then(|| format!("there is no `{word}`"))
}

/// `cargo run -- …` is floodmark; an example or a bench is a file of its crate.
fn problem_of_cargo(arguments: &[String]) -> Option<String> {
    let after = |names: &[&str]| {
        let at = arguments
            .iter()
            .position(|word| names.contains(&word.as_str()))?;
        arguments.get(at + 1)
    };
    let folder = after(&["-p", "--package"])
        .map(|package| package.trim_start_matches("floodmark-"))
        .unwrap_or("cli");
    for (option, place) in [("--example", "examples"), ("--bench", "benches")] {
        if let Some(name) = after(&[option]) {
            let file = root().join(folder).join(place).join(name);
            let is_there = file.join("main.rs").exists() || file.with_extension("rs").exists();
            return (!is_there).then(|| format!("there is no `{folder}/{place}/{name}`"));
        }
    }
    if let Some(path) = after(&["--path"]) {
        return (!root().join(path).join("Cargo.toml").exists())
            .then(|| format!("there is no crate in `{path}`"));
    }
    if arguments.first()? != "run" {
        let known = ["bench", "build", "test"].contains(&arguments.first()?.as_str());
        return (!known).then(|| format!("`cargo {}` is not known here", arguments.join(" ")));
    }
    let at = arguments.iter().position(|word| word == "--")?;
    let ours = ["floodmark".to_owned()];
    problem_of_ours(&[&ours[..], &arguments[at + 1..]].concat())
}

/// Fails with all problems of lines, each with its place. Says how many commands of floodmark there are.
fn check(lines: impl IntoIterator<Item = (String, String)>) -> usize {
    let mut n_commands = 0;
    let mut problems = Vec::new();
    for (place, line) in lines {
        let Some(commands) = simple_commands(&line) else {
            problems.push(format!("{place}: `{line}` leaves a quote open"));
            continue;
        };
        n_commands += commands.iter().filter(|c| c[0] == "floodmark").count();
        let found = commands.iter().filter_map(|words| problem(words));
        problems.extend(found.map(|problem| format!("{place}: `{line}`: {problem}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    n_commands
}

#[test]
fn every_command_of_the_pages_is_one_and_what_it_names_is_there() {
    let blocks = documents::blocks();
    for block in blocks.iter().filter(|block| block.tried.is_some()) {
        let page = block.page.display();
        assert!(!block.lines.is_empty(), "{page}: nothing to try");
    }
    let lines = blocks.into_iter().flat_map(|block| block.lines);
    let n_commands = check(lines.map(|line| (line.place, line.text)));
    assert!(n_commands > 50, "{n_commands}");
}

#[test]
fn every_command_that_a_sentence_names_is_one() {
    let command = Cli::command();
    let mut n_names = 0;
    for page in files_below("docs", "md")
        .into_iter()
        .chain(["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(Into::into))
    {
        for span in text_of(&page).split("`floodmark ").skip(1) {
            let name = span.split([' ', '`']).next().unwrap_or_default();
            let is_one = command.find_subcommand(name).is_some() || name.starts_with('-');
            assert!(is_one, "{}: `floodmark {name}`", page.display());
            n_names += 1;
        }
    }
    assert!(n_names > 20, "{n_names}");
}

#[test]
fn every_example_of_the_help_is_a_command() {
    let command = Cli::command();
    let mut lines = Vec::new();
    for command in std::iter::once(&command).chain(command.get_subcommands()) {
        let help = command.get_after_help().map(ToString::to_string);
        for line in help.unwrap_or_default().lines() {
            let line = line.trim_start();
            if line.starts_with("floodmark ") {
                // What it is for follows after two blanks or more.
                let example = line.split("  ").next().unwrap_or_default();
                lines.push((
                    format!("help of `{}`", command.get_name()),
                    example.to_owned(),
                ));
            }
        }
    }
    let of_others = |(_, line): &(String, String)| !line.contains("target/parts");
    lines.retain(of_others);
    assert!(check(lines) > 40);
}

#[test]
fn every_command_shows_examples_of_itself_in_its_help() {
    let command = Cli::command();
    for command in command.get_subcommands() {
        let name = command.get_name();
        let help = command.get_after_help().map(ToString::to_string);
        let example = format!("\n  floodmark {name}");
        assert!(help.unwrap_or_default().contains(&example), "{name}");
    }
}

#[test]
fn every_command_in_a_comment_of_a_profile_is_one() {
    let files = ["profiles", "deploy", "cli/templates"].map(|folder| files_below(folder, "yaml"));
    let mut lines = Vec::new();
    for file in files.iter().flatten() {
        for (index, line) in text_of(file).lines().enumerate() {
            let text = line.trim_start().trim_start_matches('#').trim_start();
            if line.trim_start().starts_with('#') && text.starts_with("floodmark ") {
                let command = text.split("  ").next().unwrap_or_default();
                let place = format!("{}:{}", file.display(), index + 1);
                lines.push((place, command.to_owned()));
            }
        }
    }
    assert!(check(lines) > 5);
}

#[test]
fn every_command_of_the_workflows_is_one() {
    for (file, expected) in [("docs/ci/github.yml", 2), ("docs/ci/gitlab.yml", 2)] {
        let file = Path::new(file);
        let text = text_of(file);
        let lines = text.lines().enumerate().filter_map(|(index, line)| {
            let start = line.find("floodmark ")?;
            let before = line[..start].trim();
            // At the beginning of a line, of a step, or after what tests for a file.
            let begins = ["", "-", "run:"].contains(&before) || before.ends_with("||");
            let place = format!("{}:{}", file.display(), index + 1);
            // What follows is what the shell does if it fails.
            let command = line[start..].split(" ||").next().filter(|_| begins)?;
            Some((place, command.to_owned()))
        });
        assert_eq!(check(lines), expected, "{}", file.display());
    }
}

#[test]
fn a_mistake_in_a_command_is_found() {
    for (line, expected) in [
        (
            "floodmark bench profiles/smoke.yaml --sed 7",
            "unexpected argument",
        ),
        (
            "floodmark bench profiles/smok.yaml",
            "there is no `profiles/smok.yaml`",
        ),
        (
            "cargo run --release -- bensch profiles/smoke.yaml",
            "unrecognized subcommand",
        ),
        (
            "X=1 cargo bench -p floodmark-detector --bench drains",
            "no `detector/benches/drains`",
        ),
        ("floodmark doctor | fmt", "`fmt` is no program of ours"),
        ("just fuz", "no recipe `fuz`"),
        ("ci/fuz 60", "there is no `ci/fuz`"),
        (
            "cargo install --path client --locked",
            "no crate in `client`",
        ),
        (
            "floodmark schema profile > profile.json  # for an editor",
            "",
        ),
        ("floodmark --version && floodmark report --help", ""),
    ] {
        let commands = simple_commands(line).unwrap();
        let found = commands.iter().find_map(|words| problem(words));
        let found = found.unwrap_or_default();
        assert!(found.contains(expected), "{line}: {found}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{line}: {found}");
    }
}
