//! `simyard operator-key`: OP of operators, from which OPc of subscriptions is made.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::hand::HandArgs;
use super::output::{self, line};
use super::serve::ConfigArgs;
use crate::app::{Stock, open_store};
use crate::domain::Operator;
use crate::env::{Clock, Rng};
use crate::inventory::operator_keys::OperatorKeys;

/// The largest file with an OP.
const MAX_FILE_OCTETS: u64 = 1024;

/// Bring OP of operators, from which OPc of subscriptions is made.
#[derive(Args)]
pub struct OperatorKeyArgs {
    #[command(subcommand)]
    command: OperatorKeyCommand,
}

#[derive(Subcommand)]
enum OperatorKeyCommand {
    /// Take OP of an operator; it is sealed, and never shown again.
    Import(ImportArgs),
    /// List the operators that have one.
    List(ListArgs),
}

#[derive(Args)]
struct ImportArgs {
    /// The file that holds it, 32 hexadecimal digits; - for standard input.
    file: PathBuf,
    /// Whose it is.
    #[arg(long, value_name = "NAME")]
    operator: String,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `simyard operator-key`.
///
/// # Errors
/// Settings or a store that cannot be used, and what is no OP.
pub async fn run(args: OperatorKeyArgs) -> anyhow::Result<()> {
    match args.command {
        OperatorKeyCommand::Import(args) => import(&args).await,
        OperatorKeyCommand::List(args) => list(&args).await,
    }
}

async fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let known = config.operators.iter().find(|setting| setting.name.as_str() == args.operator);
    let Some(setting) = known else { bail!("the settings have no [[operator]] {}", args.operator) };
    let text = read(&args.file).with_context(|| args.file.display().to_string())?;
    let Stock { store, sealer } = Stock::open(&config, &Rng::system()).await?;
    let keys = OperatorKeys { store: store.clone(), sealer, clock: Clock::system(), mode: config.mode };
    let imported = keys.import(&setting.name, &text, &args.hand.person()).await;
    store.close().await;
    imported.context("nothing was taken")?;
    line(&format!("OP of {} is sealed", setting.name));
    Ok(())
}

/// Reads a short file. It is not told what stands in it.
fn read(path: &Path) -> std::io::Result<Zeroizing<String>> {
    // Room for all of it: a text that grows would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(2048));
    let input: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path)?)
    };
    input.take(MAX_FILE_OCTETS).read_to_string(&mut text)?;
    Ok(text)
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let store = open_store(&args.config.load()?).await?;
    let keys = store.operator_keys().await;
    store.close().await;
    let keys = keys?;
    if args.json {
        let value = |operator: &Operator, by: &str, at: String| json!({ "operator": operator.as_str(), "algorithm": "milenage", "by": by, "imported_at": at });
        let all: Vec<Value> = keys
            .iter()
            .map(|key| value(&key.operator, key.person.as_str(), key.imported_at.to_string()))
            .collect();
        output::json(&Value::Array(all));
        return Ok(());
    }
    for key in &keys {
        line(&format!("{:<20} milenage, by {} at {}", key.operator, key.person, key.imported_at));
    }
    Ok(())
}
