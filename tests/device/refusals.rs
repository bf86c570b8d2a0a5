//! What a card refuses and by which code: AuthenticateServer and PrepareDownload (SGP.22 5.7.13, 5.7.5), and the
//! installation (5.5, 2.5.6). In each case one thing differs from a download that succeeds.

use simyard::crypto::bsp::SessionKeys;
use simyard::pki::test_pki::{Fault, Kind};
use simyard_asn1::Decode;
use simyard_asn1::rsp::authentication::{AuthenticateServerRequest, AuthenticateServerResponse};
use simyard_asn1::rsp::download::{CancelSessionResponse, PrepareDownloadRequest, PrepareDownloadResponse};
use simyard_asn1::rsp::metadata::profile_class;
use simyard_asn1::rsp::notification::{FinalResult, ProfileInstallationResult};
use simyard_asn1::saip::{EuiccResponse, MAX_PACKAGE, status};

use super::world::{
    Device, PKI, Server, TRANSACTION, challenge, described, key, load, metadata, signature_tlv,
};
use super::{outcome, server, subscription};

crate::tests!(
    authenticate_server_answers_with_its_codes,
    prepare_download_answers_with_its_codes,
    cancel_session_answers_with_its_codes,
    a_changed_octet_of_the_package_ends_the_installation,
    a_package_in_another_order_ends_the_installation,
    what_the_server_signed_wrongly_ends_the_installation,
    metadata_that_cannot_be_installed,
    a_package_that_no_card_could_keep_is_refused_by_its_header,
    profile_elements_that_cannot_be_installed,
    the_kept_one_time_key_is_used_again,
    protected_in_advance_or_not,
    a_load_without_a_session_is_refused,
);

/// The place of the n-th occurrence of octets.
fn find(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|window| window == needle).expect("the octets are there")
}

fn authentication_code(response: &[u8]) -> Option<u32> {
    match AuthenticateServerResponse::from_der(response).unwrap() {
        AuthenticateServerResponse::Ok(_) => None,
        AuthenticateServerResponse::Error(error) => {
            assert_eq!(error.transaction_id, TRANSACTION);
            Some(error.code)
        }
    }
}

fn authenticate_server_answers_with_its_codes() {
    type Change = fn(&mut Server, &mut [u8; 16]);
    let cases: &[(&str, Change, Option<u32>)] = &[
        ("nothing", |_, _| {}, None),
        (
            "an expired certificate",
            |server, _| server.dp_auth = PKI.twin(Kind::DpAuth, Fault::Expired).unwrap().clone(),
            Some(1),
        ),
        (
            "a certificate with a wrong signature",
            |server, _| server.dp_auth = PKI.twin(Kind::DpAuth, Fault::BadSignature).unwrap().clone(),
            Some(1),
        ),
        (
            "a certificate that signs itself",
            |server, _| server.dp_auth = PKI.twin(Kind::DpAuth, Fault::SelfSigned).unwrap().clone(),
            Some(7),
        ),
        (
            "a certificate of another CI",
            |server, _| server.dp_auth = PKI.twin(Kind::DpAuth, Fault::UnknownCi).unwrap().clone(),
            Some(7),
        ),
        (
            "a certificate of another role",
            |server, _| server.dp_auth = PKI.twin(Kind::DpAuth, Fault::WrongRole).unwrap().clone(),
            Some(5),
        ),
        ("the DPpb certificate", |server, _| server.dp_auth = PKI.dp_pb.clone(), Some(5)),
        ("another challenge", |_, challenge| challenge[0] ^= 1, Some(6)),
    ];
    for (name, change, code) in cases {
        let mut device = Device::new();
        let (_, mut server) = server(1);
        let mut challenge = challenge(&mut device);
        change(&mut server, &mut challenge);
        let response = device.es10(&server.authenticate(&challenge)).data;
        assert_eq!(authentication_code(&response), *code, "{name}");
    }
    // Without a challenge, and with one that was used.
    let mut device = Device::new();
    let (_, server) = server(1);
    assert_eq!(authentication_code(&device.es10(&server.authenticate(&[0; 16])).data), Some(4));
    let used = challenge(&mut device);
    assert_eq!(authentication_code(&device.es10(&server.authenticate(&used)).data), None);
    assert_eq!(authentication_code(&device.es10(&server.authenticate(&used)).data), Some(4));

    // One changed octet, wherever it stands.
    let fresh = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut device = Device::new();
        let challenge = challenge(&mut device);
        let mut request = server.authenticate(&challenge);
        change(&mut request);
        let response = device.es10(&request);
        (response.status.is_ok()).then(|| authentication_code(&response.data))
    };
    let at = |what: &'static str, request: &[u8]| match what {
        "address" => find(request, b"smdp.example.com"),
        "serverChallenge" => find(request, &[0xC5; 16]),
        "signature r" => find(request, &[0x5F, 0x37, 0x40]) + 3,
        "signature s" => find(request, &[0x5F, 0x37, 0x40]) + 66,
        "ciPKId" => find(request, &[0x04, 0x14]) + 2,
        "certificate" => {
            let parsed = AuthenticateServerRequest::from_der(request).unwrap();
            let start = find(request, parsed.server_certificate);
            start + find(parsed.server_certificate, b"Simyard TEST SM-DP+")
        }
        "certificate signature" => {
            let parsed = AuthenticateServerRequest::from_der(request).unwrap();
            find(request, parsed.server_certificate) + parsed.server_certificate.len() - 1
        }
        "length of serverSigned1" => find(request, &TRANSACTION) - 3,
        "length of the signature" => find(request, &[0x5F, 0x37, 0x40]) + 2,
        "length of the certificate" => {
            let parsed = AuthenticateServerRequest::from_der(request).unwrap();
            find(request, parsed.server_certificate) + 3
        }
        _ => unreachable!("{what}"),
    };
    for (what, code) in [
        ("address", 2),
        ("serverChallenge", 2),
        ("signature r", 2),
        ("signature s", 2),
        ("ciPKId", 7),
        ("certificate", 1),
        ("certificate signature", 1),
        ("length of serverSigned1", 127),
        ("length of the signature", 127),
        ("length of the certificate", 127),
    ] {
        let answer = fresh(&|request| {
            let place = at(what, request);
            request[place] ^= 1;
        });
        assert_eq!(answer, Some(Some(code)), "{what}");
    }
}

