//! Out of the stock: files for other systems, and the whole of it as a folder.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use simyard::crypto::ecdsa::{Curve, SigningKey};
use simyard::crypto::transport::{Algorithm, Chaining, CheckMethod, Scheme, TransportCipher};
use simyard::domain::{Action, Person, System};
use simyard::ident::Imsi;
use simyard::inventory::export::folder::FolderReport;
use simyard::inventory::export::layout::{Column, Layout, Notation};
use simyard::inventory::export::manifest::{Manifest, fingerprint};
use simyard::inventory::export::split::{Chosen, Repeated, SplitReport};
use simyard::inventory::export::{ExportError, Exporter, Keys, Progress, Under};
use simyard::inventory::transport_keys::KeyUse;
use simyard::profile::shipped;
use simyard::store::{AuditSelection, StockSelection};

use serde_json::Value;

use super::*;

crate::tests!(
    each_system_gets_its_part_and_no_other,
    a_layout_says_columns_and_notation,
    what_was_delivered_is_left_out_until_it_is_wanted_again,
    a_file_that_cannot_be_made_marks_nothing,
    an_export_that_was_interrupted_goes_on_with_what_was_not_marked,
    the_whole_stock_goes_out_and_comes_in_again,
    ready_made_packages_leave_where_keys_may,
);

/// AES in ECB, so that a test can say what a key became.
static CIPHER: LazyLock<TransportCipher> = LazyLock::new(|| {
    let scheme = Scheme { algorithm: Algorithm::Aes128, chaining: Chaining::Ecb };
    TransportCipher::new(scheme, &[7; 16]).unwrap()
});

fn keys() -> Keys<'static> {
    let check_value = hex::encode_upper(CIPHER.check_value(CheckMethod::Zeros));
    let under = |index| Some(Under { index, check_value: check_value.clone(), cipher: &CIPHER });
    Keys::Under { subscription: under(3), ota: under(4) }
}

fn enciphered(digits: &str) -> String {
    hex::encode_upper(CIPHER.encipher(&hex::decode(digits).unwrap(), &Rng::seeded(1)).unwrap())
}

const KI2: &str = "00112233445566778899AABBCCDDEEFF";
const KIC: &str = "101112131415161718191A1B1C1D1E1F";

/// A subscription with a second IMSI that has keys of its own, and a third that has none.
fn several() -> String {
    format!(
        "iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1,msisdn,spn,kic2,kid2,kik2,otatype2,imsi2,role2,ki2,opc2,imsi3\n\
         {},901400000000900,{KI},{OPC},1234,12345678,5678,87654321,11223344,+88900,\"Acme, 1\",{KIC},{KIC},{KIC},\
         AES,724680000000900,brazil,{KI2},{OPC},901400000000901\n",
        iccid(900)
    )
}

struct Desk {
    yard: Yard,
    person: Person,
}

impl Desk {
    async fn new() -> Self {
        let yard = Yard::new().await;
        yard.ingest(&file((1..=3).map(row))).await.unwrap();
        Self { yard, person: Person::parse("ada").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.yard.folder.path().join(name)
    }

    fn exporter(&self) -> Exporter<'_> {
        let Inventory { store, sealer, clock, rng, .. } = &self.yard.inventory;
        Exporter { store, sealer, clock, rng, person: &self.person }
    }

    async fn split(
        &self,
        layout: &Layout,
        chosen: Chosen,
        repeated: Repeated,
        name: &str,
    ) -> Result<(SplitReport, String), ExportError> {
        let path = self.path(name);
        let report = self.exporter().split(&chosen, layout, &keys(), repeated, &path, |_| {}).await?;
        Ok((report, std::fs::read_to_string(path).unwrap()))
    }
}

fn all() -> Chosen {
    Chosen::Batches(StockSelection::All)
}

