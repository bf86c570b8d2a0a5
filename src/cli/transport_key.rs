//! `simyard transport-key`: keys under which keys travel, brought in by one person and approved by another.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, Subcommand};
use console::Term;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::common::Common;
use super::hand::HandArgs;
use super::output::{self, error_line, line};
use crate::app::Stock;
use crate::crypto::transport::{Algorithm, CHECK_VALUE_LEN, Chaining, CheckMethod, InitialBlock, Scheme};
use crate::domain::{KeyPartner, KeyPurpose, KeyState, Manufacturer, Platform};
use crate::env::{Clock, Rng};
use crate::inventory::Inventory;
use crate::inventory::transport_keys::{MAX_COMPONENTS, NewTransportKey, combine};
use crate::profile::personal_data::Key;
use crate::store::TransportKey;

/// The longest file with a key: 64 digits, and what divides them.
const MAX_KEY_FILE: u64 = 256;

/// Look after transport keys.
///
/// Ki, OPc and keys for remote management come from manufacturers, and go to operators' systems, enciphered under keys
/// that both sides have and that files name by an index. A key is used when another person than the one who brought it in
/// has approved it. These commands work on the store that the settings name; a server may run on it.
#[derive(Args)]
pub struct TransportKeyArgs {
    #[command(subcommand)]
    command: TransportKeyCommand,
}

#[derive(Subcommand)]
enum TransportKeyCommand {
    /// Bring a key in; it waits for approval.
    #[command(group = ArgGroup::new("partner").args(["manufacturer", "platform"]).required(true))]
    Import(ImportArgs),
    /// Approve a key that another person brought in.
    Approve(ApproveArgs),
    /// List keys without their values, as they came in, a page at a time.
    List(ListArgs),
    /// Take a key out of use.
    Retire(RetireArgs),
}

#[derive(Args)]
struct PartnerArgs {
    /// The manufacturer that delivers under it.
    #[arg(long, value_name = "NAME", value_parser = parse_manufacturer)]
    manufacturer: Option<Manufacturer>,
    /// The operator's system that gets keys under it.
    #[arg(long, value_name = "NAME", value_parser = parse_platform, conflicts_with = "manufacturer")]
    platform: Option<Platform>,
}

impl PartnerArgs {
    fn partner(&self) -> Option<KeyPartner> {
        let manufacturer = self.manufacturer.clone().map(KeyPartner::Manufacturer);
        manufacturer.or_else(|| self.platform.clone().map(KeyPartner::Platform))
    }
}

#[derive(Args)]
struct ImportArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    partner: PartnerArgs,
    /// The number by which files name it, from 1.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    index: u32,
    /// What travels under it.
    #[arg(long, default_value = "both", value_parser = ["ki", "ota", "both"])]
    purpose: String,
    /// The cipher; the key has 16, 24, 32, or for 3des 16 or 24 octets.
    #[arg(long, default_value = "aes-128", value_parser = ["aes-128", "aes-192", "aes-256", "3des"])]
    algorithm: String,
    /// The mode of operation.
    #[arg(long, default_value = "cbc", value_parser = ["cbc", "ecb"])]
    mode: String,
    /// Where CBC begins: `zero` (the default), `prefixed` (the block before each value), or the block in hexadecimal digits.
    #[arg(long, value_name = "RULE")]
    iv: Option<String>,
    /// The check value that came with the key: 6 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = parse_check_value)]
    check_value: CheckValue,
    /// Which block was enciphered for it; by default zeros for 3des and, as GlobalPlatform has it, ones for AES.
    #[arg(long, value_parser = ["zeros", "ones"])]
    check_method: Option<String>,
    /// A file with the key in hexadecimal digits; several are parts that are added bit by bit. Without, the terminal or
    /// standard input is asked.
    #[arg(long, value_name = "FILE")]
    key_file: Vec<PathBuf>,
    #[command(flatten)]
    hand: HandArgs,
}

#[derive(Args)]
struct ApproveArgs {
    #[command(flatten)]
    common: Common,
    /// The key's identifier.
    key: String,
    /// The check value, as this person has it from the partner: 6 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = parse_check_value)]
    check_value: Option<CheckValue>,
    #[command(flatten)]
    hand: HandArgs,
}

#[derive(Args)]
struct RetireArgs {
    #[command(flatten)]
    common: Common,
    /// The key's identifier.
    key: String,
    #[command(flatten)]
    hand: HandArgs,
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    partner: PartnerArgs,
    /// Go on behind this identifier.
    #[arg(long, value_name = "KEY", default_value = "")]
    after: String,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
}

