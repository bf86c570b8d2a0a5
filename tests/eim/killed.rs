//! An eIM that is killed at every commit of a switch, before it and behind it: its successor goes on where it was. No counter
//! stands for two packages, whoever polls again gets the same octets, and every answer counts once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simyard::domain::{FreedomToSwitch, OldProfile, OperationId};
use simyard::eim::get_eim_package::GetEimPackageError;
use simyard::eim::operations::OperationRequest;
use simyard::store::watch::{ChangeKind, CommitPhase, CommitWatch, Verdict};
use simyard::store::{Store, StoreUrl};
use simyard_asn1::Decode as _;
use simyard_asn1::iot::esipa::{EimPackage, EimPackageResult};
use simyard_asn1::iot::package::EuiccPackageRequest;

use super::world::{Card, Delivered, World, deliver, iccid, length};

crate::tests!(a_switch_survives_a_death_at_every_commit,);

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

/// What outlives the eIM: the eUICC, and what its device still has to bring.
struct Device {
    card: Arc<Mutex<Card>>,
    undelivered: Mutex<Option<EimPackageResult>>,
    /// The packages that it ever saw, by their counters.
    seen: Mutex<BTreeMap<i64, Vec<u8>>>,
}

impl Device {
    /// The switch is asked for, and the device does what it can until nothing waits for it.
    async fn live(&self, world: &World) -> OperationId {
        let request =
            OperationRequest { key: Some("the switch".to_owned()), ..World::switch(OldProfile::Keep) };
        let id = world.request(request).await.unwrap();
        loop {
            let undelivered = self.undelivered.lock().unwrap().clone();
            if let Some(result) = undelivered {
                world.answer(result).await.unwrap();
                *self.undelivered.lock().unwrap() = None;
            }
            let result = match world.poll().await {
                Ok(EimPackage::EuiccPackageRequest(octets)) => {
                    self.see(&octets);
                    EimPackageResult::EuiccPackageResult(self.card.lock().unwrap().execute(&octets))
                }
                Ok(EimPackage::ProfileDownloadTriggerRequest(_)) => {
                    let mut card = self.card.lock().unwrap();
                    card.profiles.push((iccid(2), false));
                    let pir = card.installation_result(&iccid(2));
                    let octets = [&[0xBF, 0x54][..], &length(pir.len()), &pir].concat();
                    EimPackageResult::ProfileDownloadTriggerResult(octets)
                }
                Ok(other) => panic!("{other:02X?}"),
                Err(GetEimPackageError::NoEimPackageAvailable) => return id,
                Err(error) => panic!("{error}"),
            };
            *self.undelivered.lock().unwrap() = Some(result);
        }
    }

    fn see(&self, octets: &[u8]) {
        let request = EuiccPackageRequest::from_der(octets).unwrap();
        let counter = request.euicc_package_signed.value.counter_value;
        let before = self.seen.lock().unwrap().insert(counter, octets.to_vec());
        assert!(before.is_none_or(|before| before == octets), "counter {counter} stands for two packages");
    }
}

/// A life of the eIM; the operation, if it was not killed.
fn live(folder: &Path, device: &Device, seed: u64, death: Option<(u32, CommitPhase)>) -> Option<OperationId> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (commits, phase) = death.unwrap_or((u32::MAX, CommitPhase::Before));
    let watch =
        Arc::new(DeathAt { commits_left: AtomicU32::new(commits), phase, died: tokio::sync::Notify::new() });
    let url = StoreUrl::Sqlite(folder.join("simyard.db"));
    let lived = runtime.block_on(async {
        let store = Store::open_watched(&url, watch.clone()).await.unwrap();
        let world = World::of(store.clone(), Arc::clone(&device.card), seed);
        let lived = tokio::select! {
            id = device.live(&world) => Some(id),
            () = watch.died.notified() => None,
        };
        if lived.is_some() {
            store.close().await;
        }
        lived
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
    lived
}

fn a_switch_survives_a_death_at_every_commit() {
    let mut deaths = 0;
    for phase in [CommitPhase::Before, CommitPhase::After] {
        for commits in 1.. {
            let folder = tempfile::tempdir().unwrap();
            crate::harness::block_on(async {
                let url = StoreUrl::Sqlite(folder.path().join("simyard.db"));
                let store = Store::open(&url).await.unwrap();
                deliver(&store, Delivered::WithCertificates, FreedomToSwitch::Active).await;
                store.close().await;
            });
            let device = Device {
                card: Arc::new(Mutex::new(Card::new())),
                undelivered: Mutex::new(None),
                seen: Mutex::new(BTreeMap::new()),
            };
            let first = live(folder.path(), &device, 100, Some((commits, phase)));
            let id = match first {
                Some(id) => id,
                None => live(folder.path(), &device, 200, None).expect("nobody kills the successor"),
            };
            deaths += u32::from(first.is_none());
            crate::harness::block_on(async {
                let url = StoreUrl::Sqlite(folder.path().join("simyard.db"));
                let store = Store::open(&url).await.unwrap();
                let world = World::of(store, Arc::clone(&device.card), 300);
                assert_eq!(world.state(&id).await, "done", "{phase:?} {commits}");
                assert_eq!(world.profiles().await, [(iccid(1), false), (iccid(2), true)]);
                let told = world.told(&id).await;
                for once in ["operation.created", "operation.done"] {
                    assert_eq!(told.iter().filter(|name| **name == once).count(), 1, "{once}");
                }
                let packages = world.eim.store.packages_of_operation(&id).await.unwrap();
                let counters: Vec<i64> =
                    packages.iter().filter_map(|package| package.package.counter).collect();
                assert_eq!(counters, [8, 9, 10, 11], "{phase:?} {commits}");
            });
            if first.is_some() {
                break;
            }
        }
    }
    // The order, and for each of five packages that it left and that it was answered.
    assert_eq!(deaths, 2 * 11);
}
