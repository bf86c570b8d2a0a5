//! `simyard order release`, `cancel` and `reset`.

use anyhow::bail;
use clap::Args;
use serde_json::Value;

use super::view::View;
use super::{Common, Desk, ExpiryArgs, Which, default_expiry};
use crate::binding::es2plus::FinalProfileStatus;
use crate::cli::hand::HandArgs;
use crate::cli::output::{self, line};
use crate::domain::{FinalStatus, Order, State};
use crate::env::Timestamp;
use crate::smdp::manual_order;

/// Release an order that is Confirmed.
#[derive(Args)]
pub(super) struct ReleaseArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) async fn release(desk: &Desk, args: &ReleaseArgs) -> anyhow::Result<()> {
    let order = desk.find(&args.which).await?;
    let needed = desk.needed(&order.profile_type);
    let order = manual_order::release(&desk.store, &desk.hand(&args.hand), order, needed).await?;
    print(desk, &order, &args.common);
    Ok(())
}

/// Take an order back; the profile returns to the stock, or leaves it for good.
///
/// What the order held is erased. A profile whose package was handed over can only leave the stock: its keys have been
/// outside.
#[derive(Args)]
pub(super) struct CancelArgs {
    #[command(flatten)]
    which: Which,
    /// What becomes of the profile: `Available` or `Unavailable`.
    #[arg(long, value_name = "STATUS", default_value = "Available")]
    final_status: FinalProfileStatus,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) async fn cancel(desk: &Desk, args: &CancelArgs) -> anyhow::Result<()> {
    let status = match args.final_status {
        FinalProfileStatus::Available => FinalStatus::Available,
        FinalProfileStatus::Unavailable => FinalStatus::Unavailable,
    };
    let order = desk.find(&args.which).await?;
    let order = manual_order::cancel(&desk.store, &desk.hand(&args.hand), order, status).await?;
    print(desk, &order, &args.common);
    Ok(())
}

/// Put an order back that is in Error, out of attempts or expired.
///
/// It is Released again, with no attempt counted. One whose package was handed over is Downloaded again: only the eUICC
/// that got it may ask once more. An expiry that is past is renewed as the settings say, unless an option says how. What
/// will happen is printed; without --yes nothing does. 'simyard order history' shows it ever after.
#[derive(Args)]
pub(super) struct ResetArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    expiry: ExpiryArgs,
    /// Do it.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) async fn reset(desk: &Desk, args: &ResetArgs) -> anyhow::Result<()> {
    let order = desk.find(&args.which).await?;
    let now = desk.clock.now();
    let expires_at = match (args.expiry.given(), order.expires_at()) {
        (Some(expiry), _) => expiry.from(now),
        (None, Some(at)) if at <= now => default_expiry(&desk.config).from(now),
        (None, kept) => kept,
    };
    let intended = manual_order::reset_order(&order, expires_at)?;
    if !args.common.json {
        line(&announcement(desk, &order, &intended, now));
    }
    if !args.yes {
        bail!("nothing was changed: --yes does it");
    }
    let reset = manual_order::reset(&desk.store, &desk.hand(&args.hand), &order, expires_at).await?;
    if args.common.json {
        let mut value = View::new(desk, &reset).json();
        value.insert("before".to_owned(), Value::Object(View::new(desk, &order).json()));
        output::json(&Value::Object(value));
    } else {
        line(&format!("done at {now}"));
    }
    Ok(())
}

/// What will happen, in one sentence for each matter.
fn announcement(desk: &Desk, before: &Order, after: &Order, now: Timestamp) -> String {
    let view = View::new(desk, before);
    let expiry = |at: Option<Timestamp>| match at {
        None => "without expiry".to_owned(),
        Some(at) if at <= now => format!("expired since {at}"),
        Some(at) => format!("until {at}"),
    };
    let reason = view.error().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let mut text = format!(
        "profile {} is {}{reason}, {}, with {}\nit becomes {}, {}, with no attempt counted",
        before.iccid,
        before.state_name(),
        expiry(before.expires_at()),
        view.attempts(),
        after.state_name(),
        expiry(after.expires_at()),
    );
    match (&after.state, after.eid()) {
        (State::Downloaded(_), Some(eid)) => {
            text += &format!("; its package was handed over, so only EID {eid} may download it again");
        }
        (_, Some(eid)) => text += &format!("; EID {eid} may download it"),
        (_, None) => text += "; any eUICC with its matching identifier may download it",
    }
    text
}

fn print(desk: &Desk, order: &Order, common: &Common) {
    let view = View::new(desk, order);
    if common.json {
        output::json(&Value::Object(view.json()));
    } else {
        line(&view.summary());
    }
}
