//! What the functions of ES2+ work with, and what they have in common (SGP.22 5.3).
//!
//! The caller is an operator whose certificate was checked; it acts on its own profiles alone. Each function reads the
//! order, judges it, and saves one transition of it; where the order changed meanwhile, it starts again.

use std::collections::HashMap;
use std::time::Duration;

use crate::binding::RequestHeader;
use crate::domain::{
    Action, Actor, AuditSubject, CallIdentity, Delivered, NewAuditEntry, Operator, Order, ProfileType, System,
};
use crate::env::{Clock, Rng};
use crate::ident::{Iccid, Peer, ServerAddress};
use crate::store::{Store, StoreError};

/// What the functions of ES2+ work with.
#[derive(Clone)]
pub struct Orders {
    /// The orders.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Matching identifiers.
    pub rng: Rng,
    /// The settings.
    pub settings: OrderSettings,
}

/// Settings of ES2+.
#[derive(Clone, Debug)]
pub struct OrderSettings {
    /// The address that ConfirmOrder answers for the activation code; `None` where the operator knows it.
    pub smdp_address: Option<ServerAddress>,
    /// How long an order may be downloaded after ConfirmOrder; `None` for ever.
    pub validity: Option<Duration>,
    /// How long a DownloadOrder by type is recognised when it is repeated.
    pub repetition_window: Duration,
    /// The systems that must have what belongs to a profile before its order is released, by type; none for others.
    pub needed: HashMap<ProfileType, Delivered>,
}

impl Default for OrderSettings {
    fn default() -> Self {
        Self {
            smdp_address: None,
            validity: None,
            repetition_window: Duration::from_secs(60),
            needed: HashMap::new(),
        }
    }
}

/// Who calls a function of ES2+, and where from.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The operator that its certificate stands for.
    pub operator: Operator,
    /// The other end of the connection; `None` where there is none.
    pub peer: Option<Peer>,
}

impl Caller {
    /// An operator on this machine, without a connection.
    #[must_use]
    pub const fn local(operator: Operator) -> Self {
        Self { operator, peer: None }
    }
}

/// Why an order is not the caller's to act on: the first two steps of each function.
pub(super) enum NotYours {
    Unknown,
    OtherOwner,
    Store(StoreError),
}

impl Orders {
    /// The caller's order of this profile.
    pub(super) async fn order_of(&self, caller: &Caller, iccid: &Iccid) -> Result<Order, NotYours> {
        let order = self.store.order(iccid).await.map_err(NotYours::Store)?.ok_or(NotYours::Unknown)?;
        if order.owner == caller.operator { Ok(order) } else { Err(NotYours::OtherOwner) }
    }

    /// What the audit tells of a call that is about to change an order.
    pub(super) fn audit_entry(
        &self,
        caller: &Caller,
        action: Action,
        subject: AuditSubject,
        header: &RequestHeader,
    ) -> NewAuditEntry {
        let actor = Actor::Operator(caller.operator.clone());
        let call = call_identity(header);
        let detail = format!("requester {:?}, call {:?}", call.requester, call.call_identifier);
        let entry = NewAuditEntry::new(self.clock.now(), actor, action, subject).detail(detail);
        match caller.peer {
            Some(peer) => entry.from_peer(peer, &self.rng),
            None => entry,
        }
    }

    /// A system that must have what belongs to a profile before its order is released, and has not. What was delivered
    /// stays delivered, so the answer holds when the order is written.
    pub(super) async fn not_delivered(&self, order: &Order) -> Result<Option<System>, StoreError> {
        match self.settings.needed.get(&order.profile_type) {
            Some(needed) => Ok(self.store.delivered(&order.iccid).await?.missing(*needed)),
            None => Ok(None),
        }
    }
}

pub(super) fn call_identity(header: &RequestHeader) -> CallIdentity {
    CallIdentity::new(&header.function_requester_identifier, &header.function_call_identifier)
}

#[cfg(test)]
mod tests {
    use super::super::cancel_order::cancel_order;
    use super::super::confirm_order::confirm_order;
    use super::super::download_order::download_order;
    use super::super::release_profile::release_profile;
    use super::super::status::FunctionError;
    use super::*;
    use crate::binding::es2plus::{
        CancelOrderRequest, ConfirmOrderRequest, ConfirmOrderResponse, DownloadOrderRequest,
        FinalProfileStatus, ReleaseProfileRequest,
    };
    use crate::domain::StateName;
    use crate::env::Timestamp;
    use crate::ident::{Eid, MatchingId};
    use crate::store::{Batch, NewProfile, Package, PackageKind, StoreUrl};

    const EID: &str = "89049032000000000000279973200019";
    const OTHER_EID: &str = "89049032000000000000279973200020";

