//! Composition root: settings become a running server. The only place that names every concrete type.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use simyard_asn1::saip::{MAX_PACKAGE, Package};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::crypto::seal::{Sealer, SealingKey};
use crate::domain::{Operator, PackageNeeds, Pool, SubClassName};
use crate::eim::Eim;
use crate::env::{Clock, Rng};
use crate::http::caller::Operators;
use crate::http::listener::{Listener, ListenerLimits};
use crate::http::meter::Meter;
use crate::http::{admin, es2plus, es9plus};
use crate::ident::{IssuerRanges, ServerAddress};
use crate::inventory::{Delivery, Inventory};
use crate::jobs::bring_packages::BringPackages;
use crate::jobs::deliver_callbacks::DeliverCallbacks;
use crate::jobs::deliver_webhooks::DeliverWebhooks;
use crate::jobs::end_reservations::end_reservations;
use crate::jobs::forward_notifications::ForwardNotifications;
use crate::jobs::remove_given_up::remove_given_up;
use crate::jobs::run_campaigns::RunCampaigns;
use crate::jobs::{erase_personal, expire_operations};
use crate::pki::tls::{ClientVerifier, PeerIdentity};
use crate::pki::{AnchorError, Anchors};
use crate::profile::description::{self, DescriptionError};
use crate::profile::needs::needs;
use crate::profile::plan::{Template, TemplateError};
use crate::smdp::catalogue::{Catalogue, Product};
use crate::smdp::downloads::DownloadCounts;
use crate::smdp::guesses::Guesses;
use crate::smdp::orders::{OrderSettings, Orders};
use crate::smdp::sessions::Sessions;
use crate::smdp::{Smdp, expiry};
use crate::store::{Seen, Store, StoreError, StoreUrl};

mod administration;
mod callbacks;
pub mod config;
pub mod credentials;
mod eim;
mod eim_services;
mod export;
mod ingestion;
mod readings;
mod relay;
mod revocation;
mod signing;
mod webhooks;

pub use credentials::{anchors_of, cis, smdp_oid};
pub use eim_services::{open_eim, orders_for_euiccs, signing_keys};
pub use export::export_key;
pub use revocation::revocation_lists;
pub use signing::signing_key;
pub use webhooks::webhook_client;

use administration::Served;
use callbacks::{callbacks, deliver_callbacks};
use config::{
    CallerKey, Config, ConfigError, FileSetting, OperatorSetting, ProfileTypeSetting, TemplateSetting,
};
use credentials::{client_cas, identities, offered, tls, uncovered, warn_of_test_cis};
use eim::{EimDoor, keep, keep_refusals};
use readings::Readings;
use revocation::RevocationFiles;
use webhooks::deliver_webhooks;

/// Connections at a time of the interface for metrics and health.
const ADMIN_CONNECTIONS: usize = 64;

/// How often orders that expired and reservations that ran out are looked for.
const EXPIRY_EVERY: Duration = Duration::from_secs(60);

