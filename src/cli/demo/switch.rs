//! Freedom to Switch: a device in the field goes from one operator's profile to another's, and comes back from one that leaves it
//! without a network. The device speaks to the eIM over mutual TLS, and the card reaches it through APDUs alone.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use simyard_asn1::iot::configuration::EimIdType;
use zeroize::Zeroizing;

use super::steps::Steps;
use super::{OPERATOR_NAME, OTHER_OPERATOR_NAME, World, card_material, subscription};
use crate::app::{Stock, open_eim, orders_for_euiccs};
use crate::client::es9plus::Es9PlusClient;
use crate::client::esipa::EsipaClient;
use crate::client::ingest::IngestClient;
use crate::device::card::Card;
use crate::device::es10_client::Es10Client;
use crate::device::iot_state::IotSettings;
use crate::device::ipa::{Executed, Ipa, Network, Pause, Pausing, Polled, Settings, Surroundings};
use crate::domain::{Actor, OldProfile, OperationId, Person, ProfileType, Rollback, SwitchTarget, Task};
use crate::eim::Eim;
use crate::eim::association::{ConfigurationOptions, DownloadWay, EimIdentity, Envelope, KeyForm, Protocols};
use crate::eim::operations::{CodeScope, OperationRequest, create_operation, operation};
use crate::ident::{Eid, Iccid};
use crate::inventory::Inventory;
use crate::inventory::euiccs::Freedom;
use crate::pki::tls::{ServerVerifier, TlsIdentity, client_config};
use crate::pki::web::WebVerifier;
use crate::smdp::order_for_euicc::Waiting;

/// The device in the field: under the same EUM as the other one.
const EID: &str = "89049032000000000000279973200116";
/// Polls of one round at most: each does one thing.
const POLLS_MAX: usize = 20;
const PERSON: &str = "demo";

/// Time that passes at once.
#[derive(Debug)]
struct AtOnce;

impl Pause for AtOnce {
    fn pause(&self, _: Duration) -> Pausing<'_> {
        Box::pin(std::future::ready(()))
    }
}

/// Where the device has no network: while one of these profiles is enabled.
#[derive(Clone, Debug, Default)]
struct Coverage(Arc<Mutex<Vec<Iccid>>>);

impl Coverage {
    fn lose(&self, iccid: &Iccid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(iccid.clone());
    }
}

impl Network for Coverage {
    fn reaches(&mut self, enabled: Option<&Iccid>) -> bool {
        let lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        enabled.is_none_or(|enabled| !lost.contains(enabled))
    }
}

/// A device, and the eIM as those see it who ask it for something.
struct Field<'w> {
    world: &'w World,
    eim: Eim,
    ipa: Ipa<Card>,
    coverage: Coverage,
    eid: Eid,
    actor: Actor,
}

impl World {
    /// Two rounds: a switch that succeeds, and one that leaves the device without a network.
    pub(super) async fn switch(&self, steps: &mut Steps) -> anyhow::Result<()> {
        let mut field = Field::new(self, steps).await?;
        let first = field.download_and_enable(steps).await?;
        let second = field.switch_to_another_operator(&first, steps).await?;
        field.lose_coverage(&first, &second, steps).await
    }

    /// The profile type of this place in the settings.
    fn profile_type(&self, place: usize) -> anyhow::Result<&ProfileType> {
        Ok(&self.config.profile_types.get(place).context("no such profile type")?.name)
    }
}

