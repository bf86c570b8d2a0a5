//! `simyard ingest`: a manufacturer's file, or a ready-made package, into the stock.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{self, line};
use super::serve::ConfigArgs;
use crate::app::{Stock, template_of};
use crate::domain::ProfileType;
use crate::env::{Clock, Rng};
use crate::inventory::{Delivery, FileError, IngestError, Inventory, MAX_FILE_OCTETS, Receipt};

/// The first octet of a profile package: its profile header. No text begins with it.
const PACKAGE_BEGINS: u8 = 0xA0;

/// Take a manufacturer's batch into the stock.
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
    let delivery = Delivery {
        owner: setting.owner.clone(),
        profile_type: setting.name.clone(),
        template: template_of(setting)?,
    };
    let file = read(&args.file)?;
    let rng = Rng::system();
    let Stock { store, sealer } = Stock::open(&config, &rng).await?;
    let inventory = Inventory { store, sealer, clock: Clock::system(), rng, mode: config.mode };
    let outcome = take(&inventory, &file, &delivery).await;
    inventory.store.close().await;
    match outcome {
        Ok(receipt) => print(&receipt, args.json),
        Err(IngestError::File(FileError::Rows { faults, more })) => {
            let mut told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            if more > 0 {
                told.push(format!("and {more} more"));
            }
            bail!("{}: nothing was taken\n{}", args.file.display(), told.join("\n"));
        }
        Err(error) => Err(error).with_context(|| format!("{}: nothing was taken", args.file.display())),
    }
}

/// Reads the file whole, up to one octet more than is taken.
fn read(path: &Path) -> anyhow::Result<zeroize::Zeroizing<Vec<u8>>> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let octets = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(MAX_FILE_OCTETS);
    // Room for all of it: a buffer that grows would leave copies of keys behind.
    let mut content = zeroize::Zeroizing::new(Vec::with_capacity(octets.saturating_add(64)));
    let limit = u64::try_from(MAX_FILE_OCTETS).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut content).with_context(|| path.display().to_string())?;
    Ok(content)
}

async fn take(inventory: &Inventory, file: &[u8], delivery: &Delivery) -> Result<Receipt, IngestError> {
    if file.first() == Some(&PACKAGE_BEGINS) {
        return inventory.ingest_package(file, delivery).await;
    }
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} profiles, {per_sec}") {
        bar.set_style(style);
    }
    let progress = |done, total| {
        bar.set_length(u64::try_from(total).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    };
    let receipt = inventory.ingest_csv(file, delivery, progress).await;
    bar.finish_and_clear();
    receipt
}

fn print(receipt: &Receipt, json: bool) -> anyhow::Result<()> {
    if json {
        output::json(&serde_json::to_value(receipt)?);
        return Ok(());
    }
    let profiles = if receipt.profiles == 1 { "profile" } else { "profiles" };
    line(&format!(
        "batch {}: {} {profiles} of type {} for {}",
        receipt.batch_id, receipt.profiles, receipt.profile_type, receipt.owner
    ));
    if let (Some(first), Some(last)) = (&receipt.first_iccid, &receipt.last_iccid) {
        line(&format!("first ICCID {first}, last ICCID {last}"));
    }
    line(&format!("file SHA-256 {}, taken {}", receipt.sha256, receipt.received_at));
    Ok(())
}
