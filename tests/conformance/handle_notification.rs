//! SGP.23 4.3.15: ES9+.HandleNotification. HTTP 204 always; what becomes of the order is told by its state.

use simyard::domain::{RunTimeState, State};

use super::sequence;
use crate::es9plus::handle_notification::downloaded;
use crate::server::euicc::{flipped, octets};
use crate::server::{Euicc, TestServer};

crate::tests!(results_and_notifications_are_taken, each_reason_of_a_failed_installation_is_taken,);

fn results_and_notifications_are_taken() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    let events = |events: &[(u32, u32, RunTimeState)]| {
        let (order, offer) = downloaded(&server, &euicc);
        let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, None);
        assert_eq!(server.notify(&result), 204);
        assert_eq!(server.state(&order.iccid), "Installed");
        for (seq_number, event, expected) in events {
            assert_eq!(server.notify(&euicc.notification(&order.iccid, *seq_number, *event)), 204);
            assert_eq!(server.state(&order.iccid), "Installed");
            let State::Installed(installation) = server.stored(&order.iccid).state else { panic!() };
            assert_eq!(installation.run_time, Some(*expected));
        }
        assert_eq!(server.notifications(&order.iccid), 1 + events.len());
    };
    sequence("4.3.15.2.1 #01", || {
        events(&[
            (2, 1, RunTimeState::Enabled),
            (3, 2, RunTimeState::Disabled),
            (4, 3, RunTimeState::Deleted),
        ]);
    });
    sequence("4.3.15.2.1 #02", || events(&[(2, 1, RunTimeState::Enabled)]));
    sequence("4.3.15.2.1 #03", || {
        // The eUICC found another transactionId in the package.
        let (order, offer) = downloaded(&server, &euicc);
        let id = octets(&offer.transaction_id);
        assert_eq!(server.notify(&euicc.result(&id, &order.iccid, 1, Some(3))), 204);
        assert_eq!(server.state(&order.iccid), "Error Installation(3)");
        // The server knows no such transaction.
        let (order, offer) = downloaded(&server, &euicc);
        let id = flipped(&octets(&offer.transaction_id), 0);
        assert_eq!(server.notify(&euicc.result(&id, &order.iccid, 1, None)), 204);
        assert_eq!(server.state(&order.iccid), "Downloaded");
        assert_eq!(server.notifications(&order.iccid), 0);
    });
}

fn each_reason_of_a_failed_installation_is_taken() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    server.ingest("acme", "iot", 20);
    for (id, reasons) in [
        ("4.3.15.2.1 #04", &[1][..]),
        ("4.3.15.2.1 #05", &[2]),
        ("4.3.15.2.1 #06", &[4]),
        ("4.3.15.2.1 #07", &[5]),
        ("4.3.15.2.1 #08", &[6]),
        ("4.3.15.2.1 #09", &[7]),
        ("4.3.15.2.1 #10", &[8]),
        ("4.3.15.2.1 #11", &[9]),
        ("4.3.15.2.1 #12", &[10]),
        ("4.3.15.2.1 #13", &[11]),
        ("4.3.15.2.1 #14", &[12]),
        ("4.3.15.2.1 #15", &[13]),
        ("4.3.15.2.1 #16", &[14]),
        ("4.3.15.2.1 #17", &[15]),
        // Test suites send 16 too, which no version 2 names.
        ("4.3.15.2.1 #18", &[127, 16]),
    ] {
        sequence(id, || {
            for reason in reasons {
                let (order, offer) = downloaded(&server, &euicc);
                let result = euicc.result(&octets(&offer.transaction_id), &order.iccid, 1, Some(*reason));
                assert_eq!(server.notify(&result), 204);
                let state = match reason {
                    10 | 11 => "Downloaded".to_owned(),
                    permanent => format!("Error Installation({permanent})"),
                };
                assert_eq!(server.state(&order.iccid), state);
                assert_eq!(server.notifications(&order.iccid), 1);
            }
        });
    }
}
