//! Manufacturers' files on their way into the stock.

use simyard::crypto::milenage::opc_from_op;
use simyard::crypto::seal::{Sealer, SealingKey};
use simyard::domain::{Mode, Operator, ProfileType};
use simyard::env::{Clock, Rng, Timestamp};
use simyard::ident::{Iccid, Imsi};
use simyard::inventory::formats::{AnyForm, Format, Options};
use simyard::inventory::receipt::REFUSALS_MAX;
use simyard::inventory::{Delivery, IngestError, Intent, Inventory, Receipt};
use simyard::profile::identity::{PackageIdentity, PackageImsi};
use simyard::profile::personal_data::{CodeName, PersonalData};
use simyard::profile::plan::Template;
use simyard::store::{Identifier, Package, PackageKind, Store, StoreUrl};

use simyard_asn1::saip;

use crate::harness::{block_on, vectors};
use crate::profile::multi_imsi;

pub mod export;
pub mod killed;

crate::tests!(
    a_file_goes_in_and_its_secrets_come_back_from_the_seal_alone,
    every_wrong_value_is_told_with_line_and_column,
    a_file_of_another_form_is_refused,
    faults_are_told_up_to_a_bound_and_counted_beyond,
    numbers_that_are_in_the_stock_are_told_by_line_and_nothing_is_taken,
    op_gives_the_opc_that_it_should,
    a_ready_made_package_is_kept_whole_under_its_own_number,
    every_imsi_of_a_ready_made_package_is_its_own,
    a_profile_that_is_on_an_euicc_is_none_for_the_stock,
    what_goes_nowhere_is_looked_through_for_numbers_that_stand_twice,
    rows_are_held_against_the_template_of_their_type,
);

const HEADER: &str = "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1,acc,msisdn";
const KI: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";
const OPC: &str = "CD63CB71954A9F4E48A5994E37A02BAF";
const OP: &str = "CDC202D5123E20F62B6D676AC72CB318";

struct Yard {
    inventory: Inventory,
    folder: tempfile::TempDir,
}

impl Yard {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rng = Rng::seeded(5);
        let sealer = Sealer::new(&SealingKey::generate(&rng), rng.clone()).unwrap();
        let store = Store::open(&StoreUrl::Sqlite(folder.path().join("simyard.db"))).await.unwrap();
        let clock = Clock::fixed(Timestamp::from_secs(1_795_329_780));
        Self { inventory: Inventory { store, sealer, clock, rng, mode: Mode::Test }, folder }
    }

    async fn ingest(&self, file: &str) -> Result<Receipt, IngestError> {
        self.inventory.ingest_csv(cursor(file.as_bytes()), &delivery()).await
    }

    async fn data(&self, iccid: &str) -> PersonalData {
        let iccid = Iccid::parse(iccid).unwrap();
        let package = self.inventory.store.package(&iccid).await.unwrap().unwrap();
        assert_eq!(package.kind, PackageKind::PersonalData);
        let opened = self.inventory.sealer.open(&Package::place(&iccid), &package.sealed).unwrap();
        PersonalData::from_octets(&opened).ok().unwrap()
    }
}

fn delivery() -> Delivery {
    let (owner, profile_type) = (Operator::parse("operator").unwrap(), ProfileType::parse("P1").unwrap());
    Delivery::local(owner, profile_type, None)
}

fn cursor(octets: &[u8]) -> std::io::Cursor<Vec<u8>> {
    std::io::Cursor::new(octets.to_vec())
}

fn iccid(number: usize) -> String {
    format!("8988211{number:012}")
}

fn row(number: usize) -> String {
    format!(
        "{},90140{number:010},{KI},{OPC},1234,12345678,5678,87654321,0011223344556677,,+88{number:010}",
        iccid(number)
    )
}

fn file(rows: impl IntoIterator<Item = String>) -> String {
    let mut file = format!("{HEADER}\n");
    for row in rows {
        file += &row;
        file.push('\n');
    }
    file
}

