//! An eIM that is killed at every commit of a switch, of a rotation of its key and of a move, before it and behind it: its
//! successor goes on where it was. No counter stands for two packages, whoever polls again gets the same octets, and every
//! answer counts once. Of rotation and move the device may lose what its eUICC answered, too: then the eUICC knows a key, or has
//! no eIM, of which the eIM was never told, and says it when it is asked for what it kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simyard::crypto::ecdsa::{Curve, SigningKey};
use simyard::domain::{FreedomToSwitch, OldProfile, OperationId, Task};
use simyard::eim::ecos::{add_eim, moved};
use simyard::eim::get_eim_package::GetEimPackageError;
use simyard::eim::keys::{EimKeys, key_digest, rotate};
use simyard::eim::operations::{KeptOperation, OperationRequest, OperationSelection, operations};
use simyard::store::watch::{ChangeKind, CommitPhase, CommitWatch, Verdict};
use simyard::store::{Store, StoreUrl};
use simyard_asn1::iot::data::{IpaEuiccData, IpaEuiccDataResponse};
use simyard_asn1::iot::esipa::{EimPackage, EimPackageResult};
use simyard_asn1::iot::package::{Eco, EuiccPackage, EuiccPackageRequest};
use simyard_asn1::iot::result::{
    AddEimResult, DeleteEimResult, EuiccPackageErrorCode, EuiccPackageErrorUnsigned, EuiccPackageResult,
    EuiccResultData, UpdateEimResult,
};
use simyard_asn1::{Decode as _, Encode as _};

use super::ecos::configuration;
use super::world::{Card, Delivered, World, deliver, eid, iccid, length, person, transaction_of};

crate::tests!(
    a_switch_survives_a_death_at_every_commit,
    a_rotation_survives_a_death_at_every_commit,
    a_move_survives_a_death_at_every_commit,
);

/// Lets the writer die at the n-th commit from now on.
struct DeathAt {
    commits_left: AtomicU32,
    phase: CommitPhase,
    died: tokio::sync::Notify,
}

impl CommitWatch for DeathAt {
    fn at_commit(&self, phase: CommitPhase, _: &[ChangeKind]) -> Verdict {
        if phase == self.phase && self.commits_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.died.notify_one();
            return Verdict::Die;
        }
        Verdict::GoOn
    }
}

/// What is asked of the eUICC.
#[derive(Clone, Copy)]
enum Asked {
    Switch,
    /// That it takes the eIM's next key.
    Rotation,
    /// That it goes over to another eIM.
    Move,
}

impl Asked {
    /// Asks for it; once more changes nothing.
    async fn ask(self, world: &World) {
        let keyed = |request: OperationRequest| OperationRequest { key: Some("once".to_owned()), ..request };
        match self {
            Self::Switch => {
                world.request(keyed(World::switch(OldProfile::Keep))).await.unwrap();
            }
            Self::Rotation => {
                let new = key_digest(next_key().public_key());
                rotate(&world.eim, &eid(), &new, &person()).await.unwrap();
            }
            Self::Move => {
                let commands = add_eim(&configuration(OTHER_EIM, Some(4))).unwrap();
                world.request(keyed(OperationRequest::new(Task::Move { commands }))).await.unwrap();
            }
        }
    }
}

const OTHER_EIM: &str = "other.example.com";

fn next_key() -> Arc<SigningKey> {
    Arc::new(SigningKey::from_scalar(Curve::P256, &[7; 32]).unwrap())
}

/// What a device does with an answer that it could not bring before the eIM died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undelivered {
    Kept,
    Lost,
}

/// What outlives the eIM: the eUICC, and what its device still has to bring.
struct Device {
    card: Arc<Mutex<Card>>,
    undelivered: Mutex<Option<EimPackageResult>>,
    /// The packages that it ever saw, by their counters.
    seen: Mutex<BTreeMap<i64, Vec<u8>>>,
    /// Results that the eUICC keeps until they are acknowledged, which they never are here.
    kept: Mutex<Vec<Vec<u8>>>,
}

impl Device {
    fn new() -> Self {
        Self {
            card: Arc::new(Mutex::new(Card::new())),
            undelivered: Mutex::new(None),
            seen: Mutex::new(BTreeMap::new()),
            kept: Mutex::new(Vec::new()),
        }
    }

