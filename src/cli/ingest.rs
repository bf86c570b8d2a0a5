//! `simyard ingest`: manufacturers' files into the stock.

use std::io::{BufReader, IsTerminal as _, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::hand::HandArgs;
use super::output::{self, line};
use super::serve::ConfigArgs;
use crate::app::{Stock, cis, delivery_of};
use crate::crypto::hash::Sha256Stream;
use crate::domain::{Actor, DeliveryId, KeyPartner, Manufacturer, ProfileType};
use crate::env::{Clock, Rng};
use crate::inventory::formats::{AnyForm, Format, Options};
use crate::inventory::receipt::counted;
use crate::inventory::{Delivery, IngestError, Intent, Inventory, Receipt};

/// Refusals that are printed; the file of refusals has all.
const PRINTED_MAX: usize = 100;

/// Take a manufacturer's delivery into the stock.
///
/// A file may be CSV with a line of column names (iccid, imsi, ki, opc or op, pin1, puk1, pin2, puk2, adm1, and if you like acc,
/// msisdn, kic, kid, kik, imsi2 …), JSON lines with the same names, a vendor's classic file (*HEADER DESCRIPTION …), a file with a
/// header line, or ready-made profile packages in DER, one after the other. K, OPc and keys for remote management are
/// enciphered under a transport key; mode = "test" takes them in the clear too.
#[derive(Args)]
pub struct IngestArgs {
    /// Files of the manufacturer, each a delivery of its own: all of it goes into the stock, or nothing.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The form of the files; found out if absent.
    #[arg(long, value_name = "FORMAT", value_parser = ["classic", "header-line", "csv", "json-lines", "packages", "euiccs"])]
    format: Option<String>,
    /// The columns of a file with a header line, in their order, with commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Columns that are not read, with commas between.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pass_over: Vec<String>,
    /// The transport key of K and OPc, where the file names none.
    #[arg(long, value_name = "INDEX")]
    transport_key: Option<u32>,
    /// The transport key of keys for remote management, where the file names none.
    #[arg(long, value_name = "INDEX")]
    ota_transport_key: Option<u32>,
    /// A CSV with the iccid, and if you like the imsi, that the header of each ready-made package must say.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// The profile type of its profiles, as the settings name it; not needed where they name one only.
    #[arg(long, value_name = "NAME")]
    profile_type: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Who delivers; the same delivery of one manufacturer is taken once.
    #[arg(long, value_name = "NAME", default_value = "local")]
    manufacturer: String,
    /// What the manufacturer calls the delivery, of one file. By default the file says it, or its digest is the name.
    #[arg(long, value_name = "ID")]
    batch_id: Option<String>,
    #[command(flatten)]
    hand: HandArgs,
    /// Take the good rows, though others are refused.
    #[arg(long, conflicts_with = "dry_run")]
    partial: bool,
    /// Look at everything and take nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write all refused rows to this file, as CSV.
    #[arg(long, value_name = "FILE")]
    refusals: Option<PathBuf>,
    /// Print the receipt as JSON.
    #[arg(long)]
    json: bool,
}

/// Takes the files in, one after the other, and prints the receipts.
///
/// # Errors
/// What is wrong with a file, its rows, the settings or the store; nothing of that file and of those behind it was taken
/// then.
pub async fn run(args: IngestArgs) -> anyhow::Result<()> {
    if args.files.len() > 1 && (args.batch_id.is_some() || args.refusals.is_some() || args.expect.is_some()) {
        bail!("--batch-id, --refusals and --expect are for one file");
    }
    let config = args.config.load()?;
    let named = |name: &str| {
        ProfileType::parse(name)
            .and_then(|name| config.profile_types.iter().find(|setting| setting.name == name))
    };
    let setting = match (&args.profile_type, config.profile_types.as_slice()) {
        (Some(name), _) => named(name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(setting) = setting else {
        let names: Vec<&str> = config.profile_types.iter().map(|setting| setting.name.as_str()).collect();
        bail!("--profile-type must be one of those in the settings: {}", names.join(", "));
    };
    let delivery_id = args.batch_id.as_deref().map(|text| {
        DeliveryId::parse(text).context("--batch-id must have 1 to 128 octets and no control characters")
    });
    // Certificates of eUICCs are verified under the CIs of the settings, if they are there.
    let trust = cis(&config.ci).ok().map(Arc::new);
    let delivery = Delivery {
        manufacturer: Manufacturer::parse(&args.manufacturer)
            .context("--manufacturer must have 1 to 128 octets and no control characters")?,
        actor: Actor::Person(args.hand.person()),
        delivery_id: delivery_id.transpose()?,
        ..delivery_of(&config, setting, trust)?
    };
    let rng = Rng::system();
    let Stock { store, sealer } = Stock::open(&config, &rng).await?;
    let inventory = Inventory { store, sealer, clock: Clock::system(), rng, mode: config.mode };
    let outcome = all(&inventory, &args, &delivery).await;
    inventory.store.close().await;
    outcome
}

async fn all(inventory: &Inventory, args: &IngestArgs, delivery: &Delivery) -> anyhow::Result<()> {
    let partner = KeyPartner::Manufacturer(delivery.manufacturer.clone());
    let keys = Arc::new(inventory.key_ring(&partner).await?);
    for path in &args.files {
        let options = Options {
            format: args.format.as_deref().and_then(Format::parse),
            columns: args.columns.clone(),
            passed_over: args.pass_over.clone(),
            keys: Arc::clone(&keys),
            subscription_key: args.transport_key,
            ota_key: args.ota_transport_key,
            ..inventory.options(delivery)
        };
        one(inventory, args, delivery, options, path).await?;
    }
    Ok(())
}

async fn one(
    inventory: &Inventory,
    args: &IngestArgs,
    delivery: &Delivery,
    options: Options,
    path: &Path,
) -> anyhow::Result<()> {
    let of_file = |path: &Path| path.display().to_string();
    let mut file = std::fs::File::open(path).with_context(|| of_file(path))?;
    let digest = digest(&mut file).with_context(|| of_file(path))?;
    let unnamed_id = DeliveryId::parse(&format!("sha256:{}", hex::encode(digest)));
    let delivery = Delivery { unnamed_id, ..delivery.clone() };
    let accompanying = args.expect.as_ref().map(|path| -> anyhow::Result<Box<dyn Read + Send>> {
        Ok(Box::new(std::fs::File::open(path).with_context(|| of_file(path))?))
    });
    let source = AnyForm { options, accompanying: accompanying.transpose()? };
    let intent = match (args.dry_run, args.partial) {
        (true, _) => Intent::Try,
        (false, true) => Intent::TakeGood,
        (false, false) => Intent::TakeWhole,
    };
    match take(inventory, file, source, &delivery, intent).await {
        Ok(receipt) => {
            keep_refusals(args, &receipt)?;
            print(&receipt, args.json)?;
            if receipt.dry_run && receipt.refused > 0 {
                bail!(
                    "{}: {} of {} would be refused",
                    of_file(path),
                    receipt.refused,
                    crate::ident::counted(receipt.rows, "row")
                );
            }
            Ok(())
        }
        Err(IngestError::Refused(receipt)) => {
            keep_refusals(args, &receipt)?;
            if args.json {
                output::json(&serde_json::to_value(&*receipt)?);
            }
            bail!("{}: nothing was taken\n{}", of_file(path), refusals(&receipt).join("\n"));
        }
        Err(error) => Err(error).with_context(|| format!("{}: nothing was taken", of_file(path))),
    }
}

/// The digest of a file, which is read from its beginning again afterwards.
fn digest(file: &mut std::fs::File) -> std::io::Result<[u8; 32]> {
    let mut digest = Sha256Stream::new();
    std::io::copy(file, &mut digest)?;
    file.rewind()?;
    Ok(digest.finish())
}

async fn take(
    inventory: &Inventory,
    file: std::fs::File,
    source: AnyForm,
    delivery: &Delivery,
    intent: Intent,
) -> Result<Receipt, IngestError> {
    let unread =
        |error: std::io::Error| IngestError::Prepare(crate::inventory::rows::ReadError::Read(error).into());
    let octets = file.metadata().map_err(unread)?.len();
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(octets) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {msg} rows, {eta}") {
        bar.set_style(style);
    }
    let input = BufReader::with_capacity(1 << 16, bar.wrap_read(file));
    let told = bar.clone();
    let progress = move |rows: u64| told.set_message(rows.to_string());
    let receipt = inventory.ingest(input, Box::new(source), delivery, intent, progress).await;
    bar.finish_and_clear();
    receipt
}

fn keep_refusals(args: &IngestArgs, receipt: &Receipt) -> anyhow::Result<()> {
    let Some(path) = &args.refusals else { return Ok(()) };
    std::fs::write(path, receipt.refusals_csv()).with_context(|| path.display().to_string())
}

/// What was refused, as far as a terminal wants to know it.
fn refusals(receipt: &Receipt) -> Vec<String> {
    let mut told: Vec<String> = receipt.refusals.iter().take(PRINTED_MAX).map(ToString::to_string).collect();
    let untold = receipt.refusals.len().saturating_sub(told.len());
    let more = receipt.more_refusals.saturating_add(u64::try_from(untold).unwrap_or(u64::MAX));
    if more > 0 {
        told.push(format!(
            "and {more} more (--refusals FILE has up to {})",
            crate::inventory::receipt::REFUSALS_MAX
        ));
    }
    told
}

fn print(receipt: &Receipt, json: bool) -> anyhow::Result<()> {
    if json {
        output::json(&serde_json::to_value(receipt)?);
        return Ok(());
    }
    let name = match (&receipt.batch_id, receipt.repeated) {
        (Some(batch_id), false) => format!("batch {batch_id}"),
        (Some(batch_id), true) => format!("taken before, nothing was changed: batch {batch_id}"),
        (None, _) => "nothing was taken; would be".to_owned(),
    };
    line(&format!(
        "{name}: {} of type {} for {}",
        counted(receipt.kind, receipt.profiles),
        receipt.profile_type,
        receipt.owner
    ));
    if let (Some(first), Some(last)) = (&receipt.first_iccid, &receipt.last_iccid) {
        line(&format!("first ICCID {first}, last ICCID {last}"));
    }
    line(&format!("file SHA-256 {}, taken {}", receipt.sha256, receipt.received_at));
    if receipt.refused > 0 {
        line(&format!("{} of {} refused", receipt.refused, crate::ident::counted(receipt.rows, "row")));
        refusals(receipt).iter().for_each(|refusal| line(refusal));
    }
    Ok(())
}