fn download_code(response: &[u8]) -> Option<u32> {
    match PrepareDownloadResponse::from_der(response).unwrap() {
        PrepareDownloadResponse::Ok { .. } => None,
        PrepareDownloadResponse::Error { code, .. } => Some(code),
    }
}

fn prepare_download_answers_with_its_codes() {
    type Change = fn(&mut Server);
    let cases: &[(&str, Change, Option<u32>)] = &[
        ("nothing", |_| {}, None),
        (
            "an expired certificate",
            |server| server.dp_pb = PKI.twin(Kind::DpPb, Fault::Expired).unwrap().clone(),
            Some(1),
        ),
        (
            "a certificate for another SM-DP+",
            |server| server.dp_pb = PKI.twin(Kind::DpPb, Fault::OtherOid).unwrap().clone(),
            Some(1),
        ),
        (
            "a certificate of another CI",
            |server| server.dp_pb = PKI.twin(Kind::DpPb, Fault::UnknownCi).unwrap().clone(),
            Some(1),
        ),
        ("the DPauth certificate", |server| server.dp_pb = PKI.dp_auth.clone(), Some(1)),
        ("another transaction", |server| server.transaction_id[0] ^= 1, Some(5)),
    ];
    for (name, change, code) in cases {
        let mut device = Device::new();
        let (_, mut server) = server(1);
        let challenge = challenge(&mut device);
        let authenticated = device.es10(&server.authenticate(&challenge)).data;
        change(&mut server);
        let response = device.es10(&server.prepare(&authenticated)).data;
        assert_eq!(download_code(&response), *code, "{name}");
    }
    let (_, server) = server(1);
    let prepared = |device: &mut Device| {
        let challenge = challenge(device);
        let authenticated = device.es10(&server.authenticate(&challenge)).data;
        server.prepare(&authenticated)
    };
    // No session, and a session that another challenge has ended.
    let mut device = Device::new();
    let request = prepared(&mut device);
    challenge(&mut device);
    assert_eq!(download_code(&device.es10(&request).data), Some(4));
    // A session of the same transaction but another signature of the card: smdpSignature2 covers it.
    let (mut device, mut other) = (Device::new(), Device::new());
    let request = prepared(&mut device);
    prepared(&mut other);
    assert_eq!(download_code(&other.es10(&request).data), Some(2));
    for (what, code) in [
        ("ccRequiredFlag", 2),
        ("signature", 2),
        ("certificate", 1),
        ("certificate signature", 1),
        ("length of smdpSigned2", 127),
        ("length of the signature", 127),
        ("length of the certificate", 127),
    ] {
        let mut device = Device::new();
        let mut request = prepared(&mut device);
        let certificate = {
            let parsed = PrepareDownloadRequest::from_der(&request).unwrap();
            (find(&request, parsed.smdp_certificate), parsed.smdp_certificate.len())
        };
        let (place, bits) = match what {
            "ccRequiredFlag" => (find(&request, &[0x01, 0x01, 0x00]) + 2, 0xFF),
            "signature" => (find(&request, &[0x5F, 0x37, 0x40]) + 10, 1),
            "certificate" => (find(&request, b"Simyard TEST SM-DP+"), 1),
            "certificate signature" => (certificate.0 + certificate.1 - 1, 1),
            "length of smdpSigned2" => (find(&request, &TRANSACTION) - 3, 1),
            "length of the signature" => (find(&request, &[0x5F, 0x37, 0x40]) + 2, 1),
            _ => (certificate.0 + 3, 1),
        };
        request[place] ^= bits;
        assert_eq!(download_code(&device.es10(&request).data), Some(code), "{what}");
    }
}

