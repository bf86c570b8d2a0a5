//! A running server for tests: its own folder, its own runtime, a clock that stands still, and callers of both
//! interfaces. It can be killed like a process and started again on what it left.
//!
//! What nobody asserts is looked at too: a log line of level ERROR on the server's threads fails the test.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use simyard::app::config::Config;
use simyard::app::{App, Sockets, Stock};
use simyard::binding::MessageBinding;
use simyard::client::ConnectTo;
use simyard::client::es9plus::Es9PlusClient;
use simyard::crypto::ecdsa::Curve;
use simyard::crypto::seal::{Sealer, SealingKey};
use simyard::device::card::Card;
use simyard::device::es10_client::Es10Client;
use simyard::device::lpa::{DownloadRequest, Lpa, LpaError, Report};
use simyard::domain::{Mode, Operator, Order, ProfileType, StateName};
use simyard::env::{Clock, Rng, Timestamp};
use simyard::ident::{Iccid, MatchingId, ServerAddress};
use simyard::inventory::{Delivery, Inventory, Receipt};
use simyard::pki::Anchors;
use simyard::pki::test_pki::{CurveSet, Existing, Issued, TestPki, TestPkiOptions};
use simyard::pki::tls::{ServerVerifier, TlsIdentity, client_config};
use simyard::profile::metadata::ProfileClass;
use simyard::smdp::Smdp;
use simyard::store::watch::CommitWatch;
use simyard::store::{Store, StoreUrl};
use simyard_asn1::Oid;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub mod asn1;
mod deaths;
mod device;
pub mod euicc;
mod exchange;
pub mod listen;
pub mod log;
pub mod operator;
mod places;

pub use exchange::{Exchange, Reply, reply};

pub use deaths::Deaths;
pub use euicc::{Euicc, Initiated, Offer};

/// What all of it is dated.
pub const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);
/// The server's name, without a port: its sockets are wherever there is room.
pub const ADDRESS: &str = "smdp.example.com";
/// The operator whose client certificate is the test PKI's.
pub const OPERATOR: &str = "acme";
/// Its profile type with the generic template.
pub const PROFILE_TYPE: &str = "iot";
/// Another operator's profile type.
pub const OTHERS_TYPE: &str = "beta-iot";

const SETTINGS: &str = r#"
mode = "test"
addresses = ["smdp.example.com", "Second.example.com:8443"]
[es9plus]
listen = "127.0.0.1:0"
[es2plus]
listen = "127.0.0.1:0"
[[operator]]
name = "acme"
oid = "2.999.20"
[[operator]]
name = "beta"
oid = "2.999.21"
[[profile_type]]
name = "iot"
owner = "acme"
service_provider_name = "Acme"
profile_name = "Acme IoT"
[[profile_type]]
name = "test"
owner = "acme"
class = "test"
[[profile_type]]
name = "beta-iot"
owner = "beta"
"#;

/// One PKI for all servers: its keys take time to draw.
pub static PKI: LazyLock<TestPki> = LazyLock::new(|| {
    let options = TestPkiOptions { host_names: vec![ADDRESS.to_owned()], eid: euicc::eid(0) };
    TestPki::generate(&Rng::seeded(1), NOW, &options).unwrap()
});

/// The name of another operator's server.
pub const FOREIGN_ADDRESS: &str = "smdp.other.example";

/// Another PKI, of another CI, with an eUICC of the same EID under it.
pub static FOREIGN_PKI: LazyLock<TestPki> = LazyLock::new(|| {
    let options = TestPkiOptions { host_names: vec![FOREIGN_ADDRESS.to_owned()], eid: euicc::eid(0) };
    TestPki::generate(&Rng::seeded(9), NOW, &options).unwrap()
});

/// Whose server it is: its name, and the PKI that it and its callers are under.
#[derive(Clone, Copy)]
struct Realm {
    address: &'static str,
    pki: &'static LazyLock<TestPki>,
}

/// Ours.
const HOME: Realm = Realm { address: ADDRESS, pki: &PKI };
/// Somebody else's.
const FOREIGN: Realm = Realm { address: FOREIGN_ADDRESS, pki: &FOREIGN_PKI };

