//! `simyard stock`: what is done with the profiles of the stock.

use clap::{Args, Subcommand};

use super::allocation::{self, AllocationCommand};

/// Take profiles out of the stock, and back.
///
/// Works on the store that the settings name; a server may run on it.
#[derive(Args)]
pub struct StockArgs {
    #[command(subcommand)]
    command: StockCommand,
}

#[derive(Subcommand)]
enum StockCommand {
    #[command(flatten)]
    Allocation(AllocationCommand),
}

/// Runs `simyard stock`.
///
/// # Errors
/// As each of its commands.
pub async fn run(args: StockArgs) -> anyhow::Result<()> {
    match args.command {
        StockCommand::Allocation(command) => allocation::run(command).await,
    }
}
