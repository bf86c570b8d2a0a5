//! `simyard eim add`, `update`, `remove`, `list-eims`, `move` and `moved`: the eIMs of eUICCs, and fleets that go over to another
//! one (SGP.32 2.11.1.1.1).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use crate::cli::hand::HandArgs;
use crate::cli::operation::{Common, Desk, asked};
use crate::cli::output::{self, error_line, line};
use crate::cli::profile::read_limited;
use crate::domain::{Actor, Task};
use crate::eim::ecos::{Moved, add_eim, delete_eim, list_eims, moved, update_eim};
use crate::eim::operations::{OperationRequest, create_operation};
use crate::ident::{Eid, counted};

/// Octets of a file with configuration data at most: they have few hundred, certificates few thousand.
const CONFIGURATION_MAX: usize = 64 * 1024;
/// Operations that are read in one look.
const PAGE: u32 = 1000;

#[derive(Args)]
pub(super) struct AddArgs {
    /// The eUICC.
    eid: Eid,
    /// What the other eIM says of itself: EimConfigurationData or AddInitialEimRequest, as DER, hexadecimal digits, base64 or
    /// what 'simyard eim configuration' writes.
    #[arg(long, value_name = "FILE")]
    eim: PathBuf,
    #[command(flatten)]
    asked: AskedArgs,
}

#[derive(Args)]
pub(super) struct RemoveArgs {
    /// The eUICC.
    eid: Eid,
    /// eimId of the one that is deleted; never this eIM's.
    #[arg(long, value_name = "TEXT")]
    eim_id: String,
    #[command(flatten)]
    asked: AskedArgs,
}

#[derive(Args)]
pub(super) struct ListEimsArgs {
    /// The eUICC.
    eid: Eid,
    #[command(flatten)]
    asked: AskedArgs,
}

#[derive(Args)]
#[command(group = ArgGroup::new("where").required(true).args(["to", "added"]))]
pub(super) struct MoveArgs {
    /// The eUICCs.
    #[arg(required_unless_present = "file")]
    eids: Vec<Eid>,
    /// Many of them: one EID a line.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What the other eIM says of itself, as --eim of 'simyard eim add'.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The eUICCs have another eIM already: they only delete this one, once they signed that they have.
    #[arg(long)]
    added: bool,
    #[command(flatten)]
    asked: AskedArgs,
}