fn faults(outcome: Result<Receipt, IngestError>) -> Vec<String> {
    match outcome {
        Err(IngestError::Refused(receipt)) => receipt.refusals.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
        Ok(receipt) => panic!("{receipt:?}"),
    }
}

fn a_file_goes_in_and_its_secrets_come_back_from_the_seal_alone() {
    block_on(async {
        let yard = Yard::new().await;
        let text = file((1..=1500).map(row));
        let mut heard = Vec::new();
        let options = yard.inventory.options(&delivery());
        let source = Box::new(AnyForm { options, accompanying: None });
        let (input, told) = (cursor(text.as_bytes()), |rows| heard.push(rows));
        let taken = yard.inventory.ingest(input, source, &delivery(), Intent::TakeWhole, told).await;
        let receipt = taken.unwrap();
        assert_eq!(heard, [500, 1000, 1500, 1500]);
        assert_eq!((receipt.profiles, receipt.received_at.as_str()), (1500, "2026-11-22T06:43:00Z"));
        assert_eq!(receipt.first_iccid.unwrap().as_str(), iccid(1));
        let data = yard.data(&iccid(7)).await;
        assert_eq!(data.home.imsi.as_str(), "901400000000007");
        assert_eq!(hex::encode_upper(data.keys.key()), KI);
        assert_eq!(hex::encode_upper(data.keys.opc()), OPC);
        assert_eq!(data.codes.get(CodeName::PIN1).unwrap().as_octets(), b"1234\xFF\xFF\xFF\xFF");
        assert_eq!(data.codes.get(CodeName::PUK2).unwrap().as_octets(), b"87654321");
        assert_eq!(hex::encode(data.codes.get(CodeName::ADM1).unwrap().as_octets()), "0011223344556677");
        assert_eq!(data.home.acc, [0x00, 0x80], "the bit of the last digit of the IMSI");
        assert_ne!(
            data.ota[0].get(1).unwrap().as_octets(),
            yard.data(&iccid(8)).await.ota[0].get(1).unwrap().as_octets()
        );
        let order = yard.inventory.store.order(&Iccid::parse(&iccid(7)).unwrap()).await.unwrap().unwrap();
        assert_eq!((order.owner, order.profile_type), (delivery().owner, delivery().profile_type));

        // Sealed for its own row: it does not open in another.
        let sealed = yard.inventory.store.package(&order.iccid).await.unwrap().unwrap().sealed;
        let elsewhere = Package::place(&Iccid::parse(&iccid(8)).unwrap());
        assert!(yard.inventory.sealer.open(&elsewhere, &sealed).is_err());

        // No file of the database has the key in it.
        yard.inventory.store.close().await;
        let key = hex::decode(KI).unwrap();
        let mut looked_at = 0;
        for entry in std::fs::read_dir(yard.folder.path()).unwrap() {
            let content = std::fs::read(entry.unwrap().path()).unwrap();
            looked_at += content.len();
            let text = KI.as_bytes();
            assert!(!content.windows(key.len()).any(|octets| octets == key));
            assert!(!content.windows(text.len()).any(|octets| octets.eq_ignore_ascii_case(text)));
        }
        assert!(looked_at > 100_000, "{looked_at}");
    });
}

