//! `simyard stock export` and `simyard stock verify`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};

use super::Common;
use crate::app::export_key;
use crate::cli::export::{KeyArgs, ProgressLine, exporter, open, selection};
use crate::cli::hand::HandArgs;
use crate::cli::output::{self, line};
use crate::crypto::ecdsa::SigningKey;
use crate::env::Rng;
use crate::ident::counted;
use crate::inventory::Inventory;
use crate::inventory::export::folder::FolderReport;
use crate::inventory::export::manifest::{Manifest, fingerprint};
use crate::inventory::transport_keys::KeyUse;
use crate::store::StockSelection;

/// Write the stock, or a part of it, into a folder that another platform can read.
///
/// CSV and JSON lines that 'simyard ingest' takes back, where each profile stands, and the batches, with a signed
/// manifest: files, rows, SHA-256, when, by whom. Keys are enciphered under a transport key, or left out. The folder and
/// all in it are their owner's alone.
#[derive(Args)]
#[command(group = ArgGroup::new("keys").args(["platform", "without_keys", "clear_keys"]).required(true))]
pub(super) struct ExportArgs {
    /// Profiles of this type alone.
    #[arg(long, value_name = "NAME")]
    profile_type: Option<String>,
    /// Profiles of this batch alone.
    #[arg(long, value_name = "ID", conflicts_with = "profile_type")]
    batch: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    /// The number of the platform's transport key for keys for remote management; its latest if absent.
    #[arg(long, value_name = "INDEX", requires = "platform")]
    ota_transport_key: Option<u32>,
    /// Leave keys out: numbers, PINs and PUKs alone.
    #[arg(long)]
    without_keys: bool,
    /// The folder; it is made, and must be empty.
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let config = args.common.config.load()?;
    let selection = selection(args.profile_type.as_deref(), args.batch.as_deref())?;
    let signer = export_key(&config, &Rng::system())?;
    let inventory = open(&config).await?;
    let report = write(&inventory, args, &selection, &signer).await;
    inventory.store.close().await;
    let report = report?;
    if args.common.json {
        output::json(&serde_json::to_value(&report)?);
    } else {
        tell(args, &report);
    }
    Ok(())
}

async fn write(
    inventory: &Inventory,
    args: &ExportArgs,
    selection: &StockSelection,
    signer: &SigningKey,
) -> anyhow::Result<FolderReport> {
    let ring = args.keys.ring(inventory).await?;
    let wanted: &[KeyUse] = if args.without_keys { &[] } else { &[KeyUse::Subscription, KeyUse::Ota] };
    let keys = args.keys.keys(inventory, &ring, wanted, args.ota_transport_key)?;
    make(&args.output)?;
    let person = args.hand.person();
    let progress = ProgressLine::new();
    let report = exporter(inventory, &person)
        .folder(selection, &keys, signer, &args.output, |done| progress.tell(done))
        .await;
    progress.end();
    Ok(report?)
}

/// Makes the folder, its owner's alone; one that is there must be empty.
fn make(path: &std::path::Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot make {}", path.display()))?;
    if std::fs::read_dir(path)?.next().is_some() {
        bail!("{} is not empty; name another folder", path.display());
    }
    Ok(())
}

fn tell(args: &ExportArgs, report: &FolderReport) {
    for file in &report.files {
        line(&format!("{}  {}, SHA-256 {}", file.name, counted(file.rows, "row"), file.sha256));
    }
    line(&format!(
        "{} profiles in {}: {} subscriptions, {} ready-made packages",
        report.profiles,
        args.output.display(),
        report.subscriptions,
        report.packages
    ));
    if report.packages_left_out > 0 {
        line(&format!(
            "{} ready-made packages were left out: their keys stand inside, and leave with --clear-keys alone",
            report.packages_left_out
        ));
    }
    line(&format!("signed by key {}", report.signed_by));
}

/// Check such a folder: its signature, and every file.
///
/// Nothing else may lie in it. Whose signature it has to be says --key, the fingerprint that 'simyard stock export'
/// printed where the folder was made; without it, this server's own.
#[derive(Args)]
pub(super) struct VerifyArgs {
    /// The folder.
    folder: PathBuf,
    /// The fingerprint of the key: 64 hexadecimal digits.
    #[arg(long, value_name = "FINGERPRINT")]
    key: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let expected = match &args.key {
        Some(key) => key.clone(),
        None => {
            let setting = args.common.config.load()?.export_key;
            if !setting.path.exists() {
                bail!("this server has signed nothing yet: name the key of the one that did with --key");
            }
            let key = crate::crypto::keyfile::load_signing_key(&setting.path)?;
            fingerprint(key.public_key())
        }
    };
    let progress = ProgressLine::new();
    let verified = Manifest::verify(&args.folder, &expected, |done, of| progress.octets(done, of));
    progress.end();
    let manifest = verified.with_context(|| args.folder.display().to_string())?;
    if args.common.json {
        output::json(&serde_json::to_value(&manifest)?);
        return Ok(());
    }
    let rows: u64 = manifest.files.iter().map(|file| file.rows).sum();
    line(&format!(
        "{}: {} files with {rows} rows are as {} signed them at {}",
        args.folder.display(),
        manifest.files.len(),
        manifest.made_by,
        manifest.made_at
    ));
    Ok(())
}