fn cancel_session_answers_with_its_codes() {
    let mut device = Device::new();
    let cancel = "BF4115 8010 5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A 810101";
    assert_eq!(device.call(cancel), [0xBF, 0x41, 0x03, 0x81, 0x01, 0x05], "no session");
    let (_, server) = server(1);
    let challenge = challenge(&mut device);
    let authenticated = device.es10(&server.authenticate(&challenge)).data;
    let other = cancel.replace("BF4115 8010 5A", "BF4115 8010 5B");
    assert_eq!(device.call(&other), [0xBF, 0x41, 0x03, 0x81, 0x01, 0x05], "another transaction");
    device.es10(&server.prepare(&authenticated));
    let answer = device.call(cancel);
    let CancelSessionResponse::Ok { signed, signature } = CancelSessionResponse::from_der(&answer).unwrap()
    else {
        panic!("{}", hex::encode_upper(&answer));
    };
    assert_eq!((signed.value.reason, signed.value.transaction_id), (1, &TRANSACTION[..]));
    assert_eq!(Some(&signed.value.smdp_oid), PKI.dp_auth.certificate.registered_id());
    PKI.euicc.certificate.public_key().unwrap().verify(signed.bytes, signature).unwrap();
    assert_eq!(device.call(cancel), [0xBF, 0x41, 0x03, 0x81, 0x01, 0x05], "the session has ended");
}

/// Loads parts that were changed; the card's outcome.
fn refused(server: &Server, change: impl Fn(&mut Vec<Vec<u8>>)) -> Option<(u32, u32)> {
    let mut device = Device::new();
    let mut parts = server.parts(&mut device);
    change(&mut parts);
    let report = load(&mut device, &parts);
    let outcome = outcome(&report);
    let state = device.card.state();
    assert_eq!(state.profiles.len(), usize::from(outcome.is_none()));
    assert_eq!(state.notifications.len(), 1, "each end is reported");
    assert_eq!(state.notifications[0].der, report);
    outcome
}