    /// It does what it can until nothing waits for it.
    async fn live(&self, world: &World, asked: Asked) {
        asked.ask(world).await;
        loop {
            let undelivered = self.undelivered.lock().unwrap().clone();
            if let Some(result) = undelivered {
                world.answer(result).await.unwrap();
                *self.undelivered.lock().unwrap() = None;
            }
            let result = match world.poll().await {
                Ok(EimPackage::EuiccPackageRequest(octets)) => {
                    self.see(&octets);
                    EimPackageResult::EuiccPackageResult(self.execute(&octets))
                }
                Ok(EimPackage::ProfileDownloadTriggerRequest(_)) => {
                    let mut card = self.card.lock().unwrap();
                    card.profiles.push((iccid(2), false));
                    let pir = card.installation_result(&iccid(2));
                    let octets = [&[0xBF, 0x54][..], &length(pir.len()), &pir].concat();
                    EimPackageResult::ProfileDownloadTriggerResult(octets)
                }
                Ok(asked @ EimPackage::IpaEuiccDataRequest(_)) => {
                    EimPackageResult::IpaEuiccDataResponse(self.stored(&asked))
                }
                Err(GetEimPackageError::NoEimPackageAvailable) => return,
                Err(error) => panic!("{error}"),
            };
            *self.undelivered.lock().unwrap() = Some(result);
        }
    }

    /// What the eUICC answers to a package: PSMOs as the card does, eCOs here, and an unsigned error to what is under a key that
    /// it forgot.
    fn execute(&self, octets: &[u8]) -> Vec<u8> {
        let mut card = self.card.lock().unwrap();
        let request = EuiccPackageRequest::from_der(octets).unwrap();
        let signed = &request.euicc_package_signed.value;
        if !card.believes(octets) {
            let error = EuiccPackageErrorUnsigned {
                eim_id: signed.eim_id,
                eim_transaction_id: signed.eim_transaction_id,
                association_token: Some(card.token),
                code: None,
            };
            return EuiccPackageResult::ErrorUnsigned(error).to_der();
        }
        let EuiccPackage::Eco(ecos) = &signed.operations else { return card.execute(octets) };
        if signed.counter_value <= card.counter {
            return card.error(octets, EuiccPackageErrorCode::ReplayError);
        }
        let [eco] = ecos.as_slice() else { panic!("one eCO") };
        let done = match eco {
            Eco::UpdateEim(_) => EuiccResultData::UpdateEim(UpdateEimResult::Ok),
            Eco::AddEim(_) => EuiccResultData::AddEim(AddEimResult::AssociationToken(9)),
            Eco::DeleteEim { .. } => EuiccResultData::DeleteEim(DeleteEimResult::Ok),
            other => panic!("nobody asks for {other:?}"),
        };
        let result = card.say(octets, &[done]);
        if let Eco::UpdateEim(_) = eco {
            card.eim_key = *next_key().public_key();
        }
        self.kept.lock().unwrap().push(result.clone());
        result
    }

    fn stored(&self, asked: &EimPackage) -> Vec<u8> {
        let kept = self.kept.lock().unwrap();
        let data = IpaEuiccData {
            euicc_package_results: Some(kept.iter().map(Vec::as_slice).collect()),
            eim_transaction_id: transaction_of(asked),
            ..IpaEuiccData::default()
        };
        IpaEuiccDataResponse::Data(Box::new(data)).to_der()
    }

    fn see(&self, octets: &[u8]) {
        let request = EuiccPackageRequest::from_der(octets).unwrap();
        let counter = request.euicc_package_signed.value.counter_value;
        let before = self.seen.lock().unwrap().insert(counter, octets.to_vec());
        assert!(before.is_none_or(|before| before == octets), "counter {counter} stands for two packages");
    }
}

