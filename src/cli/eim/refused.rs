//! `simyard eim refused`: what was refused on ESipa, and why.

use clap::Args;
use serde_json::{Value, json};

use crate::app::open_store;
use crate::cli::output::{self, error_line, line};
use crate::cli::serve::ConfigArgs;
use crate::ident::Eid;
use crate::store::EsipaRefusalRecord;

#[derive(Args)]
pub(super) struct RefusedArgs {
    /// What this EID was refused, and what was refused to those who claimed it.
    #[arg(long, value_name = "DIGITS")]
    eid: Option<Eid>,
    /// Go on below this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    before: i64,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=999))]
    limit: u32,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `simyard eim refused`.
pub(super) async fn run(args: &RefusedArgs) -> anyhow::Result<()> {
    let store = open_store(&args.config.load()?).await?;
    // One more than is told says whether there are more.
    let found = store.esipa_refusals(args.eid.as_ref(), args.before, args.limit.saturating_add(1)).await;
    store.close().await;
    let mut found = found?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|last| last.number);
    if args.json {
        let all: Vec<Value> = found.iter().map(value).collect();
        output::json(&json!({ "refused": all, "next": next }));
        return Ok(());
    }
    for record in &found {
        line(&text(record));
    }
    if let Some(next) = next {
        error_line(&format!("there are more: --before {next}"));
    }
    Ok(())
}

fn text(EsipaRefusalRecord { number, refusal }: &EsipaRefusalRecord) -> String {
    let times = if refusal.times > 1 { format!(", {} times", refusal.times) } else { String::new() };
    let claimed = refusal.eid.as_ref().map(|eid| format!(" for {eid}")).unwrap_or_default();
    let caller = refusal.caller_eid.as_ref().map(|eid| format!(" by {eid}")).unwrap_or_default();
    format!(
        "{number:>6}  {}  {}  {}{claimed}{caller}{times}: {}",
        refusal.last_at, refusal.peer, refusal.reason, refusal.detail
    )
}

fn value(EsipaRefusalRecord { number, refusal }: &EsipaRefusalRecord) -> Value {
    json!({
        "number": number,
        "reason": refusal.reason,
        "eid": refusal.eid.as_ref().map(Eid::as_str),
        "caller_eid": refusal.caller_eid.as_ref().map(Eid::as_str),
        "certificate_sha256": refusal.certificate,
        "peer": refusal.peer,
        "detail": refusal.detail,
        "first_at": refusal.first_at.to_string(),
        "last_at": refusal.last_at.to_string(),
        "times": refusal.times,
    })
}