fn every_wrong_value_is_told_with_line_and_column() {
    block_on(async {
        let yard = Yard::new().await;
        for (at, value, expected) in [
            (0, "8988", "line 3, iccid: expected 18 to 20 decimal digits, 19 may be followed by F"),
            (0, "", "line 3, iccid: empty"),
            (1, "90140x", "line 3, imsi: expected 6 to 15 decimal digits, or the 18 digits of EF.IMSI"),
            (2, "5EC2E7", "line 3, ki: expected 32 hexadecimal digits"),
            (2, "5EC2E7_B199B49FAA5F0A2EE238A6BC0", "line 3, ki: expected 32 hexadecimal digits"),
            (3, "5EC2E7", "line 3, opc: expected 32 hexadecimal digits"),
            (3, "", "line 3, opc: empty"),
            (4, "5EC2", "line 3, pin1: a PIN has 4 to 8 decimal digits"),
            (5, "1234", "line 3, puk1: a PUK has 8 decimal digits"),
            (6, "123", "line 3, pin2: a PIN has 4 to 8 decimal digits"),
            (7, "123456789", "line 3, puk2: a PUK has 8 decimal digits"),
            (8, "5EC2E7", "line 3, adm1: an ADM code has 4 to 8 decimal digits or 16 hexadecimal digits"),
            (9, "1", "line 3, acc: expected 4 hexadecimal digits"),
            (10, "+1x", "line 3, msisdn: expected 5 to 15 decimal digits, with or without a leading +"),
        ] {
            let mut values: Vec<String> = row(2).split(',').map(str::to_owned).collect();
            values[at] = value.to_owned();
            let found = faults(yard.ingest(&file([row(1), values.join(","), row(3)])).await);
            // Of a value that is no number, its length is told.
            let length = format!(" ({} characters): ", value.len());
            let expected =
                if value.is_empty() { expected.to_owned() } else { expected.replacen(": ", &length, 1) };
            assert_eq!(found, [expected]);
            assert!(!found[0].contains("5EC2"), "a secret in an error: {found:?}");
        }
        let found = faults(yard.ingest(&file([row(1), String::new(), row(1), "a,b".to_owned()])).await);
        let expected = [
            "line 4, iccid 8988211…001: stands in line 2 already",
            "line 4, imsi 9014000…001: stands in line 2 already",
            "line 5: 2 values, expected 11 as the columns are named",
        ];
        assert_eq!(found, expected);
        assert_eq!(faults(yard.ingest(&file(["x".repeat(5000)])).await), ["line 2: longer than 4096 octets"]);
        assert!(yard.inventory.store.counts().await.unwrap().is_empty(), "nothing was taken");
    });
}

fn a_file_of_another_form_is_refused() {
    block_on(async {
        let yard = Yard::new().await;
        for (text, expected) in [
            (
                "",
                "the file has no rows: expected a line of column names, then one line for each subscription",
            ),
            (
                "\n\n",
                "the file has no rows: expected a line of column names, then one line for each subscription",
            ),
            (
                HEADER,
                "the file has no rows: expected a line of column names, then one line for each subscription",
            ),
            ("iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1,imsi\n", "line 1: column imsi stands twice"),
            ("iccid,imsi,pin1,puk1,pin2,puk2\n", "line 1: no column ki, adm1, opc or op"),
            (
                "89882110000000000001,465B5CE8B199B49FAA5F0A2EE238A6BC\n",
                "line 1: column 1 is none of iccid, eid, imsi, ki, opc, op, topc, algorithm, pin1, puk1, pin2, puk2, adm1, acc, msisdn, smsp, spn, mnclength, impi, impu, kic, kid, kik, otatype, role, nor one of them with a number, nor a key with an e before it",
            ),
        ] {
            assert_eq!(faults(yard.ingest(text).await), [expected]);
        }
        let no_text = yard.inventory.ingest_csv(cursor(b"\xFF\xFE\n"), &delivery()).await;
        assert_eq!(faults(no_text), ["line 1 is no list of column names in UTF-8"]);

        // Other delimiters, an order of one's own, quotes, carriage returns and a byte order mark are taken.
        let text = format!(
            "\u{FEFF}KI; \"ICCID\" ;imsi;OPC;adm1;pin1;puk1;pin2;puk2\r\n{KI};\"{}F\";901400000000001;{OPC};12345;0000;00000000;0000;00000000\r\n\r\n",
            iccid(1)
        );
        assert_eq!(yard.ingest(&text).await.unwrap().profiles, 1);
        assert_eq!(
            yard.data(&iccid(1)).await.codes.get(CodeName::ADM1).unwrap().as_octets(),
            b"12345\xFF\xFF\xFF"
        );
    });
}

