//! PSMOs and eCOs over a virtual card and its IPA, and every code that a card can answer them with: the eIM signs, the IPA fetches
//! over mutual TLS, the card executes, or has a fault to tell.

use simyard::binding::MessageBinding;
use simyard::device::card::Card;
use simyard::device::faults::{Fault, Faults};
use simyard::device::ipa::{Everywhere, Ipa, LostOn, Network};
use simyard::domain::{OperationId, Rollback, Task};
use simyard::eim::ecos::{add_eim, moved};
use simyard::eim::keys::{Rotated, rotate};
use simyard::eim::operations::OperationRequest;
use simyard::ident::Iccid;
use simyard::pki::public_key::to_subject_public_key_info;
use simyard_asn1::Encode;
use simyard_asn1::iot::Implicit;
use simyard_asn1::iot::configuration::{AddEimCode, EimConfigurationData, EimPublicKey, REQUEST_TOKEN};
use simyard_asn1::iot::package::{ConfigureImmediateEnable, Eco, Psmo};
use simyard_asn1::iot::result::{
    AddEimResult, ConfigureImmediateEnableResult, DeleteEimResult, DeleteProfileResult, DisableProfileResult,
    EnableProfileResult, EuiccResultData, ListEimError, ProcessingTerminated, ProfileInfoListError,
    RollbackProfileResult, SetDefaultDpAddressResult, SetFallbackAttributeResult,
    UnsetFallbackAttributeResult, UpdateEimResult,
};

use super::{BINDINGS, Lab, lab};
use crate::eim::ecos::configuration;
use crate::eim::world::{self, eid};
use crate::server::euicc::{nested, tlv};
use crate::server::{OrderOptions, PKI, TestServer};

crate::tests!(
    profiles_are_enabled_disabled_and_deleted,
    other_psmos_are_executed_or_refused,
    ecos_are_executed_or_refused,
    the_key_of_the_eim_is_changed_and_the_eim_left,
    packages_that_were_cut_short_end_the_operation,
    a_device_without_network_goes_back,
);

/// A server with an eIM, and a card with two profiles and an IPA.
struct Device {
    server: TestServer,
    binding: MessageBinding,
    ipa: Ipa<Card>,
    faults: Faults,
    profiles: [Iccid; 2],
}

const NO_FAULT: &str = "done";

impl Device {
    fn new(binding: MessageBinding) -> Self {
        Self::with_network(binding, |_| Everywhere)
    }

    fn with_network<N: Network + 'static>(
        binding: MessageBinding,
        network: impl FnOnce(&[Iccid; 2]) -> N,
    ) -> Self {
        Self::of(binding, &lab::settings(), network)
    }

    fn of<N: Network + 'static>(
        binding: MessageBinding,
        settings: &str,
        network: impl FnOnce(&[Iccid; 2]) -> N,
    ) -> Self {
        let server = TestServer::with(settings, None);
        let mut card = server.associated_card();
        let orders = [(); 2].map(|()| server.order(OrderOptions::default()));
        for order in &orders {
            let (filled, downloaded) = server.download(card, &order.matching_id, None);
            downloaded.unwrap();
            card = filled;
        }
        let profiles = orders.map(|order| order.iccid);
        let faults = Faults::default();
        let ipa = server.ipa(card.with_faults(faults.clone()), binding, network(&profiles));
        let mut device = Self { server, binding, ipa, faults, profiles };
        device.run();
        device
    }

    /// Polls until nothing waits.
    fn run(&mut self) {
        self.server.run_ipa(&mut self.ipa);
    }

    fn ask(&self, task: Task) -> OperationId {
        self.server.operate(&OperationRequest::new(task))
    }

    /// Has the device do something to the end: where the operation stands then.
    fn does(&mut self, task: Task) -> String {
        let id = self.ask(task);
        self.run();
        self.server.operation_state(&id)
    }

    /// The same, and the card answers with this instead of doing it.
    fn does_with(&mut self, fault: EuiccResultData<'static>, task: Task) -> String {
        self.faults.add(Fault::Operation(fault));
        let state = self.does(task);
        assert!(self.faults.is_empty(), "the fault was told");
        state
    }

    /// What the eIM believes, and what the card holds: profiles and whether each is enabled.
    fn believes_what_is(&mut self) -> Vec<(Iccid, bool)> {
        let store = self.server.smdp().store.clone();
        let believed = self.server.wait(store.profiles_of_euicc(&eid())).unwrap();
        let mut believed: Vec<_> =
            believed.into_iter().map(|profile| (profile.iccid, profile.enabled)).collect();
        let held = self.ipa.card().get_profiles_info().unwrap();
        let mut held: Vec<_> = held.into_iter().map(|profile| (profile.iccid, profile.enabled)).collect();
        believed.sort_unstable_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        held.sort_unstable_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        assert_eq!(believed, held);
        held
    }

    fn enabled(&mut self) -> Option<Iccid> {
        self.believes_what_is().into_iter().find(|(_, enabled)| *enabled).map(|(iccid, _)| iccid)
    }
}

