//! The habits of clients in the field, one test each: what they do otherwise than the standard, or otherwise than others,
//! and that it works. Spelling of members, base64 and headers: [`crate::es9plus`]; ICCIDs of operators: [`crate::es2plus`];
//! certificates that end in the year 7496: [`crate::pki`].

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::{Value, json};
use simyard::ident::Iccid;
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Reader, Tag};

use crate::server::euicc::{base64, from_base64, info2, nested, octets, otpk, tlv};
use crate::server::{ADDRESS, Euicc, Initiated, Interface, Offer, OrderOptions, PROFILE_TYPE, TestServer};

crate::tests!(
    a_connection_for_each_call,
    transaction_identifiers_in_the_case_that_the_client_prefers,
    the_port_of_the_url_in_smdp_address,
    cancel_session_after_a_failed_authenticate_client,
    a_matching_identifier_that_is_empty_or_absent,
    euicc_info2_with_less_and_with_more_than_the_standard_has,
    http_1_0_and_connections_closed_by_the_client,
    content_types_of_every_kind,
    one_call_identifier_for_all_calls_of_a_second,
    iccids_padded_with_f_in_every_function,
);

/// One call on a connection of its own, which the client closes behind the answer.
fn alone(server: &TestServer, function: &str, body: &Value) -> Result<Value, String> {
    let client = server.http(None, server.socket(Interface::Es9Plus));
    let request = client
        .post(format!("https://{ADDRESS}/gsma/rsp2/es9plus/{function}"))
        .header("Connection", "close")
        .header("Content-Type", "application/json")
        .header("X-Admin-Protocol", "gsma/rsp/v2.2.2")
        .header("User-Agent", "gsma-rsp-lpad");
    let reply = server.try_send(request.body(body.to_string())).unwrap();
    if reply.status == 204 { Ok(Value::Null) } else { reply.outcome() }
}

/// A session hangs on its transactionId alone.
fn a_connection_for_each_call() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let order = server.order(OrderOptions::default());
    let answer = alone(&server, "initiateAuthentication", &euicc.initiation()).unwrap();
    let initiated = Initiated {
        transaction_id: answer["transactionId"].as_str().unwrap().to_owned(),
        server_signed1: from_base64(&answer["serverSigned1"]),
    };
    let id = initiated.transaction_id.clone();
    let response = euicc.authentication(&euicc.signed1(&initiated, Some(&order.matching_id))).to_der();
    let body = json!({ "transactionId": id, "authenticateServerResponse": base64(&response) });
    let answer = alone(&server, "authenticateClient", &body).unwrap();
    let offer = Offer {
        transaction_id: id.clone(),
        smdp_signed2: from_base64(&answer["smdpSigned2"]),
        smdp_signature2: from_base64(&answer["smdpSignature2"]),
        answer,
    };
    let prepared = euicc.preparation(&offer, &octets(&id), &otpk(1), None);
    let body = json!({ "transactionId": id, "prepareDownloadResponse": base64(&prepared) });
    alone(&server, "getBoundProfilePackage", &body).unwrap();
    let result = euicc.result(&octets(&id), &order.iccid, 1, None);
    alone(&server, "handleNotification", &json!({ "pendingNotification": base64(&result) })).unwrap();
    assert_eq!(server.state(&order.iccid), "Installed");
}

/// Some send upper case, some lower; the octets are compared, from the first call to the last.
fn transaction_identifiers_in_the_case_that_the_client_prefers() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    for spell in [str::to_lowercase, str::to_uppercase] {
        let order = server.order(OrderOptions::default());
        let mut offer = server.authenticate(&euicc, Some(&order.matching_id)).unwrap();
        offer.transaction_id = spell(&offer.transaction_id);
        let id = octets(&offer.transaction_id);
        let prepared = euicc.preparation(&offer, &id, &otpk(1), None);
        let body =
            json!({ "transactionId": offer.transaction_id, "prepareDownloadResponse": base64(&prepared) });
        let answer = server.es9plus("getBoundProfilePackage", &body).unwrap();
        assert_eq!(answer["transactionId"], offer.transaction_id.to_uppercase());
        assert_eq!(server.notify(&euicc.result(&id, &order.iccid, 1, None)), 204);
        assert_eq!(server.state(&order.iccid), "Installed");
    }
}