/// What eUICCs look at on brainpoolP256r1. The EID is the same.
pub static BRAINPOOL: LazyLock<CurveSet> = LazyLock::new(|| {
    let options = TestPkiOptions { host_names: vec![ADDRESS.to_owned()], eid: euicc::eid(0) };
    CurveSet::generate(&Rng::seeded(4), NOW, &options, Curve::BrainpoolP256r1).unwrap()
});

/// The client certificate of the second operator.
pub static BETA: LazyLock<Issued> = LazyLock::new(|| {
    let oid = Oid::parse("2.999.21").unwrap();
    PKI.ci_issuer().unwrap().issue_operator("beta", &oid, &Rng::seeded(2), NOW).unwrap()
});

static NUMBERS: AtomicU32 = AtomicU32::new(1);

/// Which interface is called.
#[derive(Clone, Copy, Debug)]
pub enum Interface {
    Es9Plus,
    Es2Plus,
}

/// How an order is placed.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderOptions<'a> {
    pub iccid: Option<&'a Iccid>,
    pub profile_type: Option<&'a str>,
    /// EID in DownloadOrder.
    pub eid: Option<&'a str>,
    pub matching_id: Option<&'a str>,
    pub code: Option<&'a str>,
    /// Confirmed, but not released.
    pub hold: bool,
}

/// An order that was placed.
#[derive(Clone, Debug)]
pub struct Ordered {
    pub iccid: Iccid,
    pub matching_id: String,
}

struct Running {
    runtime: Runtime,
    smdp: Arc<Smdp>,
    es9plus: SocketAddr,
    further_es9plus: Vec<SocketAddr>,
    es2plus: SocketAddr,
    ingest: Option<SocketAddr>,
    eim: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    admin_api: Option<SocketAddr>,
    lpa: reqwest::Client,
    operator: reqwest::Client,
    end: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

/// The server, its folder, and those who call it.
pub struct TestServer {
    realm: Realm,
    pub folder: tempfile::TempDir,
    number: u32,
    config: Config,
    url: StoreUrl,
    sealing_key: SealingKey,
    pub clock: Clock,
    pub rng: Rng,
    pub deaths: Arc<Deaths>,
    /// Where callers run: they outlive a killed server.
    pub callers: Runtime,
    /// What [`TestServer::post`] and its like in the ASN.1 binding exchanged last.
    pub last_exchange: RefCell<Option<Exchange>>,
    /// How the callers of ES9+ speak.
    pub binding: Cell<MessageBinding>,
    running: RefCell<Option<Running>>,
    calls: AtomicU32,
    iccids: AtomicU32,
}

impl TestServer {
    /// A server on SQLite with ten profiles of [`PROFILE_TYPE`] in its stock.
    pub fn start() -> Self {
        Self::with("", None)
    }

    /// With more settings (lines of the top level, then whole tables), and perhaps another store than SQLite in its
    /// folder.
    pub fn with(settings: &str, url: Option<StoreUrl>) -> Self {
        Self::calling_back(&[], settings, url)
    }

    /// On SQLite, and with the same randomness in every run.
    pub fn seeded(settings: &str, seed: u64) -> Self {
        Self::on(HOME, &[], settings, None, seed)
    }

    /// Another operator's server, of another name and under another PKI.
    pub fn foreign() -> Self {
        Self::on(FOREIGN, &[], "", None, 4711)
    }

    /// Calls operators back at these addresses, each given as the name of its operator and members of `[[operator]]`.
    pub fn calling_back(operators: &[(&str, &str)], settings: &str, url: Option<StoreUrl>) -> Self {
        Self::on(HOME, operators, settings, url, u64::from(NUMBERS.load(Ordering::SeqCst)) + 1000)
    }