impl<'w> Field<'w> {
    /// A card that the factory made and told of the eIM, delivered, and in use.
    async fn new(world: &'w World, steps: &mut Steps) -> anyhow::Result<Self> {
        let eid: Eid = EID.parse()?;
        let actor = Actor::Person(Person::parse(PERSON).context("no name of a person")?);
        let stock = Stock { store: world.smdp.store.clone(), sealer: world.smdp.sealer.clone() };
        let eim = open_eim(&world.config, &stock, &world.clock, &world.rng)?.context("no [eim]")?;
        let (now, clock, rng) = (world.clock.now(), &world.clock, &world.rng);
        let issued = world.pki.eum_issuer()?.issue_euicc(&eid, rng, now)?;
        let card = steps.step("a device in the field: its eUICC, of SGP.32", || {
            let material = card_material(&issued, &world.pki)?;
            let folder = world.folder.join("field-card");
            let card =
                Card::create_iot(&folder, &material, IotSettings::default(), clock.clone(), rng.clone())?;
            let mut card = Es10Client::open(card)?;
            card.add_initial_eim(&world.eim_configuration()?)?;
            Ok((card, format!("EID {eid}")))
        })?;
        steps
            .step_async("its delivery, and Freedom to Switch activated", async {
                let client =
                    IngestClient::new(world.tls(&world.pki.manufacturer)?, world.ingest.clone(), &world.connect_to)?;
                let list = format!(
                    "eid,type,architecture,eim_id,counter,eum_certificate,euicc_certificate\n{eid},demo,sgp32,{},0,{},{}\n",
                    eim.eim_id,
                    BASE64.encode(world.pki.eum.certificate.der()),
                    BASE64.encode(issued.certificate.der()),
                );
                let batch = Zeroizing::new(subscription::to_csv(&subscription::others(&world.rng)?));
                client.deliver("demo-2", world.profile_type(1)?, batch.as_bytes().to_vec()).await?;
                client.deliver("demo-euiccs", world.profile_type(2)?, list.into_bytes()).await?;
                let inventory = Inventory {
                    store: stock.store.clone(),
                    sealer: stock.sealer.clone(),
                    clock: clock.clone(),
                    rng: rng.clone(),
                    mode: world.config.mode,
                };
                inventory.set_freedom_to_switch(&eid, Freedom::Active, &actor, None).await?;
                Ok(((), String::from("Chip Industrial, sgp32")))
            })
            .await?;
        let coverage = Coverage::default();
        let ipa = world.ipa(card, &eid, coverage.clone())?;
        Ok(Self { world, eim, ipa, coverage, eid, actor })
    }

    /// The device gets its first profile.
    async fn download_and_enable(&mut self, steps: &mut Steps) -> anyhow::Result<Iccid> {
        let (iccid, request) = self.order(0, Task::Download).await?;
        let download = self.ask(&request).await?;
        let enable = Task::Enable { iccid: iccid.clone(), rollback: Rollback::NotGranted };
        let enable = self.ask(&OperationRequest::new(enable)).await?;
        self.poll("the device polls", steps).await?;
        self.check("download", &download, "done", steps).await?;
        self.check("enable", &enable, "done", steps).await?;
        self.check_enabled(OPERATOR_NAME, &iccid, steps)?;
        Ok(iccid)
    }

    async fn switch_to_another_operator(
        &mut self,
        first: &Iccid,
        steps: &mut Steps,
    ) -> anyhow::Result<Iccid> {
        let task =
            Task::Switch { to: SwitchTarget::Downloaded, rollback: Rollback::Granted, old: OldProfile::Keep };
        let (iccid, request) = self.order(1, task).await?;
        let switch = self.ask(&request).await?;
        self.poll("switch: download, enable, report", steps).await?;
        self.check("the switch", &switch, "done", steps).await?;
        self.check_enabled(OTHER_OPERATOR_NAME, &iccid, steps)?;
        anyhow::ensure!(*first != iccid, "the profile is the one before");
        Ok(iccid)
    }

    /// The profile of before finds no network any more: the IPA goes back by itself.
    async fn lose_coverage(
        &mut self,
        first: &Iccid,
        second: &Iccid,
        steps: &mut Steps,
    ) -> anyhow::Result<()> {
        self.coverage.lose(first);
        let to = SwitchTarget::Installed(first.clone());
        let task = Task::Switch { to, rollback: Rollback::Granted, old: OldProfile::Keep };
        let switch = self.ask(&OperationRequest::new(task)).await?;
        self.poll("switch: enable, no network, rollback", steps).await?;
        self.check("the switch without a network", &switch, "rolled_back", steps).await?;
        self.check_enabled(OTHER_OPERATOR_NAME, second, steps)
    }

    /// A profile of our own SM-DP+, for this eUICC alone, and what is asked with its activation code.
    async fn order(&self, place: usize, task: Task) -> anyhow::Result<(Iccid, OperationRequest)> {
        let World { config, smdp, clock, rng, .. } = self.world;
        let orders = orders_for_euiccs(config, &smdp.store, clock, rng)?.context("no address")?;
        let person = Person::parse(PERSON).context("no name of a person")?;
        let ordered =
            orders.order(&person, self.world.profile_type(place)?, &self.eid, Waiting::Leave).await?;
        let request = OperationRequest {
            activation_code: Some(ordered.code),
            code_scope: CodeScope::ThisEuicc,
            needed_memory: ordered.needed_memory,
            ..OperationRequest::new(task)
        };
        Ok((ordered.iccid, request))
    }

