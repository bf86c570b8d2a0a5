//! Packages that are brought to devices that listen (SGP.32 3.1.1.2, 5.14.4): a poll turned round.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use simyard::binding::MessageBinding;
use simyard::binding::esipa::{read_transfer_request, transfer_response};
use simyard::client::ClientError;
use simyard::client::exchange::{Exchange, Exchanging, Limits};
use simyard::client::ipa::IpaClient;
use simyard::domain::{FreedomToSwitch, Task};
use simyard::eim::listening::{BringError, Brought, Listening, ListeningError, bring, say};
use simyard::ident::{Eid, ServerAddress};
use simyard_asn1::iot::data::{IpaEuiccDataErrorCode, IpaEuiccDataResponse};
use simyard_asn1::iot::esipa::{
    EimAcknowledgements, EimPackage, EimPackageResult, TransferEimPackageError, TransferEimPackageRequest,
    TransferEimPackageResponse,
};
use simyard_asn1::{Decode as _, Encode as _};

use super::world::{Card, Delivered, World, code, eid, iccid, length, peer, transaction_of};
use crate::harness::block_on;

crate::tests!(
    a_package_is_brought_answered_and_acknowledged,
    a_device_that_is_not_there_is_handed_nothing,
    what_was_brought_in_vain_is_the_same_octets_for_a_poll,
    a_trigger_is_received_and_its_result_follows,
    what_a_device_cannot_execute_ends_the_operation,
    an_euicc_that_nobody_introduced_is_asked_who_it_is,
    nobody_is_brought_what_is_for_another,
    where_devices_listen_is_said_and_told_of,
);

const BINDINGS: [MessageBinding; 2] = [MessageBinding::Asn1, MessageBinding::Json];

/// What a device does with a package.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    /// It is not there.
    Nothing,
    /// It executes it, and the answer is lost.
    Loses,
    /// It executes it.
    Executes,
    /// It answers with this error.
    Refuses(TransferEimPackageError),
}

/// A device that listens.
struct Device {
    card: Arc<Mutex<Card>>,
    does: Mutex<Does>,
    binding: MessageBinding,
    heard: Mutex<Vec<TransferEimPackageRequest>>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Device")
    }
}

impl Exchange for Device {
    fn exchange(&self, request: Request<Vec<u8>>, _: Limits) -> Exchanging<'_> {
        let is_json = request.uri().path().ends_with("transferEimPackage");
        let does = *self.does.lock().unwrap();
        let lost = || ClientError::Transport { address: "device".to_owned(), cause: "nobody".to_owned() };
        if does == Does::Nothing {
            return Box::pin(async move { Err(lost()) });
        }
        let asked = if is_json {
            read_transfer_request(request.body()).unwrap()
        } else {
            TransferEimPackageRequest::from_der(request.body()).unwrap()
        };
        self.heard.lock().unwrap().push(asked.clone());
        let answer = match (asked, does) {
            (TransferEimPackageRequest::Acknowledgements(_), _) => TransferEimPackageResponse::Received,
            (TransferEimPackageRequest::Package(EimPackage::ProfileDownloadTriggerRequest(_)), _) => {
                TransferEimPackageResponse::Received
            }
            (_, Does::Refuses(code)) => TransferEimPackageResponse::Error(code),
            (TransferEimPackageRequest::Package(EimPackage::EuiccPackageRequest(package)), _) => {
                let result = self.card.lock().unwrap().execute(&package);
                if does == Does::Loses {
                    return Box::pin(async move { Err(lost()) });
                }
                TransferEimPackageResponse::EuiccPackageResult(result)
            }
            (TransferEimPackageRequest::Package(EimPackage::IpaEuiccDataRequest(_)), _) => {
                let code = IpaEuiccDataErrorCode::UndefinedError;
                let none = IpaEuiccDataResponse::Error { eim_transaction_id: None, code };
                TransferEimPackageResponse::IpaEuiccDataResponse(none.to_der())
            }
        };
        let body = if is_json { transfer_response(&answer) } else { answer.to_der() };
        Box::pin(async move { Ok(Response::builder().status(200).body(body).unwrap()) })
    }
}

impl Device {
    fn of(world: &World, does: Does, binding: MessageBinding) -> Arc<Self> {
        let card = Arc::clone(&world.card);
        Arc::new(Self { card, does: Mutex::new(does), binding, heard: Mutex::default() })
    }

    fn client(self: &Arc<Self>) -> IpaClient {
        let address = ServerAddress::parse("device.example.com:8449").unwrap();
        IpaClient::over(Arc::clone(self) as Arc<dyn Exchange>, address).with_binding(self.binding)
    }

    fn packages(&self) -> Vec<EimPackage> {
        let heard = self.heard.lock().unwrap();
        let packages = heard.iter().filter_map(|one| match one {
            TransferEimPackageRequest::Package(package) => Some(package.clone()),
            TransferEimPackageRequest::Acknowledgements(_) => None,
        });
        packages.collect()
    }
}