    /// Three profiles of type P1 of one operator, one of type P2 of another.
    struct Yard {
        orders: Orders,
        _folder: tempfile::TempDir,
    }

    impl Yard {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
            for (owner, profile_type, numbers) in [("one", "P1", 1..=3), ("other", "P2", 9..=9)] {
                let profile_type = ProfileType::parse(profile_type).unwrap();
                let batch = Batch::local(owner, operator(owner), profile_type, Timestamp::from_secs(1));
                let profile = |number| NewProfile {
                    iccid: iccid(number),
                    imsis: Vec::new(),
                    package: Package { kind: PackageKind::PersonalData, sealed: vec![1], needs: None },
                };
                let profiles: Vec<NewProfile> = numbers.map(profile).collect();
                store.insert_batch(&batch, &profiles, [0; 32]).await.unwrap();
            }
            let clock = Clock::fixed(Timestamp::from_secs(1_795_000_000));
            let settings = OrderSettings {
                smdp_address: Some(ServerAddress::parse("smdp.example.com").unwrap()),
                validity: Some(Duration::from_secs(3600)),
                ..OrderSettings::default()
            };
            Self { orders: Orders { store, clock, rng: Rng::seeded(1), settings }, _folder: folder }
        }

        async fn download(&self, request: DownloadOrderRequest) -> Result<String, String> {
            let outcome = download_order(&self.orders, &caller("one"), &request).await;
            outcome.map(|answer| answer.iccid.to_string()).map_err(|error| pair(&error))
        }

        async fn confirm(&self, request: ConfirmOrderRequest) -> Result<ConfirmOrderResponse, String> {
            confirm_order(&self.orders, &caller("one"), &request).await.map_err(|error| pair(&error))
        }

        async fn cancel(&self, request: CancelOrderRequest) -> Result<(), String> {
            cancel_order(&self.orders, &caller("one"), &request).await.map_err(|error| pair(&error))
        }

        async fn release(&self, number: u32) -> Result<(), String> {
            let request = ReleaseProfileRequest { header: header("r"), iccid: iccid(number) };
            release_profile(&self.orders, &caller("one"), &request).await.map_err(|error| pair(&error))
        }

