//! `simyard batch generate`: subscriptions made here.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::app::config::{Config, ProfileTypeSetting};
use crate::app::{Stock, template_of};
use crate::cli::hand::HandArgs;
use crate::cli::output::{self, line};
use crate::cli::serve::ConfigArgs;
use crate::domain::{DeliveryId, Pool, PoolName};
use crate::env::{Clock, Rng};
use crate::inventory::generate::{Generator, Recipe, Slot};
use crate::inventory::operator_keys::OperatorKeys;
use crate::inventory::pools::Pools;
use crate::inventory::{Inventory, Receipt};

/// Make subscriptions here, and take them into the stock: numbers from pools, keys and codes at random.
///
/// The profile type names its sub-class, whose slots say how many IMSIs each has and from which pools, and its pools of ICCIDs
/// and telephone numbers. K, PINs, PUKs, administrative codes and keys for remote management are drawn for each, OPc follows
/// from the OP of the operator ('simyard operator-key import'). The keys stand in the store alone, sealed.
#[derive(Args)]
pub(super) struct GenerateArgs {
    /// Their type.
    #[arg(long, value_name = "NAME")]
    profile_type: String,
    /// So many.
    #[arg(long, value_name = "NUMBER")]
    count: u64,
    /// The name of the batch: repeated, nothing is made twice. One that nobody has, if absent.
    #[arg(long, value_name = "ID")]
    batch_id: Option<String>,
    #[command(flatten)]
    hand: HandArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the receipt as JSON.
    #[arg(long)]
    json: bool,
}

/// Makes them and prints the receipt.
///
/// # Errors
/// Settings that do not fit, pools without numbers, a store that cannot be used; nothing was taken then.
pub(super) async fn run(args: GenerateArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let setting = config.profile_types.iter().find(|setting| setting.name.as_str() == args.profile_type);
    let setting =
        setting.with_context(|| format!("the settings have no [[profile_type]] {}", args.profile_type))?;
    let pools: Vec<Arc<Pool>> = config.pools.iter().cloned().map(Arc::new).collect();
    let recipe = recipe(&config, setting, &pools)?;
    let (clock, rng) = (Clock::system(), Rng::system());
    let batch_id = args.batch_id.clone().unwrap_or_else(|| format!("made-{}", hex::encode(rng.array::<8>())));
    let batch_id = DeliveryId::parse(&batch_id)
        .context("--batch-id must have 1 to 128 octets and no control characters")?;
    let Stock { store, sealer } = Stock::open(&config, &rng).await?;
    let operator_keys = OperatorKeys {
        store: store.clone(),
        sealer: sealer.clone(),
        clock: clock.clone(),
        mode: config.mode,
    };
    let generator = Generator {
        pools: Pools { store: store.clone(), pools, clock: clock.clone(), rng: rng.clone() },
        inventory: Inventory { store: store.clone(), sealer, clock, rng, mode: config.mode },
        operator_keys,
    };
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(args.count) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} subscriptions, {per_sec}") {
        bar.set_style(style);
    }
    let person = args.hand.person();
    let made =
        generator.generate(&recipe, args.count, &batch_id, &person, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    store.close().await;
    print(&made.context("nothing was taken")?, args.json)
}

/// What the settings say of a profile type, all of it found.
fn recipe(config: &Config, setting: &ProfileTypeSetting, pools: &[Arc<Pool>]) -> anyhow::Result<Recipe> {
    let name = &setting.name;
    let find = |wanted: &PoolName| {
        let found = pools.iter().find(|pool| pool.name == *wanted);
        found.cloned().with_context(|| format!("the settings have no [[pool]] {wanted}"))
    };
    let sub_class = setting
        .sub_class
        .as_ref()
        .and_then(|sub_class| config.sub_classes.iter().find(|other| other.name == *sub_class));
    let sub_class = sub_class.with_context(|| format!("profile type {name} has no sub_class"))?;
    let iccids = setting.pools.iccid.as_ref();
    let iccids = iccids
        .with_context(|| format!("profile type {name} has no pool of ICCIDs: pools = {{ iccid = \"…\" }}"))?;
    let mut imsis = Vec::new();
    for slot in &sub_class.imsi_slots {
        let own = setting.pools.imsi.iter().find(|(role, _)| *role == slot.role).map(|(_, pool)| pool);
        if let (Some(pool), 1..) = (own.or(slot.pool.as_ref()), slot.count) {
            imsis.push(Slot { role: slot.role.clone(), pool: find(pool)?, count: slot.count });
        }
    }
    Ok(Recipe {
        owner: setting.owner.clone(),
        profile_type: name.clone(),
        sub_class: sub_class.clone(),
        template: template_of(setting)?.with_context(|| format!("profile type {name} has no template"))?,
        iccids: find(iccids)?,
        msisdns: setting.pools.msisdn.as_ref().map(find).transpose()?,
        imsis,
    })
}

fn print(receipt: &Receipt, json: bool) -> anyhow::Result<()> {
    if json {
        output::json(&serde_json::to_value(receipt)?);
        return Ok(());
    }
    let made = if receipt.repeated { "made before" } else { "made" };
    let plural = if receipt.profiles == 1 { "subscription" } else { "subscriptions" };
    let name = receipt.delivery_id.as_deref().unwrap_or_default();
    line(&format!("batch {name}: {} {plural} of type {} {made}", receipt.profiles, receipt.profile_type));
    if let (Some(first), Some(last)) = (&receipt.first_iccid, &receipt.last_iccid) {
        line(&format!("first ICCID {first}, last ICCID {last}"));
    }
    Ok(())
}
