//! Devices that call a server's listeners of ESipa, and what a server that ended has left in its store.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use simyard::app::signing_keys;
use simyard::binding::MessageBinding;
use simyard::client::ConnectTo;
use simyard::client::es9plus::Es9PlusClient;
use simyard::client::esipa::EsipaClient;
use simyard::crypto::seal::Sealer;
use simyard::device::card::Card;
use simyard::device::es10_client::Es10Client;
use simyard::device::iot_state::IotSettings;
use simyard::device::ipa::{Ipa, Network, Pause, Pausing, Polled, Settings, Surroundings};
use simyard::device::state::Material;
use simyard::domain::{Actor, Deadlines, OperationId, Person, StateName, SubClassName, Switching};
use simyard::eim::introductions::Introductions;
use simyard::eim::laboratory::Laboratory;
use simyard::eim::operations::{OperationRequest, create_operation};
use simyard::eim::{Eim, POLL_WANTED_AFTER};
use simyard::env::Rng;
use simyard::ident::{Iccid, ServerAddress};
use simyard::pki::Anchors;
use simyard::pki::public_key::to_subject_public_key_info;
use simyard::pki::test_pki::Issued;
use simyard::pki::tls::client_config;
use simyard::pki::web::WebVerifier;
use simyard::store::{Association, DownloadWay, Seen, SeenBy, Store};
use simyard_asn1::Encode as _;
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::configuration::{
    AddInitialEimRequest, EimConfigurationData, EimPublicKey, REQUEST_TOKEN,
};

use super::euicc::eid;
use super::{ADDRESS, Euicc, Exchange, NOW, PKI, Reply, TestServer, tls_identity};
use crate::eim::relayed::{NoServer, relay};

/// An IPA of the tests waits for nothing.
#[derive(Debug)]
struct NoPause;

impl Pause for NoPause {
    fn pause(&self, _: Duration) -> Pausing<'_> {
        Box::pin(std::future::ready(()))
    }
}

impl TestServer {
    /// A card that knows the eIM, which knows it.
    pub fn associated_card(&self) -> Card {
        self.associated_card_of(&Euicc::new(0).material())
    }

    /// The same with other keys and certificates.
    pub fn associated_card_of(&self, material: &Material) -> Card {
        let settings = IotSettings::default();
        let card = Card::in_memory_iot(material, settings, self.clock.clone(), Rng::seeded(3)).unwrap();
        let mut client = Es10Client::open(card).unwrap();
        let key = to_subject_public_key_info(PKI.eim_sign.key.signing_key().unwrap().public_key());
        let eim = EimConfigurationData {
            eim_id: &self.config.eim.as_ref().unwrap().id,
            eim_fqdn: Some(ADDRESS),
            counter_value: Some(0),
            association_token: Some(REQUEST_TOKEN),
            eim_public_key_data: Some(EimPublicKey::Spki(Implicit::from_der(&key).unwrap())),
            ..EimConfigurationData::default()
        };
        let tokens = client.add_initial_eim(&AddInitialEimRequest { eims: vec![eim] }.to_der()).unwrap();
        let association = Association {
            eid: eid(0),
            counter: 0,
            association_token: tokens[0],
            download: DownloadWay::Direct,
        };
        self.wait(self.smdp().store.associate(&[association], NOW)).unwrap();
        client.close().unwrap()
    }

    /// An IPA with a card, which calls the first listener of ESipa.
    pub fn ipa(&self, card: Card, binding: MessageBinding, network: impl Network + 'static) -> Ipa<Card> {
        let settings = Settings::default();
        self.ipa_with(card, binding, network, self.es9plus_client(), settings)
    }

    /// The same with settings of its own, and a way of its own to SM-DP+ servers.
    pub fn ipa_with(
        &self,
        card: Card,
        binding: MessageBinding,
        network: impl Network + 'static,
        servers: Es9PlusClient,
        settings: Settings,
    ) -> Ipa<Card> {
        let address = ServerAddress::parse(ADDRESS).unwrap();
        let connect_to = ConnectTo { host: ADDRESS.to_owned(), address: self.eim_socket(0) };
        let client = EsipaClient::new(self.device_tls(Some(&PKI.device)), address, &[connect_to]).unwrap();
        let around =
            Surroundings { network: Box::new(network), pauses: Box::new(NoPause), clock: self.clock.clone() };
        let card = Es10Client::open(card).unwrap();
        Ipa::new(card, client.with_binding(binding), servers, around, settings).unwrap()
    }

