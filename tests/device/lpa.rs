//! The procedures of the LPA against a server that can be made to say anything, over TLS.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use simyard::client::ConnectTo;
use simyard::client::es9plus::Es9PlusClient;
use simyard::device::card::Card;
use simyard::device::es10_client::{Es10Client, Es10Error, ProfileAction};
use simyard::device::lpa::{Decision, DownloadRequest, Lpa, LpaError, Report};
use simyard::device::transport::ApduTransport;
use simyard::env::{Clock, Rng};
use simyard::ident::{MatchingId, ServerAddress};
use simyard::pki::Anchors;
use simyard::pki::test_pki::{Fault, Kind};
use simyard::pki::tls::{ServerVerifier, TlsIdentity, client_config, server_config};
use simyard_asn1::rsp::authentication::AuthenticateServerRequest;
use simyard_asn1::rsp::download::{CancelSessionResponse, PrepareDownloadRequest, PrepareDownloadResponse};
use simyard_asn1::rsp::metadata::profile_class;
use simyard_asn1::{Decode, Oid, Tag, Writer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::world::{ADDRESS, NOW, PKI, Server, described, material, signature_tlv};
use super::{server, subscription};
use crate::harness::block_on;

crate::tests!(
    a_download_is_made_and_reported_step_by_step,
    a_server_in_another_name_is_left,
    the_activation_code_names_the_server,
    decisions_of_the_user_end_the_session_with_their_reason,
    a_confirmation_code_is_proved_and_never_sent,
    other_metadata_in_the_package_end_the_session,
    a_package_that_cannot_be_cut_ends_the_session,
    a_profile_that_is_not_installed_is_reported,
    a_server_that_the_card_refuses,
    notifications_wait_for_their_turn,
    a_card_that_fails_after_the_installation_is_told_in_the_report,
);

/// What the server is made to do, and what it heard.
struct Fake {
    server: Server,
    prepare: Vec<u8>,
    /// What AuthenticateClient shows instead of the metadata in the package.
    shown_metadata: Option<Vec<u8>>,
    /// What is done to the package that GetBoundProfilePackage gives.
    change_package: fn(&mut Vec<u8>),
    notification_status: u16,
    calls: Vec<String>,
    cancelled: Option<u32>,
    hash_cc: Option<Vec<u8>>,
    /// What the data of commands begin with that never reach the card.
    lost_commands: &'static [u8],
}

/// The way to the card, on which some commands are lost.
struct Wire(Card, &'static [u8]);

impl ApduTransport for Wire {
    fn transmit(&mut self, apdu: &[u8]) -> std::io::Result<Vec<u8>> {
        if !self.1.is_empty() && apdu.get(5..).is_some_and(|data| data.starts_with(self.1)) {
            return Err(std::io::Error::other("the reader is gone"));
        }
        self.0.transmit(apdu)
    }
}

impl Fake {
    fn answer(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let octets = |name: &str| STANDARD.decode(body[name].as_str().unwrap()).unwrap();
        let text = |octets: &[u8]| Value::String(STANDARD.encode(octets));
        let header = json!({ "functionExecutionStatus": { "status": "Executed-Success" } });
        let transaction = hex::encode_upper(&self.server.transaction_id);
        let function = path.rsplit('/').next().unwrap();
        self.calls.push(function.to_owned());
        match function {
            "initiateAuthentication" => {
                let challenge: [u8; 16] = octets("euiccChallenge").try_into().unwrap();
                let request = self.server.authenticate(&challenge);
                let parsed = AuthenticateServerRequest::from_der(&request).unwrap();
                let mut key = Writer::new();
                key.tlv(Tag::OCTET_STRING, parsed.ci_pk_id_to_be_used);
                let answer = json!({
                    "header": header,
                    "transactionId": transaction,
                    "serverSigned1": text(parsed.server_signed1.bytes),
                    "serverSignature1": text(&signature_tlv(parsed.server_signature1)),
                    "euiccCiPKIdToBeUsed": text(&key.finish()),
                    "serverCertificate": text(parsed.server_certificate),
                });
                (200, answer)
            }
            "authenticateClient" => {
                self.prepare = self.server.prepare(&octets("authenticateServerResponse"));
                let parsed = PrepareDownloadRequest::from_der(&self.prepare).unwrap();
                let answer = json!({
                    "header": header,
                    "transactionId": transaction,
                    "profileMetadata": text(self.shown_metadata.as_ref().unwrap_or(&self.server.metadata)),
                    "smdpSigned2": text(parsed.smdp_signed2.bytes),
                    "smdpSignature2": text(&signature_tlv(parsed.smdp_signature2)),
                    "smdpCertificate": text(parsed.smdp_certificate),
                });
                (200, answer)
            }
            "getBoundProfilePackage" => {
                let response = octets("prepareDownloadResponse");
                let key = Server::euicc_one_time_key(&self.prepare, &response);
                if let PrepareDownloadResponse::Ok { euicc_signed2, .. } =
                    PrepareDownloadResponse::from_der(&response).unwrap()
                {
                    self.hash_cc = euicc_signed2.value.hash_cc.map(<[u8]>::to_vec);
                }
                let mut package = self.server.bind(&key);
                (self.change_package)(&mut package);
                let answer = json!({
                    "header": header,
                    "transactionId": transaction,
                    "boundProfilePackage": text(&package),
                });
                (200, answer)
            }
            "cancelSession" => {
                let response = octets("cancelSessionResponse");
                let CancelSessionResponse::Ok { signed, .. } =
                    CancelSessionResponse::from_der(&response).unwrap()
                else {
                    panic!("the card did not sign");
                };
                self.cancelled = Some(signed.value.reason);
                (200, json!({ "header": header }))
            }
            "handleNotification" => (self.notification_status, Value::Null),
            other => panic!("{other}"),
        }
    }
}

/// One request of HTTP/1.1 and its answer; `None` where the client has gone.
async fn exchange(
    stream: &mut tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    fake: &Mutex<Fake>,
) -> Option<()> {
    let mut request = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(request[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse::<usize>())
        });
        let length = length.unwrap().unwrap();
        if request.len() >= end + 4 + length {
            break (head, request[end + 4..].to_vec());
        }
    };
    let path = head.split(' ').nth(1).unwrap();
    let (status, answer) = fake.lock().unwrap().answer(path, &serde_json::from_slice(&body).unwrap());
    let body = if answer.is_null() { String::new() } else { answer.to_string() };
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let response = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{length}\r\n{body}");
    stream.write_all(response.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

type Changed<'a> = &'a dyn Fn(&mut Fake, &mut DownloadRequest);

/// A download from a server that `change` has changed; what came of it, what the server heard, and the LPA.
fn download(change: Changed<'_>) -> (Result<Report, LpaError>, Fake, Vec<&'static str>, Lpa<Wire>) {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let (_, mut server) = server(1);
        server.address = format!("{ADDRESS}:{}", local.port());
        let address = ServerAddress::parse(&server.address).unwrap();
        let mut request = DownloadRequest::new(address, MatchingId::parse("TOKEN").unwrap());
        let mut fake = Fake {
            server,
            prepare: Vec::new(),
            shown_metadata: None,
            change_package: |_| {},
            notification_status: 204,
            calls: Vec::new(),
            cancelled: None,
            hash_cc: None,
            lost_commands: &[],
        };
        change(&mut fake, &mut request);
        let lost_commands = fake.lost_commands;
        let fake = Arc::new(Mutex::new(fake));
        let chain = vec![PKI.dp_tls.certificate.der().to_vec()];
        let identity = TlsIdentity::new(chain, Arc::new(PKI.dp_tls.key.signing_key().unwrap())).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(&identity, None).unwrap()));
        let served = Arc::clone(&fake);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                while exchange(&mut stream, &served).await.is_some() {}
            }
        });
        let anchors = Arc::new(Anchors::new(vec![PKI.ci.certificate.clone()]).unwrap());
        let verifier = Arc::new(ServerVerifier::new(anchors, Clock::fixed(NOW)));
        let connect_to = ConnectTo { host: ADDRESS.to_owned(), address: local };
        let servers = Es9PlusClient::new(client_config(verifier, None).unwrap(), &[connect_to]).unwrap();
        let card = Card::in_memory(&material(), Clock::fixed(NOW), Rng::seeded(7)).unwrap();
        let mut lpa =
            Lpa::new(Es10Client::open(Wire(card, lost_commands)).unwrap(), servers, Clock::system());
        let mut steps = Vec::new();
        let outcome = lpa.download(&request, &mut |step, _| steps.push(step)).await;
        task.abort();
        let _ = task.await;
        let fake = Arc::into_inner(fake).unwrap().into_inner().unwrap();
        (outcome, fake, steps, lpa)
    })
}

