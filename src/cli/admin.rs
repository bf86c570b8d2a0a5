//! `simyard admin`: the identities that may call the admin API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::common::Common;
use super::hand::HandArgs;
use super::order::parse_duration;
use super::output::{self, error_line, line};
use crate::admin::identities::{Identities, NewCredential};
use crate::admin::token::Token;
use crate::app::open_store;
use crate::crypto::hash::sha256;
use crate::crypto::keyfile::load_certificates;
use crate::domain::{Identity, IdentityName, Right};
use crate::env::{Clock, Rng};
use crate::store::{CredentialKind, CredentialRecord, IdentityRecord};

/// Make, list, rotate and remove the identities that may call the admin API.
///
/// Each has a name, a right, and a token or a client certificate. A token is shown once, when it is made: the store has its hash
/// alone. What is done here is written down in the audit. A server may run on the same store.
#[derive(Args)]
pub struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Make an identity.
    #[command(group = credential_group())]
    Add(AddArgs),
    /// List identities, with what they are known by and when that was used last.
    List(ListArgs),
    /// Give an identity another token or certificate; the earlier one ends.
    #[command(group = credential_group())]
    Rotate(RotateArgs),
    /// Remove an identity: from now on its tokens and certificates are nobody's.
    Remove(RemoveArgs),
}

fn credential_group() -> ArgGroup {
    ArgGroup::new("credential").args(["token", "certificate"]).required(true)
}

#[derive(Args)]
struct CredentialArgs {
    /// Draw a token, and print it once.
    #[arg(long)]
    token: bool,
    /// Recognise it by this client certificate, PEM or DER.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

#[derive(Args)]
struct AddArgs {
    /// Letters, digits, `.`, `_`, `-` and `@`.
    #[arg(value_parser = parse_name)]
    name: IdentityName,
    /// `admin` may do everything, `provisioning` look at and change stock and orders, `auditor` look at everything,
    /// `fleet` look at stock and orders and ask operations of eUICCs.
    #[arg(long, value_name = "RIGHT")]
    right: Right,
    #[command(flatten)]
    credential: CredentialArgs,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
    /// Go on behind this name.
    #[arg(long, value_name = "NAME", default_value = "")]
    after: String,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
}

#[derive(Args)]
struct RotateArgs {
    /// Its name.
    #[arg(value_parser = parse_name)]
    name: IdentityName,
    #[command(flatten)]
    credential: CredentialArgs,
    /// Take the earlier one for so long beside the new one: a number with s, m, h, d or w.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s")]
    keep_old: Duration,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct RemoveArgs {
    /// Its name.
    #[arg(value_parser = parse_name)]
    name: IdentityName,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    common: Common,
}

/// Runs `simyard admin`.
///
/// # Errors
/// Settings, a store or a certificate that cannot be used, a name that is taken or unknown.
pub async fn run(args: AdminArgs) -> anyhow::Result<()> {
    let config = match &args.command {
        AdminCommand::Add(args) => &args.common.config,
        AdminCommand::List(args) => &args.common.config,
        AdminCommand::Rotate(args) => &args.common.config,
        AdminCommand::Remove(args) => &args.common.config,
    };
    let store = open_store(&config.load()?).await?;
    let identities = Identities::new(store.clone(), Clock::system(), Rng::system());
    let outcome = match &args.command {
        AdminCommand::Add(args) => add(&identities, args).await,
        AdminCommand::List(args) => list(&identities, args).await,
        AdminCommand::Rotate(args) => rotate(&identities, args).await,
        AdminCommand::Remove(args) => remove(&identities, args).await,
    };
    store.close().await;
    outcome
}

impl CredentialArgs {
    fn read(&self) -> anyhow::Result<NewCredential> {
        match (&self.certificate, self.token) {
            (Some(path), _) => Ok(NewCredential::Certificate(fingerprint(path)?)),
            (None, true) => Ok(NewCredential::Token),
            (None, false) => bail!("say --token or --certificate FILE"),
        }
    }
}

fn fingerprint(path: &Path) -> anyhow::Result<[u8; 32]> {
    let certificates = load_certificates(path)?;
    let first = certificates.first().with_context(|| format!("{} holds no certificate", path.display()))?;
    Ok(sha256(first))
}

async fn add(identities: &Identities, args: &AddArgs) -> anyhow::Result<()> {
    let identity = Identity { name: args.name.clone(), right: args.right };
    let token = identities.add(&args.hand.changer(), &identity, args.credential.read()?).await?;
    tell(
        &args.common,
        &args.name,
        token.as_ref(),
        &format!("{} is made, with right {}", args.name, args.right),
    );
    Ok(())
}

async fn rotate(identities: &Identities, args: &RotateArgs) -> anyhow::Result<()> {
    let new = args.credential.read()?;
    let token = identities.rotate(&args.hand.changer(), &args.name, new, args.keep_old).await?;
    let old = match args.keep_old.as_secs() {
        0 => "what it had before is not taken any more".to_owned(),
        seconds => format!("what it had before is taken for {seconds} s more"),
    };
    tell(&args.common, &args.name, token.as_ref(), &format!("{} is rotated; {old}", args.name));
    Ok(())
}

/// The token alone goes to stdout, where a program takes it from.
fn tell(common: &Common, name: &IdentityName, token: Option<&Token>, done: &str) {
    if common.json {
        output::json(&json!({ "name": name.as_str(), "token": token.map(Token::as_str) }));
        return;
    }
    error_line(done);
    if let Some(token) = token {
        error_line("its token, which is not shown again:");
        line(token.as_str());
    }
}

async fn list(identities: &Identities, args: &ListArgs) -> anyhow::Result<()> {
    // One more than is told says whether there are more.
    let mut found = identities.list(&args.after, args.limit.saturating_add(1)).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|record| record.identity.name.as_str());
    if args.common.json {
        let identities: Vec<Value> = found.iter().map(value).collect();
        output::json(&json!({ "identities": identities, "next": next }));
        return Ok(());
    }
    for IdentityRecord { identity, created_at, created_by, credentials } in &found {
        line(&format!("{:<24}  {:<12}  made {created_at} by {created_by}", identity.name, identity.right));
        for credential in credentials {
            line(&format!("    {}", words(credential)));
        }
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --after {next}"));
    }
    Ok(())
}

async fn remove(identities: &Identities, args: &RemoveArgs) -> anyhow::Result<()> {
    identities.remove(&args.hand.changer(), &args.name).await?;
    if args.common.json {
        output::json(&json!({ "removed": args.name.as_str() }));
    } else {
        line(&format!("{} is removed", args.name));
    }
    Ok(())
}

const fn kind(credential: &CredentialRecord) -> &'static str {
    match credential.credential.kind {
        CredentialKind::Token => "token",
        CredentialKind::Certificate => "certificate",
    }
}