async fn go(world: &World, device: &Arc<Device>) -> Result<Brought, BringError> {
    let reached = world.devices.reached(&eid(), peer());
    bring(&world.eim, &reached, &eid(), &device.client()).await
}

fn a_package_is_brought_answered_and_acknowledged() {
    BINDINGS.into_iter().for_each(package);
}

/// A package, its answer and the acknowledgement of that.
pub fn package(binding: MessageBinding) {
    block_on(async {
        let world = World::new().await;
        let device = Device::of(&world, Does::Executes, binding);
        assert_eq!(go(&world, &device).await.unwrap(), Brought::Nothing);
        assert!(device.heard.lock().unwrap().is_empty(), "nobody is called in vain");
        let id = world.ask(Task::Audit).await;
        assert_eq!(go(&world, &device).await.unwrap(), Brought::Answered);
        assert_eq!(world.state(&id).await, "done");
        assert_eq!(world.profiles().await, [(iccid(1), true)]);
        let heard = device.heard.lock().unwrap().clone();
        let number = world.card.lock().unwrap().seq_number;
        let acknowledgements =
            |numbers| TransferEimPackageRequest::Acknowledgements(EimAcknowledgements(numbers));
        assert_eq!(heard.len(), 3, "{heard:?}");
        assert_eq!((&heard[0], &heard[2]), (&acknowledgements(vec![]), &acknowledgements(vec![number])));
        assert_eq!(go(&world, &device).await.unwrap(), Brought::Nothing);
        assert_eq!(device.heard.lock().unwrap().len(), 3);
    });
}

fn a_device_that_is_not_there_is_handed_nothing() {
    BINDINGS.into_iter().for_each(nobody);
}

/// A device that cannot be reached, until it can.
pub fn nobody(binding: MessageBinding) {
    block_on(async {
        let world = World::new().await;
        let device = Device::of(&world, Does::Nothing, binding);
        let id = world.ask(Task::Audit).await;
        let error = go(&world, &device).await.unwrap_err();
        assert!(matches!(error, BringError::Call(ClientError::Transport { .. })), "{error}");
        let packages = world.eim.store.packages_of_operation(&id).await.unwrap();
        assert_eq!(packages.len(), 1);
        assert!(packages[0].handed_over_at.is_none() && packages[0].signed.is_none());
        assert_eq!(world.eim.store.eim_euicc(&eid()).await.unwrap().unwrap().last_contact_at, None);
        *device.does.lock().unwrap() = Does::Executes;
        assert_eq!(go(&world, &device).await.unwrap(), Brought::Answered);
        assert_eq!(world.state(&id).await, "done");
    });
}

fn what_was_brought_in_vain_is_the_same_octets_for_a_poll() {
    BINDINGS.into_iter().for_each(lost);
}

/// An answer that is lost.
pub fn lost(binding: MessageBinding) {
    block_on(async {
        let world = World::new().await;
        let device = Device::of(&world, Does::Loses, binding);
        let id = world.ask(Task::Audit).await;
        assert!(matches!(go(&world, &device).await, Err(BringError::Call(_))));
        let brought = device.packages();
        let polled = EimPackage::EuiccPackageRequest(world.package().await);
        assert_eq!(brought.as_slice(), std::slice::from_ref(&polled));
        // The device brings the result by itself: the package is over, and not brought again.
        let EimPackage::EuiccPackageRequest(package) = polled else { panic!("no eUICC package") };
        let result = world.card.lock().unwrap().list(&package);
        world.answer(EimPackageResult::EuiccPackageResult(result)).await.unwrap();
        assert_eq!(world.state(&id).await, "done");
        assert_eq!(go(&world, &device).await.unwrap(), Brought::Nothing);
        assert_eq!(device.packages().len(), 1);
    });
}

fn a_trigger_is_received_and_its_result_follows() {
    BINDINGS.into_iter().for_each(trigger);
}

/// A trigger, and its result later.
pub fn trigger(binding: MessageBinding) {
    block_on(async {
        let world = World::new().await;
        let device = Device::of(&world, Does::Executes, binding);
        let mut request = simyard::eim::operations::OperationRequest::new(Task::Download);
        request.activation_code = Some(code());
        let id = world.request(request).await.unwrap();
        let mut brought = go(&world, &device).await.unwrap();
        while brought == Brought::Answered {
            brought = go(&world, &device).await.unwrap();
        }
        assert_eq!(brought, Brought::Received);
        let Some(EimPackage::ProfileDownloadTriggerRequest(_)) = device.packages().pop() else {
            panic!("{:?}", device.packages())
        };
        // Brought again it is the same, and has the same eimTransactionId.
        assert_eq!(go(&world, &device).await.unwrap(), Brought::Received);
        let packages = device.packages();
        let [.., first, again] = packages.as_slice() else { panic!("{packages:?}") };
        assert_eq!(transaction_of(first), transaction_of(again));
        assert!(transaction_of(first).is_some());
        let pir = {
            let mut card = world.card.lock().unwrap();
            card.profiles.push((iccid(2), false));
            card.installation_result(&iccid(2))
        };
        let octets = [&[0xBF, 0x54][..], &length(pir.len()), &pir].concat();
        world.answer(EimPackageResult::ProfileDownloadTriggerResult(octets)).await.unwrap();
        let mut brought = go(&world, &device).await.unwrap();
        while brought == Brought::Answered {
            brought = go(&world, &device).await.unwrap();
        }
        assert_eq!((brought, world.state(&id).await), (Brought::Nothing, "done"));
    });
}