/// Clients put the port of their URL into smdpAddress: it is served where it is configured.
fn the_port_of_the_url_in_smdp_address() {
    let server = TestServer::start();
    let mut body = Euicc::new(0).initiation();
    for (address, expected) in [
        ("second.example.com:8443", Ok(())),
        ("Second.Example.com:8443", Ok(())),
        ("second.example.com", Err("8.8.1/3.8")),
        ("second.example.com:443", Err("8.8.1/3.8")),
    ] {
        body["smdpAddress"] = address.into();
        let outcome = server.es9plus("initiateAuthentication", &body).map(drop);
        assert_eq!(outcome, expected.map_err(str::to_owned), "{address}");
    }
}

/// It is answered with a status, not with an error of the server.
fn cancel_session_after_a_failed_authenticate_client() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let initiated = server.initiate(&euicc);
    let response = euicc.authentication(&euicc.signed1(&initiated, Some("NO-SUCH-ORDER"))).to_der();
    let refused = server.authenticate_with(&initiated.transaction_id, &response);
    assert_eq!(refused.unwrap_err(), "8.2.6/3.8");
    for reason in [0, 127] {
        let cancelled = server.cancel(&euicc, &initiated.transaction_id, reason);
        assert_eq!(cancelled.unwrap_err(), "8.10.1/3.9");
    }
}

/// The default SM-DP+ address: some leave the member out, some send it empty.
fn a_matching_identifier_that_is_empty_or_absent() {
    let server = TestServer::start();
    for (number, matching_id) in [(0, None), (1, Some(""))] {
        let euicc = Euicc::new(number);
        let eid = euicc.eid.as_str();
        let order =
            server.order(OrderOptions { eid: Some(eid), matching_id: Some(""), ..OrderOptions::default() });
        let offer = server.authenticate(&euicc, matching_id).unwrap();
        server.package(&euicc, &offer, &otpk(1), None).unwrap();
        assert_eq!(server.state(&order.iccid), "Downloaded");
    }
}

/// Members that some leave out are not asked for, and those of later versions are passed over.
fn euicc_info2_with_less_and_with_more_than_the_standard_has() {
    let server = TestServer::start();
    let euicc = Euicc::new(0);
    let full = info2(NamedBits(0), &[]);
    let members = |kept: &dyn Fn(Tag) -> bool, behind: &[u8]| {
        let outer = Reader::new(&full, "EUICCInfo2").read().unwrap();
        let mut reader = outer.members("EUICCInfo2");
        let mut octets = Vec::new();
        while !reader.is_empty() {
            let member = reader.read().unwrap();
            if kept(member.tag) {
                octets.extend_from_slice(member.raw);
            }
        }
        octets.extend_from_slice(behind);
        tlv(outer.tag, &octets)
    };
    let later = [tlv(Tag(0x8F), &[1]), nested(Tag(0xB7), &[&tlv(Tag(0x80), &[7; 9])])].concat();
    for (what, info) in [
        (
            "without euiccCategory and certificationDataObject",
            members(&|tag| ![0x8B, 0xAC].contains(&tag.0), &[]),
        ),
        ("with members of a later version", members(&|_| true, &later)),
        ("both", members(&|tag| ![0x8B, 0xAC].contains(&tag.0), &later)),
    ] {
        let order = server.order(OrderOptions::default());
        let initiated = server.initiate(&euicc);
        let mut signed1 = euicc.signed1(&initiated, Some(&order.matching_id));
        signed1.info2 = info;
        let response = euicc.authentication(&signed1).to_der();
        let offer = server.authenticate_with(&initiated.transaction_id, &response);
        assert!(offer.is_ok(), "{what}: {:?}", offer.err());
    }
}