/// A life of the eIM; whether it came to its end, and was not killed.
fn live(folder: &Path, device: &Device, asked: Asked, seed: u64, death: Option<(u32, CommitPhase)>) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (commits, phase) = death.unwrap_or((u32::MAX, CommitPhase::Before));
    let watch =
        Arc::new(DeathAt { commits_left: AtomicU32::new(commits), phase, died: tokio::sync::Notify::new() });
    let url = StoreUrl::Sqlite(folder.join("simyard.db"));
    let lived = runtime.block_on(async {
        let store = Store::open_watched(&url, watch.clone()).await.unwrap();
        let world = world(store.clone(), device, seed);
        let lived = tokio::select! {
            () = device.live(&world, asked) => true,
            () = watch.died.notified() => false,
        };
        if lived {
            store.close().await;
        }
        lived
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
    lived
}

/// Its settings name a next key.
fn world(store: Store, device: &Device, seed: u64) -> World {
    let mut world = World::of(store, Arc::clone(&device.card), seed);
    let first = Arc::clone(&world.eim.keys.first().key);
    world.eim.keys = EimKeys::new(first, [next_key()]);
    world
}

/// Kills an eIM at every commit of what is asked, has its successor end it, and looks at both; the number of deaths.
fn killed_everywhere(asked: Asked, undelivered: Undelivered, look: impl AsyncFn(&World, &str)) -> u32 {
    let mut deaths = 0;
    for phase in [CommitPhase::Before, CommitPhase::After] {
        for commits in 1.. {
            let folder = tempfile::tempdir().unwrap();
            let url = StoreUrl::Sqlite(folder.path().join("simyard.db"));
            crate::harness::block_on(async {
                let store = Store::open(&url).await.unwrap();
                deliver(&store, Delivered::WithCertificates, FreedomToSwitch::Active).await;
                store.close().await;
            });
            let device = Device::new();
            let lived = live(folder.path(), &device, asked, 100, Some((commits, phase)));
            if !lived {
                deaths += 1;
                if undelivered == Undelivered::Lost {
                    *device.undelivered.lock().unwrap() = None;
                }
                assert!(live(folder.path(), &device, asked, 200, None), "nobody kills the successor");
            }
            crate::harness::block_on(async {
                let world = world(Store::open(&url).await.unwrap(), &device, 300);
                look(&world, &format!("{phase:?} {commits}, {undelivered:?}")).await;
            });
            if lived {
                break;
            }
        }
    }
    deaths
}

/// The operations of the eUICC, the oldest first.
async fn all(world: &World) -> Vec<KeptOperation> {
    let selection = OperationSelection { eid: Some(eid()), state: None };
    let mut found = operations(&world.eim, &selection, None, 100).await.unwrap();
    found.reverse();
    found
}

/// It was made once, and ended once, as it was meant to.
async fn is_done_once(world: &World, id: &OperationId, at: &str) {
    assert_eq!(world.state(id).await, "done", "{at}");
    let told = world.told(id).await;
    for once in ["operation.created", "operation.done"] {
        assert_eq!(told.iter().filter(|name| **name == once).count(), 1, "{once} {at}");
    }
}

fn a_switch_survives_a_death_at_every_commit() {
    let deaths = killed_everywhere(Asked::Switch, Undelivered::Kept, async |world, at| {
        let found = all(world).await;
        let [switch] = found.as_slice() else { panic!("{at}: {found:?}") };
        let id = &switch.operation.operation_id;
        is_done_once(world, id, at).await;
        assert_eq!(world.profiles().await, [(iccid(1), false), (iccid(2), true)]);
        let packages = world.eim.store.packages_of_operation(id).await.unwrap();
        let counters: Vec<i64> = packages.iter().filter_map(|package| package.package.counter).collect();
        assert_eq!(counters, [8, 9, 10, 11], "{at}");
    });
    // The association and the order, and for each of five packages that it left and that it was answered.
    assert_eq!(deaths, 2 * 12);
}

fn a_rotation_survives_a_death_at_every_commit() {
    for undelivered in [Undelivered::Kept, Undelivered::Lost] {
        let deaths = killed_everywhere(Asked::Rotation, undelivered, async |world, at| {
            let found = all(world).await;
            let [rotation] = found.as_slice() else { panic!("{at}: {found:?}") };
            is_done_once(world, &rotation.operation.operation_id, at).await;
            let euicc = world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap();
            assert_eq!(euicc.signing_key, Some(key_digest(next_key().public_key())), "{at}");
            // What comes then is under the key that the eUICC has.
            let audit = world.ask(Task::Audit).await;
            world.turn().await;
            assert_eq!(world.state(&audit).await, "done", "{at}");
        });
        // The operation, that its package left, and that it was answered; and what of the first key is written before.
        assert!(deaths >= 2 * 3, "{undelivered:?}: {deaths}");
    }
}

fn a_move_survives_a_death_at_every_commit() {
    for undelivered in [Undelivered::Kept, Undelivered::Lost] {
        let deaths = killed_everywhere(Asked::Move, undelivered, async |world, at| {
            let found = all(world).await;
            let [added, left] = found.as_slice() else { panic!("{at}: {found:?}") };
            for one in [added, left] {
                is_done_once(world, &one.operation.operation_id, at).await;
            }
            assert_eq!(left.creator, format!("move:{}", added.operation.operation_id), "{at}");
            let (found, _) = moved(&world.eim, None, 100).await.unwrap();
            let [one] = found.as_slice() else { panic!("{at}: {found:?}") };
            assert_eq!((one.eim_id.as_str(), one.association_token), (OTHER_EIM, Some(9)), "{at}");
            assert_eq!(one.left_at, Some(world.clock.now()), "{at}");
        });
        // The operation, and of each of two packages that it left and that it was answered.
        assert!(deaths >= 2 * 5, "{undelivered:?}: {deaths}");
    }
}