/// Why the server cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A setting, or a file that it names, cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The trusted CIs contradict each other.
    #[error("the CI certificates cannot be used: {0}")]
    Anchors(#[from] AnchorError),
    /// A template that Simyard brings cannot be used: a fault of ours.
    #[error("the built-in template cannot be used: {0}")]
    Template(#[from] TemplateError),
    /// The description of such a template cannot be built: a fault of ours.
    #[error("the built-in template cannot be built: {0}")]
    Description(#[from] DescriptionError),
    /// The store cannot be opened.
    #[error("the store {url} cannot be opened: {cause}")]
    Store {
        /// Which one; no password stands in it.
        url: String,
        /// Why.
        cause: StoreError,
    },
    /// An interface cannot listen.
    #[error("{interface} cannot listen on {address}: {cause}")]
    Listen {
        /// Which interface.
        interface: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
}

/// Store and sealing: what commands on the stock need without a server.
pub struct Stock {
    /// The store.
    pub store: Store,
    /// Seals and opens key material.
    pub sealer: Sealer,
}

impl Stock {
    /// Opens both. The sealing key is made if its file is absent and nothing was sealed yet.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn open(config: &Config, rng: &Rng) -> Result<Self, AppError> {
        let store = open_store(config).await?;
        let setting = &config.sealing_key;
        let key = if setting.path.exists() {
            SealingKey::load(&setting.path).map_err(|error| setting.error(&error))?
        } else if store.holds_sealed().await.map_err(|cause| store_error(config, cause))? {
            let message = format!(
                "{} is absent, and the store holds what was sealed with it: put the key back from a backup, or name \
                 an empty store; a new key would open nothing",
                setting.path.display()
            );
            return Err(setting.error(&message).into());
        } else {
            let key = SealingKey::generate(rng);
            key.save(&setting.path).map_err(|error| setting.error(&error))?;
            tracing::info!(path = %setting.path.display(), "a new sealing key was made");
            key
        };
        let sealer = Sealer::new(&key, rng.clone()).map_err(|error| setting.error(&error))?;
        Ok(Self { store, sealer })
    }
}

/// The store alone: what commands on orders need, which open nothing that is sealed.
///
/// # Errors
/// [`AppError::Store`].
pub async fn open_store(config: &Config) -> Result<Store, AppError> {
    let failed = |cause| store_error(config, cause);
    let url = StoreUrl::parse(&config.store).map_err(failed)?;
    Store::open(&url).await.map_err(failed)
}

fn store_error(config: &Config, cause: StoreError) -> AppError {
    let url = if config.store.starts_with("postgres") { "PostgreSQL" } else { &config.store };
    AppError::Store { url: url.to_owned(), cause }
}

/// The sockets of a server: bound before the server is put together, so that addresses with free ports are known.
pub struct Sockets {
    /// ES9+.
    pub es9plus: TcpListener,
    /// Further listeners of ES9+, in the order of the settings.
    pub further_es9plus: Vec<TcpListener>,
    /// ES2+.
    pub es2plus: TcpListener,
    /// The admin API.
    pub admin_api: Option<TcpListener>,
    /// The ingestion API.
    pub ingest: Option<TcpListener>,
    /// ESipa, in the order of the settings.
    pub eim: Vec<TcpListener>,
    /// Metrics and health.
    pub admin: Option<TcpListener>,
}

impl Sockets {
    /// Binds what the settings name.
    ///
    /// # Errors
    /// [`AppError::Listen`].
    pub async fn bind(config: &Config) -> Result<Self, AppError> {
        let bind = async |interface, address| {
            TcpListener::bind(address).await.map_err(|cause| AppError::Listen { interface, address, cause })
        };
        let mut further_es9plus = Vec::new();
        for setting in &config.further_es9plus {
            further_es9plus.push(bind("es9plus_listener", setting.listen).await?);
        }
        let mut eim = Vec::new();
        for setting in config.eim.iter().flat_map(|eim| &eim.listeners) {
            eim.push(bind("eim", setting.listener.listen).await?);
        }
        Ok(Self {
            further_es9plus,
            eim,
            es9plus: bind("es9plus", config.es9plus.listen).await?,
            es2plus: bind("es2plus", config.es2plus.listen).await?,
            admin_api: match &config.admin_api {
                Some(setting) => Some(bind("admin_api", setting.listener.listen).await?),
                None => None,
            },
            ingest: match &config.ingest {
                Some(setting) => Some(bind("ingest", setting.listener.listen).await?),
                None => None,
            },
            admin: match config.admin {
                Some(address) => Some(bind("admin", address).await?),
                None => None,
            },
        })
    }
}

/// A server, ready to run.
pub struct App {
    /// ES9+.
    pub smdp: Arc<Smdp>,
    /// Where deliveries go.
    pub inventory: Inventory,
    listeners: Vec<Listener>,
    eim: Option<(EimDoor, Vec<Listener>)>,
    operations: Option<Arc<Eim>>,
    campaigns: Option<RunCampaigns>,
    forward_notifications: Option<ForwardNotifications>,
    bring_packages: Option<BringPackages>,
    callbacks: DeliverCallbacks,
    webhooks: DeliverWebhooks,
    revocation: RevocationFiles,
    erase_personal_after: Option<Duration>,
}

impl App {
    /// Loads and checks everything that the settings name.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn open(config: &Config, sockets: Sockets, clock: Clock, rng: Rng) -> Result<Self, AppError> {
        let stock = Stock::open(config, &rng).await?;
        Self::with_stock(config, sockets, stock, clock, rng)
    }

    /// As [`App::open`], over a store that is open already.
    ///
    /// # Errors
    /// [`AppError`].
    pub fn with_stock(
        config: &Config,
        sockets: Sockets,
        stock: Stock,
        clock: Clock,
        rng: Rng,
    ) -> Result<Self, AppError> {
        let anchors = Arc::new(cis(&config.ci)?);
        warn_of_test_cis(&anchors);
        let identities = identities(&config.identities, &anchors, &clock)?;
        let client_anchors = Arc::new(client_cas(&config.es2plus_client_ca)?);
        // After our own certificates: a revoked one is no reason not to start.
        let ingest_anchors = match &config.ingest {
            Some(setting) => Some(Arc::new(client_cas(&setting.client_ca)?)),
            None => None,
        };
        let admin_anchors = match &config.admin_api {
            Some(setting) if !setting.client_ca.is_empty() => Some(Arc::new(client_cas(&setting.client_ca)?)),
            Some(_) | None => None,
        };
        let heeding =
            ingest_anchors.iter().chain(&admin_anchors).chain([&client_anchors]).map(Arc::clone).collect();
        let revocation = RevocationFiles::new(&config.crl, Arc::clone(&anchors), heeding, clock.clone());
        revocation.load()?;
        revocation.warn_of_own(&identities);
        let orders = Orders {
            store: stock.store.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            settings: OrderSettings {
                smdp_address: config.addresses.first().cloned(),
                validity: config.order_lifetime_s.map(Duration::from_secs),
                needed: config.needed_deliveries(),
                ..OrderSettings::default()
            },
        };
        let inventory = Inventory {
            store: stock.store.clone(),
            sealer: stock.sealer.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
            mode: config.mode,
        };
        let smdp = Arc::new(Smdp {
            store: stock.store,
            sealer: stock.sealer,
            sessions: Sessions::new(clock.clone(), config.session_limits),
            guesses: Guesses::new(clock.clone(), config.guess_limits),
            downloads: DownloadCounts::default(),
            seen: Seen::default(),
            clock: clock.clone(),
            rng,
            anchors,
            identities,
            addresses: config.addresses.clone(),
            catalogue: catalogue(config)?,
            limits: config.limits,
            version3_euiccs: config.version3_euiccs,
            callbacks: callbacks(config),
        });
        let callbacks = deliver_callbacks(config, &smdp)?;
        let webhooks = deliver_webhooks(config, &smdp)?;
        let keys = config.operators.iter().map(|operator| &operator.key);
        several_cas("es2plus.client_ca", &client_anchors, keys)?;
        let operators: Arc<dyn Operators> = Arc::new(KnownOperators(config.operators.clone()));
        let verifier = Arc::new(ClientVerifier::new(client_anchors, clock.clone()));
        let es2plus_tls = tls(&config.es2plus.tls, Some(verifier))?;
        let meter = Arc::new(Meter::new(clock.clone()));
        meter.add(Box::new(Readings::new(config, Arc::clone(&smdp))?));
        let stock = Stock { store: smdp.store.clone(), sealer: smdp.sealer.clone() };
        let operations = open_eim(config, &stock, &clock, &smdp.rng)?.map(Arc::new);
        let mut bring_packages = None;
        let eim = match (&config.eim, &operations) {
            (Some(setting), Some(eim)) => {
                let door = EimDoor::open(setting, &smdp.anchors, smdp.store.clone(), clock.clone())?;
                meter.add(door.readings());
                let listeners = door.listeners(setting, eim, sockets.eim, &meter)?;
                bring_packages = door.bring_packages(setting, eim)?;
                Some((door, listeners))
            }
            _ => None,
        };
        let mut listeners =
            es9plus_listeners(config, sockets.es9plus, sockets.further_es9plus, &smdp, &meter)?;
        listeners.push(Listener {
            name: "es2plus",
            socket: sockets.es2plus,
            tls: Some(es2plus_tls),
            router: es2plus::router(Arc::new(orders), operators),
            limits: ListenerLimits::new(config.es2plus.max_connections),
            meter: Arc::clone(&meter),
        });
        if let (Some(setting), Some(socket), Some(anchors)) = (&config.ingest, sockets.ingest, ingest_anchors)
        {
            let meter = Arc::clone(&meter);
            listeners.push(ingestion::listener(
                config,
                setting,
                socket,
                inventory.clone(),
                (anchors, Arc::clone(&smdp.anchors)),
                meter,
                clock,
            )?);
        }
        if let (Some(setting), Some(socket)) = (&config.admin_api, sockets.admin_api) {
            let served = Served { smdp: &smdp, inventory: inventory.clone(), eim: operations.clone() };
            let meter = Arc::clone(&meter);
            listeners.push(administration::listener(config, setting, socket, admin_anchors, served, meter)?);
        }
        listeners.extend(sockets.admin.map(|socket| Listener {
            name: "admin",
            socket,
            tls: None,
            router: admin::router(
                Arc::clone(&meter),
                Arc::clone(&smdp),
                config.low_water_marks(),
                administration::pools(config, &smdp),
            ),
            limits: ListenerLimits::new(ADMIN_CONNECTIONS),
            meter,
        }));
        let orders = orders_for_euiccs(config, &smdp.store, &smdp.clock, &smdp.rng)?.map(Arc::new);
        let campaigns = operations.clone().map(|eim| RunCampaigns { eim, orders });
        let forward_notifications = config.eim.as_ref().zip(operations.as_deref());
        let forward_notifications =
            forward_notifications.map(|(setting, eim)| relay::forward_notifications(setting, eim));
        let erase_personal_after = config.erase_personal_after;
        Ok(Self {
            smdp,
            inventory,
            listeners,
            eim,
            operations,
            campaigns,
            forward_notifications,
            bring_packages,
            callbacks,
            webhooks,
            revocation,
            erase_personal_after,
        })
    }

    /// Serves until `end` turns true; open requests finish, and the store is closed behind them.
    pub async fn run(self, end: watch::Receiver<bool>) {
        let mut interfaces = tokio::task::JoinSet::new();
        for listener in self.listeners {
            interfaces.spawn(listener.serve(end.clone()));
        }
        let refusals = self.eim.as_ref().map(|(door, _)| door.refusals());
        if let Some((door, listeners)) = self.eim {
            for listener in listeners {
                interfaces.spawn(listener.serve_watched(end.clone(), Some(door.watch())));
            }
            interfaces.spawn(door.watch_revocation(end.clone()));
        }
        interfaces.spawn(self.callbacks.run(end.clone()));
        interfaces.spawn(self.webhooks.run(end.clone()));
        if let Some(eim) = self.operations {
            interfaces.spawn(expire_operations::run(eim, end.clone()));
        }
        if let Some(campaigns) = self.campaigns {
            interfaces.spawn(campaigns.run(end.clone()));
        }
        if let Some(forward) = self.forward_notifications {
            interfaces.spawn(forward.run(end.clone()));
        }
        if let Some(bring) = self.bring_packages {
            interfaces.spawn(bring.run(end.clone()));
        }
        interfaces.spawn(remove_given_up(self.inventory, end.clone()));
        if let Some(age) = self.erase_personal_after {
            let (store, clock) = (self.smdp.store.clone(), self.smdp.clock.clone());
            interfaces.spawn(erase_personal::run(store, clock, age, end.clone()));
        }
        interfaces.spawn(self.revocation.watch(end));
        let expiry = tokio::spawn(end_expired_orders(Arc::clone(&self.smdp)));
        let seen = tokio::spawn(note_seen(Arc::clone(&self.smdp)));
        let kept =
            refusals.clone().map(|refusals| tokio::spawn(keep_refusals(refusals, self.smdp.store.clone())));
        let reservations = tokio::spawn(end_reservations_of(Arc::clone(&self.smdp)));
        all_ended(interfaces).await;
        expiry.abort();
        seen.abort();
        if let Err(error) = self.smdp.seen.note(&self.smdp.store).await {
            tracing::warn!(%error, "when eUICCs were heard of could not be noted");
        }
        if let (Some(refusals), Some(kept)) = (refusals, kept) {
            kept.abort();
            keep(&refusals, &self.smdp.store).await;
        }
        reservations.abort();
        self.smdp.store.close().await;
    }
}

/// The listeners of ES9+: all serve one set of sessions and orders.
fn es9plus_listeners(
    config: &Config,
    first: TcpListener,
    further: Vec<TcpListener>,
    smdp: &Arc<Smdp>,
    meter: &Arc<Meter>,
) -> Result<Vec<Listener>, AppError> {
    let settings = std::iter::once(&config.es9plus).chain(&config.further_es9plus);
    let mut uncovered_by_all: Option<Vec<&ServerAddress>> = None;
    let mut listeners = Vec::new();
    for (setting, socket) in settings.zip(std::iter::once(first).chain(further)) {
        let uncovered = uncovered(&setting.tls, &config.addresses)?;
        uncovered_by_all = Some(match uncovered_by_all {
            None => uncovered,
            Some(others) => others.into_iter().filter(|address| uncovered.contains(address)).collect(),
        });
        listeners.push(Listener {
            name: "es9plus",
            socket,
            tls: Some(tls(&setting.tls, None)?),
            router: es9plus::router(Arc::clone(smdp), offered(setting, &smdp.anchors, &smdp.identities)?),
            limits: ListenerLimits::new(setting.max_connections),
            meter: Arc::clone(meter),
        });
    }
    for address in uncovered_by_all.unwrap_or_default() {
        tracing::warn!(%address, "no dNSName of the TLS certificate of es9plus: LPAs will refuse the server");
    }
    Ok(listeners)
}

/// Ends orders that expired, for as long as the server runs. Turn follows turn while there is more to end.
async fn end_expired_orders(smdp: Arc<Smdp>) {
    loop {
        tokio::time::sleep(EXPIRY_EVERY).await;
        while let Ok(ended) = expiry::end_expired(&smdp).await.inspect_err(|error| {
            tracing::warn!(%error, "orders that expired could not be ended; the next turn tries again");
        }) {
            if ended > 0 {
                tracing::info!(ended, "orders expired");
            }
            if ended < expiry::TURN_MAX as usize {
                break;
            }
        }
    }
}

/// Refuses callers that are known by an OID where several CAs could issue it.
fn several_cas<'k>(
    setting: &str,
    anchors: &Anchors,
    mut keys: impl Iterator<Item = &'k CallerKey>,
) -> Result<(), AppError> {
    let ([_, _, ..], Some(place)) = (anchors.certificates(), keys.find_map(CallerKey::place_of_oid)) else {
        return Ok(());
    };
    let message = format!(
        "with several CAs in {setting}, any of them could issue a certificate with this OID: use certificate_sha256"
    );
    Err(place.error(&message).into())
}

