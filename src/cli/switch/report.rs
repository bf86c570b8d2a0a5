//! `simyard switch report` and `simyard switch verify`: what was done, with all that was signed, and the check of it by
//! somebody who has neither the store nor a reason to believe the eIM.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::eim::read_text;
use crate::cli::operation::{Desk, parse_id};
use crate::cli::output::{self, line};
use crate::cli::serve::ConfigArgs;
use crate::crypto::ecdsa::PublicKey;
use crate::crypto::keyfile::load_certificates;
use crate::domain::OperationId;
use crate::eim::campaign_report::{Contradiction, ReportedCampaign, TOLD_MAX, contradictions};
use crate::eim::campaign_targets::{MAX_FILE_OCTETS, read_list};
use crate::eim::keys::key_digest;
use crate::eim::report::{Report, Verdict, Verified, report, verify};
use crate::env::{Clock, Timestamp};
use crate::ident::Eid;
use crate::pki::{Anchors, Certificate};

/// The largest report that is read, in octets.
const REPORT_MAX: u64 = 1 << 30;

#[derive(Args)]
pub(super) struct ReportArgs {
    /// The numbers of the operations.
    #[arg(value_name = "OPERATION", required = true, value_parser = parse_id)]
    operations: Vec<OperationId>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// The report.
    #[arg(value_name = "REPORT")]
    file: PathBuf,
    /// Certificates of the CIs that you trust, in PEM or DER.
    #[arg(long, value_name = "FILE", required = true)]
    ci: Vec<PathBuf>,
    /// The eIM's certificate, from elsewhere than the report: then its signatures are checked too. Once for each key that it
    /// signs with, while eUICCs are told of another one.
    #[arg(long, value_name = "FILE")]
    eim_certificate: Vec<PathBuf>,
    /// Of the report of a campaign: hold its targets against this list, CSV with a column eid.
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
    /// Check the certificates as of this time, not now: RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time such as 2026-11-22T06:43:00Z".to_owned())
}

/// Prints a report.
pub(super) async fn make(desk: &Desk, args: &ReportArgs) -> anyhow::Result<()> {
    let made = report(&desk.eim, &args.operations).await?;
    let is_there = |id: &&OperationId| made.operations.iter().any(|one| one.operation_id == id.to_string());
    if let Some(missing) = args.operations.iter().find(|id| !is_there(id)) {
        bail!("there is no operation {missing}");
    }
    output::json(&serde_json::to_value(&made)?);
    Ok(())
}

/// Checks a report; an error if anything in it is refused, or not proven.
pub(super) fn check(args: &VerifyArgs) -> anyhow::Result<()> {
    let report = read(&args.file)?;
    let mut trusted = Vec::new();
    for file in &args.ci {
        trusted.extend(certificates(file)?);
    }
    let anchors = Anchors::of_cis(trusted)?;
    let keys: Vec<PublicKey> =
        args.eim_certificate.iter().map(|file| eim_key(file)).collect::<anyhow::Result<_>>()?;
    let now = args.at.unwrap_or_else(|| Clock::system().now());
    let verified = verify(&report, &anchors, &keys, now);
    let bad = verified
        .iter()
        .filter(|one| matches!(one.verdict, Verdict::NotProven(_) | Verdict::Refused(_)))
        .count();
    let wanted = match &args.targets {
        Some(file) => Some(wanted(file)?),
        None => None,
    };
    if wanted.is_some() && report.campaign.is_none() {
        bail!("--targets goes with the report of a campaign, and this is none");
    }
    let contradictions = contradictions(&report, wanted.as_deref());
    if args.json {
        let all: Vec<Value> = verified.iter().map(value).collect();
        let against: Vec<String> = contradictions.iter().map(ToString::to_string).collect();
        let campaign = report.campaign.as_ref().map(|campaign| {
            json!({ "campaign_id": campaign.campaign_id, "counts": campaign.counts, "contradictions": against })
        });
        output::json(&json!({
            "operations": all,
            "campaign": campaign,
            "eim_signatures_checked": !keys.is_empty(),
            "eim_keys": report.eim_keys,
        }));
    } else {
        for one in &verified {
            let (word, why) = words(&one.verdict);
            line(&format!("{} {} {}: {word}{why}", one.operation_id, one.eid, one.state));
            for said in &one.signed {
                line(&format!("    {said}"));
            }
            if one.eim_keys.len() > 1 {
                line(&format!("    packages under the keys {}", one.eim_keys.join(", ")));
            }
        }
        if let Some(campaign) = &report.campaign {
            tell_campaign(campaign, &contradictions, wanted.is_some());
        }
        tell_keys(&report, &keys);
    }
    if bad > 0 {
        bail!("{bad} of {} operations are not what the report claims", verified.len())
    }
    if !contradictions.is_empty() {
        bail!("the report of the campaign contradicts itself or the list, {} times", contradictions.len())
    }
    Ok(())
}

