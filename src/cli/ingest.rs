//! `simyard ingest`: a manufacturer's file, or a ready-made package, into the stock.

use std::io::{BufReader, IsTerminal as _, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{self, line};
use super::serve::ConfigArgs;
use crate::app::{Stock, template_of};
use crate::crypto::hash::Sha256Stream;
use crate::domain::{DeliveryId, Manufacturer, ProfileType};
use crate::env::{Clock, Rng};
use crate::inventory::csv::{Csv, OnePackage};
use crate::inventory::rows::Source;
use crate::inventory::{Delivery, IngestError, Intent, Inventory, Receipt};
use crate::profile::plan::Template;

/// The first octet of a profile package: its profile header. No text begins with it.
const PACKAGE_BEGINS: u8 = 0xA0;
/// Refusals that are printed; the file of refusals has all.
const PRINTED_MAX: usize = 100;

/// Take a manufacturer's delivery into the stock.
#[derive(Args)]
pub struct IngestArgs {
    /// A manufacturer's file, or a ready-made profile package.
    ///
    /// Text: one line of column names, in any order, then one line for each subscription, divided by comma, semicolon or
    /// tab. The columns are iccid, imsi, ki, opc or op, pin1, puk1, pin2, puk2, adm1, and if you like acc and msisdn.
    /// A package: unprotected, in DER. All of the file goes into the stock, or nothing.
    file: PathBuf,
    /// The profile type of its profiles, as the settings name it; not needed where they name one only.
    #[arg(long, value_name = "NAME")]
    profile_type: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Who delivers; the same delivery of one manufacturer is taken once.
    #[arg(long, value_name = "NAME", default_value = "local")]
    manufacturer: String,
    /// What the manufacturer calls the delivery. By default the file says it, or its digest is the name.
    #[arg(long, value_name = "ID")]
    batch_id: Option<String>,
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

/// Takes the file in and prints the receipt.
///
/// # Errors
/// What is wrong with the file, its rows, the settings or the store; nothing was taken then.
pub async fn run(args: IngestArgs) -> anyhow::Result<()> {
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
    let of_file = |path: &Path| path.display().to_string();
    let mut file = std::fs::File::open(&args.file).with_context(|| of_file(&args.file))?;
    let delivery_id = match &args.batch_id {
        Some(text) => text.clone(),
        None => format!("sha256:{}", hex::encode(digest(&mut file).with_context(|| of_file(&args.file))?)),
    };
    let delivery = Delivery {
        manufacturer: Manufacturer::parse(&args.manufacturer)
            .context("--manufacturer must have 1 to 128 octets and no control characters")?,
        delivery_id: Some(
            DeliveryId::parse(&delivery_id)
                .context("--batch-id must have 1 to 128 octets and no control characters")?,
        ),
        ..Delivery::local(setting.owner.clone(), setting.name.clone(), template_of(setting)?)
    };
    let rng = Rng::system();
    let Stock { store, sealer } = Stock::open(&config, &rng).await?;
    let inventory = Inventory { store, sealer, clock: Clock::system(), rng, mode: config.mode };
    let intent = match (args.dry_run, args.partial) {
        (true, _) => Intent::Try,
        (false, true) => Intent::TakeGood,
        (false, false) => Intent::TakeWhole,
    };
    let outcome = take(&inventory, file, &delivery, intent).await;
    inventory.store.close().await;
    match outcome {
        Ok(receipt) => {
            keep_refusals(&args, &receipt)?;
            print(&receipt, args.json)?;
            if receipt.dry_run && receipt.refused > 0 {
                bail!(
                    "{}: {} of {} rows would be refused",
                    of_file(&args.file),
                    receipt.refused,
                    receipt.rows
                );
            }
            Ok(())
        }
        Err(IngestError::Refused(receipt)) => {
            keep_refusals(&args, &receipt)?;
            if args.json {
                output::json(&serde_json::to_value(&*receipt)?);
            }
            bail!("{}: nothing was taken\n{}", of_file(&args.file), refusals(&receipt).join("\n"));
        }
        Err(error) => Err(error).with_context(|| format!("{}: nothing was taken", of_file(&args.file))),
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
    mut file: std::fs::File,
    delivery: &Delivery,
    intent: Intent,
) -> Result<Receipt, IngestError> {
    let unread =
        |error: std::io::Error| IngestError::Prepare(crate::inventory::rows::ReadError::Read(error).into());
    let mut first = [0];
    let read = file.read(&mut first).map_err(unread)?;
    file.rewind().map_err(unread)?;
    let octets = file.metadata().map_err(unread)?.len();
    let source: Box<dyn Source> = if read == 1 && first == [PACKAGE_BEGINS] {
        Box::new(OnePackage)
    } else {
        let requirements = delivery.template.as_ref().map(Template::requirements);
        Box::new(Csv { requirements, rng: inventory.rng.clone() })
    };
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(octets) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {msg} rows, {eta}") {
        bar.set_style(style);
    }
    let input = BufReader::with_capacity(1 << 16, bar.wrap_read(file));
    let told = bar.clone();
    let progress = move |rows: u64| told.set_message(rows.to_string());
    let receipt = inventory.ingest(input, source, delivery, intent, progress).await;
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
    let profiles = if receipt.profiles == 1 { "profile" } else { "profiles" };
    let name = match (&receipt.batch_id, receipt.repeated) {
        (Some(batch_id), false) => format!("batch {batch_id}"),
        (Some(batch_id), true) => format!("taken before, nothing was changed: batch {batch_id}"),
        (None, _) => "nothing was taken; would be".to_owned(),
    };
    line(&format!(
        "{name}: {} {profiles} of type {} for {}",
        receipt.profiles, receipt.profile_type, receipt.owner
    ));
    if let (Some(first), Some(last)) = (&receipt.first_iccid, &receipt.last_iccid) {
        line(&format!("first ICCID {first}, last ICCID {last}"));
    }
    line(&format!("file SHA-256 {}, taken {}", receipt.sha256, receipt.received_at));
    if receipt.refused > 0 {
        line(&format!("{} of {} rows refused", receipt.refused, receipt.rows));
        refusals(receipt).iter().for_each(|refusal| line(refusal));
    }
    Ok(())
}