/// Notes when eUICCs were heard of, for as long as the server runs.
async fn note_seen(smdp: Arc<Smdp>) {
    loop {
        tokio::time::sleep(EXPIRY_EVERY).await;
        if let Err(error) = smdp.seen.note(&smdp.store).await {
            tracing::warn!(%error, "when eUICCs were heard of could not be noted");
        }
    }
}

/// Ends reservations that ran out, and quarantines, for as long as the server runs.
async fn end_reservations_of(smdp: Arc<Smdp>) {
    loop {
        tokio::time::sleep(EXPIRY_EVERY).await;
        if let Err(error) = end_reservations(&smdp.store, &smdp.clock).await {
            tracing::warn!(%error, "reservations that ran out could not be ended; the next turn tries again");
        }
    }
}

/// Waits for all interfaces. One that fails ends the others: half a server would go unnoticed.
async fn all_ended(mut interfaces: tokio::task::JoinSet<()>) {
    while let Some(ended) = interfaces.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "an interface failed; the server ends");
            interfaces.abort_all();
        }
    }
}

/// Operators by their certificates, as the settings list them.
struct KnownOperators(Vec<OperatorSetting>);

impl Operators for KnownOperators {
    fn operator(&self, identity: &PeerIdentity) -> Option<Operator> {
        self.0.iter().find(|setting| setting.key.recognises(identity)).map(|setting| setting.name.clone())
    }
}