fn a_changed_octet_of_the_package_ends_the_installation() {
    let (_, mut server) = server(1);
    server.ppk = Some(SessionKeys::from_octets(&[0x77; 48]));
    assert_eq!(refused(&server, |_| {}), None);
    // The parts: BF36+BF23, A0, A1, 88, A2, A3, 86 …
    let in_bf23 = |tag: &'static [u8], beyond: usize| {
        move |parts: &mut Vec<Vec<u8>>| {
            let place = find(&parts[0], tag) + beyond;
            parts[0][place] ^= 1;
        }
    };
    let octet = |part: usize, place: isize| {
        move |parts: &mut Vec<Vec<u8>>| {
            let length = parts[part].len() as isize;
            let place = if place < 0 { length + place } else { place };
            parts[part][place as usize] ^= 1;
        }
    };
    type Change = Box<dyn Fn(&mut Vec<Vec<u8>>)>;
    let cases: Vec<(&str, Change, (u32, u32))> = vec![
        ("transactionId", Box::new(in_bf23(&TRANSACTION, 0)), (0, 2)),
        ("hostId", Box::new(in_bf23(&[0x84, 0x04], 2)), (0, 2)),
        ("smdpOtpk", Box::new(in_bf23(&[0x5F, 0x49, 0x41], 10)), (0, 2)),
        ("smdpSign", Box::new(in_bf23(&[0x5F, 0x37, 0x40], 3)), (0, 2)),
        ("keyType", Box::new(in_bf23(&[0x80, 0x01, 0x88], 2)), (0, 2)),
        ("remoteOpId", Box::new(in_bf23(&[0x82, 0x01, 0x01], 2)), (0, 2)),
        ("length of BF23", Box::new(octet(0, 7)), (0, 1)),
        ("length of smdpSign", Box::new(in_bf23(&[0x5F, 0x37, 0x40], 2)), (0, 1)),
        ("length of hostId", Box::new(in_bf23(&[0x84, 0x04], 1)), (0, 1)),
        ("ciphertext of ConfigureISDP", Box::new(octet(1, 5)), (1, 8)),
        ("MAC of ConfigureISDP", Box::new(octet(1, -1)), (1, 8)),
        ("tag of ConfigureISDP", Box::new(octet(1, 2)), (1, 7)),
        ("length of ConfigureISDP", Box::new(octet(1, 3)), (1, 7)),
        ("length of A0", Box::new(octet(1, 1)), (1, 7)),
        ("length of A1", Box::new(octet(2, 1)), (2, 7)),
        ("data of StoreMetadata", Box::new(octet(3, 20)), (2, 8)),
        ("MAC of StoreMetadata", Box::new(octet(3, -8)), (2, 8)),
        // A shorter TLV is one, with another MAC; a longer one is cut off.
        ("shorter StoreMetadata", Box::new(|parts| parts[3][1] -= 1), (2, 8)),
        ("longer StoreMetadata", Box::new(|parts| parts[3][1] += 1), (2, 7)),
        ("tag of StoreMetadata", Box::new(octet(3, 0)), (2, 7)),
        ("ciphertext of ReplaceSessionKeys", Box::new(octet(4, 10)), (4, 8)),
        ("MAC of ReplaceSessionKeys", Box::new(octet(4, -3)), (4, 8)),
        ("length of ReplaceSessionKeys", Box::new(octet(4, 3)), (4, 7)),
        ("length of A3", Box::new(octet(5, -1)), (5, 7)),
        ("ciphertext of the first 86", Box::new(octet(6, 100)), (5, 8)),
        ("MAC of the first 86", Box::new(octet(6, -1)), (5, 8)),
        ("length of the first 86", Box::new(octet(6, 3)), (5, 7)),
        ("tag of the first 86", Box::new(octet(6, 0)), (5, 7)),
        ("MAC of the second 86", Box::new(octet(7, -4)), (5, 8)),
    ];
    for (name, change, expected) in cases {
        assert_eq!(refused(&server, change), Some(expected), "{name}");
    }
}

fn a_package_in_another_order_ends_the_installation() {
    let (_, server) = server(1);
    // The parts: BF36+BF23, A0, A1, 88, A3, 86 …
    type Change = fn(&mut Vec<Vec<u8>>);
    let cases: &[(&str, Change, (u32, u32))] = &[
        ("without ConfigureISDP", |parts| drop(parts.remove(1)), (1, 7)),
        ("StoreMetadata before its sequence", |parts| parts.swap(2, 3), (2, 7)),
        ("without StoreMetadata", |parts| drop(parts.drain(2..4)), (2, 7)),
        ("profile elements before their sequence", |parts| parts.swap(4, 5), (5, 7)),
        ("two segments exchanged", |parts| parts.swap(5, 6), (5, 8)),
        ("a segment twice", |parts| parts.insert(6, parts[5].clone()), (5, 8)),
        ("a segment left out", |parts| drop(parts.remove(5)), (5, 8)),
        ("ConfigureISDP twice", |parts| parts.insert(2, parts[1].clone()), (2, 7)),
        (
            "a segment longer than allowed",
            |parts| {
                let mut long = vec![0x86, 0x82, 0x04, 0x00];
                long.extend([0; 0x400]);
                parts[5] = long;
            },
            (5, 7),
        ),
    ];
    for (name, change, expected) in cases {
        assert_eq!(refused(&server, change), Some(*expected), "{name}");
    }
}

