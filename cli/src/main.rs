//! The `floodmark` command: arguments, wiring, exit codes, all printing.

mod args;
mod colour;
mod commands;
mod exit;
mod jobs;
mod load;
mod logging;
mod near;
mod output;
mod signals;
#[cfg_attr(not(feature = "traces"), path = "no_traces.rs")]
mod traces;
mod tui;
mod version;
mod watch;

use std::process::ExitCode;

use args::{Cli, Command};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    colour::settle(std::env::args_os(), std::env::var_os(colour::VARIABLE));
    let cli = Cli::of_process();
    logging::install(&cli.global);
    // A panic is our fault, whatever the input was: it ends with 1, never with 101.
    let outcome = std::panic::catch_unwind(|| run(&cli));
    match outcome {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => failure.report().into(),
        Err(_) => Exit::Internal.into(),
    }
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Bench(args) => commands::bench::run(args, &cli.global),
        Command::Search(args) => commands::search::run(args, &cli.global),
        Command::Curve(args) => commands::curve::run(args, &cli.global),
        Command::Generate(args) => commands::generate::run(args, &cli.global),
        Command::Calibrate(args) => commands::calibrate::run(args, &cli.global),
        Command::Merge(args) => commands::merge::run(args, &cli.global),
        Command::Detect(args) => commands::detect::run(args, &cli.global),
        Command::Drain(args) => commands::drain::run(args, &cli.global),
        Command::ServeModel(args) => commands::serve_model::run(args, &cli.global),
        Command::Jobs(command) => commands::jobs::run(command),
        Command::Score(args) => commands::score::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Compare(args) => commands::compare::run(args),
        Command::Ab(args) => commands::ab::run(args, &cli.global),
        Command::Aa(args) => commands::aa::run(args, &cli.global),
        Command::History(args) => commands::history::run(args),
        Command::Init(args) => commands::init::run(args, &cli.global),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Man(args) => commands::man::run(args),
        Command::Explain(args) => commands::explain::run(args),
        Command::Replay(args) => commands::replay::run(args, &cli.global),
        Command::Collect(args) => commands::collect::run(args, &cli.global),
        Command::Validate(args) => commands::validate::run(args),
        Command::Broker(args) => commands::broker::run(args, &cli.global),
        Command::Topics(args) => commands::topics::run(args),
        Command::Schema(args) => commands::schema::run(args),
        Command::Completions(args) => commands::completions::run(args),
    }
}
