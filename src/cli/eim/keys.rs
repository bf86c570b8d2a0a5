//! `simyard eim keys` and `simyard eim rotate`: the keys that sign eUICC packages, and how eUICCs are told of the next one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use crate::cli::hand::HandArgs;
use crate::cli::operation::{Common, Desk};
use crate::cli::output::{self, error_line, line};
use crate::crypto::keyfile::load_certificates;
use crate::domain::Actor;
use crate::eim::keys::{KeyCount, KeyPlace, Rotated, key_digest, known_keys, rotate};
use crate::ident::{Eid, counted};
use crate::pki::Certificate;
use crate::store::EIM_EUICCS_MAX;

#[derive(Args)]
pub(super) struct KeysArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["eids", "all"]))]
pub(super) struct RotateArgs {
    /// The eUICCs.
    eids: Vec<Eid>,
    /// All that know another key.
    #[arg(long)]
    all: bool,
    /// The certificate of the new key, which the settings name, too.
    #[arg(long, value_name = "FILE")]
    new_key: PathBuf,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

/// What the settings have a key as, for people.
const fn place_text(place: KeyPlace) -> &'static str {
    match place {
        KeyPlace::First => "eUICCs are given it",
        KeyPlace::Further => "a further key",
        KeyPlace::Missing => "not in the settings",
    }
}

/// Runs `simyard eim keys`.
pub(super) async fn list(args: &KeysArgs) -> anyhow::Result<()> {
    let desk = Desk::open(&args.common.config).await?;
    let counts = desk.eim.store.count_signing_keys().await;
    let outcome = counts.map_err(anyhow::Error::from).map(|counts| {
        let all = known_keys(&desk.eim.keys, &counts);
        if args.common.json {
            let value = |KeyCount { digest, euiccs, place }: &KeyCount| {
                json!({ "key_sha256": digest, "euiccs": euiccs, "in_settings": *place != KeyPlace::Missing })
            };
            output::json(&json!({ "keys": all.iter().map(value).collect::<Vec<Value>>() }));
            return;
        }
        for KeyCount { digest, euiccs, place } in &all {
            line(&format!("{digest}  {}  {}", counted(*euiccs, "eUICC"), place_text(*place)));
        }
    });
    desk.closed(outcome).await
}

/// Runs `simyard eim rotate`.
pub(super) async fn run(args: &RotateArgs) -> anyhow::Result<()> {
    let new = digest_of(&args.new_key)?;
    let desk = Desk::open(&args.common.config).await?;
    let outcome = rotate_those(&desk, &new, args).await;
    desk.closed(outcome).await
}

/// The digest of the key of the first certificate in a file.
fn digest_of(path: &Path) -> anyhow::Result<String> {
    let all = load_certificates(path)?;
    let first = all.first().with_context(|| format!("{} holds no certificate", path.display()))?;
    let certificate = Certificate::from_der(first).with_context(|| path.display().to_string())?;
    Ok(key_digest(certificate.public_key().with_context(|| path.display().to_string())?))
}

/// How it went for each kind of outcome.
#[derive(Default)]
struct Tally {
    asked: u64,
    under_way: u64,
    known: u64,
    refused: u64,
}

async fn rotate_those(desk: &Desk, new: &str, args: &RotateArgs) -> anyhow::Result<()> {
    let actor = Actor::Person(args.hand.person());
    let mut tally = Tally::default();
    for eid in &args.eids {
        rotate_one(desk, eid, new, &actor, &mut tally).await;
    }
    if args.all {
        rotate_all(desk, new, &actor, &mut tally).await?;
    }
    let Tally { asked, under_way, known, refused } = tally;
    if args.common.json {
        output::json(&json!({ "asked": asked, "under_way": under_way, "known": known, "refused": refused }));
    } else {
        line(&format!(
            "{asked} eUICCs are told of the key when they poll, {under_way} are being told, {known} know it already"
        ));
    }
    if refused > 0 {
        bail!("not told of the key: {}", counted(refused, "eUICC"));
    }
    Ok(())
}

async fn rotate_all(desk: &Desk, new: &str, actor: &Actor, tally: &mut Tally) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let page = desk.eim.store.eim_euiccs(&after, EIM_EUICCS_MAX).await?;
        let Some(last) = page.last() else { return Ok(()) };
        last.association.eid.as_str().clone_into(&mut after);
        for euicc in page.iter().filter(|euicc| euicc.left_at.is_none()) {
            rotate_one(desk, &euicc.association.eid, new, actor, tally).await;
        }
    }
}

async fn rotate_one(desk: &Desk, eid: &Eid, new: &str, actor: &Actor, tally: &mut Tally) {
    let count = match rotate(&desk.eim, eid, new, actor).await {
        Ok(Rotated::Asked(_)) => &mut tally.asked,
        Ok(Rotated::UnderWay(_)) => &mut tally.under_way,
        Ok(Rotated::Known) => &mut tally.known,
        Err(error) => {
            error_line(&format!("{eid}: {error}"));
            &mut tally.refused
        }
    };
    *count = count.saturating_add(1);
}
