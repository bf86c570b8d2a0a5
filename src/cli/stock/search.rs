//! `simyard stock search` and `simyard stock history`.

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::Common;
use crate::app::open_store;
use crate::cli::output::{self, line};
use crate::ident::Iccid;
use crate::inventory::history::{self, Event};
use crate::inventory::stock::{self, Found};
use crate::smdp::order_history::order_history;
use crate::store::Store;

/// Find profiles by any number: ICCID, IMSI, MSISDN, EID, matching identifier.
///
/// An ICCID is found in every notation: with 18, 19 or 20 digits, with its check digit or without, filled up with F, as in
/// EF.ICCID with its nibbles swapped; an IMSI as digits or as in EF.IMSI, of any subscription of a profile. At most a
/// hundred profiles are told for one reading of the number.
#[derive(Args)]
pub(super) struct SearchArgs {
    /// The number; blanks and hyphens in it make no difference.
    #[arg(value_name = "NUMBER")]
    number: String,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn search(args: &SearchArgs) -> anyhow::Result<()> {
    if stock::readings(&args.number).is_empty() {
        bail!("{:?} can be no ICCID, IMSI, MSISDN, EID or matching identifier", args.number);
    }
    let store = open_store(&args.common.config.load()?).await?;
    let found = stock::search(&store, &args.number).await;
    store.close().await;
    let found = found?;
    if args.common.json {
        output::json(&json!({ "found": found.iter().map(value).collect::<Vec<_>>() }));
    } else {
        found.iter().for_each(tell);
    }
    if found.is_empty() {
        bail!("{:?} is not in the stock", args.number);
    }
    Ok(())
}

fn value(found: &Found) -> Value {
    let Found { by, number, item } = found;
    json!({
        "by": by,
        "number": number,
        "iccid": item.iccid,
        "imsi": item.imsi,
        "msisdn": item.msisdn,
        "owner": item.owner,
        "profile_type": item.profile_type,
        "sub_class": item.sub_class,
        "batch_id": item.batch_id,
        "created_at": item.created_at.to_string(),
        "state": item.state.to_string(),
        "standing": item.standing.name(),
        "eid": item.eid,
        "matching_id": item.matching_id,
        "delivered": item.delivered.iter().map(|system| system.name()).collect::<Vec<_>>(),
    })
}

fn tell(found: &Found) {
    let Found { by, number, item } = found;
    line(&format!("{}  {} ({}), by {by} {number}", item.iccid, item.standing, item.state));
    let delivered: Vec<&str> = item.delivered.iter().map(|system| system.name()).collect();
    let delivered = delivered.join(", ");
    for (name, value) in [
        ("owner", Some(item.owner.as_str())),
        ("profile type", Some(item.profile_type.as_str())),
        ("sub-class", item.sub_class.as_deref()),
        ("batch", Some(item.batch_id.as_str())),
        ("IMSI", item.imsi.as_ref().map(|imsi| imsi.as_str())),
        ("MSISDN", item.msisdn.as_deref()),
        ("EID", item.eid.as_deref()),
        ("matching identifier", item.matching_id.as_deref()),
        ("delivered to", Some(delivered.as_str()).filter(|text| !text.is_empty())),
    ] {
        if let Some(value) = value {
            line(&format!("    {name:<20}{value}"));
        }
    }
}

/// Show where a profile has been.
///
/// Its batch and who delivered it, orders and changes by hand, what became of a download, callbacks that wait, and the
/// files for other systems that it stands in. Of an order that is cancelled over ES2+ notifications alone are kept.
#[derive(Args)]
pub(super) struct HistoryArgs {
    /// The profile.
    #[arg(value_name = "ICCID")]
    iccid: Iccid,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn history(args: &HistoryArgs) -> anyhow::Result<()> {
    let store = open_store(&args.common.config.load()?).await?;
    let history = all_of(&store, &args.iccid).await;
    store.close().await;
    let Some((state, events)) = history? else {
        bail!("profile {} is not in the stock: 'simyard stock search' tries other notations", args.iccid);
    };
    if args.common.json {
        output::json(&json!({ "iccid": args.iccid, "state": state, "events": events }));
        return Ok(());
    }
    line(&format!("{}  {state}", args.iccid));
    for event in &events {
        line(&event.line());
    }
    Ok(())
}

/// The state of its order, and what stock and order tell, in the order it happened.
async fn all_of(store: &Store, iccid: &Iccid) -> anyhow::Result<Option<(String, Vec<Event>)>> {
    let Some(mut events) = history::of_profile(store, iccid).await? else { return Ok(None) };
    let Some(order) = store.order(iccid).await? else { return Ok(None) };
    let of_order = order_history(store, &order).await?;
    // How it came the batch tells.
    let of_order = of_order.into_iter().filter(|event| event.what != "stocked");
    events.extend(of_order.map(|event| {
        let hand = event.hand.as_ref();
        Event {
            at: event.at,
            what: event.what.clone(),
            detail: event.detail.clone(),
            person: hand.map(|hand| hand.person.to_string()),
            from: hand.map(|hand| hand.from.to_string()),
            to: hand.map(|hand| hand.to.to_string()),
            number: hand.map(|hand| hand.number),
        }
    }));
    events.sort_by_key(|event| event.at);
    Ok(Some((order.state_name().to_string(), events)))
}
