//! Brings what waits for eUICCs to those of their devices that listen (SGP.32 3.1.1.2).
//!
//! So many devices are called at a time, each by one call after the other. One that cannot be reached, or whose answer is not
//! taken, is left alone for a time that doubles; one that received a trigger is left alone until its result may have come.
//! All of that is kept in memory alone: a server that starts anew begins anew, and several servers on one store may go to one
//! device, which gets the same octets and executes them once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::attempt::pause;
use crate::client::ipa::IpaClient;
use crate::client::reachable::Reach;
use crate::client::{ClientError, TIMEOUT};
use crate::eim::Eim;
use crate::eim::caller::Devices;
use crate::eim::listening::{BringError, Brought, bring};
use crate::env::Timestamp;
use crate::ident::{Eid, Peer, ServerAddress};
use crate::pki::Anchors;
use crate::pki::pinned::trust_device;
use crate::pki::tls::{TlsError, TlsIdentity, client_config};
use crate::store::StoreError;

/// How often the store is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Devices that are called at a time.
const CALLS_MAX: usize = 32;
/// Devices of one look.
const LOOK: u32 = 200;
/// Packages that are brought to a device before others have their turn.
const PACKAGES_MAX: usize = 16;
/// A device that received a trigger is left alone so long: a download takes its time.
const RESULT_AFTER: Duration = Duration::from_secs(10 * 60);
/// Devices whose failures are remembered; those beyond are called as if nothing had happened.
const REMEMBERED_MAX: usize = 100_000;

/// The job.
pub struct BringPackages {
    /// The eIM.
    pub eim: Arc<Eim>,
    /// For which EID a certificate stands.
    pub devices: Arc<Devices>,
    /// The CAs of devices.
    pub anchors: Arc<Anchors>,
    /// The eIM's certificate, which it shows as a client.
    pub identity: TlsIdentity,
}

/// Why a device was not brought anything.
#[derive(Debug, thiserror::Error)]
enum NotBrought {
    #[error(transparent)]
    Bring(#[from] BringError),
    #[error("the name {0} has no address")]
    NoAddress(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A device that is to be left alone for a while.
#[derive(Clone, Copy, Debug)]
struct Resting {
    failures: u32,
    not_before: Timestamp,
}

/// A call that ended.
type Done = Result<(Id, Result<Brought, NotBrought>), JoinError>;

/// What is remembered between looks.
#[derive(Default)]
struct UnderWay {
    calls: JoinSet<Result<Brought, NotBrought>>,
    /// Whom each call is to.
    called: HashMap<Id, Eid>,
    resting: HashMap<Eid, Resting>,
    /// The last EID that was looked at.
    after: String,
}

impl BringPackages {
    /// Brings what there is until `end` turns true. What is under way then is broken off: it is brought again.
    pub async fn run(self, mut end: watch::Receiver<bool>) {
        let job = Arc::new(self);
        let mut under_way = UnderWay::default();
        while !*end.borrow() {
            if let Err(error) = job.take(&mut under_way).await {
                tracing::warn!(%error, "packages for devices that listen wait for the store");
            }
            tokio::select! {
                Some(done) = under_way.calls.join_next_with_id() => {
                    job.settle(&mut under_way, done);
                }
                () = tokio::time::sleep(EVERY) => {}
                changed = end.changed() => if changed.is_err() { break },
            }
        }
        under_way.calls.shutdown().await;
    }

    /// Begins calls as long as there is room.
    async fn take(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<(), StoreError> {
        let room = CALLS_MAX.saturating_sub(under_way.calls.len());
        if room == 0 {
            return Ok(());
        }
        let now = self.eim.clock.now();
        let mut passed = under_way.after.clone();
        let found = self.eim.store.devices_to_bring_to(&passed, now, LOOK).await?;
        let is_last = found.len() < usize::try_from(LOOK).unwrap_or(usize::MAX);
        under_way.after = match found.last() {
            Some(last) if !is_last => last.eid.as_str().to_owned(),
            _ => String::new(),
        };
        let mut begun = 0;
        for device in found {
            let eid = device.eid.as_str().to_owned();
            let rests = under_way.resting.get(&device.eid).is_some_and(|resting| now < resting.not_before);
            let is_called = under_way.called.values().any(|called| *called == device.eid);
            if let (Some(address), false, false) = (device.address, rests, is_called) {
                if begun == room {
                    // The others have their turn from here.
                    under_way.after = passed;
                    break;
                }
                begun += 1;
                let (job, eid) = (Arc::clone(self), device.eid.clone());
                let call = under_way.calls.spawn(async move { job.go(&eid, &address).await });
                under_way.called.insert(call.id(), device.eid);
            }
            passed = eid;
        }
        Ok(())
    }

    /// Brings a device all that waits for it.
    async fn go(&self, eid: &Eid, address: &ServerAddress) -> Result<Brought, NotBrought> {
        let stands_for = self.devices.certificates_of(eid).await?;
        let clock = self.eim.clock.clone();
        let verifier = trust_device(Arc::clone(&self.anchors), clock, move |shown| stands_for.has(shown));
        let tls: ClientConfig = client_config(verifier, Some(&self.identity))?;
        let ipa = IpaClient::new(Reach::Anywhere, tls, address.clone())?;
        let device = self.devices.reached(eid, peer(address).await?);
        let mut brought = Brought::Nothing;
        for _ in 0..PACKAGES_MAX {
            match bring(&self.eim, &device, eid, &ipa).await? {
                Brought::Answered => brought = Brought::Answered,
                Brought::Received => return Ok(Brought::Received),
                Brought::Nothing => break,
            }
        }
        Ok(brought)
    }

    /// Remembers how a call ended; returns whom it was to.
    fn settle(&self, under_way: &mut UnderWay, done: Done) -> Option<Eid> {
        let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let eid = under_way.called.remove(&id)?;
        let now = self.eim.clock.now();
        let failures = under_way.resting.remove(&eid).map_or(0, |resting| resting.failures).saturating_add(1);
        let resting = match done.map(|(_, brought)| brought) {
            Ok(Ok(Brought::Answered)) => return Some(eid),
            // What waits was fetched meanwhile, or cannot leave.
            Ok(Ok(Brought::Nothing)) => {
                Resting { failures: 0, not_before: now.plus(pause(1, &self.eim.rng)) }
            }
            Ok(Ok(Brought::Received)) => Resting { failures: 0, not_before: now.plus(RESULT_AFTER) },
            Ok(Err(error)) => {
                tracing::info!(%eid, failures, %error, "a device that listens was brought nothing");
                Resting { failures, not_before: now.plus(pause(failures, &self.eim.rng)) }
            }
            Err(error) => {
                tracing::error!(%eid, %error, "a call to a device that listens broke off");
                Resting { failures, not_before: now.plus(pause(failures, &self.eim.rng)) }
            }
        };
        under_way.resting.retain(|_, resting| now < resting.not_before.plus(RESULT_AFTER));
        if under_way.resting.len() < REMEMBERED_MAX {
            under_way.resting.insert(eid.clone(), resting);
        }
        Some(eid)
    }
}

/// Where a device is reached, for what is kept of those that are refused.
async fn peer(address: &ServerAddress) -> Result<Peer, NotBrought> {
    let found = tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((address.host(), address.port())));
    let first = match found.await {
        Ok(Ok(mut addresses)) => addresses.next(),
        Ok(Err(_)) | Err(_) => None,
    };
    let first = first.ok_or_else(|| NotBrought::NoAddress(address.host().to_owned()))?;
    Ok(first.ip().into())
}
