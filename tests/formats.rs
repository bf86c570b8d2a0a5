//! Every form that manufacturers use, in files of made-up numbers whose keys OpenSSL enciphered; and the transport keys that
//! they are enciphered under.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq};
use proptest::test_runner::{Config, TestRunner};
use simyard::crypto::seal::{Sealer, SealingKey};
use simyard::crypto::transport::{Algorithm, Chaining, CheckMethod, InitialBlock, Scheme};
use simyard::domain::{
    Architecture, DeliveryId, KeyPartner, KeyPurpose, Manufacturer, Mode, Operator, Person, ProfileType,
};
use simyard::env::{Clock, Rng, Timestamp};
use simyard::ident::{Eid, IssuerRange, IssuerRanges};
use simyard::inventory::formats::{AnyForm, DeliveredEuicc, Deliveries, Format, Options};
use simyard::inventory::rows::{Delivered, Heading};
use simyard::inventory::transport_keys::{KeyRing, NewTransportKey};
use simyard::inventory::{Delivery, IngestError, Intent, Inventory};
use simyard::pki::Anchors;
use simyard::pki::test_pki::{TestPki, TestPkiOptions};
use simyard::profile::personal_data::{Key, PersonalData};
use simyard::profile::personal_row::RowData;
use simyard::profile::plan::Template;
use simyard::profile::shipped;
use simyard::store::{Store, StoreUrl, TransportKey};
use simyard_asn1::saip::Package;

use crate::harness::block_on;

pub mod transport_keys;

crate::tests!(
    each_form_is_found_out_and_read,
    a_file_that_is_nothing_known_is_told_so,
    keys_in_the_clear_and_keys_that_nobody_approved_are_refused,
    weak_keys_foreign_numbers_and_missing_imsis_are_refused,
    a_delivery_has_as_many_rows_as_it_says,
    packages_stand_one_after_the_other_and_are_held_against_their_list,
    euiccs_come_with_certificates_that_are_verified,
    rows_mean_the_same_in_every_form,
    a_file_is_read_as_far_as_it_is_needed,
);

/// The transport keys of the files: AES for K and OPc, triple DES for the others.
const KEYS: [(u32, KeyPurpose, Algorithm, Chaining, &str, CheckMethod, &str); 2] = [
    (
        2,
        KeyPurpose::Subscription,
        Algorithm::Aes128,
        Chaining::Cbc(InitialBlock::Zero),
        "8f1d0c35a7e94b62d0537c1e9ab24f68",
        CheckMethod::Ones,
        "27c76b",
    ),
    (
        3,
        KeyPurpose::Ota,
        Algorithm::TripleDes,
        Chaining::Ecb,
        "3e15a8c97b04d2f16ab8407d92ce5f13",
        CheckMethod::Zeros,
        "410ebf",
    ),
];
const NOW: Timestamp = Timestamp::from_secs(1_795_329_780);

struct Yard {
    inventory: Inventory,
    _folder: tempfile::TempDir,
}

impl Yard {
    async fn new(mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rng = Rng::seeded(5);
        let sealer = Sealer::new(&SealingKey::generate(&rng), rng.clone()).unwrap();
        let store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
        let inventory = Inventory { store, sealer, clock: Clock::fixed(NOW), rng, mode };
        Self { inventory, _folder: folder }
    }

    async fn import(&self, which: usize) -> TransportKey {
        let (index, purpose, algorithm, chaining, key, check_method, check_value) = KEYS[which];
        let new = NewTransportKey {
            partner: acme(),
            index,
            purpose,
            scheme: Scheme { algorithm, chaining },
            key: Key::from_slice(&hex::decode(key).unwrap()).unwrap(),
            check_method,
            check_value: hex::decode(check_value).unwrap().try_into().unwrap(),
        };
        self.inventory.import_transport_key(new, person("alice")).await.unwrap()
    }

    async fn ring(&self) -> KeyRing {
        self.inventory.key_ring(&acme()).await.unwrap()
    }
}

fn acme() -> KeyPartner {
    KeyPartner::Manufacturer(Manufacturer::parse("acme").unwrap())
}

