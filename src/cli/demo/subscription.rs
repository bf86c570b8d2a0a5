//! The subscription that the demonstration downloads, and what it must read back from the card.

use anyhow::{Context as _, bail};
use simyard_asn1::saip::Package;

use crate::crypto::aka::AkaAlgorithm;
use crate::crypto::milenage::Milenage;
use crate::device::terminal::PIN1;
use crate::env::Rng;
use crate::ident::{Iccid, Imsi};
use crate::profile::identity::PackageIdentity;
use crate::profile::image::{AkaSource, ApplicationKind, NodeId, ProfileImage};

/// ICCIDs with their check digits, and IMSIs, of the batch.
const NUMBERS: [(&str, &str); 3] = [
    ("89882801000000000014", "901405100000001"),
    ("89882801000000000022", "901405100000002"),
    ("89882801000000000030", "901405100000003"),
];

/// Those of the other operator.
const OTHER_NUMBERS: [(&str, &str); 1] = [("89882801000000000048", "901405100000004")];

/// One subscription and its secrets.
pub(super) struct Subscription {
    pub(super) iccid: Iccid,
    pub(super) imsi: Imsi,
    pub(super) aka: AkaAlgorithm,
    pub(super) pin1: [u8; 8],
    /// The name that EF.SPN must show, in our own template.
    pub(super) name: Option<&'static str>,
    /// The row of the manufacturer's file.
    row: String,
}

/// A batch as a manufacturer delivers it: fresh keys, drawn here.
pub(super) fn batch(rng: &Rng) -> anyhow::Result<Vec<Subscription>> {
    drawn(&NUMBERS, super::OPERATOR_NAME, rng)
}

/// A batch for the other operator.
pub(super) fn others(rng: &Rng) -> anyhow::Result<Vec<Subscription>> {
    drawn(&OTHER_NUMBERS, super::OTHER_OPERATOR_NAME, rng)
}

fn drawn(numbers: &[(&str, &str)], name: &'static str, rng: &Rng) -> anyhow::Result<Vec<Subscription>> {
    numbers
        .iter()
        .map(|(iccid, imsi)| {
            let (ki, opc): ([u8; 16], [u8; 16]) = (rng.array(), rng.array());
            let digits =
                || -> String { rng.array::<8>().iter().map(|octet| char::from(b'0' + octet % 10)).collect() };
            let (puk1, puk2, adm1) = (digits(), digits(), digits());
            let row = format!(
                "{iccid},{imsi},{},{},1234,{puk1},5678,{puk2},{adm1}",
                hex::encode(ki),
                hex::encode(opc)
            );
            Ok(Subscription {
                iccid: iccid.parse()?,
                imsi: imsi.parse()?,
                aka: Milenage::new(&ki, &opc).into(),
                pin1: *b"1234\xFF\xFF\xFF\xFF",
                name: Some(name),
                row,
            })
        })
        .collect()
}

/// The manufacturer's file.
pub(super) fn to_csv(batch: &[Subscription]) -> String {
    let mut file = String::from("iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n");
    for subscription in batch {
        file.push_str(&subscription.row);
        file.push('\n');
    }
    file
}

impl Subscription {
    /// What a ready-made package says of itself.
    pub(super) fn of_package(der: &[u8]) -> anyhow::Result<Self> {
        let package = Package::from_der(der)?;
        let identity = PackageIdentity::read(&package)?;
        let image = ProfileImage::build(&package)?;
        let usim = image
            .applications
            .iter()
            .find(|application| application.kind == ApplicationKind::Usim)
            .context("the package has no USIM")?;
        let AkaSource::Own(aka) = &usim.aka else { bail!("the package's USIM has no keys of its own") };
        let pin1 = image.pin(NodeId::MF, PIN1).context("the package has no PIN1")?;
        Ok(Self {
            iccid: identity.iccid,
            imsi: identity.imsi.context("the package has no IMSI")?,
            pin1: pin1.value[..].try_into().context("PIN1 has eight octets")?,
            aka: aka.to_algorithm().context("the package's USIM has an algorithm that is not known here")?,
            name: None,
            row: String::new(),
        })
    }
}
