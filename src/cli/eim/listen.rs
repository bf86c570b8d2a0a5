//! `simyard eim listen`: where devices listen that packages are brought to.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};

use super::devices::read;
use crate::app::open_store;
use crate::cli::hand::HandArgs;
use crate::cli::output::line;
use crate::cli::serve::ConfigArgs;
use crate::eim::listening::{Listening, MAX_FILE_OCTETS, parse_address, read_list, say};
use crate::env::Clock;
use crate::ident::{Eid, ServerAddress};

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["eid", "file"]))]
pub(super) struct ListenArgs {
    /// The eUICC.
    #[arg(requires = "where")]
    eid: Option<Eid>,
    /// Many of them: CSV with the columns eid and address, the latter empty for devices that poll; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "where")]
    file: Option<PathBuf>,
    /// Where its device listens: HOST:PORT, or https://HOST:PORT.
    #[arg(long, value_name = "URL", value_parser = parse_address, group = "where")]
    at: Option<ServerAddress>,
    /// Its device listens no more: it polls.
    #[arg(long, group = "where")]
    no_more: bool,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs `simyard eim listen`.
pub(super) async fn run(args: &ListenArgs) -> anyhow::Result<()> {
    let devices = match (&args.eid, &args.file) {
        (Some(eid), _) => vec![Listening { eid: eid.clone(), address: args.at.clone() }],
        (None, Some(file)) => {
            let text = read(file, MAX_FILE_OCTETS).with_context(|| file.display().to_string())?;
            read_list(&text).with_context(|| file.display().to_string())?
        }
        (None, None) => bail!("name an EID or --file FILE"),
    };
    let store = open_store(&args.config.load()?).await?;
    let said = say(&store, &devices, &args.hand.person(), Clock::system().now()).await;
    store.close().await;
    said?;
    let listen = devices.iter().filter(|device| device.address.is_some()).count();
    let poll = devices.len().saturating_sub(listen);
    line(&format!("{listen} devices listen, {poll} poll"));
    Ok(())
}