fn person(name: &str) -> Person {
    Person::parse(name).unwrap()
}

/// Both keys, approved.
fn approved() -> Arc<KeyRing> {
    block_on(async {
        let yard = Yard::new(Mode::Production).await;
        for which in [0, 1] {
            let key = yard.import(which).await;
            yard.inventory.approve_transport_key(&key.key_id, None, person("bob")).await.unwrap();
        }
        Arc::new(yard.ring().await)
    })
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(name)).unwrap()
}

fn options(mode: Mode) -> Options {
    Options::new(None, Rng::seeded(1), mode)
}

/// What a file comes to: its heading, what its rows deliver, what is wrong with the others.
struct Whole {
    heading: Heading,
    delivered: Vec<Delivered>,
    faults: Vec<String>,
}

fn read(file: &[u8], options: &Options) -> Result<Whole, String> {
    read_with(file, options, None)
}

fn read_with<'a>(
    file: &'a [u8],
    options: &'a Options,
    list: Option<&'a mut dyn Read>,
) -> Result<Whole, String> {
    let mut deliveries = Deliveries::open(file, options, list).map_err(|error| error.to_string())?;
    let heading = deliveries.heading().clone();
    let (mut delivered, mut faults) = (Vec::new(), Vec::new());
    while let Some(row) = deliveries.next_row().unwrap() {
        match row.outcome {
            Ok(good) => delivered.push(good),
            Err(errors) => faults.extend(errors.iter().map(ToString::to_string)),
        }
    }
    Ok(Whole { heading, delivered, faults })
}

fn subscriptions(whole: Whole) -> Vec<RowData> {
    assert_eq!(whole.faults, Vec::<String>::new());
    let subscription = |delivered| match delivered {
        Delivered::Subscription(row) => *row,
        Delivered::Package(_) | Delivered::Euicc(_) => panic!("no subscription"),
    };
    whole.delivered.into_iter().map(subscription).collect()
}

fn euiccs(whole: Whole) -> Vec<DeliveredEuicc> {
    assert_eq!(whole.faults, Vec::<String>::new());
    let euicc = |delivered| match delivered {
        Delivered::Euicc(euicc) => *euicc,
        Delivered::Package(_) | Delivered::Subscription(_) => panic!("no eUICC"),
    };
    whole.delivered.into_iter().map(euicc).collect()
}

/// ICCID, IMSI, K and OPc.
fn summary(data: &PersonalData) -> [String; 4] {
    [
        data.iccid.to_string(),
        data.home.imsi.to_string(),
        hex::encode(data.keys.key()),
        hex::encode(data.keys.opc()),
    ]
}

fn kic(data: &PersonalData) -> String {
    hex::encode(data.ota[0].get(1).unwrap().as_octets())
}