type CheckValue = [u8; CHECK_VALUE_LEN];

/// Runs the command.
///
/// # Errors
/// What is wrong with the key or the command, and trouble with settings or store.
pub async fn run(args: TransportKeyArgs) -> anyhow::Result<()> {
    match args.command {
        TransportKeyCommand::Import(args) => {
            let key = new_key(&args)?;
            let inventory = open(&args.common).await?;
            let done = inventory.import_transport_key(key, args.hand.person()).await;
            inventory.store.close().await;
            let key = done?;
            told(&key, args.common.json);
            if !args.common.json {
                error_line(&format!(
                    "another person approves it: simyard transport-key approve {} --by NAME",
                    key.key_id
                ));
            }
            Ok(())
        }
        TransportKeyCommand::Approve(args) => {
            let inventory = open(&args.common).await?;
            let by = args.hand.person();
            let done = inventory.approve_transport_key(&args.key, args.check_value, by).await;
            inventory.store.close().await;
            told(&done?, args.common.json);
            Ok(())
        }
        TransportKeyCommand::Retire(args) => {
            let inventory = open(&args.common).await?;
            let done = inventory.retire_transport_key(&args.key, args.hand.person()).await;
            inventory.store.close().await;
            told(&done?, args.common.json);
            Ok(())
        }
        TransportKeyCommand::List(args) => {
            let inventory = open(&args.common).await?;
            let partner = args.partner.partner();
            let page = inventory.store.transport_keys(partner.as_ref(), &args.after, args.limit).await;
            inventory.store.close().await;
            let page = page?;
            if args.common.json {
                output::json(&page.iter().map(as_json).collect());
                return Ok(());
            }
            page.iter().for_each(|key| line(&in_words(key)));
            if let Some(last) = page.last().filter(|_| u32::try_from(page.len()) == Ok(args.limit)) {
                error_line(&format!("there may be more: --after {}", last.key_id));
            }
            Ok(())
        }
    }
}

async fn open(common: &Common) -> anyhow::Result<Inventory> {
    let config = common.config.load()?;
    let rng = Rng::system();
    let Stock { store, sealer } = Stock::open(&config, &rng).await?;
    Ok(Inventory { store, sealer, clock: Clock::system(), rng, mode: config.mode })
}

fn new_key(args: &ImportArgs) -> anyhow::Result<NewTransportKey> {
    let algorithm = Algorithm::parse(&args.algorithm).context("--algorithm is not known")?;
    let chaining = match (args.mode.as_str(), args.iv.as_deref()) {
        ("ecb", None) => Chaining::Ecb,
        ("ecb", Some(_)) => bail!("--iv is for --mode cbc: ECB begins with nothing"),
        (_, None | Some("zero")) => Chaining::Cbc(InitialBlock::Zero),
        (_, Some("prefixed")) => Chaining::Cbc(InitialBlock::Prefixed),
        (_, Some(digits)) => {
            let mut block = [0; 16];
            let used = block.get_mut(..algorithm.block()).unwrap_or_default();
            hex::decode_to_slice(digits, used).map_err(|_| {
                let digits = 2 * algorithm.block();
                anyhow::anyhow!("--iv must be zero, prefixed, or a block of {digits} hexadecimal digits")
            })?;
            Chaining::Cbc(InitialBlock::Fixed(block))
        }
    };
    let check_method = match (&args.check_method, algorithm) {
        (Some(name), _) => CheckMethod::parse(name).context("--check-method is not known")?,
        (None, Algorithm::TripleDes) => CheckMethod::Zeros,
        (None, Algorithm::Aes128 | Algorithm::Aes192 | Algorithm::Aes256) => CheckMethod::Ones,
    };
    let parts = if args.key_file.is_empty() {
        asked()?
    } else {
        let parts: anyhow::Result<Vec<Key>> = args.key_file.iter().map(|path| from_file(path)).collect();
        parts?
    };
    Ok(NewTransportKey {
        partner: args.partner.partner().context("--manufacturer or --platform is needed")?,
        index: args.index,
        purpose: KeyPurpose::parse(&args.purpose).context("--purpose is not known")?,
        scheme: Scheme { algorithm, chaining },
        key: combine(&parts)?,
        check_method,
        check_value: args.check_value,
    })
}

/// A key, or a part of one, from a file.
fn from_file(path: &Path) -> anyhow::Result<Key> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    // Room for all that is read: a string that grows would leave copies of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(512));
    file.take(MAX_KEY_FILE + 1).read_to_string(&mut text).with_context(|| path.display().to_string())?;
    key(&text).with_context(|| path.display().to_string())
}