fn tell_campaign(campaign: &ReportedCampaign, contradictions: &[Contradiction], is_held_against_list: bool) {
    let counts: Vec<String> =
        campaign.counts.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    let (name, targets) = (&campaign.name, campaign.targets.len());
    line(&format!("campaign {} ({name}): {targets} targets, {}", campaign.campaign_id, counts.join(", ")));
    for one in contradictions.iter().take(TOLD_MAX) {
        line(&format!("    CONTRADICTION: {one}"));
    }
    if contradictions.len() > TOLD_MAX {
        line(&format!("    and {} more", contradictions.len().saturating_sub(TOLD_MAX)));
    }
    if !is_held_against_list {
        line("that no target was left out was not checked: --targets names the list");
    }
}

/// Says which keys the eIM claims to have, where the reader lacks them.
fn tell_keys(report: &Report, keys: &[PublicKey]) {
    if keys.is_empty() {
        line("the eIM's signatures were not checked: --eim-certificate names its certificate");
    }
    let believed: Vec<String> = keys.iter().map(key_digest).collect();
    for missing in report.eim_keys.iter().filter(|digest| !believed.contains(digest)) {
        line(&format!("the eIM says to have the key {missing}, and no --eim-certificate is of it"));
    }
}

/// The key of the first certificate in a file: those behind it are of its CAs.
fn eim_key(file: &Path) -> anyhow::Result<PublicKey> {
    let all = certificates(file)?;
    let first = all.first().with_context(|| format!("{} holds no certificate", file.display()))?;
    Ok(*first.public_key().with_context(|| file.display().to_string())?)
}

/// The EIDs of a list.
fn wanted(file: &Path) -> anyhow::Result<Vec<Eid>> {
    let text = read_text(file, MAX_FILE_OCTETS).with_context(|| file.display().to_string())?;
    let rows = read_list(&text).with_context(|| file.display().to_string())?;
    Ok(rows.into_iter().map(|row| row.eid).collect())
}

fn read(file: &Path) -> anyhow::Result<Report> {
    let mut json = Vec::new();
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    opened.take(REPORT_MAX).read_to_end(&mut json).with_context(|| file.display().to_string())?;
    Report::read(&json).with_context(|| file.display().to_string())
}

fn certificates(file: &Path) -> anyhow::Result<Vec<Certificate>> {
    let ders = load_certificates(file)?;
    ders.iter().map(|der| Certificate::from_der(der).with_context(|| file.display().to_string())).collect()
}

fn words(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Proven => ("proven", String::new()),
        Verdict::Consistent => ("nothing to prove", String::new()),
        Verdict::NotProven(why) => ("NOT PROVEN", format!(": {why}")),
        Verdict::Refused(why) => ("REFUSED", format!(": {why}")),
    }
}

fn value(one: &Verified) -> Value {
    let (verdict, why) = match &one.verdict {
        Verdict::Proven => ("proven", None),
        Verdict::Consistent => ("consistent", None),
        Verdict::NotProven(why) => ("not_proven", Some(why)),
        Verdict::Refused(why) => ("refused", Some(why)),
    };
    json!({
        "operation_id": one.operation_id,
        "eid": one.eid,
        "state": one.state,
        "verdict": verdict,
        "why": why,
        "signed": one.signed,
        "eim_keys": one.eim_keys,
    })
}