fn each_form_is_found_out_and_read() {
    let keyed = |subscription_key, ota_key| Options {
        keys: approved(),
        subscription_key,
        ota_key,
        ..options(Mode::Production)
    };
    let whole = read(&golden("classic.txt"), &keyed(None, None)).unwrap();
    let heading = &whole.heading;
    assert_eq!(heading.format, Some(Format::Classic));
    assert_eq!((heading.delivery_id.clone(), heading.quantity), (DeliveryId::parse("00701"), Some(3)));
    assert_eq!((heading.customer.as_deref(), heading.profile_type.as_deref()), (Some("Acme"), Some("iot")));
    assert_eq!((heading.subscription_key, heading.ota_key), (Some(2), Some(3)));
    assert_eq!(heading.passed_over, ["Code Retailer", "Code ADM"]);
    let rows = subscriptions(whole);
    assert_eq!(rows.len(), 3);
    assert_eq!(
        summary(&rows[0].data),
        [
            "89882807000000000018",
            "901405700000001",
            "b02c780e9917d6feecf631e840857515",
            "cba249a1e39ee8a11f015a0116b17fb4"
        ]
    );
    assert_eq!(kic(&rows[0].data), "628e4a11d4d7d06a1fa51e6daf2480ec");
    assert_eq!((rows[0].data.ota[0].version, rows[0].data.home.acc), (Some(1), [0, 2]));
    // The second row has the numbers as their files on the card have them.
    assert_eq!(
        summary(&rows[1].data),
        [
            "89882807000000000026",
            "901405700000002",
            "f5e616982aef683d364236c5e5ffeffa",
            "0e3a8c51e4989fe5fafb4150e4a13614"
        ]
    );

    let whole = read(&golden("header_line.txt"), &keyed(None, None)).unwrap();
    assert_eq!((whole.heading.format, whole.heading.quantity), (Some(Format::HeaderLine), Some(2)));
    assert_eq!((whole.heading.imsis_per_iccid, whole.heading.step), (Some(2), Some(1)));
    let rows = subscriptions(whole);
    assert_eq!(rows[0].eid.as_ref().unwrap().as_str(), "89049032000000000000700000001195");
    assert_eq!(rows[1].data.further[0].subscription.imsi.as_str(), "724685700000012");
    assert_eq!(hex::encode(rows[1].data.keys.key()), "c32016eb8e4ff9c5a83fe6a421e486e6");
    assert_eq!(kic(&rows[1].data), "c861a1904355213899f8ac5545a84810");

    let options = Options { passed_over: vec!["box".to_owned()], ..keyed(Some(2), None) };
    let whole = read(&golden("subscriptions.csv"), &options).unwrap();
    assert_eq!(whole.heading.format, Some(Format::Csv));
    let rows = subscriptions(whole);
    assert_eq!(hex::encode(rows[0].data.keys.opc()), "23b64c94c0eba312544f088c3ad7ef00");
    assert_eq!(rows[0].data.further[0].role.as_str(), "brazil");
    assert_eq!(rows[1].data.home.msisdn.as_ref().unwrap().as_str(), "+46170000022");

    let whole = read(&golden("subscriptions.jsonl"), &keyed(Some(2), None)).unwrap();
    assert_eq!(whole.heading.format, Some(Format::JsonLines));
    let rows = subscriptions(whole);
    assert_eq!(hex::encode(rows[0].data.keys.key()), "bb4ff48d6e13f671ff0328ff07d53783");
    assert_eq!(hex::encode(rows[1].data.keys.key()), "a7b5a7088d9c619cc3ab4edb4dc1f4c6");
    assert_eq!(rows[1].data.home.public_identities, ["sip:a@example.com", "tel:+461"]);
    assert!(rows[1].data.home.msisdn.is_none());

    let whole = read(&golden("euiccs.csv"), &keyed(None, None)).unwrap();
    assert_eq!(whole.heading.format, Some(Format::Euiccs));
    let euiccs = euiccs(whole);
    let first = &euiccs[0];
    assert_eq!((first.architecture, first.package_version), (Some(Architecture::Sgp32), Some((3, 1))));
    assert_eq!((first.non_volatile_octets, first.form_factor.as_deref()), (Some(524_288), Some("MFF2")));
    assert_eq!((first.iccids.len(), first.enabled.as_ref()), (2, first.iccids.first()));
    let eim = first.eim.as_ref().unwrap();
    assert_eq!((eim.eim_id.as_str(), eim.counter, eim.association_token), ("eim.example.com", 0, Some(17)));
    assert_eq!(euiccs[1].iccids[0].as_str(), "89882807000000000430");
    assert_eq!((euiccs[2].architecture, euiccs[2].iccids.len()), (None, 0));
}