    fn on(
        realm: Realm,
        operators: &[(&str, &str)],
        settings: &str,
        url: Option<StoreUrl>,
        seed: u64,
    ) -> Self {
        let tables = if settings.starts_with('[') { Some(0) } else { settings.find("\n[") };
        let (top, tables) = settings.split_at(tables.unwrap_or(settings.len()));
        let own = SETTINGS.replacen(ADDRESS, realm.address, 1);
        let mut all = format!("{top}\n{own}\n{tables}");
        for (name, members) in operators {
            let operator = format!("name = \"{name}\"\n");
            assert!(all.contains(&operator));
            all = all.replacen(&operator, &format!("{operator}{members}\n"), 1);
        }
        log::listen();
        let folder = tempfile::tempdir().unwrap();
        let rng = Rng::seeded(seed);
        realm.pki.write_to(&folder.path().join("pki"), Existing::Refuse).unwrap();
        // Keys on brainpoolP256r1 take their time: they are there for those who name them.
        if settings.contains("-brp.pem") {
            BRAINPOOL.write_beside(&folder.path().join("pki")).unwrap();
        }
        let server = Self {
            realm,
            config: Config::parse(&all, &folder.path().join("simyard.toml")).unwrap(),
            url: url.unwrap_or_else(|| StoreUrl::Sqlite(folder.path().join("simyard.db"))),
            folder,
            number: NUMBERS.fetch_add(1, Ordering::SeqCst),
            sealing_key: SealingKey::generate(&rng),
            clock: Clock::fixed(NOW),
            rng,
            deaths: Arc::default(),
            callers: runtime("callers", 1),
            last_exchange: RefCell::default(),
            binding: Cell::default(),
            running: RefCell::new(None),
            calls: AtomicU32::new(1),
            iccids: AtomicU32::new(1),
        };
        server.run();
        server.ingest(OPERATOR, PROFILE_TYPE, 10);
        server.deaths.committed();
        server
    }

    fn run(&self) {
        let runtime = runtime(&self.thread_name(), 2);
        let (smdp, es9plus, further_es9plus, es2plus, ingest, eim, [admin, admin_api], end, server) = runtime
            .block_on(async {
                let watch: Arc<dyn CommitWatch> = Arc::clone(&self.deaths) as _;
                let stock = Stock {
                    store: Store::open_watched(&self.url, watch).await.unwrap(),
                    sealer: Sealer::new(&self.sealing_key, self.rng.clone()).unwrap(),
                };
                let sockets = Sockets::bind(&self.config).await.unwrap();
                let es9plus = sockets.es9plus.local_addr().unwrap();
                let further = sockets.further_es9plus.iter();
                let further = further.map(|socket| socket.local_addr().unwrap()).collect::<Vec<_>>();
                let es2plus = sockets.es2plus.local_addr().unwrap();
                let ingest = sockets.ingest.as_ref().map(|socket| socket.local_addr().unwrap());
                let eim = sockets.eim.iter().map(|socket| socket.local_addr().unwrap()).collect::<Vec<_>>();
                let admin = [&sockets.admin, &sockets.admin_api];
                let admin = admin.map(|socket| socket.as_ref().map(|socket| socket.local_addr().unwrap()));
                let app = App::with_stock(&self.config, sockets, stock, self.clock.clone(), self.rng.clone())
                    .unwrap();
                let smdp = Arc::clone(&app.smdp);
                let (end, ended) = watch::channel(false);
                let server = tokio::spawn(app.run(ended));
                (smdp, es9plus, further, es2plus, ingest, eim, admin, end, server)
            });
        let operator = self.http(Some(&self.realm.pki.operator), es2plus);
        let lpa = self.http(None, es9plus);
        let running = Running {
            runtime,
            smdp,
            es9plus,
            further_es9plus,
            es2plus,
            ingest,
            eim,
            admin,
            admin_api,
            lpa,
            operator,
            end,
            server,
        };
        *self.running.borrow_mut() = Some(running);
    }

    fn thread_name(&self) -> String {
        format!("server-{}", self.number)
    }

    /// Ends the server as a killed process ends: nothing is finished, nothing is answered.
    pub fn kill(&self) {
        if let Some(running) = self.running.borrow_mut().take() {
            running.runtime.shutdown_background();
        }
    }

    /// Ends the server in order: what is under way finishes or is given back.
    pub fn end(&self) {
        if let Some(running) = self.running.borrow_mut().take() {
            running.end.send(true).unwrap();
            running.runtime.block_on(running.server).unwrap();
        }
    }

    /// Kills the server if it runs, and starts it on what it left.
    pub fn restart(&self) {
        self.kill();
        self.run();
    }

    /// What was logged as an error since the last call; asked for, it is no fault of the test.
    pub fn errors(&self) -> Vec<String> {
        log::errors_of(&self.thread_name())
    }

    /// The services of the running server. Whoever holds them keeps the store's connections when the server is killed.
    pub fn smdp(&self) -> Arc<Smdp> {
        Arc::clone(&self.running.borrow().as_ref().unwrap().smdp)
    }

