//! `simyard eim`: the eIM's devices, what was refused to them, and their notifications.
//!
//! | file | commands |
//! |---|---|
//! | `devices` | certificates that stand for an EID by a list |
//! | `forwarded` | notifications that wait for their receivers |
//! | `refused` | what was refused on ESipa |

use clap::{Args, Subcommand};

mod devices;
mod forwarded;
mod refused;

/// Look after the eIM: its devices' certificates, what was refused on ESipa, and notifications that are brought.
#[derive(Args)]
pub struct EimArgs {
    #[command(subcommand)]
    command: EimCommand,
}

#[derive(Subcommand)]
enum EimCommand {
    /// Look after the list of certificates that stand for an EID although they name none.
    Devices(devices::DevicesArgs),
    /// Look at the notifications of devices that wait for their receivers, try them at once, or drop them.
    Forwarded(forwarded::ForwardedArgs),
    /// List what was refused on ESipa, the newest first, a page at a time.
    ///
    /// A certificate that was not taken, one that stands for another EID than the device claimed, and the like: the newest
    /// 100 of an address and 10,000 in all. What is alike is one line with a count. A running server writes them down
    /// every ten seconds.
    Refused(refused::RefusedArgs),
}

/// Runs `simyard eim`.
///
/// # Errors
/// Settings, a store or a list that cannot be used.
pub async fn run(args: EimArgs) -> anyhow::Result<()> {
    match args.command {
        EimCommand::Devices(args) => devices::run(args).await,
        EimCommand::Forwarded(args) => forwarded::run(args).await,
        EimCommand::Refused(args) => refused::run(&args).await,
    }
}