fn a_file_that_is_nothing_known_is_told_so() {
    for (file, says) in [
        (&b""[..], "the file is empty"),
        (b" \r\n\r\n", "the file is empty"),
        (b"a,b,c\n1,2,3\n", "--format names one of classic, header-line, csv, json-lines, packages, euiccs"),
        (b"[1]\n", "cannot be told"),
        (b"{broken\n", "cannot be told"),
        (b"\xFF\xFE\0\0", "cannot be told"),
        (b"*HEADER DESCRIPTION\nQuantity: 1\n", "no line var_Out:"),
        (b"*HEADER DESCRIPTION\nQuantity: many\n", "line 2: Quantity: expected a number of rows"),
        (b"*X\nvar_out: ICCID/SECRET\n", "column 2 is none of"),
        (b"*X\nvar_out: ICCID/IMSI\n", "no column ki, "),
        (b"00233 141114091800 1 0605 99\n", "imsisPerIccid: expected 1 to 32"),
        (b"eid,iccid,nothing\n", "column 3 is none of"),
    ] {
        let told = read(file, &options(Mode::Test)).err().unwrap_or_default();
        assert!(told.contains(says), "{says}: {told}");
    }
    // Somebody says what it is: then that form says what is wrong.
    let csv = Options { format: Some(Format::Csv), ..options(Mode::Test) };
    assert!(read(b"a,b,c\n", &csv).err().unwrap().contains("line 1: column 1 is none of"));
    let euiccs = Options { format: Some(Format::Euiccs), ..options(Mode::Test) };
    assert!(read(b"type\n", &euiccs).err().unwrap().contains("no column eid"));
    for format in Format::ALL {
        assert_eq!(Format::parse(format.name()), Some(format));
    }
}

const CLEAR: &str = "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n89882807000000000018,901405700000001,\
    b02c780e9917d6feecf631e840857515,cba249a1e39ee8a11f015a0116b17fb4,1007,11110013,2007,22220013,33330013\n";

fn keys_in_the_clear_and_keys_that_nobody_approved_are_refused() {
    let refused = read(CLEAR.as_bytes(), &options(Mode::Production)).unwrap();
    assert_eq!(refused.faults.len(), 2);
    assert!(refused.faults[0].starts_with("line 2, ki: a key in the clear: only a server with mode"));
    assert!(!refused.faults.join("").contains("b02c78"));
    assert_eq!(subscriptions(read(CLEAR.as_bytes(), &options(Mode::Test)).unwrap()).len(), 1);
    // One column enciphered leaves the other in the clear.
    let half = CLEAR.replace(",ki,", ",eki,");
    let told = |mode| {
        let options = Options { keys: approved(), subscription_key: Some(2), ..options(mode) };
        read(half.as_bytes(), &options).unwrap().faults
    };
    assert_eq!(told(Mode::Test), Vec::<String>::new());
    assert!(
        matches!(told(Mode::Production).as_slice(), [one] if one.starts_with("line 2, opc: a key in the"))
    );
    // Enciphered, and nobody says under which key.
    let faults = read(half.as_bytes(), &options(Mode::Test)).unwrap().faults;
    assert_eq!(
        faults,
        ["line 2, ki: enciphered, but neither the file nor the command names the transport key"]
    );
    // A value that is cut.
    let keyed = Options { keys: approved(), subscription_key: Some(2), ..options(Mode::Production) };
    let cut = CLEAR.replace("b02c780e9917d6feecf631e840857515", "b02c780e9917d6feecf631e8408575");
    assert_eq!(read(cut.as_bytes(), &keyed).unwrap().faults, ["line 2, ki: expected 32 hexadecimal digits"]);

    block_on(async {
        let yard = Yard::new(Mode::Production).await;
        let with = |ring| {
            let options = Options { keys: Arc::new(ring), ..options(Mode::Production) };
            read(&golden("classic.txt"), &options).err()
        };
        let told = with(yard.ring().await).unwrap();
        assert!(told.starts_with("transport key 2 for ki is not there"), "{told}");
        let key = yard.import(0).await;
        let told = with(yard.ring().await).unwrap();
        assert!(
            told.starts_with("transport key 2 for ki waits for the approval of another person"),
            "{told}"
        );
        yard.inventory.approve_transport_key(&key.key_id, None, person("bob")).await.unwrap();
        let told = with(yard.ring().await).unwrap();
        assert!(told.starts_with("transport key 3 for ota is not there"), "{told}");
        yard.inventory.retire_transport_key(&key.key_id, person("carol")).await.unwrap();
        assert_eq!(with(yard.ring().await).unwrap(), "transport key 2 for ki is retired");
    });
    let other = Options { keys: approved(), subscription_key: Some(4), ..options(Mode::Production) };
    let told = read(&golden("classic.txt"), &other).err().unwrap();
    assert_eq!(told, "the file names transport key 2, and the command 4");
}