        async fn state(&self, number: u32) -> StateName {
            self.orders.store.order(&iccid(number)).await.unwrap().unwrap().state_name()
        }
    }

    fn pair(error: &impl FunctionError) -> String {
        let (subject, reason) = error.status();
        format!("{}/{}", subject.code(), reason.code())
    }

    fn refused<T>(pair: &str) -> Result<T, String> {
        Err(pair.to_owned())
    }

    fn operator(name: &str) -> Operator {
        Operator::parse(name).unwrap()
    }

    fn caller(name: &str) -> Caller {
        Caller::local(operator(name))
    }

    fn iccid(number: u32) -> Iccid {
        Iccid::parse(&format!("8988211{number:012}")).unwrap()
    }

    fn eid(text: &str) -> Eid {
        Eid::parse(text).unwrap()
    }

    fn header(call: &str) -> RequestHeader {
        RequestHeader {
            function_requester_identifier: "1.2.3".to_owned(),
            function_call_identifier: call.to_owned(),
        }
    }

    fn by_iccid(number: u32) -> DownloadOrderRequest {
        DownloadOrderRequest {
            header: header("d"),
            eid: None,
            iccid: Some(iccid(number)),
            profile_type: None,
        }
    }

    fn by_type(profile_type: &str, call: &str) -> DownloadOrderRequest {
        let profile_type = Some(profile_type.to_owned());
        DownloadOrderRequest { header: header(call), eid: None, iccid: None, profile_type }
    }

    fn confirming(number: u32) -> ConfirmOrderRequest {
        ConfirmOrderRequest {
            header: header("c"),
            iccid: iccid(number),
            eid: None,
            matching_id: None,
            confirmation_code: None,
            smds_address: None,
            release_flag: true,
        }
    }

    fn cancelling(number: u32) -> CancelOrderRequest {
        CancelOrderRequest {
            header: header("x"),
            iccid: iccid(number),
            eid: None,
            matching_id: None,
            final_profile_status_indicator: Some(FinalProfileStatus::Available),
        }
    }

    fn matching_id(text: &str) -> Option<MatchingId> {
        Some(MatchingId::parse(text).unwrap())
    }

    #[tokio::test]
    async fn download_order_answers_each_fault_with_its_code() {
        let yard = Yard::new().await;
        let first = Ok(iccid(1).to_string());
        let with_type = |profile_type: &str| DownloadOrderRequest {
            profile_type: Some(profile_type.to_owned()),
            ..by_iccid(1)
        };
        assert_eq!(
            yard.download(DownloadOrderRequest { iccid: None, ..by_iccid(1) }).await,
            refused("1.6/2.3")
        );
        assert_eq!(yard.download(by_iccid(4)).await, refused("8.2.1/3.9"));
        assert_eq!(yard.download(by_iccid(9)).await, refused("8.2.1/1.2"));
        assert_eq!(yard.download(with_type("P2")).await, refused("8.2.5/3.8"));
        assert_eq!(yard.state(1).await, StateName::Available);
        assert_eq!(yard.download(with_type("P1")).await, first);
        assert_eq!(yard.download(with_type("P1")).await, first, "repeated");
        assert_eq!(yard.download(with_type("P2")).await, refused("8.2.1/3.3"));
        assert_eq!(yard.download(by_iccid(1)).await, refused("8.2.1/3.3"));
        let linked = DownloadOrderRequest { eid: Some(eid(EID)), ..by_iccid(2) };
        assert_eq!(yard.download(linked.clone()).await, Ok(iccid(2).to_string()));
        assert_eq!(yard.download(linked).await, Ok(iccid(2).to_string()), "repeated");
        assert_eq!(yard.download(by_iccid(2)).await, refused("8.2.1/3.3"), "without the EID");
        assert_eq!((yard.state(1).await, yard.state(2).await), (StateName::Allocated, StateName::Linked));

        assert_eq!(yard.download(by_type("P3", "a")).await, refused("8.2.5/3.9"));
        assert_eq!(yard.download(by_type("", "a")).await, refused("8.2.5/3.9"));
        assert_eq!(yard.download(by_type("P2", "a")).await, refused("8.2.5/1.2"));
        assert_eq!(yard.download(by_type("P1", "a")).await, Ok(iccid(3).to_string()));
        assert_eq!(yard.download(by_type("P1", "a")).await, Ok(iccid(3).to_string()), "repeated");
        assert_eq!(yard.download(by_type("P1", "b")).await, refused("8.2.5/3.7"));
        yard.orders.clock.advance(yard.orders.settings.repetition_window);
        assert_eq!(
            yard.download(by_type("P1", "a")).await,
            refused("8.2.5/3.7"),
            "too late to be a repetition"
        );
    }

    #[tokio::test]
    async fn confirm_order_answers_each_fault_with_its_code() {
        let yard = Yard::new().await;
        assert_eq!(yard.confirm(confirming(4)).await, refused("8.2.1/3.9"));
        assert_eq!(yard.confirm(confirming(9)).await, refused("8.2.1/1.2"));
        assert_eq!(yard.confirm(confirming(1)).await, refused("8.2.1/3.3"));
        yard.download(by_iccid(1)).await.unwrap();
        yard.download(DownloadOrderRequest { eid: Some(eid(EID)), ..by_iccid(2) }).await.unwrap();
        yard.download(by_iccid(3)).await.unwrap();

        let other = ConfirmOrderRequest { eid: Some(eid(OTHER_EID)), ..confirming(2) };
        assert_eq!(yard.confirm(other).await, refused("8.1.1/3.10"));
        let empty = ConfirmOrderRequest { matching_id: matching_id(""), ..confirming(1) };
        assert_eq!(yard.confirm(empty).await, refused("8.1.1/2.2"));
        let smds = ServerAddress::parse("smds.example.com").unwrap();
        let announced = ConfirmOrderRequest { smds_address: Some(smds), ..confirming(1) };
        assert_eq!(yard.confirm(announced.clone()).await, refused("8.1.1/2.2"));
        let announced = ConfirmOrderRequest { eid: Some(eid(EID)), ..announced };
        assert_eq!(yard.confirm(announced).await, refused("8.9/5.1"));
        assert_eq!(yard.state(1).await, StateName::Allocated, "no refused call changed it");

        let given = ConfirmOrderRequest {
            matching_id: matching_id("M-1"),
            confirmation_code: Some("1234".to_owned()),
            ..confirming(1)
        };
        let answer = yard.confirm(given.clone()).await.unwrap();
        assert_eq!((&answer.matching_id, &answer.eid), (&matching_id("M-1").unwrap(), &None));
        assert_eq!(answer.smdp_address.as_ref().unwrap().as_str(), "smdp.example.com");
        assert_eq!(yard.confirm(given.clone()).await, Ok(answer), "repeated");
        let wrong = ConfirmOrderRequest { confirmation_code: Some("1235".to_owned()), ..given };
        assert_eq!(yard.confirm(wrong).await, refused("8.2.1/3.3"), "another code is no repetition");
        let order = yard.orders.store.order(&iccid(1)).await.unwrap().unwrap();
        assert_eq!(order.code_hash().unwrap().as_octets(), &crate::crypto::hash::sha256(b"1234"));
        assert_eq!(order.expires_at(), Some(yard.orders.clock.now().plus(Duration::from_secs(3600))));

        let same = ConfirmOrderRequest { matching_id: matching_id("M-1"), ..confirming(2) };
        assert_eq!(yard.confirm(same).await, refused("8.2.6/3.3"));
        let empty = ConfirmOrderRequest { matching_id: matching_id(""), ..confirming(2) };
        let answer = yard.confirm(empty).await.unwrap();
        assert!(answer.matching_id.is_empty());
        assert_eq!(answer.eid, Some(eid(EID)));

        let drawn = yard.confirm(ConfirmOrderRequest { release_flag: false, ..confirming(3) }).await.unwrap();
        assert!(!drawn.matching_id.is_empty());
        assert_eq!(yard.state(3).await, StateName::Confirmed);
        let repeated = yard.confirm(ConfirmOrderRequest { release_flag: false, ..confirming(3) }).await;
        assert_eq!(repeated, Ok(drawn));
        assert_eq!(yard.confirm(confirming(3)).await, refused("8.2.1/3.3"), "another release flag");
    }

    #[tokio::test]
    async fn cancel_order_answers_each_fault_with_its_code() {
        let yard = Yard::new().await;
        let unsaid = CancelOrderRequest { final_profile_status_indicator: None, ..cancelling(1) };
        assert_eq!(yard.cancel(unsaid).await, refused("8.2.1/2.2"));
        assert_eq!(yard.cancel(cancelling(4)).await, refused("8.2.1/3.9"));
        assert_eq!(yard.cancel(cancelling(9)).await, refused("8.2.1/1.2"));
        assert_eq!(yard.cancel(cancelling(1)).await, refused("8.2.1/3.3"));
        yard.download(DownloadOrderRequest { eid: Some(eid(EID)), ..by_iccid(1) }).await.unwrap();
        yard.confirm(ConfirmOrderRequest { matching_id: matching_id("M-1"), ..confirming(1) }).await.unwrap();
        assert_eq!(yard.cancel(cancelling(1)).await, refused("8.2.6/3.10"));
        let other = CancelOrderRequest { matching_id: matching_id("M-2"), ..cancelling(1) };
        assert_eq!(yard.cancel(other).await, refused("8.2.6/3.10"));
        let without = CancelOrderRequest { matching_id: matching_id("M-1"), ..cancelling(1) };
        assert_eq!(yard.cancel(without.clone()).await, refused("8.1.1/3.10"));
        let other = CancelOrderRequest { eid: Some(eid(OTHER_EID)), ..without.clone() };
        assert_eq!(yard.cancel(other).await, refused("8.1.1/3.10"));
        assert_eq!(yard.state(1).await, StateName::Released);
        let right = CancelOrderRequest { eid: Some(eid(EID)), ..without };
        assert_eq!(yard.cancel(right.clone()).await, Ok(()));
        assert_eq!(yard.state(1).await, StateName::Available);
        assert_eq!(yard.cancel(right).await, refused("8.2.1/3.3"), "repeated");

        yard.download(by_iccid(2)).await.unwrap();
        let gone = Some(FinalProfileStatus::Unavailable);
        let last = CancelOrderRequest { final_profile_status_indicator: gone, ..cancelling(2) };
        assert_eq!(yard.cancel(last).await, Ok(()));
        assert_eq!(yard.state(2).await, StateName::Unavailable);
        assert_eq!(yard.download(by_iccid(2)).await, refused("8.2.1/3.3"));
    }

    #[tokio::test]
    async fn release_profile_answers_each_fault_with_its_code() {
        let yard = Yard::new().await;
        assert_eq!(yard.release(4).await, refused("8.2.1/3.9"));
        assert_eq!(yard.release(9).await, refused("8.2.1/1.2"));
        assert_eq!(yard.release(1).await, refused("8.2.1/3.5"));
        yard.download(by_iccid(1)).await.unwrap();
        assert_eq!(yard.release(1).await, refused("8.2.1/3.5"));
        yard.confirm(ConfirmOrderRequest { release_flag: false, ..confirming(1) }).await.unwrap();
        assert_eq!(yard.release(1).await, Ok(()));
        assert_eq!(yard.state(1).await, StateName::Released);
        assert_eq!(yard.release(1).await, Ok(()), "repeated");
        yard.download(by_iccid(2)).await.unwrap();
        yard.confirm(confirming(2)).await.unwrap();
        assert_eq!(yard.release(2).await, refused("8.2.1/3.5"), "ConfirmOrder released it");
    }

    #[tokio::test]
    async fn a_store_that_fails_is_an_execution_error_with_its_cause() {
        let yard = Yard::new().await;
        yard.orders.store.close().await;
        let error = download_order(&yard.orders, &caller("one"), &by_iccid(1)).await.unwrap_err();
        assert_eq!(pair(&error), "1.6/4.2");
        assert!(error.internal_cause().is_some());
    }
}