    /// Waits for something of the server's own.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.running.borrow().as_ref().unwrap().runtime.block_on(future)
    }

    /// The order of a profile as it stands in the store.
    pub fn stored(&self, iccid: &Iccid) -> Order {
        let store = self.smdp().store.clone();
        self.wait(async { store.order(iccid).await.unwrap().unwrap() })
    }

    /// The state of an order, and why if it is Error.
    pub fn state(&self, iccid: &Iccid) -> String {
        let order = self.stored(iccid);
        match &order.state {
            simyard::domain::State::Error(failure) => format!("Error {:?}", failure.reason),
            _ => order.state_name().to_string(),
        }
    }

    /// How many notifications of a profile were kept.
    pub fn notifications(&self, iccid: &Iccid) -> usize {
        let store = self.smdp().store.clone();
        self.wait(store.notifications(iccid)).unwrap().len()
    }

    /// How many profiles of [`PROFILE_TYPE`] nobody ordered.
    pub fn available(&self) -> usize {
        self.all_available().len()
    }

    /// The one of them that an order by type takes last.
    pub fn any_available(&self) -> Iccid {
        self.all_available().pop().unwrap()
    }

    fn all_available(&self) -> Vec<Iccid> {
        let store = self.smdp().store.clone();
        let orders = self.wait(store.orders_after(None, 1000)).unwrap();
        let is_free = |order: &Order| {
            order.state_name() == StateName::Available && order.profile_type.as_str() == PROFILE_TYPE
        };
        orders.into_iter().filter(is_free).map(|order| order.iccid).collect()
    }

    /// Takes so many new profiles into the stock, as a manufacturer's batch.
    pub fn ingest(&self, owner: &str, profile_type: &str, count: u32) -> Vec<Iccid> {
        let mut file = String::from("iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n");
        let mut iccids = Vec::new();
        for _ in 0..count {
            let number = self.iccids.fetch_add(1, Ordering::SeqCst);
            let iccid = iccid(number);
            let (ki, opc): ([u8; 16], [u8; 16]) = (self.rng.array(), self.rng.array());
            let (ki, opc) = (hex::encode(ki), hex::encode(opc));
            file += &format!("{iccid},90140510{number:07},{ki},{opc},1234,12345678,5678,87654321,11223344\n");
            iccids.push(iccid);
        }
        self.ingest_file(file.as_bytes(), owner, profile_type).unwrap();
        iccids
    }

    /// Takes a manufacturer's batch into the stock.
    pub fn ingest_file(
        &self,
        file: &[u8],
        owner: &str,
        profile_type: &str,
    ) -> Result<Receipt, simyard::inventory::IngestError> {
        let (inventory, delivery) = (self.inventory(), delivery(owner, profile_type));
        self.wait(inventory.ingest_csv(std::io::Cursor::new(file.to_vec()), &delivery))
    }

    /// Takes a ready-made package into the stock.
    pub fn ingest_package(
        &self,
        package: &[u8],
        owner: &str,
        profile_type: &str,
    ) -> Result<Receipt, simyard::inventory::IngestError> {
        let (inventory, delivery) = (self.inventory(), delivery(owner, profile_type));
        self.wait(inventory.ingest_package(std::io::Cursor::new(package.to_vec()), &delivery))
    }

    pub fn inventory(&self) -> Inventory {
        let smdp = self.smdp();
        Inventory {
            store: smdp.store.clone(),
            sealer: smdp.sealer.clone(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            mode: self.config.mode,
        }
    }

    /// Starts the server again in another mode, on what it left.
    pub fn restart_in(&mut self, mode: Mode) {
        self.config.mode = mode;
        for setting in &mut self.config.profile_types {
            setting.metadata.profile_class = ProfileClass::Operational;
        }
        self.restart();
    }

    /// A client of an interface: with a certificate, or without.
    pub fn http(&self, identity: Option<&Issued>, address: SocketAddr) -> reqwest::Client {
        self.http_builder(identity, address).build().unwrap()
    }

    /// A client of ES9+ that calls from another address of the loopback.
    pub fn lpa_at(&self, peer: IpAddr) -> reqwest::Client {
        let address = self.socket(Interface::Es9Plus);
        self.http_builder(None, address).local_address(peer).build().unwrap()
    }

    fn http_builder(&self, identity: Option<&Issued>, address: SocketAddr) -> reqwest::ClientBuilder {
        let identity = identity.map(tls_identity);
        reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(self.verifier(), identity.as_ref()).unwrap())
            .http1_only()
            .no_proxy()
            .resolve(self.realm.address, address)
    }