fn each_system_gets_its_part_and_no_other() {
    block_on(async {
        let desk = Desk::new().await;
        desk.yard.ingest(&several()).await.unwrap();
        let only = || Chosen::Iccids(vec![Iccid::parse(&iccid(900)).unwrap()]);
        let (report, text) =
            desk.split(&Layout::default_for(System::Auc), only(), Repeated::LeftOut, "auc").await.unwrap();
        let (ki, opc, ki2) = (enciphered(KI), enciphered(OPC), enciphered(KI2));
        let number = iccid(900);
        let check = hex::encode_upper(CIPHER.check_value(CheckMethod::Zeros));
        let expected = [
            "imsi,iccid,ki,opc,algorithm,amf,transport_key,check_value".to_owned(),
            format!("901400000000900,{number},{ki},{opc},milenage,8000,3,{check}"),
            format!("724680000000900,{number},{ki2},{opc},milenage,8000,3,{check}"),
            format!("901400000000901,{number},{ki},{opc},milenage,8000,3,{check}"),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!((report.lines, report.subscriptions, report.transport_key.as_deref()), (3, 1, Some("3")));
        assert!(!text.contains(KI) && !text.contains(OPC), "no key is in the clear");

        let (_, text) =
            desk.split(&Layout::default_for(System::Ota), only(), Repeated::LeftOut, "ota").await.unwrap();
        let kic = enciphered(KIC);
        assert_eq!(
            text.lines().nth(1).unwrap(),
            format!("{number},+88900,2,AES,{kic},{kic},{kic},4,{check}")
        );
        let (_, text) =
            desk.split(&Layout::default_for(System::Crm), only(), Repeated::LeftOut, "crm").await.unwrap();
        assert_eq!(
            text.lines().nth(1).unwrap(),
            format!("{number},901400000000900,+88900,1234,12345678,5678,87654321")
        );
        assert_eq!(text.lines().count(), 2);
        let delivered = desk.yard.inventory.store.delivered(&Iccid::parse(&number).unwrap()).await.unwrap();
        assert_eq!(delivered.iter().collect::<Vec<_>>(), System::ALL);
    });
}

fn a_layout_says_columns_and_notation() {
    block_on(async {
        let desk = Desk::new().await;
        desk.yard.ingest(&several()).await.unwrap();
        let layout = Layout {
            name: "vendor".to_owned(),
            columns: vec![
                Column::Iccid,
                Column::Place,
                Column::Role,
                Column::Imsi,
                Column::Msisdn,
                Column::Ki,
            ],
            delimiter: ';',
            header: false,
            notation: Notation::Swapped,
            ..Layout::default_for(System::Auc)
        };
        let (report, text) = desk.split(&layout, all(), Repeated::LeftOut, "auc").await.unwrap();
        assert_eq!((report.layout.as_str(), report.lines, report.subscriptions), ("vendor", 6, 4));
        let number = Notation::Swapped.text(&Iccid::parse(&iccid(900)).unwrap());
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(&number)).collect();
        assert_eq!(lines[1], format!("{number};2;brazil;724680000000900;;{}", enciphered(KI2)));
        assert!(lines[0].contains(";1;home;901400000000900;+88900;"), "{lines:?}");
    });
}

fn what_was_delivered_is_left_out_until_it_is_wanted_again() {
    block_on(async {
        let desk = Desk::new().await;
        let layout = Layout::default_for(System::Auc);
        let second = Iccid::parse(&iccid(2)).unwrap();
        let one = Chosen::Iccids(vec![second.clone()]);
        desk.split(&layout, one.clone(), Repeated::LeftOut, "one").await.unwrap();
        let (report, text) = desk.split(&layout, all(), Repeated::LeftOut, "two").await.unwrap();
        assert_eq!((report.subscriptions, report.delivered_already), (2, 1));
        assert!(!text.contains(second.as_str()));
        let nothing = desk.split(&layout, all(), Repeated::LeftOut, "three").await;
        assert!(nothing.unwrap_err().to_string().contains("3 subscriptions were delivered already"));
        assert!(!desk.path("three").exists());
        let (report, _) = desk.split(&layout, all(), Repeated::Again, "three").await.unwrap();
        assert_eq!((report.subscriptions, report.delivered_already), (3, 0));
        // Another system has nothing of it.
        let crm = Layout::default_for(System::Crm);
        assert_eq!(desk.split(&crm, all(), Repeated::LeftOut, "crm").await.unwrap().0.subscriptions, 3);
        let told = desk.yard.inventory.store.deliveries(&second).await.unwrap();
        let files: Vec<&str> = told.iter().map(|told| told.file.as_str()).collect();
        assert_eq!(files.len(), 3, "{files:?}");
        for name in ["one", "three", "crm"] {
            assert!(files.contains(&name), "{files:?}");
        }
        assert_eq!(told[0].person, "ada");
        let entries =
            desk.yard.inventory.store.audit_entries(&AuditSelection::default(), 0, 10).await.unwrap();
        let exports = entries.iter().filter(|entry| entry.action == Action::STOCK_EXPORT.as_str());
        assert_eq!(exports.count(), 4, "{entries:?}");
    });
}

