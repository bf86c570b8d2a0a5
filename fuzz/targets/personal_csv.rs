//! A manufacturer's file: no text makes the reader panic, and a row that it takes is stored, read again and put into a
//! template that a card installs.

#![no_main]

use std::sync::LazyLock;

use simyard::profile::image::ProfileImage;
use simyard::profile::personal_csv::{Rows, Settings};
use simyard::profile::personal_data::PersonalData;
use simyard::profile::plan::Template;
use simyard::profile::shipped;
use simyard_asn1::saip::Package;

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let shipped = shipped::find("test-milenage").expect("a template of that name");
    let octets = shipped.build().expect("a package");
    Template::compile(&Package::from_der(&octets).expect("a package")).expect("a template")
});

const KEY: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";
const NEEDED: &str = "iccid;imsi;ki;opc;pin1;puk1;pin2;puk2;adm1;kic;kid;kik";

fn seeds() -> Vec<Vec<u8>> {
    let row = |number: usize| {
        format!(
            "8988280{number:012};90140{number:010};{KEY};{KEY};1234;12345678;5678;87654321;11223344;{KEY};{KEY};{KEY}"
        )
    };
    [
        format!("{NEEDED}\n{}\n{}\n", row(1), row(2)),
        format!("{NEEDED};spn;msisdn;smsp;acc;mnclength\n{};Acme;+491701234567;+4917;0001;3\n", row(3)),
        format!("{NEEDED};imsi2;role2;ki2;op2\n{};724680000000001;brazil;{KEY};{KEY}\n", row(4)),
        format!("{}\r\n\"{}\"\r\n", NEEDED.to_uppercase(), row(5)),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect()
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    let Ok(mut rows) = Rows::new(input, Settings::for_template(TEMPLATE.requirements())) else { return };
    while let Some(row) = rows.next_row().expect("memory is read") {
        let Ok(row) = row.outcome else { continue };
        let data = row.data;
        let octets = data.to_octets();
        let again = PersonalData::from_octets(&octets).expect("what was stored is read");
        assert!(*again.to_octets() == *octets, "other octets after reading");
        if let Ok(package) = TEMPLATE.personalise(&data) {
            let package = Package::from_der(&package).expect("a package");
            assert!(ProfileImage::build(&package).is_ok(), "a card installs it");
        }
    }
});