fn weak_keys_foreign_numbers_and_missing_imsis_are_refused() {
    let keyed = || Options { keys: approved(), ..options(Mode::Production) };
    let range = |prefix, digit| IssuerRanges::new(vec![IssuerRange::new(prefix, Some(20), digit).unwrap()]);
    let ranged = |ranges| Options { ranges: Arc::new(ranges), ..keyed() };
    let file = String::from_utf8(golden("classic.txt")).unwrap();
    assert_eq!(read(file.as_bytes(), &ranged(range("8988280", true))).unwrap().faults, Vec::<String>::new());
    let wrong = file.replace("89882807000000000034", "89882807000000000035");
    let faults = read(wrong.as_bytes(), &ranged(range("8988280", true))).unwrap().faults;
    assert!(
        matches!(faults.as_slice(), [one] if one.contains("line 21, iccid: the last digit")),
        "{faults:?}"
    );
    let faults = read(file.as_bytes(), &ranged(range("8949", true))).unwrap().faults;
    assert!(faults.len() == 3 && faults[0].contains("lies in the range of no issuer"), "{faults:?}");
    let four = Options { imsis: Some(4), ..keyed() };
    let faults = read(file.as_bytes(), &four).unwrap().faults;
    assert_eq!(faults[0], "line 19, imsi: 1 IMSIs, expected 4");
    // Keys that everybody can guess or read; K itself, if it is published, makes a test profile.
    let patterned = CLEAR
        .replace("ki,", "eki,")
        .replace("opc,", "eopc,")
        .replace("b02c780e9917d6feecf631e840857515", "00000000000000000000000000000000");
    let key = "8f1d0c35a7e94b62d0537c1e9ab24f68";
    let scheme = Scheme { algorithm: Algorithm::Aes128, chaining: Chaining::Cbc(InitialBlock::Zero) };
    let cipher =
        simyard::crypto::transport::TransportCipher::new(scheme, &hex::decode(key).unwrap()).unwrap();
    let enciphered =
        |key: &str| hex::encode(cipher.encipher(&hex::decode(key).unwrap(), &Rng::seeded(1)).unwrap());
    let file = patterned
        .replace(&"0".repeat(32), &enciphered("07070707070707070707070707070707"))
        .replace("cba249a1e39ee8a11f015a0116b17fb4", &enciphered("404142434445464748494a4b4c4d4e4f"));
    let faults = read(file.as_bytes(), &Options { subscription_key: Some(2), ..keyed() }).unwrap().faults;
    assert_eq!(
        faults,
        [
            "line 2, ki: no random key: all octets are equal; only a server with mode = \"test\" takes it",
            "line 2, opc: the key is published: the default key of GlobalPlatform cards; only a server with mode = \
             \"test\" takes it"
        ]
    );
    let test = Options { subscription_key: Some(2), keys: approved(), ..options(Mode::Test) };
    assert_eq!(read(file.as_bytes(), &test).unwrap().faults, Vec::<String>::new());
    // OPc and OP that do not agree.
    let both = CLEAR.replace("opc,", "opc,op,").replace(",1007", ",63bfa50ee6523365ff14c1f45f88737d,1007");
    assert_eq!(
        read(both.as_bytes(), &options(Mode::Test)).unwrap().faults,
        ["line 2, opc: not the OPc that ki and op of this row give"]
    );
}

fn delivery() -> Delivery {
    let (owner, profile_type) = (Operator::parse("operator").unwrap(), ProfileType::parse("P1").unwrap());
    Delivery::local(owner, profile_type, None)
}