/// A key, or its parts, from the terminal without showing it, or from standard input line by line.
fn asked() -> anyhow::Result<Vec<Key>> {
    let mut parts = Vec::new();
    if std::io::stdin().is_terminal() {
        let terminal = Term::stderr();
        while parts.len() < MAX_COMPONENTS {
            let what = if parts.is_empty() { "key, or its first part" } else { "next part; nothing ends" };
            terminal.write_str(&format!("{what} (hexadecimal digits, not shown): "))?;
            let text = Zeroizing::new(terminal.read_secure_line()?);
            if text.trim().is_empty() && !parts.is_empty() {
                break;
            }
            parts.push(key(&text)?);
        }
        return Ok(parts);
    }
    let mut input = std::io::stdin().lock().take(MAX_KEY_FILE * 4);
    loop {
        let mut text = Zeroizing::new(String::with_capacity(1024));
        if input.read_line(&mut text)? == 0 {
            return Ok(parts);
        }
        if !text.trim().is_empty() {
            parts.push(key(&text)?);
        }
    }
}

/// Hexadecimal digits, in groups as people write them.
fn key(text: &str) -> anyhow::Result<Key> {
    let expected = || anyhow::anyhow!("expected a key of 16, 24 or 32 octets in hexadecimal digits");
    let mut digits = Zeroizing::new(String::with_capacity(text.len()));
    digits.extend(text.chars().filter(|c| !c.is_whitespace() && *c != '-'));
    let mut octets = Zeroizing::new([0; 32]);
    let used = octets.get_mut(..digits.len() / 2).ok_or_else(expected)?;
    hex::decode_to_slice(digits.as_str(), used).map_err(|_| expected())?;
    Key::from_slice(used).filter(|key| !key.as_octets().is_empty()).ok_or_else(expected)
}

fn told(key: &TransportKey, json: bool) {
    if json { output::json(&as_json(key)) } else { line(&in_words(key)) }
}

fn in_words(key: &TransportKey) -> String {
    let life = match &key.state {
        KeyState::Waiting => "waits for approval".to_owned(),
        KeyState::Approved(deed) => format!("approved by {} at {}", deed.by, deed.at),
        KeyState::Retired { retired, .. } => format!("retired by {} at {}", retired.by, retired.at),
    };
    format!(
        "{}  {}, index {} for {}: {}, check value {} (of {}); brought in by {} at {}, {life}",
        key.key_id,
        key.partner,
        key.index,
        key.purpose,
        key.scheme,
        hex::encode_upper(key.check_value),
        key.check_method.name(),
        key.imported.by,
        key.imported.at,
    )
}

fn as_json(key: &TransportKey) -> Value {
    let (approved, retired) = match &key.state {
        KeyState::Waiting => (None, None),
        KeyState::Approved(deed) => (Some(deed), None),
        KeyState::Retired { approved, retired } => (approved.as_ref(), Some(retired)),
    };
    let (kind, name) = match &key.partner {
        KeyPartner::Manufacturer(name) => ("manufacturer", name.as_str()),
        KeyPartner::Platform(name) => ("platform", name.as_str()),
    };
    json!({
        "key_id": key.key_id,
        kind: name,
        "index": key.index,
        "purpose": key.purpose.name(),
        "algorithm": key.scheme.algorithm.name(),
        "scheme": key.scheme.to_string(),
        "check_value": hex::encode_upper(key.check_value),
        "check_method": key.check_method.name(),
        "state": key.state.name(),
        "imported_by": key.imported.by.as_str(),
        "imported_at": key.imported.at.to_string(),
        "approved_by": approved.map(|deed| deed.by.as_str()),
        "approved_at": approved.map(|deed| deed.at.to_string()),
        "retired_by": retired.map(|deed| deed.by.as_str()),
        "retired_at": retired.map(|deed| deed.at.to_string()),
    })
}

fn parse_manufacturer(text: &str) -> Result<Manufacturer, String> {
    Manufacturer::parse(text).ok_or_else(|| "expected 1 to 128 octets without control characters".to_owned())
}

fn parse_platform(text: &str) -> Result<Platform, String> {
    Platform::parse(text).ok_or_else(|| "expected 1 to 128 octets without control characters".to_owned())
}

fn parse_check_value(text: &str) -> Result<CheckValue, String> {
    let mut value = [0; CHECK_VALUE_LEN];
    hex::decode_to_slice(text, &mut value).map_err(|_| "expected 6 hexadecimal digits".to_owned())?;
    Ok(value)
}
