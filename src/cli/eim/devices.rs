//! `simyard eim devices`: certificates of devices that stand for an EID by a list.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::app::open_store;
use crate::cli::hand::HandArgs;
use crate::cli::output::{self, error_line, line};
use crate::cli::serve::ConfigArgs;
use crate::eim::device_certificates::{
    DeviceCertificate, DeviceCertificates, MAX_FILE_OCTETS, OtherPins, parse_fingerprint, read_list,
};
use crate::env::Clock;
use crate::ident::{Eid, counted};
use crate::store::Store;

/// Look after the list of certificates that stand for an EID although they name none.
///
/// A device's certificate names its EID in the field that the setting eid_field says. One that names none there may stand
/// for an EID by this list, by its SHA-256; it must lie under a CA of devices all the same. A running server heeds a change
/// at once.
#[derive(Args)]
pub(super) struct DevicesArgs {
    #[command(subcommand)]
    command: DevicesCommand,
}

#[derive(Subcommand)]
enum DevicesCommand {
    /// Take a list, whole or not at all: CSV with the columns certificate_sha256 and eid.
    ///
    /// Lines that are there already change nothing. What changes is written down in the audit, line by line.
    Import(ImportArgs),
    /// List the certificates, by rising fingerprint, a page at a time.
    List(ListArgs),
    /// Take a certificate off the list: from now on it stands for nobody.
    Remove(RemoveArgs),
}

#[derive(Args)]
struct ImportArgs {
    /// The list; - for standard input.
    file: PathBuf,
    /// Let certificates that stand for another EID stand for the new one.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args)]
struct ListArgs {
    /// Those of this EID alone.
    #[arg(long, value_name = "DIGITS")]
    eid: Option<Eid>,
    /// Go on behind this fingerprint.
    #[arg(long, value_name = "SHA256", default_value = "")]
    after: String,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct RemoveArgs {
    /// SHA-256 of the certificate: 64 hexadecimal digits.
    #[arg(value_name = "SHA256", value_parser = parse_fingerprint)]
    fingerprint: [u8; 32],
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs `simyard eim devices`.
pub(super) async fn run(args: DevicesArgs) -> anyhow::Result<()> {
    match args.command {
        DevicesCommand::Import(args) => import(&args).await,
        DevicesCommand::List(args) => list(&args).await,
        DevicesCommand::Remove(args) => remove(&args).await,
    }
}

async fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let text = read(&args.file, MAX_FILE_OCTETS).with_context(|| args.file.display().to_string())?;
    let pins = read_list(&text).with_context(|| args.file.display().to_string())?;
    let others = if args.replace { OtherPins::Replace } else { OtherPins::Keep };
    let store = open_store(&args.config.load()?).await?;
    let imported = certificates(&store).import(&pins, others, &args.hand.person()).await;
    store.close().await;
    let changed = imported?;
    let same = pins.len().saturating_sub(changed);
    line(&format!("{} taken, {same} there already", counted(changed, "certificate")));
    Ok(())
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let store = open_store(&args.config.load()?).await?;
    // One more than is told says whether there are more.
    let found = store.device_certificates(args.eid.as_ref(), &args.after, args.limit.saturating_add(1)).await;
    store.close().await;
    let mut found = found?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|last| hex::encode(last.pin.fingerprint));
    if args.json {
        let all: Vec<Value> = found.iter().map(value).collect();
        output::json(&json!({ "certificates": all, "next": next }));
        return Ok(());
    }
    for DeviceCertificate { pin, person, imported_at } in &found {
        let fingerprint = hex::encode(pin.fingerprint);
        line(&format!("{fingerprint}  {}  by {person} at {imported_at}", pin.eid));
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

async fn remove(args: &RemoveArgs) -> anyhow::Result<()> {
    let store = open_store(&args.config.load()?).await?;
    let removed = certificates(&store).remove(&args.fingerprint, &args.hand.person()).await;
    store.close().await;
    let Some(eid) = removed? else {
        bail!("the certificate {} is not in the list", hex::encode(args.fingerprint))
    };
    line(&format!("{} stands for {eid} no more", hex::encode(args.fingerprint)));
    Ok(())
}

fn certificates(store: &Store) -> DeviceCertificates {
    DeviceCertificates { store: store.clone(), clock: Clock::system() }
}

/// The text of a file of so many octets at most; - is standard input.
pub(in crate::cli) fn read(path: &Path, most: u64) -> anyhow::Result<String> {
    let input: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path)?)
    };
    let mut text = String::new();
    input.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        bail!("more than {most} octets: divide the list");
    }
    Ok(text)
}

fn value(certificate: &DeviceCertificate) -> Value {
    json!({
        "certificate_sha256": hex::encode(certificate.pin.fingerprint),
        "eid": certificate.pin.eid.as_str(),
        "by": certificate.person.as_str(),
        "imported_at": certificate.imported_at.to_string(),
    })
}
