//! `simyard ipa`: a card's IPA calls an eIM over mutual TLS, in both bindings.

use std::sync::Arc;

use simyard::binding::MessageBinding;
use simyard::client::ClientError;
use simyard::client::ipa::IpaClient;
use simyard::client::reachable::Reach;
use simyard::crypto::keyfile::{load_certificates, load_signing_key};
use simyard::env::Clock;
use simyard::ident::ServerAddress;
use simyard::pki::pinned::trust_certificate;
use simyard::pki::tls::{TlsIdentity, client_config};
use simyard_asn1::Encode as _;
use simyard_asn1::iot::data::{IpaEuiccDataRequest, requested};
use simyard_asn1::iot::esipa::{
    EimAcknowledgements, EimPackage, TransferEimPackageRequest, TransferEimPackageResponse,
};

use crate::binary::{Place, free_port};
use crate::harness::block_on;

crate::tests!(
    an_ipa_calls_its_eim_over_mutual_tls,
    an_ipa_goes_on_where_its_eim_is_away,
    a_device_that_listens_takes_packages_of_its_eim_alone,
    what_waits_is_brought_to_a_device_that_listens,
    what_is_no_run_of_an_ipa_is_wrong_usage,
);

const EID: &str = "89049032000000000000279973200019";

fn an_ipa_calls_its_eim_over_mutual_tls() {
    let place = Place::furnished();
    let port = free_port();
    let mut settings = std::fs::read_to_string(place.path().join("simyard.toml")).unwrap();
    settings += &format!("[eim]\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:{port}\"\n");
    std::fs::write(place.path().join("simyard.toml"), settings).unwrap();
    let _server = place.serve();
    place.run(&format!("pki device {EID}")).ok();
    place.run("card new card --pki pki --sgp32").ok();
    let run = format!(
        "ipa run --card card --eim https://smdp.example.com --connect-to smdp.example.com=127.0.0.1:{port} --once"
    );
    let certificate = format!("--certificate device-{EID}.pem --key device-{EID}.key.pem");
    // The eIM knows the device by its certificate, and that the eUICC is none of its own.
    for binding in ["asn1", "json"] {
        let run = place.run(&format!("{run} {certificate} --binding {binding} --anchors pki/eim-ca.pem"));
        run.failed("ESipa.GetEimPackage with eidNotFound (2)");
    }
    let printed = place.run(&format!("{run} {certificate} --json"));
    assert_eq!(printed.code, Some(1), "{printed:?}");
    let line: serde_json::Value = serde_json::from_str(printed.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&line["outcome"], &line["steps"][0]), (&"error".into(), &"ESipa.GetEimPackage".into()));
    place.run(&run).failed("cannot reach");
    // An eUICC that was told of the eIM's TLS needs no other authority; what it was told is all that counts.
    for (trust, says) in [("pki/eim-ca.pem", "eidNotFound"), ("pki/device-ca.pem", "cannot reach")] {
        std::fs::remove_dir_all(place.path().join("card")).unwrap();
        place.run("card new card --pki pki --sgp32").ok();
        place
            .run(&format!(
                "eim configuration --as add-initial-eim --format der --out eim.der --tls-trust {trust}"
            ))
            .ok();
        place.run("card eim add card eim.der").ok();
        place.run(&format!("{run} {certificate}")).failed(says);
    }
    place.run(&format!("{run} {certificate} --anchors pki/ci.pem")).failed("cannot reach");
}

fn an_ipa_goes_on_where_its_eim_is_away() {
    let place = Place::furnished();
    place.run("card new card --pki pki --sgp32").ok();
    let port = free_port();
    let _served = place.start(&format!("card serve card --tcp {port}"), "127.0.0.1:");
    let nobody = free_port();
    let run = place.run(&format!(
        "ipa run --tcp 127.0.0.1:{port} --eim eim.example.com --connect-to eim.example.com=127.0.0.1:{nobody} \
         --once --registered-in 262-01 --download indirect --ca pki/ci.pem --accept-policy-rules --delivery-attempts 1 \
         --rollback-after 1 --lose-coverage-on 89882801000000000014"
    ));
    run.failed("ESipa.GetEimPackage: cannot reach eim.example.com");
    let line =
        format!("ipa run --tcp 127.0.0.1:{port} --eim localhost:{nobody} --interval 1 --jitter 0 --json");
    let mut running = place.start(&line, "error");
    running.wait_for("error");
}

