//! How far calls go where somebody else names the server: to the public Internet alone, unless more is permitted.

use std::net::TcpListener;
use std::sync::Arc;

use simyard::binding::es9plus::InitiateAuthenticationRequest;
use simyard::client::es9plus::Es9PlusClient;
use simyard::client::reachable::Reach;
use simyard::client::{ClientError, ConnectTo};
use simyard::env::Clock;
use simyard::ident::ServerAddress;
use simyard::pki::tls::client_config;
use simyard::pki::web::WebVerifier;

use crate::harness::block_on;
use crate::server::{NOW, PKI};

crate::tests!(
    addresses_of_our_own_network_are_called_only_where_that_is_permitted,
    a_name_that_settings_lead_somewhere_goes_there,
);

/// Calls once; nobody speaks TLS there, so it never succeeds.
fn call(reach: Reach, address: &str, connect_to: &[ConnectTo]) -> ClientError {
    let verifier = WebVerifier::new(&[PKI.ci.certificate.der().to_vec()], Clock::fixed(NOW)).unwrap();
    let tls = client_config(Arc::new(verifier), None).unwrap();
    let client = Es9PlusClient::within(reach, tls, connect_to).unwrap();
    let request = InitiateAuthenticationRequest {
        euicc_challenge: [1; 16],
        euicc_info1: Vec::new(),
        smdp_address: "smdp.example.com".to_owned(),
    };
    let server = ServerAddress::parse(address).unwrap();
    block_on(async { client.initiate_authentication(&server, &request).await.unwrap_err() })
}

/// A door that closes behind everyone, and its port.
fn door() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Takes whoever comes, once, and closes behind them.
fn close_behind_the_next(listener: TcpListener) -> std::thread::JoinHandle<()> {
    listener.set_nonblocking(false).unwrap();
    std::thread::spawn(move || drop(listener.accept().unwrap()))
}

fn addresses_of_our_own_network_are_called_only_where_that_is_permitted() {
    let (listener, port) = door();
    // Numbers in any notation that URLs know.
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost"] {
        let error = call(Reach::Public, &format!("{host}:{port}"), &[]);
        assert!(error.to_string().contains("no address of the public Internet"), "{host}: {error}");
        assert_eq!(matches!(error, ClientError::NotPublic(_)), host != "localhost", "{host}: {error:?}");
    }
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock, "nobody was connected to");
    let called = close_behind_the_next(listener);
    let error = call(Reach::Anywhere, &format!("127.0.0.1:{port}"), &[]);
    assert!(matches!(error, ClientError::Transport { .. }), "{error}");
    called.join().unwrap();
}

fn a_name_that_settings_lead_somewhere_goes_there() {
    let (listener, port) = door();
    let called = close_behind_the_next(listener);
    let connect_to: ConnectTo = format!("smdp.example.com=127.0.0.1:{port}").parse().unwrap();
    let error = call(Reach::Public, &format!("smdp.example.com:{port}"), &[connect_to]);
    assert!(matches!(error, ClientError::Transport { .. }), "{error}");
    called.join().unwrap();
}
