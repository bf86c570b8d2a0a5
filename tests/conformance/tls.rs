//! SGP.23 4.3.17: TLS on ES9+; and the joint sequences of the public suite.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::sequence;
use crate::server::{ADDRESS, Euicc, Interface, OrderOptions, PKI, TestServer};

crate::tests!(the_server_authenticates_itself, a_profile_goes_the_whole_way,);

fn the_server_authenticates_itself() {
    let server = TestServer::start();
    sequence("4.3.17.2.1", || {
        let connector = TlsConnector::from(Arc::new(server.tls(Interface::Es9Plus)));
        let name = ServerName::try_from(ADDRESS).unwrap();
        let leaf = server.callers.block_on(async {
            let stream = TcpStream::connect(server.socket(Interface::Es9Plus)).await.unwrap();
            let stream = connector.connect(name, stream).await.unwrap();
            stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
        });
        assert_eq!(leaf, PKI.dp_tls.certificate.der());
    });
}

fn a_profile_goes_the_whole_way() {
    let (server, euicc) = (TestServer::start(), Euicc::new(0));
    sequence("rsp_complete_flow", || {
        let order = server.order(OrderOptions::default());
        let (card, outcome) = server.download(server.card(&euicc), &order.matching_id, None);
        assert_eq!(outcome.unwrap().iccid, order.iccid);
        assert_eq!(card.state().profiles.len(), 1);
        assert_eq!(server.state(&order.iccid), "Installed");
    });
    sequence("ES2Plus_ES9Plus_FullFlow", || {
        let order = server.order(OrderOptions { hold: true, code: Some("42"), ..OrderOptions::default() });
        let body = serde_json::json!({ "iccid": order.iccid.as_str() });
        server.es2plus("releaseProfile", body).unwrap();
        let (card, outcome) = server.download(server.card(&euicc), &order.matching_id, Some("42"));
        assert_eq!(outcome.unwrap().iccid, order.iccid);
        assert_eq!(card.state().profiles.len(), 1);
        assert_eq!(server.state(&order.iccid), "Installed");
    });
}
