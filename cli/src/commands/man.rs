//! `floodmark man`: manual pages, made from the help texts.

use std::path::Path;

use clap::CommandFactory;

use crate::{
    args::{Cli, ManArgs},
    commands::say,
    exit::{Exit, Failure},
};

/// Writes a page for floodmark and one for each command, or prints the first.
pub fn run(args: &ManArgs) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &args.write else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        say(String::from_utf8_lossy(&page).trim_end());
        return Ok(Exit::Pass);
    };
    std::fs::create_dir_all(dir)?;
    let written = write(&command, "floodmark", dir)?;
    say(&format!("wrote {written} pages into `{}`", dir.display()));
    Ok(Exit::Pass)
}

/// The page of a command and those of the commands below it.
fn write(command: &clap::Command, name: &str, dir: &Path) -> Result<usize, Failure> {
    let mut page = Vec::new();
    // A page is looked up by the whole name: `man floodmark-topics-list`.
    clap_mangen::Man::new(command.clone().display_name(name)).render(&mut page)?;
    std::fs::write(dir.join(format!("{name}.1")), page)?;
    let mut written = 1;
    for below in command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
    {
        written += write(below, &format!("{name}-{}", below.get_name()), dir)?;
    }
    Ok(written)
}
