//! `simyard eim associate` and `simyard eim show`: what this eIM keeps of eUICCs.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::DownloadArgs;
use super::devices::read;
use super::label;
use crate::app::open_store;
use crate::cli::hand::HandArgs;
use crate::cli::output::{self, line};
use crate::cli::serve::ConfigArgs;
use crate::domain::{Label, ListedProfile};
use crate::eim::association::{
    Association, MAX_FILE_OCTETS, associate, parse_counter, parse_token, read_list,
};
use crate::env::Clock;
use crate::ident::{Eid, ServerAddress, counted};
use crate::store::{EimEuicc, KeptOperation, Store};

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["eid", "file"]))]
pub(super) struct AssociateArgs {
    /// The eUICC.
    eid: Option<Eid>,
    /// Many of them: CSV with the columns eid, counter and token; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["counter", "token"])]
    file: Option<PathBuf>,
    /// The counterValue that the eUICC was given, or the last one that was used: the next package has a higher one.
    #[arg(long, value_name = "NUMBER", value_parser = parse_counter, default_value = "0")]
    counter: i64,
    /// The associationToken that the eUICC gave out, if it was asked for one.
    #[arg(long, value_name = "NUMBER", value_parser = parse_token)]
    token: Option<i64>,
    #[command(flatten)]
    download: DownloadArgs,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args)]
pub(super) struct ShowArgs {
    /// The eUICC.
    eid: Eid,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `simyard eim associate`.
pub(super) async fn run(args: &AssociateArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let download = args.download.way(&config);
    let associations = match (&args.eid, &args.file) {
        (Some(eid), _) => {
            let (eid, counter, association_token) = (eid.clone(), args.counter, args.token);
            vec![Association { eid, counter, association_token, download }]
        }
        (None, Some(file)) => {
            let text = read(file, MAX_FILE_OCTETS).with_context(|| file.display().to_string())?;
            read_list(&text, download).with_context(|| file.display().to_string())?
        }
        (None, None) => bail!("name an EID or --file FILE"),
    };
    let store = open_store(&config).await?;
    let associated = associate(&store, &associations, &args.hand.person(), Clock::system().now()).await;
    store.close().await;
    associated?;
    line(&format!("{} associated with this eIM", counted(associations.len(), "eUICC")));
    Ok(())
}

/// Runs `simyard eim show`.
pub(super) async fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let store = open_store(&args.config.load()?).await?;
    let found = look(&store, &args.eid).await;
    store.close().await;
    let Some(found) = found? else {
        bail!("{} is not associated with this eIM: simyard eim associate does it", args.eid)
    };
    if args.json {
        output::json(&value(&found));
        return Ok(());
    }
    let Found { euicc, listens_at, labels, profiles, operations } = found;
    for text in lines(&euicc) {
        line(&text);
    }
    if let Some(address) = listens_at {
        line(&format!("its device listens at {address}"));
    }
    if !labels.is_empty() {
        let all: Vec<String> = labels.iter().map(ToString::to_string).collect();
        line(&format!("labels {}", all.join(", ")));
    }
    for profile in &profiles {
        let state = if profile.enabled { "enabled" } else { "disabled" };
        let fallback = if profile.fallback { ", fallback" } else { "" };
        let name = profile.name.as_deref().unwrap_or_default();
        line(&format!("profile {}  {state}{fallback}  {name}", profile.iccid));
    }
    for kept in &operations {
        let operation = &kept.operation;
        let (id, kind) = (&operation.operation_id, operation.task.kind());
        line(&format!("operation {id}  {kind}  {}", operation.state.name()));
    }
    Ok(())
}

/// What there is of an eUICC, as JSON.
pub(super) async fn show_json(store: &Store, eid: &Eid) -> anyhow::Result<()> {
    if let Some(found) = look(store, eid).await? {
        output::json(&value(&found));
    }
    Ok(())
}

/// What there is of an eUICC.
struct Found {
    euicc: EimEuicc,
    listens_at: Option<ServerAddress>,
    labels: Vec<Label>,
    profiles: Vec<ListedProfile>,
    operations: Vec<KeptOperation>,
}

async fn look(store: &Store, eid: &Eid) -> anyhow::Result<Option<Found>> {
    let Some(euicc) = store.eim_euicc(eid).await? else { return Ok(None) };
    let labels = store.labels(eid).await?;
    let listens_at = store.listens_at(eid).await?;
    let (profiles, operations) =
        (store.profiles_of_euicc(eid).await?, store.operations_under_way(eid).await?);
    Ok(Some(Found { euicc, listens_at, labels, profiles, operations }))
}

fn lines(euicc: &EimEuicc) -> Vec<String> {
    let Association { eid, counter, association_token, download } = &euicc.association;
    let token = association_token.map_or_else(|| "no token".to_owned(), |token| format!("token {token}"));
    let known = if euicc.certificates.is_some() { "known" } else { "not known yet" };
    let mut lines = vec![
        format!("{eid}  associated since {}", euicc.associated_at),
        format!("counter {counter}, {token}, downloads {}, certificates {known}", download.name()),
    ];
    lines.push(match &euicc.signing_key {
        None => "packages under the first key of the settings".to_owned(),
        Some(digest) => format!("packages under key {digest}"),
    });
    lines.push(match (euicc.last_contact_at, euicc.expected_at()) {
        (None, _) => "no poll with a certificate of its device is written down yet".to_owned(),
        // A running server notes later polls once a minute.
        (Some(last), None) => format!("polled at {last}, or less than a minute ago"),
        (Some(last), Some(expected)) => {
            format!("polled at {last}, or less than a minute ago; expected at {expected}")
        }
    });
    lines.push(match (euicc.listed_at, euicc.stale_since) {
        (None, _) => "its profiles are not known".to_owned(),
        (Some(listed), None) => format!("profiles as listed at {listed}"),
        (Some(listed), Some(stale)) => {
            format!("profiles as listed at {listed}; they may be others since {stale}")
        }
    });
    lines
}

fn value(found: &Found) -> Value {
    let Found { euicc, listens_at, labels, profiles, operations } = found;
    let Association { eid, counter, association_token, download } = &euicc.association;
    let time = |at: Option<crate::env::Timestamp>| at.map(|at| at.to_string());
    let profiles = profiles.iter().map(|profile| {
        json!({
            "iccid": profile.iccid.as_str(),
            "enabled": profile.enabled,
            "fallback": profile.fallback,
            "name": profile.name,
        })
    });
    let operations = operations.iter().map(|kept| {
        json!({
            "operation_id": kept.operation.operation_id.to_string(),
            "kind": kept.operation.task.kind().name(),
            "state": kept.operation.state.name().to_string(),
        })
    });
    json!({
        "eid": eid.as_str(),
        "counter": counter,
        "association_token": association_token,
        "download": download.name(),
        "listens_at": listens_at.as_ref().map(ServerAddress::as_str),
        "associated_at": euicc.associated_at.to_string(),
        "key_sha256": euicc.signing_key,
        "certificates_known": euicc.certificates.is_some(),
        "last_contact_at": time(euicc.last_contact_at),
        "expected_at": time(euicc.expected_at()),
        "listed_at": time(euicc.listed_at),
        "stale_since": time(euicc.stale_since),
        "labels": label::value(labels),
        "profiles": profiles.collect::<Vec<Value>>(),
        "operations": operations.collect::<Vec<Value>>(),
    })
}
