//! `floodmark completions`: for the shell.

use clap::CommandFactory;

use crate::{
    args::{Cli, CompletionsArgs},
    exit::{Exit, Failure},
};

/// Prints the completions for a shell.
pub fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "floodmark",
        &mut std::io::stdout(),
    );
    Ok(Exit::Pass)
}