    fn verifier(&self) -> Arc<ServerVerifier> {
        let anchors = Anchors::new(vec![self.realm.pki.ci.certificate.clone()]).unwrap();
        Arc::new(ServerVerifier::new(Arc::new(anchors), self.clock.clone()))
    }

    /// How a client of the interface speaks TLS.
    pub fn tls(&self, interface: Interface) -> rustls::ClientConfig {
        let operator = matches!(interface, Interface::Es2Plus).then(|| tls_identity(&PKI.operator));
        client_config(self.verifier(), operator.as_ref()).unwrap()
    }

    /// How the server itself calls operators back.
    pub fn callback_tls(&self) -> rustls::ClientConfig {
        client_config(self.verifier(), Some(&tls_identity(&PKI.dp_tls))).unwrap()
    }

    /// Where the interface listens.
    pub fn socket(&self, interface: Interface) -> SocketAddr {
        let running = self.running.borrow();
        let running = running.as_ref().unwrap();
        match interface {
            Interface::Es9Plus => running.es9plus,
            Interface::Es2Plus => running.es2plus,
        }
    }

    /// The client that keeps its connections to an interface.
    pub fn client(&self, interface: Interface) -> reqwest::Client {
        let running = self.running.borrow();
        let running = running.as_ref().unwrap();
        match interface {
            Interface::Es9Plus => running.lpa.clone(),
            Interface::Es2Plus => running.operator.clone(),
        }
    }

    /// A function of ES9+, called at a further listener.
    pub fn es9plus_at(&self, listener: usize, function: &str, body: &Value) -> Result<Value, String> {
        let address = self.running.borrow().as_ref().unwrap().further_es9plus[listener];
        let request = self
            .http(None, address)
            .post(format!("https://{ADDRESS}/gsma/rsp2/es9plus/{function}"))
            .header("Content-Type", "application/json")
            .header("X-Admin-Protocol", "gsma/rsp/v2.2.0")
            .body(body.to_string());
        self.try_send(request).unwrap().outcome()
    }

    /// A request that the caller finishes: no header is set but the content type.
    pub fn request(&self, interface: Interface, function: &str) -> reqwest::RequestBuilder {
        let name = match interface {
            Interface::Es9Plus => "es9plus",
            Interface::Es2Plus => "es2plus",
        };
        self.client(interface)
            .post(format!("https://{}/gsma/rsp2/{name}/{function}", self.realm.address))
            .header("Content-Type", "application/json")
    }

    /// Sends a request; `Err` where no answer came.
    pub fn try_send(&self, request: reqwest::RequestBuilder) -> Result<Reply, reqwest::Error> {
        self.callers.block_on(reply(request))
    }

    /// Sends octets as a body.
    pub fn post(&self, interface: Interface, function: &str, body: impl Into<reqwest::Body>) -> Reply {
        let request = self.request(interface, function).header("X-Admin-Protocol", "gsma/rsp/v2.2.0");
        self.exchange(request, body.into())
    }

    /// Sends octets as a body, and keeps them and the answer.
    pub fn exchange(&self, request: reqwest::RequestBuilder, body: reqwest::Body) -> Reply {
        let sent = body.as_bytes().unwrap_or_default().to_vec();
        let reply = self.try_send(request.body(body)).unwrap();
        let exchange = Exchange { request: sent, status: reply.status, answer: reply.body.clone() };
        *self.last_exchange.borrow_mut() = Some(exchange);
        reply
    }

    /// A function of ES9+, in the binding of the callers: its members, or its pair of codes, or the integer of its error.
    pub fn es9plus(&self, function: &str, body: &Value) -> Result<Value, String> {
        match self.binding.get() {
            MessageBinding::Json => self.post(Interface::Es9Plus, function, body.to_string()).outcome(),
            MessageBinding::Asn1 => self.es9plus_asn1(function, body),
        }
    }

    /// A function of ES2+ as the first operator; a header with a new call identifier is put in where there is none.
    pub fn es2plus(&self, function: &str, body: Value) -> Result<Value, String> {
        self.post(Interface::Es2Plus, function, self.with_header(body).to_string()).outcome()
    }