fn what_a_device_cannot_execute_ends_the_operation() {
    for binding in BINDINGS {
        for code in TransferEimPackageError::NAMED {
            refused(binding, *code);
        }
    }
}

/// An error in place of an answer.
pub fn refused(binding: MessageBinding, code: TransferEimPackageError) {
    block_on(async {
        let world = World::new().await;
        let device = Device::of(&world, Does::Refuses(code), binding);
        let id = world.ask(Task::Audit).await;
        assert_eq!(go(&world, &device).await.unwrap(), Brought::Answered);
        let by_push = world.operation(&id).await.state;
        // As after a poll.
        let other = World::new().await;
        let polled = other.ask(Task::Audit).await;
        let package = other.poll().await.unwrap();
        let code = simyard_asn1::iot::esipa::EimPackageResultErrorCode::from_code(code.code());
        let eim_transaction_id = transaction_of(&package);
        other.answer(EimPackageResult::ResponseError { eim_transaction_id, code }).await.unwrap();
        assert_eq!(by_push.name(), other.operation(&polled).await.state.name());
        assert!(by_push.is_end(), "{by_push:?}");
    });
}

fn an_euicc_that_nobody_introduced_is_asked_who_it_is() {
    BINDINGS.into_iter().for_each(data);
}

/// A request for data.
pub fn data(binding: MessageBinding) {
    block_on(async {
        let world = World::with(Delivered::Bare, FreedomToSwitch::Active).await;
        let device = Device::of(&world, Does::Executes, binding);
        world.ask(Task::Audit).await;
        assert_eq!(go(&world, &device).await.unwrap(), Brought::Answered);
        let packages = device.packages();
        assert!(matches!(packages[..], [EimPackage::IpaEuiccDataRequest(_)]), "{packages:?}");
    });
}

fn nobody_is_brought_what_is_for_another() {
    block_on(async {
        let world = World::new().await;
        let device = Device::of(&world, Does::Executes, MessageBinding::Asn1);
        world.ask(Task::Audit).await;
        let other = Eid::parse("89049032000000000000700000004105").unwrap();
        let reached = world.devices.reached(&other, peer());
        let error = bring(&world.eim, &reached, &eid(), &device.client()).await.unwrap_err();
        assert!(matches!(error, BringError::Package(_)), "{error}");
        assert!(device.heard.lock().unwrap().is_empty());
    });
}

fn where_devices_listen_is_said_and_told_of() {
    block_on(async {
        let world = World::new().await;
        let store = &world.eim.store;
        let by = simyard::domain::Person::parse("tester").unwrap();
        let address = ServerAddress::parse("device.example.com:8449").unwrap();
        let listens = Listening { eid: eid(), address: Some(address.clone()) };
        let now = world.eim.clock.now();
        // One that is delivered for this eIM, and that nobody has heard of, is not associated yet.
        let refused = say(store, std::slice::from_ref(&listens), &by, now).await.unwrap_err();
        assert!(matches!(refused, ListeningError::NotAssociated { others: 0, .. }), "{refused}");
        let id = world.ask(Task::Audit).await;
        say(store, std::slice::from_ref(&listens), &by, now).await.unwrap();
        assert_eq!(store.listens_at(&eid()).await.unwrap(), Some(address));
        let other = Eid::parse("89049032000000000000700000004105").unwrap();
        let strange = Listening { eid: other, address: None };
        let polls = Listening { eid: eid(), address: None };
        let both = [polls.clone(), strange];
        let refused = say(store, &both, &by, now).await.unwrap_err();
        assert!(refused.to_string().contains("nothing was taken"), "{refused}");
        let due = store.devices_to_bring_to("", now, 10).await.unwrap();
        assert_eq!(due, [listens]);
        assert_eq!(store.devices_to_bring_to(eid().as_str(), now, 10).await.unwrap(), []);
        say(store, &[polls], &by, now).await.unwrap();
        assert_eq!(store.devices_to_bring_to("", now, 10).await.unwrap(), []);
        assert!(!world.operation(&id).await.state.is_end());
    });
}