fn a_file_that_cannot_be_made_marks_nothing() {
    block_on(async {
        let desk = Desk::new().await;
        let layout = Layout::default_for(System::Auc);
        let unknown =
            Chosen::Iccids(vec![Iccid::parse(&iccid(1)).unwrap(), Iccid::parse(&iccid(9)).unwrap()]);
        std::fs::write(desk.path("there"), "x").unwrap();
        let refused = [
            (all(), "there", "is there already"),
            (all(), "absent/auc", "absent/auc"),
            (unknown, "auc", "is not in the stock"),
            (Chosen::Batches(StockSelection::Batch("none".to_owned())), "auc", "no batch none"),
        ];
        for (chosen, name, says) in refused {
            let error = desk.split(&layout, chosen, Repeated::LeftOut, name).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        // A key that does not fit the cipher: 24 octets in blocks of 16.
        let long =
            several().replace(&format!(",{KIC},{KIC},{KIC}"), &format!(",{KIC}{},{KIC},{KIC}", &KIC[..16]));
        desk.yard.ingest(&long).await.unwrap();
        let ota = desk.split(&Layout::default_for(System::Ota), all(), Repeated::LeftOut, "ota").await;
        assert!(
            ota.unwrap_err().to_string().starts_with(&format!("kic of profile {} has 24 octets", iccid(900)))
        );
        let left: BTreeSet<String> = std::fs::read_dir(desk.yard.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("simyard.db"))
            .collect();
        assert_eq!(left, BTreeSet::from(["there".to_owned()]), "nothing is left behind");
        assert_eq!(
            desk.split(&layout, all(), Repeated::LeftOut, "auc").await.unwrap().0.delivered_already,
            0
        );
    });
}

fn an_export_that_was_interrupted_goes_on_with_what_was_not_marked() {
    let desk = block_on(Desk::new());
    block_on(desk.yard.ingest(&file((1000..7000).map(row)))).unwrap();
    let (layout, path) = (Layout::default_for(System::Auc), desk.path("first"));
    // Five thousand are marked at a time: it dies behind the first of them.
    let die = |progress| {
        if let Progress::Marked(5000, 6003) = progress {
            std::panic::resume_unwind(Box::new("killed"));
        }
    };
    let (keys, chosen) = (keys(), all());
    let export = || block_on(desk.exporter().split(&chosen, &layout, &keys, Repeated::LeftOut, &path, die));
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(export));
    assert_eq!(died.err().unwrap().downcast_ref(), Some(&"killed"));
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1 + 6003, "the file is whole");
    let second = block_on(desk.split(&layout, all(), Repeated::LeftOut, "second"));
    let (report, _) = second.unwrap();
    assert_eq!((report.subscriptions, report.delivered_already), (1003, 5000));
}

fn signer() -> SigningKey {
    SigningKey::from_scalar(Curve::P256, &[5; 32]).unwrap()
}

/// The whole stock in a folder of this name, keys in the clear.
async fn out(desk: &Desk, name: &str) -> FolderReport {
    let folder = desk.path(name);
    std::fs::create_dir(&folder).unwrap();
    let report = desk.exporter().folder(&StockSelection::All, &Keys::Clear, &signer(), &folder, |_| {}).await;
    report.unwrap()
}