fn faults_are_told_up_to_a_bound_and_counted_beyond() {
    block_on(async {
        let yard = Yard::new().await;
        let rows = (0..REFUSALS_MAX + 50).map(|_| "x".to_owned()).chain([row(1)]);
        let outcome = yard.ingest(&file(rows)).await;
        let Err(error @ IngestError::Refused(_)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.to_string(), "10050 of 10051 rows are refused");
        let IngestError::Refused(receipt) = error else { panic!("{error:?}") };
        assert_eq!((receipt.refusals.len(), receipt.more_refusals), (REFUSALS_MAX, 50));
        assert_eq!((receipt.batch_id, receipt.profiles), (None, 0));
        assert!(yard.inventory.store.counts().await.unwrap().is_empty());
    });
}

fn numbers_that_are_in_the_stock_are_told_by_line_and_nothing_is_taken() {
    block_on(async {
        let yard = Yard::new().await;
        yard.ingest(&file((1..=3).map(row))).await.unwrap();
        let other_imsi = row(2).replace(&iccid(2), &iccid(6));
        let found = faults(yard.ingest(&file([row(4), row(3), row(5), other_imsi])).await);
        let expected = [
            "line 3, iccid 8988211…003: is in the stock already",
            "line 3, imsi 9014000…003: is in the stock already",
            "line 5, imsi 9014000…002: is in the stock already",
        ];
        assert_eq!(found, expected);
        let counts = yard.inventory.store.counts().await.unwrap();
        assert_eq!(counts.iter().map(|count| count.profiles).sum::<u64>(), 3);
        assert_eq!(faults(yard.ingest(&file((1..=3).map(row))).await).len(), 6, "the same file again");
    });
}

fn op_gives_the_opc_that_it_should() {
    block_on(async {
        let yard = Yard::new().await;
        let header = "iccid,imsi,ki,op,opc,pin1,puk1,pin2,puk2,adm1";
        let row = |number: usize, op: &str, opc: &str| {
            format!(
                "{},90140{number:010},{KI},{op},{opc},1234,12345678,5678,87654321,12345678\n",
                iccid(number)
            )
        };
        // OP and K of the first test set of TS 35.208 4.3.
        let zeros = "0".repeat(32);
        let text = format!("{header}\n{}{}{}", row(1, OP, ""), row(2, OP, OPC), row(3, "", &zeros));
        yard.ingest(&text).await.unwrap();
        let key = hex::decode(KI).unwrap().try_into().unwrap();
        let op = hex::decode(OP).unwrap().try_into().unwrap();
        assert_eq!(yard.data(&iccid(1)).await.keys.opc(), &*opc_from_op(&key, &op));
        assert_eq!(hex::encode_upper(yard.data(&iccid(1)).await.keys.opc()), OPC);
        assert_eq!(hex::encode_upper(yard.data(&iccid(2)).await.keys.opc()), OPC);
        assert_eq!(yard.data(&iccid(3)).await.keys.opc(), &[0; 16]);
        let neither = format!("{header}\n{}", row(4, "", ""));
        assert_eq!(faults(yard.ingest(&neither).await), ["line 2, opc: empty"]);
        let other = format!("{header}\n{}", row(5, OP, &zeros));
        assert!(
            faults(yard.ingest(&other).await)[0].ends_with("not the OPc that ki and op of this row give")
        );
    });
}