/// All that the server says on one connection to a request as it is written, until it closes.
fn raw(server: &TestServer, request: &str) -> String {
    let tls = Arc::new(server.tls(Interface::Es9Plus));
    let host = rustls_pki_types::ServerName::try_from(ADDRESS).unwrap();
    let connection = rustls::ClientConnection::new(tls, host).unwrap();
    let socket = TcpStream::connect(server.socket(Interface::Es9Plus)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    stream.write_all(request.as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut said = Vec::new();
    // Some ends are orderly, some are not.
    let _ = stream.read_to_end(&mut said);
    String::from_utf8(said).unwrap()
}

/// Small stacks speak HTTP/1.0, without Host, and know no chunks.
fn http_1_0_and_connections_closed_by_the_client() {
    let server = TestServer::start();
    let body = Euicc::new(0).initiation().to_string();
    let path = "/gsma/rsp2/es9plus/initiateAuthentication";
    for head in [
        format!("POST {path} HTTP/1.0\r\n"),
        format!("POST {path} HTTP/1.0\r\nHost: {ADDRESS}\r\nConnection: close\r\n"),
        format!("POST {path} HTTP/1.1\r\nhost: {ADDRESS}\r\nconnection: Close\r\nExpect: 100-continue\r\n"),
    ] {
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let said = raw(&server, &request);
        assert!(said.contains(" 200 OK\r\n"), "{said}");
        assert!(said.contains("\"Executed-Success\"") && !said.contains("chunked"), "{said}");
    }
}

fn content_types_of_every_kind() {
    let server = TestServer::start();
    let body = Euicc::new(0).initiation().to_string();
    for content_type in [
        None,
        Some("application/json"),
        Some("application/json;charset=UTF-8"),
        Some("application/json; charset=utf-8"),
        Some("Application/JSON"),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("no content type at all"),
    ] {
        let client = server.client(Interface::Es9Plus);
        let request = client.post(format!("https://{ADDRESS}/gsma/rsp2/es9plus/initiateAuthentication"));
        let request = match content_type {
            Some(content_type) => request.header("Content-Type", content_type),
            None => request,
        };
        let reply = server.try_send(request.body(body.clone())).unwrap();
        assert!(reply.outcome().is_ok(), "{content_type:?}");
        assert_eq!(reply.content_type.as_deref(), Some("application/json;charset=UTF-8"));
    }
}

/// `FCI-<second>-1` in every process: two functions, and two orders, under one identifier.
fn one_call_identifier_for_all_calls_of_a_second() {
    let server = TestServer::start();
    let call = |function: &str, mut body: Value| {
        body["header"] = json!({ "functionRequesterIdentifier": "2.999.20", "functionCallIdentifier": "FCI-1795329780-1" });
        server.es2plus(function, body)
    };
    let ordered = call("downloadOrder", json!({ "profileType": PROFILE_TYPE })).unwrap();
    let confirmed = call("confirmOrder", json!({ "iccid": ordered["iccid"], "releaseFlag": false })).unwrap();
    assert!(confirmed["matchingId"].as_str().is_some_and(|id| !id.is_empty()));
    call("releaseProfile", json!({ "iccid": ordered["iccid"] })).unwrap();
    let iccid = Iccid::parse(ordered["iccid"].as_str().unwrap()).unwrap();
    assert_eq!(server.state(&iccid), "Released");
    // Another order of the same second, by its ICCID or after the first was confirmed.
    let other = server.any_available();
    call("downloadOrder", json!({ "iccid": other.as_str() })).unwrap();
    call("confirmOrder", json!({ "iccid": other.as_str(), "releaseFlag": true })).unwrap();
    let next = call("downloadOrder", json!({ "profileType": PROFILE_TYPE })).unwrap();
    assert_ne!(next["iccid"], ordered["iccid"]);
    let status = "Available";
    let cancelled = json!({
        "iccid": ordered["iccid"],
        "matchingId": confirmed["matchingId"],
        "finalProfileStatusIndicator": status,
    });
    call("cancelOrder", cancelled).unwrap();
    assert_eq!(server.state(&iccid), status);
}

/// An ICCID of 19 digits comes with an F behind it, in either case, and goes back so.
fn iccids_padded_with_f_in_every_function() {
    let server = TestServer::start();
    let file = "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n\
        8988280999999999998,901405199999999,465b5ce8b199b49faa5f0a2ee238a6bc,cd63cb71954a9f4e48a5994e37a02baf,\
        1234,12345678,5678,87654321,11223344\n";
    server.ingest_file(file.as_bytes(), "acme", PROFILE_TYPE).unwrap();
    let (upper, lower) = ("8988280999999999998F", "8988280999999999998f");
    let answer = server.es2plus("downloadOrder", json!({ "iccid": upper })).unwrap();
    assert_eq!(answer["iccid"], upper);
    let answer = server.es2plus("confirmOrder", json!({ "iccid": lower, "releaseFlag": false })).unwrap();
    let matching_id = answer["matchingId"].clone();
    server.es2plus("releaseProfile", json!({ "iccid": upper })).unwrap();
    let cancel =
        json!({ "iccid": lower, "matchingId": matching_id, "finalProfileStatusIndicator": "Available" });
    server.es2plus("cancelOrder", cancel).unwrap();
    assert_eq!(server.state(&Iccid::parse(upper).unwrap()), "Available");
}
