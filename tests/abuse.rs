//! Floods and guesses over the wire: what one caller does to the server, the others do not feel.

use std::net::IpAddr;
use std::time::Duration;

use crate::server::euicc::from_base64;
use crate::server::{ADDRESS, Euicc, Initiated, Interface, OrderOptions, TestServer, reply};

crate::tests!(a_flood_of_sessions_displaces_its_own, a_download_goes_through_while_others_flood,);

/// Another address of the loopback.
const FLOODER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

fn at(server: &TestServer, peer: IpAddr, function: &str) -> reqwest::RequestBuilder {
    server
        .lpa_at(peer)
        .post(format!("https://{ADDRESS}/gsma/rsp2/es9plus/{function}"))
        .header("Content-Type", "application/json")
}

fn initiate_at(server: &TestServer, peer: IpAddr, euicc: &Euicc) -> Initiated {
    let request = at(server, peer, "initiateAuthentication").body(euicc.initiation().to_string());
    let answer = server.try_send(request).unwrap().outcome().unwrap();
    Initiated {
        transaction_id: answer["transactionId"].as_str().unwrap().to_owned(),
        server_signed1: from_base64(&answer["serverSigned1"]),
    }
}

fn a_flood_of_sessions_displaces_its_own() {
    let server = TestServer::with("[limits]\nsessions = 4\n", None);
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let honest = server.initiate(&euicc);
    let flood: Vec<Initiated> = (0..20)
        .map(|_| {
            server.clock.advance(Duration::from_secs(1));
            initiate_at(&server, FLOODER, &euicc)
        })
        .collect();
    assert_eq!(server.smdp().sessions.len(), 4);
    let respond = |initiated: &Initiated| {
        let response = euicc.authentication(&euicc.signed1(initiated, Some(&order.matching_id))).to_der();
        server.authenticate_with(&initiated.transaction_id, &response)
    };
    for displaced in &flood[..17] {
        assert_eq!(respond(displaced).unwrap_err(), "8.10.1/3.9");
    }
    respond(&honest).unwrap();
    respond(&flood[17]).unwrap();
}

fn a_download_goes_through_while_others_flood() {
    let server = TestServer::with("[limits]\nsessions = 16\n", None);
    let order = server.order(OrderOptions::default());
    let card = server.card(&Euicc::new(1));
    let body = Euicc::new(0).initiation().to_string();
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let (client, body) = (server.lpa_at(FLOODER), body.clone());
            server.callers.spawn(async move {
                loop {
                    let url = format!("https://{ADDRESS}/gsma/rsp2/es9plus/initiateAuthentication");
                    let answer = reply(client.post(url).body(body.clone())).await.unwrap();
                    assert!(answer.outcome().is_ok());
                }
            })
        })
        .collect();
    // The flood has filled every place before the download begins.
    while server.smdp().sessions.len() < 16 {
        server.post(Interface::Es9Plus, "initiateAuthentication", body.clone()).outcome().unwrap();
    }
    let (_, outcome) = server.download(card, &order.matching_id, None);
    outcome.unwrap();
    assert_eq!(server.state(&order.iccid), "Installed");
    assert!(server.smdp().sessions.len() <= 16);
    for flood in floods {
        assert!(!flood.is_finished(), "the flood was answered properly to the end");
        flood.abort();
    }
}