    /// Puts a header with a new call identifier into an ES2+ request that has none.
    pub fn with_header(&self, mut body: Value) -> Value {
        if body.get("header").is_none() {
            let call = format!("call-{}", self.calls.fetch_add(1, Ordering::SeqCst));
            body["header"] =
                json!({ "functionRequesterIdentifier": "2.999.20", "functionCallIdentifier": call });
        }
        body
    }

    /// DownloadOrder and ConfirmOrder.
    pub fn order(&self, order: OrderOptions<'_>) -> Ordered {
        let mut body = json!({});
        match (order.iccid, order.profile_type) {
            (Some(iccid), _) => body["iccid"] = iccid.as_str().into(),
            (None, profile_type) => body["profileType"] = profile_type.unwrap_or(PROFILE_TYPE).into(),
        }
        if let Some(eid) = order.eid {
            body["eid"] = eid.into();
        }
        let answer = self.es2plus("downloadOrder", body).unwrap();
        let iccid = Iccid::parse(answer["iccid"].as_str().unwrap()).unwrap();
        let mut body = json!({ "iccid": iccid.as_str(), "releaseFlag": !order.hold });
        if let Some(id) = order.matching_id {
            body["matchingId"] = id.into();
        }
        if let Some(code) = order.code {
            body["confirmationCode"] = code.into();
        }
        let answer = self.es2plus("confirmOrder", body).unwrap();
        Ordered { iccid, matching_id: answer["matchingId"].as_str().unwrap().to_owned() }
    }

    /// What an LPA calls servers with.
    pub fn es9plus_client(&self) -> Es9PlusClient {
        let host = self.realm.address.to_owned();
        let connect_to = ConnectTo { host, address: self.socket(Interface::Es9Plus) };
        let client = Es9PlusClient::new(client_config(self.verifier(), None).unwrap(), &[connect_to]);
        client.unwrap().with_binding(self.binding.get())
    }

    /// A new card of this eUICC.
    pub fn card(&self, euicc: &Euicc) -> Card {
        Card::in_memory(&euicc.material(), self.clock.clone(), self.rng.clone()).unwrap()
    }

    /// An LPA with a card.
    pub fn lpa(&self, card: Card) -> Lpa<Card> {
        Lpa::new(Es10Client::open(card).unwrap(), self.es9plus_client(), self.clock.clone())
    }

    /// A whole download with this card; gives the card back.
    pub fn download(
        &self,
        card: Card,
        matching_id: &str,
        code: Option<&str>,
    ) -> (Card, Result<Report, LpaError>) {
        let mut lpa = self.lpa(card);
        let request = download_request(matching_id, code);
        let outcome = self.callers.block_on(lpa.download(&request, &mut |_, _| {}));
        (lpa.into_card().close().unwrap(), outcome)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
        let errors = self.errors();
        if !std::thread::panicking() {
            assert!(errors.is_empty(), "the server logged errors that nobody asked for: {errors:#?}");
        }
    }
}

fn delivery(owner: &str, profile_type: &str) -> Delivery {
    Delivery::local(Operator::parse(owner).unwrap(), ProfileType::parse(profile_type).unwrap(), None)
}

/// What an LPA is told to download.
pub fn download_request(matching_id: &str, code: Option<&str>) -> DownloadRequest {
    let address = ServerAddress::parse(ADDRESS).unwrap();
    let mut request = DownloadRequest::new(address, MatchingId::parse(matching_id).unwrap());
    request.confirmation_code = code.map(str::to_owned);
    request
}

/// Certificate and key of a TLS client.
pub fn tls_identity(issued: &Issued) -> TlsIdentity {
    TlsIdentity::new(vec![issued.certificate.der().to_vec()], Arc::new(issued.key.signing_key().unwrap()))
        .unwrap()
}

fn runtime(name: &str, threads: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .unwrap()
}

/// An ICCID of twenty digits, the last of them the check digit (ITU-T E.118).
pub fn iccid(number: u32) -> Iccid {
    let body = format!("8988280{number:012}");
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, u32::from(digit - b'0')) {
            (0, digit) if digit > 4 => 2 * digit - 9,
            (0, digit) => 2 * digit,
            (_, digit) => digit,
        })
        .sum();
    Iccid::parse(&format!("{body}{}", (10 - sum % 10) % 10)).unwrap()
}
