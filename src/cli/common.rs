//! What most commands on a server's store take.

use clap::Args;

use super::serve::ConfigArgs;

/// The settings, and the form of the answer.
#[derive(Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Print the result as JSON.
    #[arg(long)]
    pub(super) json: bool,
}