fn a_delivery_has_as_many_rows_as_it_says() {
    let keys = approved();
    block_on(async {
        let yard = Yard::new(Mode::Production).await;
        let take = async |file: Vec<u8>| {
            let options = Options { keys: Arc::clone(&keys), ..yard.inventory.options(&delivery()) };
            let source = Box::new(AnyForm { options, accompanying: None });
            let input = std::io::Cursor::new(file);
            yard.inventory.ingest(input, source, &delivery(), Intent::TakeWhole, |_| {}).await
        };
        let more = String::from_utf8(golden("classic.txt")).unwrap();
        let more = more.replace("Quantity       : 3", "Quantity       : 4");
        let refused = take(more.into_bytes()).await.unwrap_err();
        assert_eq!(refused.to_string(), "the file announces 4 rows and has 3");
        let receipt = take(golden("classic.txt")).await.unwrap();
        assert_eq!((receipt.profiles, receipt.delivery_id.as_deref()), (3, Some("00701")));
        let again = take(golden("classic.txt")).await.unwrap();
        assert!(again.repeated);
        let empty = take(b"iccid,imsi,eki,eopc,pin1,puk1,pin2,puk2,adm1\n".to_vec()).await;
        assert!(matches!(&empty, Err(IngestError::Prepare(_))), "{empty:?}");
    });
}

/// Packages of our own template with keys of the CSV.
fn packages() -> Vec<Vec<u8>> {
    let octets = shipped::find("iot").unwrap().build().unwrap();
    let template = Template::compile(&Package::from_der(&octets).unwrap()).unwrap();
    let options = Options {
        keys: approved(),
        requirements: Some(template.requirements()),
        ..options(Mode::Production)
    };
    let rows = subscriptions(read(&golden("classic.txt"), &options).unwrap());
    rows.iter()
        .map(|row| {
            let mut data = row.data.clone();
            data.ota[0].version = None;
            template.personalise(&data).unwrap().to_vec()
        })
        .collect()
}

fn packages_stand_one_after_the_other_and_are_held_against_their_list() {
    let packages = packages();
    let file = packages.concat();
    let production = options(Mode::Production);
    let whole = read(&file, &production).unwrap();
    assert_eq!((whole.heading.format, whole.faults.len()), (Some(Format::Packages), 0));
    let found: Vec<Vec<u8>> = whole
        .delivered
        .into_iter()
        .map(|delivered| match delivered {
            Delivered::Package(der) => der.to_vec(),
            Delivered::Subscription(_) | Delivered::Euicc(_) => panic!("no package"),
        })
        .collect();
    assert_eq!(found, packages);
    let list = "Box;IMSI;ICCID\n1;901405700000001;89882807000000000018\n2;;98888270000000000062\n\
                3;901405700000003;89882807000000000034\n";
    let against = |list: &str| {
        let mut list = list.as_bytes();
        read_with(&file, &production, Some(&mut list)).unwrap().faults
    };
    assert_eq!(against(list), Vec::<String>::new());
    assert_eq!(
        against(&list.replace("89882807000000000034", "89882807000000000042")),
        ["line 3, iccid: not the number that line 4 of the file that goes with the packages has"]
    );
    assert_eq!(
        against(&list.replace("901405700000001", "901405700000009")),
        ["line 1, imsi: not the number that line 2 of the file that goes with the packages has"]
    );
    let short: String = list.lines().take(3).map(|line| format!("{line}\n")).collect();
    assert_eq!(against(&short), ["line 3: the file that goes with the packages has no row for this one"]);
    let long = format!("{list}4;;89882807000000000042\n");
    assert_eq!(against(&long), ["line 4: the file that goes with the packages has more rows"]);
    for (cut, says) in [
        (&file[..file.len() - 1], "line 3: the file ends within"),
        (&file[..packages[0].len() + 1], "line 2: an element has no length of DER, or"),
        (
            &[&packages[0][..], b"\n"].concat(),
            "line 2: a package begins with its header (A0), and 0A was found",
        ),
        (&[&packages[0][..], &[0xA0, 0x80]].concat(), "line 2: an element has no length of DER"),
        (&[&packages[0][..], &[0xA0, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]].concat(), "line 2: the package has more"),
    ] {
        let whole = read(cut, &production).unwrap();
        assert!(whole.faults.len() == 1 && whole.faults[0].starts_with(says), "{says}: {:?}", whole.faults);
    }
}

