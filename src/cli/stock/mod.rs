//! `simyard stock`: what is there, where each profile has been, and all of it for whoever moves elsewhere.
//!
//! | file | what |
//! |---|---|
//! | `show` | how many profiles stand where |
//! | `search` | `search` and `history` |
//! | `export` | `export` and `verify` |
//!
//! What takes profiles out and back stands in [`super::allocation`].

use clap::{Args, Subcommand};

use super::allocation::{self, AllocationCommand};
use super::common::Common;

mod export;
mod search;
mod show;

/// Show the stock: how many profiles stand where, and what runs low.
///
/// Without a command: by owner, profile type and kind of SIM. A type runs low when fewer of its profiles are available
/// than its low_water in the settings says.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StockArgs {
    #[command(subcommand)]
    command: Option<StockCommand>,
    #[command(flatten)]
    show: show::ShowArgs,
}

#[derive(Subcommand)]
enum StockCommand {
    /// Find profiles by any number: ICCID, IMSI, MSISDN, EID, matching identifier.
    Search(search::SearchArgs),
    /// Show where a profile has been.
    History(search::HistoryArgs),
    /// Write the stock, or a part of it, into a folder that another platform can read.
    Export(Box<export::ExportArgs>),
    /// Check such a folder: its signature, and every file.
    Verify(export::VerifyArgs),
    #[command(flatten)]
    Allocation(AllocationCommand),
}

/// Runs `simyard stock`.
///
/// # Errors
/// Settings or a store that cannot be used, what is not in the stock, and files that cannot be written.
pub async fn run(args: StockArgs) -> anyhow::Result<()> {
    match args.command {
        None => show::run(&args.show).await,
        Some(StockCommand::Search(args)) => search::search(&args).await,
        Some(StockCommand::History(args)) => search::history(&args).await,
        Some(StockCommand::Export(args)) => export::export(&args).await,
        Some(StockCommand::Verify(args)) => export::verify(&args),
        Some(StockCommand::Allocation(command)) => allocation::run(command).await,
    }
}