/// At most `limit` octets of a file.
fn read_limited(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(most).read_to_end(&mut octets)?;
    if octets.len() > limit {
        return Err(std::io::Error::other(format!("more than {limit} octets")));
    }
    Ok(octets)
}

/// The package of a template's file: itself, or what its description describes.
fn package(octets: Vec<u8>, file: &FileSetting) -> Result<Vec<u8>, ConfigError> {
    let Some(text) = description::text_of(&octets) else { return Ok(octets) };
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let load = |name: &str| read_limited(&folder.join(name), MAX_PACKAGE).map_err(|error| error.to_string());
    description::build(text, &load).map_err(|error| file.error(&error))
}

fn catalogue(config: &Config) -> Result<Catalogue, AppError> {
    let mut catalogue = Catalogue::new(config.mode);
    for setting in &config.profile_types {
        let template = template_of(setting)?;
        let product = Product {
            metadata: setting.metadata.clone(),
            key_mode: setting.key_mode,
            needs: template.as_ref().and_then(needs_of_template),
            template,
            demands: setting.demands.clone(),
            not_eligible: setting.not_eligible,
        };
        catalogue.add(setting.name.clone(), product);
    }
    Ok(catalogue)
}

/// A delivery of profiles of this type, by nobody in particular: what the settings say of it, and whom certificates of
/// eUICCs are verified under.
///
/// # Errors
/// [`AppError`] as [`template_of`].
pub fn delivery_of(
    config: &Config,
    setting: &ProfileTypeSetting,
    trust: Option<Arc<Anchors>>,
) -> Result<Delivery, AppError> {
    let named = |name: &SubClassName| config.sub_classes.iter().find(|sub_class| sub_class.name == *name);
    let ranges =
        config.pools.iter().filter(|pool| pool.operator == setting.owner).filter_map(Pool::issuer_range);
    Ok(Delivery {
        sub_class: setting.sub_class.as_ref().and_then(named).cloned().map(Arc::new),
        ranges: Arc::new(IssuerRanges::new(ranges.collect())),
        trust,
        ..Delivery::local(setting.owner.clone(), setting.name.clone(), template_of(setting)?)
    })
}