/// Of a certificate, the hash; of a token the beginning of its hash, to tell two of them apart.
fn hash(credential: &CredentialRecord) -> String {
    let digits = hex::encode(credential.credential.digest);
    match credential.credential.kind {
        CredentialKind::Certificate => digits,
        CredentialKind::Token => digits.chars().take(8).collect(),
    }
}

fn words(credential: &CredentialRecord) -> String {
    let used =
        credential.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"));
    let ends = credential.ends_at.map(|at| format!(", ends {at}")).unwrap_or_default();
    format!("{} {}, of {}, {used}{ends}", kind(credential), hash(credential), credential.created_at)
}

fn value(record: &IdentityRecord) -> Value {
    let credential = |one: &CredentialRecord| {
        json!({
            "kind": kind(one),
            "sha256": hash(one),
            "created_at": one.created_at.to_string(),
            "ends_at": one.ends_at.map(|at| at.to_string()),
            "last_used_at": one.last_used_at.map(|at| at.to_string()),
        })
    };
    json!({
        "name": record.identity.name.as_str(),
        "right": record.identity.right,
        "created_at": record.created_at.to_string(),
        "created_by": record.created_by,
        "credentials": record.credentials.iter().map(credential).collect::<Vec<_>>(),
    })
}

fn parse_name(text: &str) -> Result<IdentityName, String> {
    IdentityName::parse(text).ok_or_else(|| {
        "expected 1 to 64 letters, digits, '.', '_', '-' and '@', a letter or digit first".to_owned()
    })
}
