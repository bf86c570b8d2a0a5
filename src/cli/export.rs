//! `simyard export`: files for the AuC, the OTA platform and the CRM.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};

use super::hand::HandArgs;
use super::output::{self, line};
use super::serve::ConfigArgs;
use crate::app::Stock;
use crate::app::config::Config;
use crate::domain::{KeyPartner, Mode, Person, Platform, ProfileType, System};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, counted};
use crate::inventory::Inventory;
use crate::inventory::export::layout::Layout;
use crate::inventory::export::split::{Chosen, Repeated, SplitReport};
use crate::inventory::export::{Exporter, Keys, Progress};
use crate::inventory::transport_keys::{KeyRing, KeyUse};
use crate::store::StockSelection;

/// ICCIDs of one file at most.
const ICCIDS_MAX: usize = 1_000_000;

/// Write a file for another system: the AuC, the OTA platform, the CRM.
///
/// For the AuC, a line for each IMSI: K and OPc under that platform's transport key. For the OTA platform, a line for each
/// set of keys. For the CRM, numbers, PINs and PUKs. [[export_layout]] in the settings says columns and notation. Who was
/// given what is written down: what a system has is left out the next time, and a profile type may demand it before an
/// order is released.
#[derive(Args)]
#[command(group = ArgGroup::new("which").args(["profile_type", "batch", "iccids"]).required(true))]
#[command(group = ArgGroup::new("keys").args(["platform", "clear_keys"]))]
pub struct ExportArgs {
    /// For whom: auc, ota or crm.
    #[arg(long = "for", value_name = "SYSTEM", value_parser = parse_system)]
    system: System,
    /// Profiles of this type.
    #[arg(long, value_name = "NAME")]
    profile_type: Option<String>,
    /// Profiles of this batch.
    #[arg(long, value_name = "ID")]
    batch: Option<String>,
    /// The profiles that this file names, one ICCID on a line.
    #[arg(long, value_name = "FILE")]
    iccids: Option<PathBuf>,
    /// The layout, by its name in the settings; the system's own if absent.
    #[arg(long, value_name = "NAME")]
    layout: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    /// Write those once more that the system has already.
    #[arg(long)]
    again: bool,
    /// The file; it must not be there.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// How keys leave.
#[derive(Args)]
pub(super) struct KeyArgs {
    /// The system that gets them: keys are enciphered under its transport keys (simyard transport-key import --platform).
    #[arg(long, value_name = "NAME", value_parser = parse_platform)]
    platform: Option<Platform>,
    /// The number of its transport key for K and OPc, or for the keys of a file for an OTA platform; its latest if absent.
    #[arg(long, value_name = "INDEX", requires = "platform")]
    transport_key: Option<u32>,
    /// Let keys leave in the clear: test data of a server with mode = "test".
    #[arg(long)]
    clear_keys: bool,
}

impl KeyArgs {
    /// The transport keys of the platform, if one is named.
    pub(super) async fn ring(&self, inventory: &Inventory) -> anyhow::Result<KeyRing> {
        Ok(match &self.platform {
            Some(platform) => inventory.key_ring(&KeyPartner::Platform(platform.clone())).await?,
            None => KeyRing::default(),
        })
    }

    /// How keys for these uses leave; `ota_index` is the number of the transport key for remote management.
    pub(super) fn keys<'a>(
        &self,
        inventory: &Inventory,
        ring: &'a KeyRing,
        wanted: &[KeyUse],
        ota_index: Option<u32>,
    ) -> anyhow::Result<Keys<'a>> {
        match (&self.platform, self.clear_keys) {
            (None, true) if inventory.mode == Mode::Test => Ok(Keys::Clear),
            (None, true) => bail!("--clear-keys is for a server with mode = \"test\": name a --platform"),
            (None, false) if wanted.is_empty() => Ok(Keys::LeftOut),
            (None, false) => {
                bail!("the file has keys: name the --platform under whose transport key they leave")
            }
            (Some(_), _) => Ok(Keys::of_ring(ring, wanted, [self.transport_key, ota_index])?),
        }
    }
}

/// The stock of a settings file, as those need it who open what is sealed.
pub(super) async fn open(config: &Config) -> anyhow::Result<Inventory> {
    let rng = Rng::system();
    let Stock { store, sealer } = Stock::open(config, &rng).await?;
    Ok(Inventory { store, sealer, clock: Clock::system(), rng, mode: config.mode })
}

/// What exports.
pub(super) fn exporter<'a>(inventory: &'a Inventory, person: &'a Person) -> Exporter<'a> {
    let Inventory { store, sealer, clock, rng, .. } = inventory;
    Exporter { store, sealer, clock, rng, person }
}