fn what_the_server_signed_wrongly_ends_the_installation() {
    type Change = fn(&mut Server);
    let cases: &[(&str, Change, (u32, u32))] = &[
        ("another transaction", |server| server.bound_transaction_id[3] ^= 1, (0, 3)),
        ("another operation", |server| server.remote_op_id = 2, (0, 5)),
        ("another key type", |server| server.key_type = 0x80, (0, 4)),
    ];
    for (name, change, expected) in cases {
        let (_, mut server) = server(1);
        change(&mut server);
        assert_eq!(refused(&server, |_| {}), Some(*expected), "{name}");
    }
    // A signature by another key than that of the DPpb certificate.
    let (_, server) = server(1);
    let stranger = key(&PKI.dp_auth);
    let outcome = refused(&server, |parts| {
        let place = find(&parts[0], &[0x5F, 0x37, 0x40]);
        let signature = stranger.sign(b"something else").unwrap();
        parts[0][place..].copy_from_slice(&signature_tlv(&signature));
    });
    assert_eq!(outcome, Some((0, 2)));
}

fn metadata_that_cannot_be_installed() {
    let (iccid, package) = subscription(1);
    let iccid = iccid.to_bcd();
    let with = |metadata: Vec<u8>| Server::new(metadata, package.clone());
    for class in [profile_class::TEST, profile_class::PROVISIONING] {
        assert_eq!(refused(&with(described(&iccid, class, 0)), |_| {}), None);
    }
    assert_eq!(refused(&with(described(&iccid, 9, 0)), |_| {}), Some((2, 6)), "an unknown class");
    let mut broken = metadata(&iccid);
    broken[4] = 0x5B;
    assert_eq!(refused(&with(broken), |_| {}), Some((2, 1)), "no metadata");
    assert_eq!(refused(&with(Vec::new()), |_| {}), Some((2, 7)), "an empty sequence");
    // An ICCID twice, and a profile that may not be disabled beside another one.
    let mut device = Device::new();
    assert_eq!(outcome(&with(metadata(&iccid)).download(&mut device)), None);
    assert_eq!(outcome(&with(metadata(&iccid)).download(&mut device)), Some((2, 9)));
    let (other, package) = subscription(2);
    let forbidden = Server::new(described(&other.to_bcd(), profile_class::OPERATIONAL, 0b10), package);
    assert_eq!(outcome(&forbidden.download(&mut device)), Some((2, 15)));
    // The card is full.
    let mut device = Device::new();
    for number in 0..16 {
        let (_, server) = server(number);
        assert_eq!(outcome(&server.download(&mut device)), None);
    }
    assert_eq!(outcome(&server(16).1.download(&mut device)), Some((2, 10)));
}

fn a_package_that_no_card_could_keep_is_refused_by_its_header() {
    let (iccid, _) = subscription(1);
    // The header of `A3` is the fifth part: nothing of the package itself has come.
    let header_of = |octets: usize| {
        let mut device = Device::new();
        let parts = Server::new(metadata(&iccid.to_bcd()), vec![0; octets]).parts(&mut device);
        let answers = parts[..5].iter().map(|part| device.es10(part).data);
        answers.collect::<Vec<_>>().concat()
    };
    assert!(header_of(MAX_PACKAGE).is_empty(), "the largest package is waited for");
    assert_eq!(outcome(&header_of(MAX_PACKAGE + 1008)), Some((5, 10)));
}

/// The statuses of the elements in a report.
fn element_status(report: &[u8]) -> (u16, Option<u16>) {
    let report = ProfileInstallationResult::from_der(report).unwrap();
    let FinalResult::Error { sima_response: Some(response), .. } = report.data.value.final_result else {
        panic!("no EUICCResponse");
    };
    let response = EuiccResponse::from_der(response).unwrap();
    assert!(response.aborted);
    (response.statuses[0].status, response.statuses[0].identification)
}