fn a_ready_made_package_is_kept_whole_under_its_own_number() {
    let Some(folder) = vectors("ready-made packages in the stock") else { return };
    let path = std::fs::read_dir(folder.join("ts48")).unwrap();
    let path =
        path.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "der"));
    let der = std::fs::read(path.expect("a package in ts48")).unwrap();
    block_on(async {
        let yard = Yard::new().await;
        let receipt = yard.inventory.ingest_package(cursor(&der), &delivery()).await.unwrap();
        let iccid = receipt.first_iccid.unwrap();
        let package = yard.inventory.store.package(&iccid).await.unwrap().unwrap();
        assert_eq!(package.kind, PackageKind::ReadyMade);
        let opened = yard.inventory.sealer.open(&Package::place(&iccid), &package.sealed).unwrap();
        assert_eq!(*opened, der);
        let again = faults(yard.inventory.ingest_package(cursor(&der), &delivery()).await);
        assert!(
            again[0].starts_with("line 1, iccid 8") && again[0].ends_with("is in the stock already"),
            "{again:?}"
        );
        let cut = yard.inventory.ingest_package(cursor(&der[..der.len() - 1]), &delivery()).await;
        assert!(faults(cut)[0].starts_with("line 1: the file ends within"));
        // One that stands twice in a delivery is refused, in an empty stock too.
        let other = Yard::new().await;
        let twice = [der.as_slice(), &der].concat();
        let twice = faults(other.inventory.ingest_package(cursor(&twice), &delivery()).await);
        assert_eq!(twice.len(), 1, "{twice:?}");
        assert!(twice[0].starts_with("line 2, iccid 8"), "{twice:?}");
        assert!(twice[0].ends_with("stands in this delivery already"), "{twice:?}");
        other.inventory.ingest_package(cursor(&der), &delivery()).await.unwrap();
    });
}

fn every_imsi_of_a_ready_made_package_is_its_own() {
    let text = format!(
        "{}{}",
        multi_imsi::second_usim(),
        multi_imsi::file(&format!("{{ multi_imsi = {} }}", multi_imsi::TABLE))
    );
    let der = multi_imsi::with(&text);
    let identity = PackageIdentity::read(&saip::Package::from_der(&der).unwrap()).unwrap();
    // The second USIM is a copy of the first one, and has nothing of its own.
    let further: Vec<_> =
        identity.further_imsis.iter().map(|one| (one.role.as_str(), one.imsi.as_str())).collect();
    assert_eq!(further, [("brazil", "724680000000001"), ("global", "901405100000001")]);
    let home = identity.imsi.unwrap();
    let other_usim = text.replace(home.as_str(), "901405100000009");
    assert_ne!(other_usim, text, "the template says its IMSI in digits");
    let other = multi_imsi::with(&other_usim);
    let other = PackageIdentity::read(&saip::Package::from_der(&other).unwrap()).unwrap();
    let own = PackageImsi { role: "imsi2".to_owned(), imsi: Imsi::parse("901405100000009").unwrap() };
    assert_eq!(
        (other.imsi, other.further_imsis.first(), other.further_imsis.len()),
        (Some(home), Some(&own), 3)
    );
    let row = |imsi: &str| file([row(1).replace("901400000000001", imsi)]);
    block_on(async {
        let yard = Yard::new().await;
        yard.inventory.ingest_package(cursor(&der), &delivery()).await.unwrap();
        for (_, imsi) in further {
            let by = Identifier::Imsi(Imsi::parse(imsi).unwrap());
            let found = yard.inventory.store.stock_items_of(&by).await.unwrap();
            assert_eq!(found[0].iccid, identity.iccid);
            let told = faults(yard.ingest(&row(imsi)).await);
            assert!(
                told[0].starts_with("line 2, imsi ") && told[0].ends_with("is in the stock already"),
                "{told:?}"
            );
        }
        // And the other way round: whoever came first has it.
        let yard = Yard::new().await;
        yard.ingest(&row("901405100000001")).await.unwrap();
        let told = faults(yard.inventory.ingest_package(cursor(&der), &delivery()).await);
        assert!(
            told[0].starts_with("line 1, imsi3 ") && told[0].ends_with("is in the stock already"),
            "{told:?}"
        );
    });
}

fn a_profile_that_is_on_an_euicc_is_none_for_the_stock() {
    let eid = "89049032000000000000700000001195";
    let text = format!("{HEADER},eid\n{},{eid}\n{},\n", row(1), row(2));
    block_on(async {
        let yard = Yard::new().await;
        let told = faults(yard.ingest(&text).await);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("line 2, eid 8904903…195: the row names an eUICC"), "{told:?}");
        assert!(told[0].contains("euiccs") && told[0].contains("--pass-over eid"), "{told:?}");
        let passed_over = vec!["eid".to_owned()];
        let options =
            Options { passed_over, format: Some(Format::Csv), ..yard.inventory.options(&delivery()) };
        let source = Box::new(AnyForm { options, accompanying: None });
        let taken = yard
            .inventory
            .ingest(cursor(text.as_bytes()), source, &delivery(), Intent::TakeWhole, |_| {})
            .await;
        assert_eq!(taken.unwrap().profiles, 2);
    });
}

