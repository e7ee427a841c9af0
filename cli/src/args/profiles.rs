//! Arguments of the commands that look at profiles and at what may stand in them.

use std::path::PathBuf;

use clap::Args;

use super::ProfileArgs;

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark validate mine.yaml
  floodmark validate profiles/sensors.yaml --set streams.sensors.rate=20k/s --seed 7      with what a run would be given")]
pub struct ValidateArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark explain profiles/quickstart.yaml
  floodmark explain profiles/sensors.yaml --set duration=10m --json      to be read by a program")]
pub struct ExplainArgs {
    /// The profile and what overrides it
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark schema      all names
  floodmark schema profile > profile.schema.json      for the editor: what may stand where, with meanings
  floodmark schema --write schemas
  floodmark schema --reference > profile.md")]
pub struct SchemaArgs {
    /// Which to print, such as `profile` [default: list them]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Write all of them into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    pub write: Option<PathBuf>,
    /// Print the reference of profiles in their place, as Markdown: every setting with its unit, default and meaning
    #[arg(long, conflicts_with_all = ["name", "write"])]
    pub reference: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  floodmark completions bash > ~/.local/share/bash-completion/completions/floodmark
  floodmark completions zsh > ~/.zfunc/_floodmark      with `fpath+=~/.zfunc` before `compinit`
  floodmark completions fish > ~/.config/fish/completions/floodmark.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