fn euiccs_come_with_certificates_that_are_verified() {
    let eid = Eid::parse("89049032000000000000700000004105").unwrap();
    let options_of_pki = TestPkiOptions { host_names: vec!["localhost".to_owned()], eid: eid.clone() };
    let pki = TestPki::generate(&Rng::seeded(3), NOW, &options_of_pki).unwrap();
    let anchors = Arc::new(Anchors::new(vec![pki.ci.certificate.clone()]).unwrap());
    let trusting = || Options { trust: Some((Arc::clone(&anchors), NOW)), ..options(Mode::Production) };
    let [eum, euicc] = [&pki.eum, &pki.euicc].map(|issued| STANDARD.encode(issued.certificate.der()));
    let csv = |eid: &str, eum: &str, euicc: &str| {
        format!("eid;eum_certificate;euicc_certificate\n{eid};{eum};{euicc}\n")
    };
    let good = euiccs(read(csv(eid.as_str(), &eum, &euicc).as_bytes(), &trusting()).unwrap());
    let [first, second] = good[0].certificates.clone().unwrap();
    assert_eq!((first, second), (pki.eum.certificate.der().to_vec(), pki.euicc.certificate.der().to_vec()));
    assert_eq!(good[0].ci_keys, [pki.ci.certificate.subject_key_identifier().unwrap().to_vec()]);
    // PEM in JSON.
    let json = serde_json::json!({
        "eid": eid.as_str(),
        "eum_certificate": pki.eum.certificate_pem(),
        "euicc_certificate": pki.euicc.certificate_pem(),
        "architecture": "sgp32",
        "eim_id": "eim.example.com",
        "counter": 5,
        "memory": 1000,
    });
    let good = euiccs(read(format!("{json}\n").as_bytes(), &trusting()).unwrap());
    assert_eq!(good[0].eim.as_ref().unwrap().counter, 5);
    assert_eq!(good[0].non_volatile_octets, Some(1000));
    let other = "89049032000000000000700000004202";
    for (file, options, says) in [
        (csv(eid.as_str(), &eum, &euicc), options(Mode::Test), "no CI certificates are at hand"),
        (csv(other, &eum, &euicc), trusting(), "that of another EID"),
        (csv(eid.as_str(), &euicc, &eum), trusting(), "eumcertificate"),
        (csv(eid.as_str(), &eum, ""), trusting(), "euicccertificate: empty"),
        (csv(eid.as_str(), "AAAA", &euicc), trusting(), "eumcertificate: expected a certificate"),
        (csv("89049032000000000000700000004106", "", ""), trusting(), "eid: expected 32 decimal digits"),
        ("eid;type\n;x\n".to_owned(), trusting(), "eid: empty"),
        ("eid,architecture,eim_id\n".to_owned() + other + ",sgp22,x\n", trusting(), "only an eUICC with"),
        ("eid,architecture\n".to_owned() + other + ",sgp42\n", trusting(), "expected sgp02, sgp22 or sgp32"),
        (
            "eid,iccids,enabled\n".to_owned() + other + ",89882807000000000018,89882807000000000026\n",
            trusting(),
            "not one of the profiles",
        ),
        (format!("eid\n{other}\n{other}\n"), trusting(), "line 3, eid: stands in line 2 already"),
        (format!("{{\"eid\":\"{other}\",\"ki\":\"1\"}}\n"), trusting(), "member 2 is no column of eUICCs"),
    ] {
        let options = Options { format: Some(Format::Euiccs), ..options };
        let whole = read(file.as_bytes(), &options).unwrap();
        assert!(whole.faults.iter().any(|fault| fault.contains(says)), "{says}: {:?}", whole.faults);
    }
}