#[derive(Args)]
pub(super) struct MovedArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(super) struct AskedArgs {
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Runs `simyard eim add`.
pub(super) async fn add(args: &AddArgs) -> anyhow::Result<()> {
    let commands = of_file(&args.eim, add_eim)?;
    ask(&args.eid, Task::Configure { commands }, &args.asked).await
}

/// Runs `simyard eim update`.
pub(super) async fn update(args: &AddArgs) -> anyhow::Result<()> {
    let commands = of_file(&args.eim, update_eim)?;
    ask(&args.eid, Task::Configure { commands }, &args.asked).await
}

/// Runs `simyard eim remove`.
pub(super) async fn remove(args: &RemoveArgs) -> anyhow::Result<()> {
    let commands = delete_eim(&args.eim_id);
    ask(&args.eid, Task::Configure { commands }, &args.asked).await
}

/// Runs `simyard eim list-eims`.
pub(super) async fn list(args: &ListEimsArgs) -> anyhow::Result<()> {
    ask(&args.eid, Task::Configure { commands: list_eims() }, &args.asked).await
}

/// Runs `simyard eim move`.
pub(super) async fn start_move(args: &MoveArgs) -> anyhow::Result<()> {
    let commands = match &args.to {
        Some(file) => of_file(file, add_eim)?,
        None => list_eims(),
    };
    let mut eids = args.eids.clone();
    if let Some(file) = &args.file {
        eids.extend(eids_of(file)?);
    }
    let desk = Desk::open(&args.asked.common.config).await?;
    let actor = Actor::Person(args.asked.hand.person());
    let mut asked = Vec::new();
    let mut refused = 0_usize;
    for eid in &eids {
        let request = OperationRequest::new(Task::Move { commands: commands.clone() });
        match create_operation(&desk.eim, eid, &request, &actor).await {
            Ok(created) => asked.push((eid, created.operation_id)),
            Err(error) => {
                refused = refused.saturating_add(1);
                error_line(&format!("{eid}: {error}"));
            }
        }
    }
    desk.closed(Ok(())).await?;
    if args.asked.common.json {
        let all = asked
            .iter()
            .map(|(eid, id)| json!({ "eid": eid.as_str(), "operation_id": id.to_string() }))
            .collect::<Vec<Value>>();
        output::json(&json!({ "operations": all, "refused": refused }));
    } else {
        for (eid, id) in &asked {
            line(&format!("{eid}  {id}"));
        }
    }
    if refused > 0 {
        bail!("not moved: {refused} of {}", counted(eids.len(), "eUICC"));
    }
    Ok(())
}

/// Runs `simyard eim moved`.
pub(super) async fn list_moved(args: &MovedArgs) -> anyhow::Result<()> {
    let desk = Desk::open(&args.common.config).await?;
    let found = all_moved(&desk).await;
    let outcome = found.map(|found| {
        if args.common.json {
            output::json(&json!({ "moved": found.iter().map(value).collect::<Vec<Value>>() }));
            return;
        }
        line("eid,counter,token");
        for one in &found {
            let token = one.association_token.map(|token| token.to_string()).unwrap_or_default();
            line(&format!("{},{},{token}", one.eid, one.counter));
        }
        let left = found.iter().filter(|one| one.left_at.is_some()).count();
        error_line(&format!("{} with another eIM, {left} without this one", counted(found.len(), "eUICC")));
    });
    desk.closed(outcome).await
}

async fn all_moved(desk: &Desk) -> anyhow::Result<Vec<Moved>> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let (page, next) = moved(&desk.eim, before, PAGE).await?;
        found.extend(page);
        if next.is_none() {
            return Ok(found);
        }
        before = next;
    }
}

fn value(one: &Moved) -> Value {
    json!({
        "eid": one.eid.as_str(),
        "eim_id": one.eim_id,
        "counter": one.counter,
        "association_token": one.association_token,
        "left_at": one.left_at.map(|at| at.to_string()),
    })
}

async fn ask(eid: &Eid, task: Task, args: &AskedArgs) -> anyhow::Result<()> {
    let desk = Desk::open(&args.common.config).await?;
    let request = OperationRequest::new(task);
    let outcome = match create_operation(&desk.eim, eid, &request, &Actor::Person(args.hand.person())).await {
        Ok(created) => asked(&desk, &created.operation_id, &args.common).await,
        Err(error) => Err(error.into()),
    };
    desk.closed(outcome).await
}

/// What `make` makes of the configuration data in a file.
fn of_file(path: &Path, make: impl Fn(&[u8]) -> Result<Vec<u8>, String>) -> anyhow::Result<Vec<u8>> {
    let content = read_limited(path, CONFIGURATION_MAX)?;
    let text = std::str::from_utf8(&content).ok().map(str::trim);
    let of_json = text.and_then(|text| {
        let value: Value = serde_json::from_str(text).ok()?;
        value.get("der")?.as_str().map(str::to_owned)
    });
    let of_digits = text.and_then(|text| hex::decode(text).ok());
    let of_base64 = || of_json.as_deref().or(text).and_then(|text| BASE64.decode(text).ok());
    let der = of_digits.or_else(of_base64);
    make(der.as_deref().unwrap_or(&content))
        .map_err(anyhow::Error::msg)
        .with_context(|| path.display().to_string())
}

/// One EID a line; empty lines say nothing.
fn eids_of(path: &Path) -> anyhow::Result<Vec<Eid>> {
    let text = super::devices::read(path, crate::eim::association::MAX_FILE_OCTETS)
        .with_context(|| path.display().to_string())?;
    let named = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    named
        .map(|(number, line)| {
            Eid::parse(line.trim()).with_context(|| format!("{}: line {number}", path.display()))
        })
        .collect()
}