fn a_download_is_made_and_reported_step_by_step() {
    let (outcome, fake, steps, mut lpa) = download(&|_, _| {});
    let report = outcome.unwrap();
    assert_eq!(report.delivery.sent, [1]);
    assert_eq!(report.profile_name, "Profile");
    assert_eq!(
        fake.calls,
        ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage", "handleNotification"]
    );
    assert_eq!(
        steps,
        [
            "ES10b.GetEUICCChallenge",
            "ES9+.InitiateAuthentication",
            "ES10b.AuthenticateServer",
            "ES9+.AuthenticateClient",
            "ES10b.PrepareDownload",
            "ES9+.GetBoundProfilePackage",
            "ES10b.LoadBoundProfilePackage",
            "ES9+.HandleNotification",
        ]
    );
    let profiles = lpa.card().get_profiles_info().unwrap();
    assert_eq!(profiles[0].iccid, report.iccid);
    assert!(lpa.card().list_notifications().unwrap().is_empty(), "removed once it was taken");
}

fn a_server_in_another_name_is_left() {
    let (outcome, fake, ..) = download(&|fake, _| fake.server.address = "other.example.com".to_owned());
    assert!(matches!(outcome, Err(LpaError::OtherAddress { .. })), "{outcome:?}");
    assert_eq!(fake.calls, ["initiateAuthentication"]);
}