fn enable(iccid: &Iccid) -> Task {
    Task::Enable { iccid: iccid.clone(), rollback: Rollback::NotGranted }
}

/// Where an operation stands after the card refused its command once. A busy eUICC is asked again.
fn after(name: &str, code: i64, text: &impl std::fmt::Display) -> String {
    match (name, code) {
        (_, 0) | ("enable" | "disable", 5) => NO_FAULT.to_owned(),
        _ => format!("failed: refused: {name}: {text}"),
    }
}

fn profiles_are_enabled_disabled_and_deleted() {
    for binding in BINDINGS {
        let mut device = Device::new(binding);
        let [one, two] = device.profiles.clone();
        super::row(binding, "ListProfileInfo", || {
            assert_eq!(device.does(Task::Audit), "done");
            assert_eq!(device.believes_what_is().len(), 2);
        });
        for code in ProfileInfoListError::NAMED {
            super::row(binding, &format!("ListProfileInfo_{}", code.code()), || {
                // Asked again, it lists.
                let fault = EuiccResultData::ListProfileInfo(Err(*code));
                assert_eq!(device.does_with(fault, Task::Audit), "done");
            });
        }
        for code in EnableProfileResult::NAMED {
            super::row(binding, &format!("Enable_{}", code.code()), || {
                let before = device.enabled();
                let wanted = if before.as_ref() == Some(&one) { &two } else { &one };
                let state = match code {
                    EnableProfileResult::Ok => device.does(enable(wanted)),
                    _ => device.does_with(EuiccResultData::Enable(*code), enable(wanted)),
                };
                assert_eq!(state, after("enable", code.code(), code));
                let expected = if state == NO_FAULT { Some(wanted.clone()) } else { before };
                assert_eq!(device.enabled(), expected);
            });
        }
        for code in DisableProfileResult::NAMED {
            super::row(binding, &format!("Disable_{}", code.code()), || {
                if device.enabled().is_none() {
                    assert_eq!(device.does(enable(&one)), "done");
                }
                let before = device.enabled();
                let task = Task::Disable { iccid: before.clone().unwrap() };
                let state = match code {
                    DisableProfileResult::Ok => device.does(task),
                    _ => device.does_with(EuiccResultData::Disable(*code), task),
                };
                assert_eq!(state, after("disable", code.code(), code));
                assert_eq!(device.enabled(), if state == NO_FAULT { None } else { before });
            });
        }
        for code in DeleteProfileResult::NAMED.iter().rev() {
            super::row(binding, &format!("Delete_{}", code.code()), || {
                let disabled = device.believes_what_is().into_iter().find(|(_, enabled)| !enabled).unwrap().0;
                let task = Task::Delete { iccid: disabled };
                let state = match code {
                    DeleteProfileResult::Ok => device.does(task),
                    _ => device.does_with(EuiccResultData::Delete(*code), task),
                };
                assert_eq!(state, after("delete", code.code(), code));
                assert_eq!(device.believes_what_is().len(), if state == NO_FAULT { 1 } else { 2 });
            });
        }
    }
}

fn psmo(operation: &Psmo<'_>) -> Task {
    Task::Configure { commands: tlv(simyard_asn1::Tag(0xA0), &operation.to_der()) }
}

fn eco(operation: &Eco<'_>) -> Task {
    Task::Configure { commands: tlv(simyard_asn1::Tag(0xA1), &operation.to_der()) }
}