/// What profiles made from a template need of an eUICC.
fn needs_of_template(template: &Template) -> Option<PackageNeeds> {
    needs(&Package::from_der(template.octets()).ok()?)
}

/// The template of a profile type; `None` for one whose profiles come as ready-made packages.
///
/// # Errors
/// [`AppError`] if the package cannot be read or is no template.
pub fn template_of(setting: &ProfileTypeSetting) -> Result<Option<Template>, AppError> {
    Ok(match &setting.template {
        None => None,
        Some(TemplateSetting::BuiltIn(shipped)) => {
            let octets = shipped.build()?;
            let template = Template::compile(&Package::from_der(&octets).map_err(TemplateError::from)?)?;
            let metadata = &setting.metadata;
            let name = &metadata.service_provider_name;
            Some(template.with_operator(name, metadata.mnc_length())?)
        }
        Some(TemplateSetting::File(file)) => {
            let octets =
                read_limited(&file.path, description::MAX_TEXT).map_err(|error| file.error(&error))?;
            let octets = package(octets, file)?;
            let package = Package::from_der(&octets).map_err(|error| file.error(&error))?;
            Some(Template::compile(&package).map_err(|error| file.error(&error))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::env::Timestamp;
    use crate::ident::{Eid, Iccid};
    use crate::pki::test_pki::{Existing, TestPki, TestPkiOptions};
    use crate::store::{Batch, NewProfile, Package as StoredPackage, PackageKind};

    const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);

    pub(super) fn with_pki(folder: &Path, settings: &str) -> Config {
        let options = TestPkiOptions {
            host_names: vec!["smdp.example.com".to_owned()],
            eid: Eid::parse("89049032000000000000279973200019").unwrap(),
        };
        let pki = TestPki::generate(&Rng::seeded(1), NOW, &options).unwrap();
        pki.write_to(&folder.join("pki"), Existing::Refuse).unwrap();
        let settings =
            format!("{settings}\n[es9plus]\nlisten = \"127.0.0.1:0\"\n[es2plus]\nlisten = \"127.0.0.1:0\"\n");
        Config::parse(&settings, &folder.join("simyard.toml")).unwrap()
    }

    pub(super) async fn refusal(config: &Config) -> String {
        let (clock, rng) = (Clock::fixed(NOW), Rng::seeded(2));
        let sockets = Sockets::bind(config).await.unwrap();
        match App::open(config, sockets, clock, rng).await {
            Ok(_) => "none".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_lost_sealing_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::parse("", &folder.path().join("simyard.toml")).unwrap();
        let key = folder.path().join("sealing.key");
        let open = async || Stock::open(&config, &Rng::seeded(3)).await;
        open().await.unwrap().store.close().await;
        assert!(key.exists());
        std::fs::remove_file(&key).unwrap();
        let stock = open().await.unwrap();
        let owner = Operator::parse("acme").unwrap();
        let batch = Batch::local("b", owner, crate::domain::ProfileType::parse("iot").unwrap(), NOW);
        let profile = NewProfile {
            iccid: Iccid::parse("898821100000000000").unwrap(),
            imsis: Vec::new(),
            package: StoredPackage { kind: PackageKind::PersonalData, sealed: vec![1; 40], needs: None },
        };
        stock.store.insert_batch(&batch, &[profile], [7; 32]).await.unwrap();
        stock.store.close().await;
        std::fs::remove_file(&key).unwrap();
        let Err(error) = open().await else { panic!("a new key was made") };
        assert!(error.to_string().contains("put the key back"), "{error}");
        assert!(!key.exists());
    }

    #[tokio::test]
    async fn an_oid_names_an_operator_under_one_ca_alone() {
        let folder = tempfile::tempdir().unwrap();
        let operator =
            "addresses = [\"smdp.example.com\"]\n[[operator]]\nname = \"acme\"\noid = \"2.999.20\"";
        let config = with_pki(folder.path(), operator);
        assert_eq!(refusal(&config).await, "none");
        let mut two = config.clone();
        let other = TestPki::generate(
            &Rng::seeded(9),
            NOW,
            &TestPkiOptions {
                host_names: vec!["smdp.example.com".to_owned()],
                eid: Eid::parse("89049032000000000000279973200019").unwrap(),
            },
        )
        .unwrap();
        other.write_to(&folder.path().join("other"), Existing::Refuse).unwrap();
        two.es2plus_client_ca.push(FileSetting::of_command_line(&folder.path().join("other/ci.pem")));
        let refused = refusal(&two).await;
        assert!(refused.contains("simyard.toml:4: operator.oid: with several CAs"), "{refused}");
        two.operators[0].key = CallerKey::Fingerprint([1; 32]);
        assert_eq!(refusal(&two).await, "none");
    }

    #[tokio::test]
    async fn a_fault_of_an_identity_is_told_at_its_own_setting() {
        let folder = tempfile::tempdir().unwrap();
        for (setting, expected) in [
            ("dp_auth_certificate = \"pki/dp-tls.pem\"", "dp_auth_certificate: "),
            ("dp_pb_certificate = \"pki/dp-tls.pem\"", "dp_pb_certificate: "),
            ("dp_auth_key = \"pki/dp-tls.key.pem\"", "dp_auth_key: "),
            ("dp_pb_key = \"pki/dp-tls.key.pem\"", "dp_pb_key: "),
        ] {
            let _ = std::fs::remove_dir_all(folder.path().join("pki"));
            let settings = format!("addresses = [\"smdp.example.com\"]\n[[identity]]\n{setting}");
            let refused = refusal(&with_pki(folder.path(), &settings)).await;
            assert!(refused.contains(&format!("simyard.toml:3: {expected}")), "{refused}");
        }
    }

    #[tokio::test]
    async fn an_interface_that_fails_ends_the_others() {
        let mut interfaces = tokio::task::JoinSet::new();
        interfaces.spawn(std::future::pending());
        interfaces.spawn(async { panic!("an interface fails") });
        let waited = tokio::time::timeout(Duration::from_secs(5), all_ended(interfaces)).await;
        assert!(waited.is_ok(), "the other one went on");
    }
}