fn the_activation_code_names_the_server() {
    let own = PKI.dp_auth.certificate.registered_id();
    let (outcome, ..) = download(&|_, request| request.smdp_oid = own.cloned());
    assert!(outcome.is_ok(), "{outcome:?}");
    let (outcome, fake, ..) = download(&|_, request| request.smdp_oid = Oid::parse("2.999.77"));
    assert!(matches!(outcome, Err(LpaError::OtherOid { .. })), "{outcome:?}");
    assert_eq!(fake.calls, ["initiateAuthentication"]);
}

fn decisions_of_the_user_end_the_session_with_their_reason() {
    let forbidding = described(&subscription(1).0.to_bcd(), profile_class::OPERATIONAL, 0b100);
    let cases: [(&str, Changed<'_>, u32); 4] = [
        ("rejected", &|_, request| request.decision = Decision::Reject, 0),
        ("postponed", &|_, request| request.decision = Decision::Postpone, 1),
        ("no code", &|fake, _| fake.server.cc_required = true, 1),
        ("policy rules", &|fake, _| fake.server.metadata = forbidding.clone(), 1),
    ];
    for (name, change, reason) in cases {
        let (outcome, fake, _, mut lpa) = download(change);
        assert!(outcome.is_err(), "{name}");
        assert_eq!(fake.cancelled, Some(reason), "{name}");
        assert_eq!(fake.calls, ["initiateAuthentication", "authenticateClient", "cancelSession"], "{name}");
        assert!(lpa.card().get_profiles_info().unwrap().is_empty());
    }
    let (outcome, ..) = download(&|fake, request| {
        fake.server.metadata = forbidding.clone();
        request.accept_policy_rules = true;
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

fn a_confirmation_code_is_proved_and_never_sent() {
    let (outcome, fake, ..) = download(&|fake, request| {
        fake.server.cc_required = true;
        fake.server.transaction_id = (0..16).collect();
        fake.server.bound_transaction_id = (0..16).collect();
        request.confirmation_code = Some("1234".to_owned());
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    let expected = "E62ED88864CCF99EBCC7C57C5A37641A99315C87F6151C3F4B77C920332E1177";
    assert_eq!(fake.hash_cc.map(hex::encode_upper).as_deref(), Some(expected));
    let (outcome, fake, ..) = download(&|_, request| request.confirmation_code = Some("1234".to_owned()));
    assert!(outcome.is_ok() && fake.hash_cc.is_none(), "not asked for, not given");
}

fn other_metadata_in_the_package_end_the_session() {
    let shown = described(&subscription(1).0.to_bcd(), profile_class::TEST, 0);
    let (outcome, fake, ..) = download(&|fake, _| fake.shown_metadata = Some(shown.clone()));
    assert!(matches!(outcome, Err(LpaError::MetadataMismatch)), "{outcome:?}");
    assert_eq!(fake.cancelled, Some(4));
}

fn a_package_that_cannot_be_cut_ends_the_session() {
    let (outcome, fake, ..) = download(&|fake, _| fake.change_package = |package| package.truncate(9));
    assert!(matches!(outcome, Err(LpaError::MetadataMismatch)), "{outcome:?}");
    assert_eq!(fake.cancelled, Some(4), "no package, no metadata");
    // The metadata are right, and a segment is longer than what is there.
    let (outcome, fake, ..) = download(&|fake, _| {
        fake.change_package = |package| {
            let place = package.windows(4).position(|window| window == [0x86, 0x82, 0x03, 0xF8]).unwrap();
            package[place + 2] = 0x7F;
        };
    });
    assert!(matches!(outcome, Err(LpaError::Card(Es10Error::Answer { .. }))), "{outcome:?}");
    assert_eq!(fake.cancelled, Some(5));
}

fn a_profile_that_is_not_installed_is_reported() {
    let (outcome, fake, _, mut lpa) = download(&|fake, _| {
        let length = fake.server.package.len();
        fake.server.package.truncate(length - 7);
    });
    assert!(matches!(outcome, Err(LpaError::NotInstalled { command: 5, reason: 12 })), "{outcome:?}");
    assert_eq!(fake.calls.last().unwrap(), "handleNotification");
    assert!(lpa.card().list_notifications().unwrap().is_empty());
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("installFailedDueToPEProcessingError"), "{text}");
}

fn a_server_that_the_card_refuses() {
    let (outcome, fake, ..) = download(&|fake, _| {
        fake.server.dp_auth = PKI.twin(Kind::DpAuth, Fault::WrongRole).unwrap().clone();
    });
    assert!(
        matches!(outcome, Err(LpaError::Card(Es10Error::Function { code: 5, name: "invalidOid", .. }))),
        "{outcome:?}"
    );
    assert_eq!(fake.calls, ["initiateAuthentication"]);
}

fn notifications_wait_for_their_turn() {
    let (outcome, fake, _, mut lpa) = download(&|fake, _| fake.notification_status = 500);
    let report = outcome.unwrap();
    assert_eq!(report.delivery.sent, [0; 0]);
    assert_eq!(report.delivery.kept[0].0, 1);
    assert_eq!(fake.calls.last().unwrap(), "handleNotification");
    // The profile is enabled; the server has gone. Each recipient is asked once, and all wait on.
    lpa.manage_profile(ProfileAction::Enable, &report.iccid).unwrap();
    lpa.manage_profile(ProfileAction::Disable, &report.iccid).unwrap();
    let mut asked = 0;
    let delivery = block_on(lpa.deliver(None, &mut |_, _| asked += 1)).unwrap();
    assert_eq!(delivery.kept.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(asked, 2, "the SM-DP+ by its port, and the address of the metadata");
    assert_eq!(lpa.card().list_notifications().unwrap().len(), 3);
}

fn a_card_that_fails_after_the_installation_is_told_in_the_report() {
    // ListNotification never arrives; the profile is installed all the same.
    let (outcome, fake, _, mut lpa) = download(&|fake, _| fake.lost_commands = &[0xBF, 0x28]);
    let report = outcome.unwrap();
    assert_eq!(lpa.card().get_profiles_info().unwrap()[0].iccid, report.iccid);
    assert_eq!(fake.calls.last().unwrap(), "getBoundProfilePackage");
    assert_eq!(report.delivery.sent, [0; 0]);
    let [(1, reason)] = report.delivery.kept.as_slice() else { panic!("{:?}", report.delivery) };
    assert!(reason.contains("the reader is gone"), "{reason}");
}