/// Writes the file and prints what was delivered.
///
/// # Errors
/// Settings, a store, or profiles that cannot be used, and a file that cannot be written.
pub async fn run(args: ExportArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let layout = layout(&config, args.system, args.layout.as_deref())?;
    let chosen = match &args.iccids {
        Some(path) => Chosen::Iccids(read_iccids(path)?),
        None => Chosen::Batches(selection(args.profile_type.as_deref(), args.batch.as_deref())?),
    };
    let inventory = open(&config).await?;
    let report = write(&inventory, &args, layout, &chosen).await;
    inventory.store.close().await;
    let report = report?;
    if args.json {
        output::json(&serde_json::to_value(&report)?);
    } else {
        tell(&args.output, &report);
    }
    Ok(())
}

async fn write(
    inventory: &Inventory,
    args: &ExportArgs,
    layout: &Layout,
    chosen: &Chosen,
) -> anyhow::Result<SplitReport> {
    let ring = args.keys.ring(inventory).await?;
    let wanted: &[KeyUse] = match args.system {
        _ if !layout.has_keys() => &[],
        System::Ota => &[KeyUse::Ota],
        System::Auc | System::Crm => &[KeyUse::Subscription],
    };
    let keys = args.keys.keys(inventory, &ring, wanted, args.keys.transport_key)?;
    let person = args.hand.person();
    let repeated = if args.again { Repeated::Again } else { Repeated::LeftOut };
    let progress = ProgressLine::new();
    let report = exporter(inventory, &person)
        .split(chosen, layout, &keys, repeated, &args.output, |done| progress.tell(done))
        .await;
    progress.end();
    Ok(report?)
}

fn tell(path: &Path, report: &SplitReport) {
    line(&format!(
        "{}: {} of {}, SHA-256 {}",
        path.display(),
        counted(report.lines, "line"),
        counted(report.subscriptions, "subscription"),
        report.sha256
    ));
    if report.delivered_already > 0 {
        line(&format!(
            "{} subscriptions were delivered already: --again writes them too",
            report.delivered_already
        ));
    }
    if report.ready_made > 0 {
        line(&format!(
            "{} ready-made packages have nothing that can be read for this system",
            report.ready_made
        ));
    }
    if report.retired > 0 {
        line(&format!("{} profiles are retired: their keys are gone", report.retired));
    }
    line(&format!("delivery {}, {}", report.delivery_id, report.made_at));
}

fn layout<'a>(config: &'a Config, system: System, name: Option<&str>) -> anyhow::Result<&'a Layout> {
    let name = name.unwrap_or_else(|| system.name());
    let of_system = config.export_layouts.iter().filter(|layout| layout.system == system);
    let found = of_system.clone().find(|layout| layout.name == name);
    found.with_context(|| {
        let names: Vec<&str> = of_system.map(|layout| layout.name.as_str()).collect();
        format!("no layout for the {system} is called {name:?}: there are {}", names.join(", "))
    })
}

/// Which batches the options mean.
pub(super) fn selection(profile_type: Option<&str>, batch: Option<&str>) -> anyhow::Result<StockSelection> {
    Ok(match (profile_type, batch) {
        (Some(name), _) => {
            let name = ProfileType::parse(name).context("--profile-type is no name of a type")?;
            StockSelection::ProfileType(name)
        }
        (None, Some(batch)) => StockSelection::Batch(batch.to_owned()),
        (None, None) => StockSelection::All,
    })
}

/// One ICCID on a line; blank lines and those that begin with # say nothing.
fn read_iccids(path: &Path) -> anyhow::Result<Vec<Iccid>> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut iccids = Vec::new();
    for (number, text) in (1..).zip(BufReader::new(std::io::Read::take(file, 64 << 20)).lines()) {
        let text = text.with_context(|| path.display().to_string())?;
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let iccid = Iccid::parse(text).with_context(|| format!("{}:{number}", path.display()))?;
        iccids.push(iccid);
        if iccids.len() > ICCIDS_MAX {
            bail!("{} names more than {ICCIDS_MAX} profiles: divide it", path.display());
        }
    }
    if iccids.is_empty() {
        bail!("{} names no profile", path.display());
    }
    iccids.sort();
    iccids.dedup();
    Ok(iccids)
}

fn parse_platform(text: &str) -> Result<Platform, String> {
    Platform::parse(text).ok_or_else(|| "expected 1 to 128 octets without control characters".to_owned())
}

fn parse_system(text: &str) -> Result<System, String> {
    System::parse(text).ok_or_else(|| "expected auc, ota or crm".to_owned())
}

/// A progress bar on a terminal.
pub(super) struct ProgressLine {
    bar: ProgressBar,
    marking: Cell<bool>,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {per_sec}") {
            bar.set_style(style.clone());
        }
        bar.set_message("profiles");
        Self { bar, marking: Cell::new(false) }
    }

    pub(super) fn tell(&self, progress: Progress) {
        let (done, of) = match progress {
            Progress::Read(done, of) => (done, of),
            Progress::Marked(done, of) => {
                if !self.marking.replace(true) {
                    self.bar.set_message("profiles marked as delivered");
                    self.bar.reset();
                }
                (done, of)
            }
        };
        self.octets(done, of);
    }

    pub(super) fn octets(&self, done: u64, of: u64) {
        self.bar.set_length(of);
        self.bar.set_position(done);
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
