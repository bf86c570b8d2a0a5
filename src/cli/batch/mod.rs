//! `simyard batch`: what manufacturers make deliveries from, and deliveries made here.

use clap::{Args, Subcommand};

mod generate;
mod request;

/// Ask a manufacturer for a batch, or make one here.
#[derive(Args)]
pub struct BatchArgs {
    #[command(subcommand)]
    command: BatchCommand,
}

#[derive(Subcommand)]
enum BatchCommand {
    /// Write the input file for a manufacturer: how many SIMs, from which numbers on.
    Request(request::RequestArgs),
    /// Make subscriptions here, and take them into the stock: numbers from pools, keys and codes at random.
    Generate(generate::GenerateArgs),
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the command, the settings or the store, and a file that cannot be written; nothing was taken then.
pub async fn run(args: BatchArgs) -> anyhow::Result<()> {
    match args.command {
        BatchCommand::Request(args) => request::run(&args),
        BatchCommand::Generate(args) => generate::run(args).await,
    }
}