fn a_device_that_listens_takes_packages_of_its_eim_alone() {
    let place = Place::furnished();
    let mut settings = std::fs::read_to_string(place.path().join("simyard.toml")).unwrap();
    settings += "[eim]\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(place.path().join("simyard.toml"), settings).unwrap();
    place.run(&format!("pki device {EID}")).ok();
    let listen = "ipa listen --card card --eim smdp.example.com --address 127.0.0.1:0 --json";
    let certificate = format!("--certificate device-{EID}.pem --key device-{EID}.key.pem");
    let retrieve =
        "eim configuration --as add-initial-eim --format der --out eim.der --tls-trust pki/eim-ca.pem";
    let inject = "eim configuration --inject --as add-initial-eim --format der --out eim.der --tls-trust pki/eim-ca.pem";
    let configure = |line: &str| {
        let _ = std::fs::remove_dir_all(place.path().join("card"));
        place.run("card new card --pki pki --sgp32").ok();
        place.run(line).ok();
        place.run("card eim add card eim.der").ok();
    };
    configure(retrieve);
    place.run(&format!("{listen} {certificate}")).failed("'simyard eim configuration --inject'");
    configure(inject);
    place.run(listen).failed("--certificate FILE and --key FILE");
    let mut device = place.start(&format!("{listen} {certificate}"), "listening on ");
    let address = device.address("listening on ");
    let file = |name: &str| place.path().join(name);
    let client = |certificate: &str, key: &str| {
        let key = Arc::new(load_signing_key(&file(key)).unwrap());
        let identity = TlsIdentity::new(load_certificates(&file(certificate)).unwrap(), key).unwrap();
        let shown = load_certificates(&file(&format!("device-{EID}.pem"))).unwrap();
        let trusted = trust_certificate(&shown[0], Clock::system()).unwrap();
        let tls = client_config(trusted, Some(&identity)).unwrap();
        IpaClient::new(Reach::Anywhere, tls, ServerAddress::parse(&address).unwrap()).unwrap()
    };
    let request = IpaEuiccDataRequest {
        tag_list: vec![requested::EUICC_INFO1],
        ci_pk_id_to_be_used: None,
        notification_criteria: None,
        euicc_package_result_seq_number: None,
        eim_transaction_id: None,
    };
    let package = EimPackage::IpaEuiccDataRequest(request.to_der());
    let request = TransferEimPackageRequest::Package(package);
    let eim = client("pki/eim-tls.pem", "pki/eim-tls.key.pem");
    let answer = block_on(eim.transfer_eim_package(&request)).unwrap();
    assert!(matches!(answer, TransferEimPackageResponse::IpaEuiccDataResponse(_)), "{answer:?}");
    device.wait_for("\"outcome\":\"data\"");
    let acknowledged = TransferEimPackageRequest::Acknowledgements(EimAcknowledgements(vec![7]));
    let eim = eim.with_binding(MessageBinding::Json);
    let answer = block_on(eim.transfer_eim_package(&acknowledged)).unwrap();
    assert_eq!(answer, TransferEimPackageResponse::Received);
    device.wait_for("\"outcome\":\"acknowledged\"");
    let other = client(&format!("device-{EID}.pem"), &format!("device-{EID}.key.pem"));
    assert!(matches!(block_on(other.transfer_eim_package(&request)), Err(ClientError::Transport { .. })));
}

