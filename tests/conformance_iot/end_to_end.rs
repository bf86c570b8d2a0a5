//! From the operation to the card: an IPA polls a whole server over HTTPS with mutual TLS, and gets profiles from our SM-DP+ and from
//! another operator's, of another name and under another PKI.

use std::time::Duration;

use simyard::binding::MessageBinding;
use simyard::device::card::Card;
use simyard::device::ipa::{DownloadWay, Everywhere, Ipa, Settings};
use simyard::domain::{FreedomToSwitch, OldProfile, OperationId, Rollback, StateName, SwitchTarget, Task};
use simyard::eim::operations::OperationRequest;
use simyard::ident::{ActivationCode, Iccid};
use simyard::jobs::expire_operations::expire_operations;

use super::proxy::Proxy;
use super::{BINDINGS, lab, row};
use crate::eim::foreign::material;
use crate::eim::world::{Delivered, deliver};
use crate::server::{ADDRESS, FOREIGN_ADDRESS, Interface, OrderOptions, Ordered, TestServer};

crate::tests!(
    a_profile_comes_from_our_server_directly,
    a_profile_comes_from_our_server_through_the_eim,
    a_device_switches_to_another_operators_profile,
);

/// A server with an eIM, and a device that it knows.
struct Fleet {
    server: TestServer,
    ipa: Ipa<Card>,
}

impl Fleet {
    fn new(server: TestServer, card: Card, binding: MessageBinding, download: DownloadWay) -> Self {
        let settings = Settings { download, ..Settings::default() };
        let ipa = server.ipa_with(card, binding, Everywhere, server.es9plus_client(), settings);
        Self { server, ipa }
    }

    fn ask(&self, task: Task, order: &Ordered, address: &str) -> OperationId {
        let code = format!("LPA:1${address}${}", order.matching_id);
        let request = OperationRequest {
            activation_code: Some(ActivationCode::parse(&code).unwrap()),
            ..OperationRequest::new(task)
        };
        self.server.operate(&request)
    }

    /// Polls until nothing waits.
    fn run(&mut self) {
        self.server.run_ipa(&mut self.ipa);
    }

    fn profiles(&mut self) -> Vec<(Iccid, bool)> {
        let profiles = self.ipa.card().get_profiles_info().unwrap();
        profiles.into_iter().map(|profile| (profile.iccid, profile.enabled)).collect()
    }
}

fn a_profile_comes_from_our_server_directly() {
    for binding in BINDINGS {
        row(binding, "EndToEnd_Direct", || {
            let server = TestServer::with(&lab::settings(), None);
            let card = server.associated_card();
            let mut fleet = Fleet::new(server, card, binding, DownloadWay::Direct);
            let order = fleet.server.order(OrderOptions::default());
            let id = fleet.ask(Task::Download, &order, ADDRESS);
            fleet.run();
            assert_eq!(fleet.server.operation_state(&id), "done");
            assert_eq!(fleet.profiles(), [(order.iccid.clone(), false)]);
            assert_eq!(fleet.server.state(&order.iccid), "Installed", "the device told the SM-DP+ itself");
        });
    }
}

fn a_profile_comes_from_our_server_through_the_eim() {
    for binding in BINDINGS {
        row(binding, "EndToEnd_Indirect", || {
            let proxy = Proxy::start();
            let way = format!("{ADDRESS}=127.0.0.1:{}", proxy.port);
            let server = TestServer::with(&lab::settings_with_way(&way), None);
            proxy.leads_to(&server);
            let card = server.associated_card();
            let mut fleet = Fleet::new(server, card, binding, DownloadWay::Indirect);
            let order = fleet.server.order(OrderOptions::default());
            let id = fleet.ask(Task::Download, &order, ADDRESS);
            fleet.run();
            assert_eq!(fleet.server.operation_state(&id), "done");
            assert_eq!(fleet.profiles(), [(order.iccid.clone(), false)]);
            fleet.server.becomes(&order.iccid, StateName::Installed);
            let called = proxy.called();
            assert_eq!(called.iter().filter(|function| *function == "handleNotification").count(), 1);
        });
    }
}

fn a_device_switches_to_another_operators_profile() {
    for binding in BINDINGS {
        row(binding, "EndToEnd_ForeignSwitch", || {
            let foreign = TestServer::foreign();
            let way = format!("{FOREIGN_ADDRESS}={}", foreign.socket(Interface::Es9Plus));
            let authority = foreign.folder.path().join("pki/ci.pem");
            let settings = format!("{}smdp_ca = [{authority:?}]\n", lab::settings_with_way(&way));
            let server = TestServer::with(&settings, None);
            let store = server.smdp().store.clone();
            server.wait(deliver(&store, Delivered::WithCertificates, FreedomToSwitch::Active));
            // The device is on a profile of ours.
            let own = server.order(OrderOptions::default());
            let (card, downloaded) =
                server.download(server.associated_card_of(&material()), &own.matching_id, None);
            downloaded.unwrap();
            let mut fleet = Fleet::new(server, card, binding, DownloadWay::Indirect);
            let enable = Task::Enable { iccid: own.iccid.clone(), rollback: Rollback::NotGranted };
            let enabled = fleet.server.operate(&OperationRequest::new(enable));
            fleet.run();
            assert_eq!(fleet.server.operation_state(&enabled), "done");

            // Both servers number their profiles alike: this one is another.
            let other = foreign.any_available();
            let other = foreign.order(OrderOptions { iccid: Some(&other), ..OrderOptions::default() });
            let switch = Task::Switch {
                to: SwitchTarget::Downloaded,
                rollback: Rollback::Granted,
                old: OldProfile::DeleteAfter(Duration::from_secs(3600)),
            };
            let id = fleet.ask(switch, &other, FOREIGN_ADDRESS);
            fleet.run();
            assert_eq!(fleet.server.operation_state(&id), "holding_old");
            assert_eq!(fleet.profiles(), [(own.iccid.clone(), false), (other.iccid.clone(), true)]);
            foreign.becomes(&other.iccid, StateName::Installed);
            fleet.server.clock.advance(Duration::from_secs(3600));
            let eim = fleet.server.eim();
            fleet.server.wait(expire_operations(&eim)).unwrap();
            assert_eq!(fleet.server.operation_state(&id), "deleting_old");
            fleet.run();
            assert_eq!(fleet.server.operation_state(&id), "done");
            assert_eq!(fleet.profiles(), [(other.iccid.clone(), true)]);
        });
    }
}