fn the_whole_stock_goes_out_and_comes_in_again() {
    block_on(async {
        let desk = Desk::new().await;
        desk.yard.ingest(&several()).await.unwrap();
        let report = out(&desk, "out").await;
        let folder = desk.path("out");
        assert_eq!((report.profiles, report.subscriptions, report.packages), (4, 4, 0));
        let names: Vec<&str> = report.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["subscriptions-1.jsonl", "subscriptions-1.csv", "states.jsonl", "batches.jsonl"]);
        let manifest = Manifest::verify(&folder, &fingerprint(signer().public_key()), |_, _| {}).unwrap();
        assert_eq!((manifest.keys.as_str(), manifest.made_by.as_str()), ("clear", "ada"));
        let csv = std::fs::read(folder.join("subscriptions-1.csv")).unwrap();
        let lines = std::fs::read_to_string(folder.join("subscriptions-1.jsonl")).unwrap();
        let last = lines.lines().find(|line| line.contains(&iccid(900))).unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        assert_eq!((&last["imsi2"], &last["role2"]), (&"724680000000900".into(), &"brazil".into()));
        assert_eq!((&last["spn"], &last["imsi3"]), (&"Acme, 1".into(), &"901400000000901".into()));
        assert!(last.get("ki3").is_none(), "it is used with the keys of the first");

        // Another platform takes it, and has the same.
        let other = Desk { yard: Yard::new().await, person: Person::unknown() };
        other.yard.inventory.ingest_csv(cursor(&csv), &delivery()).await.unwrap();
        for number in [1, 2, 3, 900] {
            let (one, two) = (desk.yard.data(&iccid(number)).await, other.yard.data(&iccid(number)).await);
            assert_eq!(*one.to_octets(), *two.to_octets(), "{number}");
        }
        out(&other, "back").await;
        for name in ["subscriptions-1.jsonl", "subscriptions-1.csv"] {
            let (one, two) = (folder.join(name), other.path("back").join(name));
            // Batches are in the order of time, and there were two.
            let lines = |path| -> BTreeSet<String> {
                std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
            };
            assert_eq!(lines(one), lines(two), "{name}");
        }
    });
}

fn ready_made_packages_leave_where_keys_may() {
    block_on(async {
        let desk = Desk::new().await;
        let package = ready_made(&desk).await;
        desk.yard.inventory.ingest_package(cursor(&package), &delivery()).await.unwrap();
        for (keys, packages, left_out) in [(Keys::Clear, 1, 0), (keys(), 0, 1), (Keys::LeftOut, 0, 1)] {
            let folder = desk.path(&format!(
                "out-{packages}-{}",
                if keys.under(KeyUse::Ota).is_some() { "under" } else { "not" }
            ));
            std::fs::create_dir(&folder).unwrap();
            let report = desk
                .exporter()
                .folder(&StockSelection::All, &keys, &signer(), &folder, |_| {})
                .await
                .unwrap();
            assert_eq!((report.packages, report.packages_left_out, report.profiles), (packages, left_out, 4));
            let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
            match keys {
                Keys::Clear => assert_eq!(std::fs::read(folder.join("packages-1.der")).unwrap(), package),
                Keys::Under { .. } => {
                    assert!(text("subscriptions-1.csv").contains(&enciphered(KI)));
                    assert!(!text("subscriptions-1.csv").contains(KI));
                }
                Keys::LeftOut => assert!(!text("subscriptions-1.csv").lines().next().unwrap().contains("ki")),
            }
            assert!(!folder.join("packages-1.der").exists() || packages == 1);
            assert_eq!(text("states.jsonl").lines().count(), 4);
        }
        // The AuC's part of it can be read; the CRM's is not looked for.
        let (report, _) =
            desk.split(&Layout::default_for(System::Auc), all(), Repeated::LeftOut, "auc").await.unwrap();
        assert_eq!((report.subscriptions, report.ready_made), (4, 0));
        let (report, _) =
            desk.split(&Layout::default_for(System::Crm), all(), Repeated::LeftOut, "crm").await.unwrap();
        assert_eq!((report.subscriptions, report.ready_made), (3, 1));
    });
}

/// One of our templates with the data of a row under other numbers: a package as a manufacturer delivers it.
async fn ready_made(desk: &Desk) -> Vec<u8> {
    let mut data = desk.yard.data(&iccid(1)).await;
    data.iccid = Iccid::parse(&iccid(50)).unwrap();
    data.home.imsi = Imsi::parse("901400000000050").unwrap();
    let template = shipped::find("iot").unwrap().build().unwrap();
    let template = Template::compile(&saip::Package::from_der(&template).unwrap()).unwrap();
    template.personalise(&data).unwrap().to_vec()
}