/// A row for each code of a command: the card answers with it, and the operation ends so.
macro_rules! told {
    ($device:ident, $row:literal, $name:literal, $task:expr, $codes:expr, $result:expr) => {
        for code in $codes {
            super::row($device.binding, &format!("{}_{}", $row, code.code()), || {
                let state = $device.does_with(($result)(*code), $task);
                assert_eq!(state, after($name, code.code(), code), $name);
            });
        }
    };
}

fn other_psmos_are_executed_or_refused() {
    for binding in BINDINGS {
        let mut device = Device::new(binding);
        let [one, _] = device.profiles.clone();
        let bcd = one.to_bcd();
        super::row(binding, "GetRAT", || {
            assert_eq!(device.does(psmo(&Psmo::GetRat)), "done");
            let store = device.server.smdp().store.clone();
            let euicc = device.server.wait(store.eim_euicc(&eid())).unwrap().unwrap();
            assert!(euicc.introduction.rules_authorisation_table.is_some());
        });
        let configuration = || {
            psmo(&Psmo::ConfigureImmediateEnable(ConfigureImmediateEnable {
                flag: true,
                default_smdp_oid: None,
                default_smdp_address: Some("smdp.example.com"),
            }))
        };
        super::row(binding, "ConfigureImmediateEnable_0", || {
            assert_eq!(device.does(configuration()), "done");
        });
        let codes = ConfigureImmediateEnableResult::NAMED.iter();
        let codes = codes.filter(|code| !matches!(code.code(), 0 | 2));
        told!(
            device,
            "ConfigureImmediateEnable",
            "configureImmediateEnable",
            configuration(),
            codes,
            EuiccResultData::ConfigureImmediateEnable
        );
        // No profile of this SM-DP+ may be a fallback profile: the success is told by the card's fault too.
        told!(
            device,
            "SetFallbackAttribute",
            "setFallbackAttribute",
            psmo(&Psmo::SetFallbackAttribute { iccid: &bcd }),
            SetFallbackAttributeResult::NAMED,
            EuiccResultData::SetFallbackAttribute
        );
        assert!(
            device.does(psmo(&Psmo::SetFallbackAttribute { iccid: &bcd })).contains("fallbackNotAllowed (2)")
        );
        told!(
            device,
            "UnsetFallbackAttribute",
            "unsetFallbackAttribute",
            psmo(&Psmo::UnsetFallbackAttribute),
            UnsetFallbackAttributeResult::NAMED,
            EuiccResultData::UnsetFallbackAttribute
        );
        assert!(device.does(psmo(&Psmo::UnsetFallbackAttribute)).contains("noFallbackAttribute (2)"));
        let address = || psmo(&Psmo::SetDefaultDpAddress { address: "smdp.example.com" });
        super::row(binding, "SetDefaultDpAddress_0", || {
            assert_eq!(device.does(address()), "done");
            let (default, _) = device.ipa.card().get_configured_addresses().unwrap();
            assert_eq!(default.as_deref(), Some("smdp.example.com"));
        });
        let codes = &SetDefaultDpAddressResult::NAMED[1..];
        told!(
            device,
            "SetDefaultDpAddress",
            "setDefaultDpAddress",
            address(),
            codes,
            EuiccResultData::SetDefaultDpAddress
        );
    }
}

