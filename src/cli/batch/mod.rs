//! `simyard batch`: what manufacturers make deliveries from.

use clap::{Args, Subcommand};

mod request;

/// Ask a manufacturer for a batch.
#[derive(Args)]
pub struct BatchArgs {
    #[command(subcommand)]
    command: BatchCommand,
}

#[derive(Subcommand)]
enum BatchCommand {
    /// Write the input file for a manufacturer: how many SIMs, from which numbers on.
    Request(request::RequestArgs),
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the command, and a file that cannot be written.
pub async fn run(args: BatchArgs) -> anyhow::Result<()> {
    match args.command {
        BatchCommand::Request(args) => request::run(&args),
    }
}