fn what_goes_nowhere_is_looked_through_for_numbers_that_stand_twice() {
    // More rows than two chunks, so that the two are far apart.
    let last = 1_200;
    let twice = row(last).replace(&format!("+88{last:010}"), &format!("88{:010}", 1));
    let rows = file((1..last).map(row).chain([twice]));
    let wrong = rows.replacen(&iccid(1), "no number", 1);
    block_on(async {
        let yard = Yard::new().await;
        let take = async |text: &str, intent: Intent| {
            let options = Options { format: Some(Format::Csv), ..yard.inventory.options(&delivery()) };
            let source = Box::new(AnyForm { options, accompanying: None });
            yard.inventory.ingest(cursor(text.as_bytes()), source, &delivery(), intent, |_| {}).await
        };
        let tried = take(&rows, Intent::Try).await.unwrap();
        let told: Vec<String> = tried.refusals.iter().map(ToString::to_string).collect();
        assert_eq!((tried.rows, tried.profiles, tried.refused), (1_200, 1_199, 1), "{told:?}");
        assert!(told[0].starts_with("line 1201, msisdn"), "{told:?}");
        assert!(told[0].ends_with("stands in this delivery already"), "{told:?}");
        // A delivery that is taken says the same.
        assert_eq!(faults(take(&rows, Intent::TakeWhole).await), told);
        // Once a row is refused no other goes in; what is wrong with them is told all the same. The first one has the number
        // here, and is no row of the delivery.
        let second = wrong.replacen(&format!("+88{:010}", 2), &format!("+88{:010}", 1), 1);
        let refused = faults(take(&second, Intent::TakeWhole).await);
        assert_eq!((refused.len(), &refused[1]), (2, &told[0]), "{refused:?}");
        assert_eq!(faults(take(&wrong, Intent::TakeWhole).await).len(), 1);
    });
}

fn rows_are_held_against_the_template_of_their_type() {
    let Some(folder) = vectors("a template of TS.48 for the stock") else { return };
    let der = std::fs::read(folder.join("ts48/TS48v5_SAIP2.3_BERTLV_SUCI.der")).unwrap();
    let template = Template::compile(&saip::Package::from_der(&der).unwrap()).unwrap();
    block_on(async {
        let yard = Yard::new().await;
        let delivery = Delivery { template: Some(template.clone()), ..delivery() };
        let ingest = async |text: &str| yard.inventory.ingest_csv(cursor(text.as_bytes()), &delivery).await;
        let header = "iccid,imsi,ki,pin1,puk1,pin2,puk2,adm1";
        let row = |number: usize| {
            format!("{},90140{number:010},{KI},1234,12345678,5678,87654321,11223344", iccid(number))
        };
        assert_eq!(faults(ingest(&format!("{header}\n{}\n", row(1))).await), ["line 1: no column adm2"]);
        let columns = format!("{header},adm2,imsi2,spn");
        for (end, expected) in [
            (",,Acme", "line 2, adm2: empty"),
            (
                "55667788,901400000000099,Acme",
                "line 2, imsi: the template is for 1 subscriptions (one for each USIM and entry of a multi-IMSI table), \
                 the data have 2",
            ),
        ] {
            assert_eq!(faults(ingest(&format!("{columns}\n{},{end}\n", row(1))).await), [expected]);
        }
        ingest(&format!("{columns}\n{},55667788,,Acme\n", row(1))).await.unwrap();
        // Keys were drawn for both sets, and the package can be made.
        let data = yard.data(&iccid(1)).await;
        let versions: Vec<_> = data.ota.iter().map(|set| set.version).collect();
        assert_eq!(versions, [Some(1), Some(2)]);
        assert!(template.personalise(&data).is_ok());
    });
}