    async fn ask(&self, request: &OperationRequest) -> anyhow::Result<OperationId> {
        Ok(create_operation(&self.eim, &self.eid, request, &self.actor).await?.operation_id)
    }

    /// The device polls until the eIM has nothing more for it.
    async fn poll(&mut self, name: &str, steps: &mut Steps) -> anyhow::Result<()> {
        let ipa = &mut self.ipa;
        steps
            .step_async(name, async {
                let mut told = String::new();
                for polls in 1..=POLLS_MAX {
                    let word = match ipa.poll_once(&mut |_, _| ()).await? {
                        Polled::Nothing => return Ok(((), format!("{polls} polls: {told}nothing more"))),
                        Polled::Executed(Executed::EuiccPackage) => "package",
                        Polled::Executed(Executed::RolledBack) => "package and rollback",
                        Polled::Executed(Executed::Data) => "data",
                        Polled::Executed(Executed::Installed) => "download",
                        Polled::Executed(Executed::Failed(why)) => bail!("the device failed: {why}"),
                    };
                    write!(told, "{word}, ")?;
                }
                bail!("the eIM has something more after {POLLS_MAX} polls")
            })
            .await
    }

    async fn check(
        &self,
        name: &str,
        operation_id: &OperationId,
        expected: &str,
        steps: &mut Steps,
    ) -> anyhow::Result<()> {
        let view = operation(&self.eim, operation_id).await?.context("the operation is gone")?;
        let state = view.kept.operation.state.name().as_str();
        steps.check(&format!("the eIM's view: {name}"), state == expected, || {
            format!("{state}, {} eIM packages", view.packages.len())
        })
    }

    fn check_enabled(&mut self, operator: &str, iccid: &Iccid, steps: &mut Steps) -> anyhow::Result<()> {
        let profiles = self.ipa.card().get_profiles_info()?;
        let enabled: Vec<&Iccid> =
            profiles.iter().filter(|profile| profile.enabled).map(|profile| &profile.iccid).collect();
        steps.check("the card's view", enabled == [iccid], || format!("{operator}'s {iccid} is enabled"))
    }
}

impl World {
    /// What the factory tells the card of our eIM: AddInitialEimRequest.
    fn eim_configuration(&self) -> anyhow::Result<Vec<u8>> {
        let setting = self.config.eim.as_ref().context("no [eim]")?;
        let identity = EimIdentity {
            id: &setting.id,
            id_type: EimIdType::Oid,
            fqdn: &setting.fqdn,
            signing_certificate: &self.pki.eim_sign.certificate,
        };
        let options = ConfigurationOptions {
            counter: 0,
            asks_token: false,
            key_form: KeyForm::default(),
            tls_trust: Some(self.pki.eim_ca.certificate.clone()),
            download: DownloadWay::Direct,
            protocols: Protocols::Retrieve,
            euicc_ci: None,
        };
        Ok(identity.configuration(&options, Envelope::AddInitialEim)?)
    }

    /// The IPA of a device, with a client certificate for its EID.
    fn ipa(&self, card: Es10Client<Card>, eid: &Eid, coverage: Coverage) -> anyhow::Result<Ipa<Card>> {
        let device = self.pki.device_issuer()?.issue_device(eid, None, &self.rng, self.clock.now())?;
        let identity =
            TlsIdentity::new(vec![device.certificate.der().to_vec()], Arc::new(device.key.signing_key()?))?;
        let verifier = WebVerifier::new(&[self.pki.eim_ca.certificate.der().to_vec()], self.clock.clone())?;
        let tls = client_config(Arc::new(verifier), Some(&identity))?;
        let eim = EsipaClient::new(tls, self.esipa.clone(), &[])?;
        let verifier = Arc::new(ServerVerifier::new(Arc::clone(&self.anchors), self.clock.clone()));
        let servers = Es9PlusClient::new(client_config(verifier, None)?, &self.connect_to)?;
        let around =
            Surroundings { network: Box::new(coverage), pauses: Box::new(AtOnce), clock: self.clock.clone() };
        Ok(Ipa::new(card, eim, servers, around, Settings::default())?)
    }
}