fn what_waits_is_brought_to_a_device_that_listens() {
    let place = Place::furnished();
    let port = free_port();
    let mut settings = std::fs::read_to_string(place.path().join("simyard.toml")).unwrap();
    settings += &format!("[eim]\nfqdn = \"smdp.example.com\"\nlisten = \"127.0.0.1:{port}\"\n");
    std::fs::write(place.path().join("simyard.toml"), settings).unwrap();
    place.run(&format!("pki device {EID}")).ok();
    place.run("card new card --pki pki --sgp32").ok();
    let inject = "eim configuration --inject --as add-initial-eim --format der --out eim.der --tls-trust pki/eim-ca.pem";
    place.run(inject).ok();
    place.run("card eim add card eim.der").ok();
    let at = |address: &str| format!("eim listen {EID} --at {address} --by anna --config simyard.toml");
    place.run(&at("localhost:1")).failed("are not associated with this eIM");
    place.run(&format!("eim associate {EID} --counter 0")).ok();
    let _server = place.serve();
    let mut device = place.start(
        &format!(
            "ipa listen --card card --eim smdp.example.com --connect-to smdp.example.com=127.0.0.1:{port} --address \
             127.0.0.1:0 --json --certificate device-{EID}.pem --key device-{EID}.key.pem"
        ),
        "listening on ",
    );
    let id = place.run(&format!("operation create {EID} audit")).ok().trim().to_owned();
    let address = device.address("listening on ");
    assert_eq!(place.run(&at(&format!("https://{address}"))).ok(), "1 devices listen, 0 poll\n");
    // The eIM asks who the eUICC is, and brings the package then.
    device.wait_for("\"outcome\":\"data\"");
    device.wait_for("\"outcome\":\"executed\"");
    device.wait_for("\"outcome\":\"acknowledged\"");
    assert_eq!(place.run(&format!("operation show {id} --json")).json()["state"], "done");
    assert_eq!(place.run(&format!("eim show {EID} --json")).json()["listens_at"], address.as_str());
    assert!(place.run(&format!("eim show {EID}")).ok().contains(&format!("its device listens at {address}")));
    assert!(place.run("audit list").ok().contains("eim.listen"));
    let doctor = place.run("doctor");
    assert!(doctor.stdout.contains("devices that listen, and are brought what waits: 1"), "{doctor:?}");
    // A certificate that devices refuse is told before they do.
    let settings = std::fs::read_to_string(place.path().join("simyard.toml")).unwrap();
    let other = "certificate = \"pki/eim-sign.pem\"\nkey = \"pki/eim-sign.key.pem\"\n";
    place.write("other.toml", &format!("{settings}{other}"));
    let doctor = place.run("doctor --config other.toml");
    assert!(doctor.stdout.contains("extKeyUsage of eim.certificate lacks clientAuth"), "{doctor:?}");
    assert_eq!(place.run(&format!("eim listen {EID} --no-more")).ok(), "0 devices listen, 1 poll\n");
    place.write("list.csv", &format!("eid,address\n{EID},localhost:8449\n"));
    assert_eq!(place.run("eim listen --file list.csv").ok(), "1 devices listen, 0 poll\n");
    place.write("list.csv", "eid\n");
    place.run("eim listen --file list.csv").failed("line 1: expected the columns eid,address");
    for line in
        ["eim listen", "eim listen {EID}", "eim listen 1 --no-more", "eim listen --file list.csv --no-more"]
    {
        let run = place.run(&line.replace("{EID}", EID));
        assert_eq!(run.code, Some(2), "{line:?}: {run:?}");
    }
}

fn what_is_no_run_of_an_ipa_is_wrong_usage() {
    let place = Place::new();
    for line in [
        "ipa",
        "ipa run",
        "ipa run --card x",
        "ipa run --eim localhost",
        "ipa run --card x --tcp y --eim localhost",
        "ipa run --card x --eim 'a b'",
        "ipa run --card x --eim localhost --binding xml",
        "ipa run --card x --eim localhost --certificate x",
        "ipa run --card x --eim localhost --download somehow",
        "ipa run --card x --eim localhost --delivery-attempts 0",
        "ipa run --card x --eim localhost --lose-coverage-on 1",
        "ipa run --card x --eim localhost --registered-in 26201",
        "ipa run --card x --eim localhost --registered-in 26-01",
        "ipa listen --card x --eim localhost",
        "ipa listen --card x --eim localhost --address localhost",
        "ipa listen --card x --eim localhost --address 127.0.0.1:0 --once",
    ] {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line:?}: {run:?}");
    }
}