    /// The eIM that the server runs, for those who ask it for operations: it works with the same store and the same keys.
    pub fn eim(&self) -> Eim {
        Eim {
            store: self.smdp().store.clone(),
            sealer: Sealer::new(&self.sealing_key, self.rng.clone()).unwrap(),
            clock: self.clock.clone(),
            rng: self.rng.clone(),
            eim_id: self.config.eim.as_ref().unwrap().id.clone(),
            keys: signing_keys(self.config.eim.as_ref().unwrap()).unwrap(),
            anchors: Arc::new(Anchors::of_cis(vec![PKI.ci.certificate.clone()]).unwrap()),
            download: DownloadWay::Direct,
            deadlines: Deadlines::default(),
            poll_wanted_after: POLL_WANTED_AFTER,
            sub_classes: HashMap::from([(
                SubClassName::parse("Card Industrial").unwrap(),
                Switching::Possible,
            )]),
            contacts: Seen::new(SeenBy::Eim),
            introductions: Introductions::default(),
            relay: relay(Arc::new(NoServer), &self.clock),
            laboratory: Laboratory::Closed,
        }
    }

    /// An IPA polls until nothing waits.
    pub fn run_ipa(&self, ipa: &mut Ipa<Card>) {
        for _ in 0..20 {
            if self.callers.block_on(ipa.poll_once(&mut |_, _| {})).unwrap() == Polled::Nothing {
                return;
            }
        }
        panic!("the eIM has more and more to do");
    }

    /// Somebody asks the eIM for something, for the test PKI's eUICC.
    pub fn operate(&self, request: &OperationRequest) -> OperationId {
        let (eim, eid, person) = (self.eim(), eid(0), Actor::Person(Person::parse("tester").unwrap()));
        self.wait(create_operation(&eim, &eid, request, &person)).unwrap().operation_id
    }

    /// Where an operation of the eIM stands, and why if it ended otherwise than it was meant to.
    pub fn operation_state(&self, id: &OperationId) -> String {
        let store = self.smdp().store.clone();
        let state = self.wait(store.operation(id)).unwrap().unwrap().operation.state;
        let name = state.name().as_str();
        state.reason().map_or(name.to_owned(), |reason| format!("{name}: {}: {reason}", reason.code.name()))
    }

    /// Waits until a job of the server has brought an order there.
    pub fn becomes(&self, iccid: &Iccid, state: StateName) {
        let store = self.smdp().store.clone();
        let reached = async {
            while store.order(iccid).await.unwrap().unwrap().state_name() != state {
                tokio::task::yield_now().await;
            }
        };
        let reached = self.wait(async { tokio::time::timeout(Duration::from_secs(30), reached).await });
        assert!(reached.is_ok(), "it is {}", self.state(iccid));
    }

    /// Sends a body, and keeps it and the answer; `None` where there is no connection.
    pub fn try_exchange(&self, request: reqwest::RequestBuilder, body: Vec<u8>) -> Option<Reply> {
        let reply = self.try_send(request.body(body.clone())).ok()?;
        let exchange = Exchange { request: body, status: reply.status, answer: reply.body.clone() };
        *self.last_exchange.borrow_mut() = Some(exchange);
        Some(reply)
    }

    /// Where a listener of ESipa is.
    pub fn eim_socket(&self, listener: usize) -> SocketAddr {
        self.running.borrow().as_ref().unwrap().eim[listener]
    }

    /// How a device speaks TLS, with a certificate or without.
    pub fn device_tls(&self, identity: Option<&Issued>) -> rustls::ClientConfig {
        let authority = PKI.eim_ca.certificate.der().to_vec();
        let verifier = WebVerifier::new(&[authority], self.clock.clone()).unwrap();
        client_config(Arc::new(verifier), identity.map(tls_identity).as_ref()).unwrap()
    }

    /// A device that calls a listener of ESipa, with a certificate or without; it keeps its connection.
    pub fn device_http(&self, identity: Option<&Issued>, listener: usize) -> reqwest::Client {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.device_tls(identity))
            .http1_only()
            .no_proxy()
            .resolve(ADDRESS, self.eim_socket(listener))
            .build()
            .unwrap()
    }

    /// The store that a server which ended has left.
    pub fn left_store(&self) -> Store {
        self.callers.block_on(Store::open(&self.url)).unwrap()
    }
}