fn profile_elements_that_cannot_be_installed() {
    let (iccid, package) = subscription(1);
    let (_, other_package) = subscription(2);
    let elements = |package: &[u8]| {
        let package = simyard_asn1::saip::Package::from_der(package).unwrap();
        package.elements().iter().map(|element| element.tlv.raw.to_vec()).collect::<Vec<_>>()
    };
    let own = elements(&package);
    let report = |package: Vec<u8>| {
        let mut device = Device::new();
        Server::new(metadata(&iccid.to_bcd()), package).download(&mut device)
    };
    // EF.ICCID differs from the header.
    let header_of_other = [&elements(&other_package)[..1], &own[1..]].concat().concat();
    assert_eq!(outcome(&report(header_of_other)), Some((5, 13)), "EF.ICCID");
    assert_eq!(outcome(&report(other_package)), Some((5, 13)), "metadata");
    let mut cases: Vec<(&str, Vec<u8>, u16)> = Vec::new();
    cases.push(("no End", own[..own.len() - 1].concat(), status::INVALID_REQUEST_FORMAT));
    let last = own.last().unwrap().clone();
    let mut after = own.clone();
    after.push([0xAA, 0x05, 0xA0, 0x03, 0x81, 0x01, 0x7F].to_vec());
    cases.push(("something after End", after.concat(), status::INVALID_REQUEST_FORMAT));
    let mut swapped = own.clone();
    swapped.swap(0, 1);
    cases.push(("the MF before the header", swapped.concat(), status::INVALID_REQUEST_FORMAT));
    let mut late = own.clone();
    let mf = late.remove(1);
    late.insert(3, mf);
    cases.push(("the MF too late", late.concat(), status::INVALID_REQUEST_FORMAT));
    cases.push(("half of an element", package[..package.len() - 3].to_vec(), status::INVALID_REQUEST_FORMAT));
    cases.push(("End alone", last, status::INVALID_REQUEST_FORMAT));
    for (name, package, status) in cases {
        let report = report(package);
        assert_eq!(outcome(&report), Some((5, 12)), "{name}");
        assert_eq!(element_status(&report).0, status, "{name}");
    }
}

fn the_kept_one_time_key_is_used_again() {
    let mut device = Device::new();
    let (_, mut server) = server(1);
    let one_time_key = |device: &mut Device, server: &Server| {
        let challenge = challenge(device);
        let authenticated = device.es10(&server.authenticate(&challenge)).data;
        let prepare = server.prepare(&authenticated);
        let prepared = device.es10(&prepare).data;
        Server::euicc_one_time_key(&prepare, &prepared)
    };
    let first = one_time_key(&mut device, &server);
    assert_ne!(one_time_key(&mut device, &server), first, "without a request each session has its own");
    let second = one_time_key(&mut device, &server);
    server.bpp_euicc_otpk = Some(second.as_point().to_vec());
    assert_eq!(one_time_key(&mut device, &server), second, "the server still has the package");
    // Once a package has been installed with it, it is gone.
    assert_eq!(outcome(&server.download(&mut device)), None);
    assert_ne!(one_time_key(&mut device, &server), second);
}

fn protected_in_advance_or_not() {
    for ppk in [None, Some(SessionKeys::from_octets(&[0x33; 48]))] {
        let (_, mut server) = server(1);
        server.ppk = ppk;
        let mut device = Device::new();
        let parts = server.parts(&mut device);
        assert_eq!(parts.iter().any(|part| part[0] == 0xA2), server.ppk.is_some());
        assert_eq!(outcome(&load(&mut device, &parts)), None);
    }
    // All parts together in one command.
    let (_, server) = server(1);
    let mut device = Device::new();
    let whole = server.parts(&mut device).concat();
    assert_eq!(outcome(&load(&mut device, &[whole])), None);
}

fn a_load_without_a_session_is_refused() {
    let (_, server) = server(1);
    let mut device = Device::new();
    let parts = server.parts(&mut device);
    let mut other = Device::new();
    assert_eq!(other.es10(&parts[0]).status.0, 0x6985);
    assert_eq!(other.es10(&parts[5]).status.0, 0x6985);
    assert_eq!(other.es10(&[0x99, 0x00]).status.0, 0x6A80);
    // An LPA may begin again; it may not go on after the end.
    for part in &parts[..6] {
        assert!(device.es10(part).status.is_ok());
    }
    assert_eq!(outcome(&load(&mut device, &parts)), None);
    assert_eq!(device.es10(&parts[6]).status.0, 0x6985);
}