fn ecos_are_executed_or_refused() {
    let key = to_subject_public_key_info(PKI.eim_sign.key.signing_key().unwrap().public_key());
    let other = |association_token| EimConfigurationData {
        eim_id: "other",
        counter_value: Some(0),
        association_token,
        eim_public_key_data: Some(EimPublicKey::Spki(Implicit::from_der(&key).unwrap())),
        ..EimConfigurationData::default()
    };
    let add = |token| eco(&Eco::AddEim(Box::new(other(token))));
    let delete = || eco(&Eco::DeleteEim { eim_id: "other" });
    let update = || {
        let changed = EimConfigurationData { eim_public_key_data: None, ..other(None) };
        eco(&Eco::UpdateEim(Box::new(changed)))
    };
    for binding in BINDINGS {
        let mut device = Device::new(binding);
        super::row(binding, "AddEim_0", || {
            assert_eq!(device.does(add(None)), "done");
            assert!(device.does(add(None)).contains("addEim: associatedEimAlreadyExists (2)"));
        });
        super::row(binding, "UpdateEim_0", || assert_eq!(device.does(update()), "done"));
        super::row(binding, "ListEim", || {
            assert_eq!(device.does(eco(&Eco::ListEim)), "done");
            assert_eq!(last_results(&device), [told_eims(&["eim.example.com", "other"])]);
        });
        super::row(binding, "DeleteEim_0", || {
            assert_eq!(device.does(delete()), "done");
            assert!(device.does(delete()).contains("deleteEim: eimNotFound (1)"));
            assert!(device.does(update()).contains("updateEim: eimNotFound (1)"));
        });
        super::row(binding, "AddEim_Token", || {
            assert_eq!(device.does(add(Some(REQUEST_TOKEN))), "done");
            // The first one is our own eIM's.
            assert_eq!(last_results(&device), [hex::decode("A803840102").unwrap()]);
        });
        super::row(binding, "DeleteEim_2", || {
            let last = EuiccResultData::DeleteEim(DeleteEimResult::LastEimDeleted);
            assert_eq!(device.does_with(last, delete()), "done", "a success");
        });
        let add_code = |code| EuiccResultData::AddEim(AddEimResult::Code(code));
        told!(device, "AddEim", "addEim", add(None), &AddEimCode::NAMED[1..], add_code);
        let codes = DeleteEimResult::NAMED.iter().filter(|code| !matches!(code.code(), 0 | 2));
        told!(device, "DeleteEim", "deleteEim", delete(), codes, EuiccResultData::DeleteEim);
        told!(
            device,
            "UpdateEim",
            "updateEim",
            update(),
            &UpdateEimResult::NAMED[1..],
            EuiccResultData::UpdateEim
        );
        let list_code = |code| EuiccResultData::ListEim(Err(code));
        told!(device, "ListEim", "listEim", eco(&Eco::ListEim), ListEimError::NAMED, list_code);
    }
}

/// The result of listEim with these eIMs, none of which said what kind of name it has.
fn told_eims(names: &[&str]) -> Vec<u8> {
    use simyard_asn1::Tag;
    let entries: Vec<Vec<u8>> =
        names.iter().map(|name| nested(Tag::SEQUENCE, &[&tlv(Tag(0x80), name.as_bytes())])).collect();
    nested(Tag(0xAB), &[&tlv(Tag(0xA0), &entries.concat())])
}

/// What the eUICC signed last, one for each operation of the package.
fn last_results(device: &Device) -> Vec<Vec<u8>> {
    use simyard::store::OperationSelection;
    use simyard_asn1::Decode as _;
    use simyard_asn1::iot::result::EuiccPackageResult;
    let store = device.server.smdp().store.clone();
    device.server.wait(async {
        let selection = OperationSelection { eid: Some(eid()), ..OperationSelection::default() };
        let newest = store.operations(&selection, None, 1).await.unwrap().remove(0);
        let packages = store.packages_of_operation(&newest.operation.operation_id).await.unwrap();
        let result = packages.last().unwrap().result.clone().unwrap();
        let EuiccPackageResult::Signed { data, .. } = EuiccPackageResult::from_der(&result).unwrap() else {
            panic!("signed")
        };
        data.value.results.iter().map(Encode::to_der).collect()
    })
}