/// Rows in all forms; each is a number and the seed of its keys.
fn in_all_forms(rows: &[(u32, u64)]) -> [String; 4] {
    let values = |(number, seed): &(u32, u64)| {
        let rng = Rng::seeded(*seed);
        let key = || hex::encode_upper(rng.array::<16>());
        [
            format!("8988280{number:012}"),
            format!("90140{number:010}"),
            key(),
            key(),
            "1234".to_owned(),
            "12345678".to_owned(),
            "5678".to_owned(),
            "87654321".to_owned(),
            "11223344".to_owned(),
            key(),
            key(),
            key(),
        ]
    };
    let names = ["iccid", "imsi", "ki", "opc", "pin1", "puk1", "pin2", "puk2", "adm1", "kic", "kid", "kik"];
    let with = |delimiter: &str| -> String {
        rows.iter().map(|row| format!("{}\n", values(row).join(delimiter))).collect()
    };
    let objects: String = rows
        .iter()
        .map(|row| {
            let members: serde_json::Map<String, serde_json::Value> = names
                .iter()
                .zip(values(row))
                .map(|(name, value)| ((*name).to_owned(), value.into()))
                .collect();
            format!("{}\n", serde_json::Value::Object(members))
        })
        .collect();
    // Not in the order of the classic files: PIN1 stands behind IMSI there.
    let order = "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1,kic,kid,kik";
    [
        format!("{}\n{}", names.join(","), with(",")),
        format!(
            "*HEADER DESCRIPTION\nQuantity: {}\n*OUTPUT VARIABLES\nvar_Out: {}\n{}",
            rows.len(),
            names.join("/").to_uppercase(),
            with("/")
        ),
        format!("00567 261122064300 {} 5014 1 0 0 1 1\n{}#{order}", rows.len(), with(" ")),
        objects,
    ]
}

fn rows_mean_the_same_in_every_form() {
    let mut runner = TestRunner::new(Config { cases: 32, failure_persistence: None, ..Config::default() });
    let rows = prop::collection::btree_map(any::<u32>(), any::<u64>(), 1..8);
    runner
        .run(&rows, |rows| {
            let rows: Vec<(u32, u64)> = rows.into_iter().collect();
            let mut all: Vec<Vec<Vec<u8>>> = Vec::new();
            for file in in_all_forms(&rows) {
                let (file, columns) = file.split_once('#').unwrap_or((&file, ""));
                let columns = columns.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
                let options = Options { columns: columns.collect(), ..options(Mode::Test) };
                let whole = read(file.as_bytes(), &options).unwrap();
                prop_assert!(whole.faults.is_empty(), "{:?}", whole.faults);
                all.push(subscriptions(whole).iter().map(|row| row.data.to_octets().to_vec()).collect());
            }
            prop_assert_eq!(all[0].len(), rows.len());
            for other in &all[1..] {
                prop_assert!(*other == all[0]);
            }
            Ok(())
        })
        .unwrap();
}

/// Makes rows as they are asked for, without end.
struct Endless {
    made: Arc<AtomicUsize>,
    left: Vec<u8>,
    number: u32,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.left.is_empty() {
            self.number += 1;
            let [csv, ..] = in_all_forms(&[(self.number, self.number.into())]);
            self.left = csv.lines().nth(1).unwrap().as_bytes().to_vec();
            if self.number == 1 {
                self.left = csv.into_bytes();
            } else {
                self.left.push(b'\n');
            }
        }
        let length = self.left.len().min(out.len());
        out[..length].copy_from_slice(&self.left[..length]);
        self.left.drain(..length);
        self.made.fetch_add(length, Ordering::Relaxed);
        Ok(length)
    }
}

fn a_file_is_read_as_far_as_it_is_needed() {
    let made = Arc::new(AtomicUsize::new(0));
    let input = Endless { made: Arc::clone(&made), left: Vec::new(), number: 0 };
    let options = options(Mode::Test);
    let mut deliveries = Deliveries::open(input, &options, None).unwrap();
    for _ in 0..1000 {
        assert!(deliveries.next_row().unwrap().unwrap().outcome.is_ok());
    }
    let octets = made.load(Ordering::Relaxed);
    assert!((200_000..500_000).contains(&octets), "{octets} octets for 1000 rows");
}
