//! `simyard eim`: the eIM, its eUICCs, their devices, and notifications that wait for their receivers.
//!
//! | file | commands |
//! |---|---|
//! | `configuration` | what eUICCs are told of this eIM |
//! | `associate` | what this eIM keeps of eUICCs |
//! | `devices` | certificates that stand for an EID by a list |
//! | `eco` | the eIMs of eUICCs, and fleets that go over to another one |
//! | `keys` | the keys that sign packages, and how eUICCs are told of the next one |
//! | `listen` | where devices listen that packages are brought to |
//! | `operation` | a laboratory's hand on it |
//! | `forwarded` | notifications that wait for their receivers |
//! | `label` | what the owner of a fleet calls eUICCs by |
//! | `refused` | what was refused on ESipa |

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::app::config::{Config, EimSetting};
use crate::eim::association::DownloadWay;

mod associate;
mod configuration;
mod devices;
mod eco;
mod forwarded;
pub(super) mod keys;
mod label;
mod listen;
mod operation;
mod refused;

pub(in crate::cli) use devices::read as read_text;

/// Look after the eIM: what eUICCs and it have of each other, devices' certificates, what was refused on ESipa, and
/// notifications that wait for their receivers.
#[derive(Args)]
pub struct EimArgs {
    #[command(subcommand)]
    command: EimCommand,
}

#[derive(Subcommand)]
enum EimCommand {
    /// Write what eUICCs are told of this eIM, for the factory or for another eIM.
    Configuration(Box<configuration::ConfigurationArgs>),
    /// Associate eUICCs with this eIM: counter and token of each, anew where they are associated already.
    ///
    /// An eUICC that a manufacturer delivers with its eIM data needs no such command. What is brought here is written down in
    /// the audit.
    Associate(associate::AssociateArgs),
    /// Say where devices listen ('simyard ipa listen'): this eIM brings them what waits for their eUICCs.
    ///
    /// They may poll all the same. A device that cannot be reached is tried again and again, with pauses that double up to an
    /// hour. What is said here is written down in the audit.
    Listen(listen::ListenArgs),
    /// Show what this eIM knows of an eUICC: counter, token, contact, profiles, operations under way.
    Show(associate::ShowArgs),
    /// Have an eUICC associate another eIM beside this one.
    Add(eco::AddArgs),
    /// Have an eUICC change what it has of an eIM; the key of this one is rotated.
    Update(eco::AddArgs),
    /// Have an eUICC delete another eIM.
    Remove(eco::RemoveArgs),
    /// Have an eUICC list its eIMs: 'simyard operation show' tells them.
    ListEims(eco::ListEimsArgs),
    /// Have eUICCs go over to another eIM.
    ///
    /// Each adds the other eIM; once its signed result says so, it deletes this one, in an operation of its own. An eUICC that
    /// does not add the other eIM stays here.
    Move(eco::MoveArgs),
    /// List the eUICCs that have another eIM by 'move', with what its owner needs: eid,counter,token, as 'simyard eim associate
    /// --file' takes it.
    Moved(eco::MovedArgs),
    /// List the keys that sign packages, and how many eUICCs know each.
    Keys(keys::KeysArgs),
    /// Tell eUICCs of a new key, under the one that they know.
    ///
    /// The settings name the new key in [[eim.keys]], and the server has been started with them. Each eUICC goes on under its
    /// old key until its signed result says that it has the new one.
    Rotate(keys::RotateArgs),
    /// Prepare situations for a laboratory: counters, tokens and packages as no eIM makes them by itself.
    Operation(operation::OperationArgs),
    /// Look after the list of certificates that stand for an EID although they name none.
    Devices(devices::DevicesArgs),
    /// Look at the notifications of devices that wait for their receivers, try them at once, or drop them.
    Forwarded(forwarded::ForwardedArgs),
    /// Look after labels of eUICCs, by which a fleet is divided.
    Label(label::LabelArgs),
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
        EimCommand::Configuration(args) => configuration::run(*args).await,
        EimCommand::Associate(args) => associate::run(&args).await,
        EimCommand::Listen(args) => listen::run(&args).await,
        EimCommand::Show(args) => associate::show(&args).await,
        EimCommand::Add(args) => eco::add(&args).await,
        EimCommand::Update(args) => eco::update(&args).await,
        EimCommand::Remove(args) => eco::remove(&args).await,
        EimCommand::ListEims(args) => eco::list(&args).await,
        EimCommand::Move(args) => eco::start_move(&args).await,
        EimCommand::Moved(args) => eco::list_moved(&args).await,
        EimCommand::Keys(args) => keys::list(&args).await,
        EimCommand::Rotate(args) => keys::run(&args).await,
        EimCommand::Operation(args) => operation::run(&args).await,
        EimCommand::Devices(args) => devices::run(args).await,
        EimCommand::Forwarded(args) => forwarded::run(args).await,
        EimCommand::Label(args) => label::run(args).await,
        EimCommand::Refused(args) => refused::run(&args).await,
    }
}

/// How a device gets profiles; the setting `download` says it of those of whom nobody says it here.
#[derive(Args)]
struct DownloadArgs {
    /// Its device downloads through the eIM.
    #[arg(long, conflicts_with = "direct")]
    indirect: bool,
    /// Its device goes to the SM-DP+ itself.
    #[arg(long)]
    direct: bool,
}

impl DownloadArgs {
    fn way(&self, config: &Config) -> DownloadWay {
        match (self.indirect, self.direct) {
            (true, _) => DownloadWay::Indirect,
            (false, true) => DownloadWay::Direct,
            (false, false) => config.eim.as_ref().map_or(DownloadWay::Direct, |eim| eim.download),
        }
    }
}

/// The eIM of the settings.
fn eim_of(config: &Config) -> anyhow::Result<&EimSetting> {
    config.eim.as_ref().context("the settings have no [eim]")
}