fn the_key_of_the_eim_is_changed_and_the_eim_left() {
    const NEXT: &str = "[[eim.keys]]\ncertificate = \"pki/wrong/eim-sign-expired.pem\"\n\
                        key = \"pki/wrong/eim-sign-expired.key.pem\"\n";
    for binding in BINDINGS {
        let mut device = Device::of(binding, &format!("{}{NEXT}", lab::settings()), |_| Everywhere);
        let eim = device.server.eim();
        let [old, next] = [0, 1].map(|number| eim.keys.all().nth(number).unwrap().digest.clone());
        let told = |device: &mut Device| {
            let rotated = device.server.wait(rotate(&eim, &eid(), &next, &world::person())).unwrap();
            let Rotated::Asked(id) = rotated else { panic!("{rotated:?}") };
            device.run();
            let euicc = device.server.wait(eim.store.eim_euicc(&eid())).unwrap().unwrap();
            (device.server.operation_state(&id), euicc.signing_key)
        };
        super::row(binding, "Rotation_Refused", || {
            let refused = UpdateEimResult::CommandError;
            device.faults.add(Fault::Operation(EuiccResultData::UpdateEim(refused)));
            let (state, key) = told(&mut device);
            assert_eq!(state, after("updateEim", refused.code(), &refused));
            assert_eq!((device.does(Task::Audit).as_str(), key), ("done", Some(old.clone())));
        });
        super::row(binding, "Rotation", || {
            assert_eq!(told(&mut device), ("done".to_owned(), Some(next.clone())));
            // The card knows one key: what is under the old one, it would refuse.
            assert_eq!(device.does(Task::Audit), "done");
        });
        let moving = || Task::Move { commands: add_eim(&configuration("other", Some(0))).unwrap() };
        super::row(binding, "Move_Refused", || {
            let full = AddEimCode::InsufficientMemory;
            let state = device.does_with(EuiccResultData::AddEim(AddEimResult::Code(full)), moving());
            assert_eq!(state, after("addEim", full.code(), &full));
            assert_eq!(device.does(Task::Audit), "done");
        });
        super::row(binding, "Move", || {
            assert_eq!(device.does(moving()), "done");
            let (found, _) = device.server.wait(moved(&eim, None, 10)).unwrap();
            let [one] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((one.eim_id.as_str(), one.left_at), ("other", Some(device.server.clock.now())));
        });
    }
}

fn packages_that_were_cut_short_end_the_operation() {
    for binding in BINDINGS {
        let mut device = Device::new(binding);
        let [one, _] = device.profiles.clone();
        for code in ProcessingTerminated::NAMED {
            super::row(binding, &format!("ProcessingTerminated_{}", code.code()), || {
                let fault = EuiccResultData::ProcessingTerminated(*code);
                let state = device.does_with(fault, Task::Delete { iccid: one.clone() });
                assert_eq!(state, format!("failed: refused: processingTerminated: {code}"));
                assert_eq!(device.ipa.card().get_profiles_info().unwrap().len(), 2);
            });
        }
    }
}

fn a_device_without_network_goes_back() {
    for binding in BINDINGS {
        let mut device = Device::with_network(binding, |[_, two]| LostOn(vec![two.clone()]));
        let [one, two] = device.profiles.clone();
        assert_eq!(device.does(enable(&one)), "done");
        let granted = |iccid: &Iccid| Task::Enable { iccid: iccid.clone(), rollback: Rollback::Granted };
        super::row(binding, "Rollback", || {
            assert_eq!(device.does(granted(&two)), "rolled_back");
            assert_eq!(device.enabled(), Some(one.clone()));
        });
        let lab = Lab::new(binding);
        lab.card.borrow_mut().profiles.push((world::iccid(2), false));
        let switching = || {
            let id = lab.ask(granted(&world::iccid(2)));
            lab.turn();
            let package = lab.package();
            assert_eq!(lab.state(&id), "switching");
            (id, package)
        };
        lab.row("RollbackResult_127", || {
            let (id, _) = switching();
            let undefined = EuiccResultData::Rollback(RollbackProfileResult::UndefinedError);
            lab.turn_saying(&[undefined]);
            assert_eq!(lab.state(&id), "failed: refused: rollback: undefinedError (127)");
        });
        lab.row("RollbackResult_0", || {
            let (id, package) = switching();
            let done = lab.card.borrow_mut().execute(&package);
            lab.answer_euicc(done).acknowledged();
            assert_eq!(lab.state(&id), "confirming");
            // The acknowledgement was lost: the device went back all the same.
            lab.card.borrow_mut().profiles = vec![(world::iccid(1), true), (world::iccid(2), false)];
            let back = [EuiccResultData::Rollback(RollbackProfileResult::Ok)];
            let back = lab.card.borrow_mut().say(&package, &back);
            assert_eq!(lab.answer_euicc(back).acknowledged().len(), 1);
            assert_eq!(lab.state(&id), "rolled_back");
            assert_eq!(lab.profiles(), lab.card.borrow().profiles);
        });
    }
}
