//! PINs, authentication, security domains, remote management, applications, keys.

use super::edit::{
    Edit, INSTANCE_AID, PACKAGE_AID, RFM_AID, USIM_AID, application, branch, element, leaf, rfm,
    security_domain,
};
use super::structure::{cdma, library, with_csim};
use super::{Case, Rule, case};

/// A key without pattern.
const KEY: &str = "5C13E80FA96B4427D3910E7C86F2B05A";
const OTHER_KEY: &str = "E47A209D11C8563FB20D7986FA4C1E73";

pub(super) fn cases() -> Vec<Case> {
    [pins(), puks(), aka(), domains(), remote(), applications(), keys()].into_iter().flatten().collect()
}

/// The n-th PIN of the MF: PIN1, ADM1.
fn pin(p: &mut Edit, number: usize) -> &mut super::edit::Node {
    &mut p.element("pinCodes").at(&[0xA1, 0xA0]).members[number]
}

fn pins() -> Vec<Case> {
    let configuration = |reference: &str| {
        branch(0x30, vec![leaf(0x80, reference), leaf(0x81, "3731393032383634"), leaf(0x82, "01")])
    };
    vec![
        case(Rule::PinReference, |p| pin(p, 1).put(0x80, "09").done(), |p| pin(p, 1).put(0x80, "0E").done()),
        case(
            Rule::PinReferenceTwice,
            move |p| p.element("pinCodes").at(&[0xA1, 0xA0]).push(configuration("01")).done(),
            move |p| p.element("pinCodes").at(&[0xA1, 0xA0]).push(configuration("02")).done(),
        ),
        case(Rule::PinPlace, |p| pin(p, 0).put(0x80, "0081").done(), |p| pin(p, 0).put(0x80, "08").done()),
        case(
            Rule::PinPlace,
            |p| p.nth("pinCodes", 1).at(&[0xA1, 0xA0, 0x30]).put(0x80, "01").done(),
            |p| p.nth("pinCodes", 1).at(&[0xA1, 0xA0, 0x30]).put(0x80, "0088").done(),
        ),
        case(
            Rule::PinCount,
            |p| p.element("pinCodes").at(&[0xA1, 0xA0]).members.clear(),
            |p| p.element("pinCodes").at(&[0xA1, 0xA0]).members.truncate(1),
        ),
        case(
            Rule::PinValue,
            |p| pin(p, 0).put(0x81, "313937FFFFFFFFFF").done(),
            |p| pin(p, 0).put(0x81, "31393735FFFFFFFF").done(),
        ),
        case(
            Rule::PinValue,
            |p| pin(p, 1).put(0x81, "A1B2C3D4E5F607").done(),
            |p| pin(p, 1).put(0x81, "A1B2C3D4E5F60708").done(),
        ),
        case(Rule::PinAttempts, |p| pin(p, 0).put(0x84, "34").done(), |p| pin(p, 0).put(0x84, "32").done()),
        case(Rule::PinAttempts, |p| pin(p, 0).put(0x84, "00").done(), |p| pin(p, 0).put(0x84, "10").done()),
        case(Rule::PinBlocked, |p| pin(p, 0).put(0x84, "30").done(), |p| pin(p, 0).put(0x84, "31").done()),
        case(Rule::PinPuk, |p| pin(p, 0).put(0x82, "02").done(), |p| pin(p, 0).put(0x82, "01").done()),
        case(
            Rule::PinWithoutPuk,
            |p| pin(p, 0).remove(0x82).done(),
            // ADM1 has none, and needs none.
            |p| pin(p, 0).put(0x82, "01").done(),
        ),
        case(
            Rule::PinShare,
            |p| p.nth("pinCodes", 2).at(&[0xA1, 0x81]).set("7F10"),
            |p| p.nth("pinCodes", 2).at(&[0xA1, 0x81]).set("7FD0"),
        ),
        case(
            Rule::PinShare,
            |p| p.nth("pinCodes", 2).at(&[0xA1, 0x81]).set("7FD1"),
            |p| p.nth("pinCodes", 2).at(&[0xA1, 0x81]).set(""),
        ),
        case(
            Rule::PinDefault,
            |p| pin(p, 0).put(0x81, "31323334FFFFFFFF").done(),
            |p| pin(p, 0).put(0x81, "31323336FFFFFFFF").done(),
        ),
        case(
            Rule::PinWeakCode,
            |p| pin(p, 1).put(0x81, "3838383838383838").done(),
            |p| pin(p, 1).put(0x81, "3838383838383839").done(),
        ),
    ]
}

fn puks() -> Vec<Case> {
    let puk = |reference: &str| branch(0x30, vec![leaf(0x80, reference), leaf(0x81, "3731393032383634")]);
    fn first(p: &mut Edit) -> &mut super::edit::Node {
        p.element("pukCodes").at(&[0xA1, 0x30])
    }
    vec![
        case(
            Rule::PinReference,
            move |p| p.element("pukCodes").at(&[0xA1]).push(puk("0A")).done(),
            move |p| p.element("pukCodes").at(&[0xA1]).push(puk("08")).done(),
        ),
        case(
            Rule::PinReferenceTwice,
            move |p| p.element("pukCodes").at(&[0xA1]).push(puk("01")).done(),
            move |p| p.element("pukCodes").at(&[0xA1]).push(puk("02")).done(),
        ),
        case(Rule::PinUnusedPuk, move |p| p.element("pukCodes").at(&[0xA1]).push(puk("08")).done(), |_| {}),
        case(
            Rule::PinValue,
            |p| first(p).put(0x81, "37313930323836FF").done(),
            |p| first(p).put(0x81, "3731393032383637").done(),
        ),
        case(
            Rule::PinWeakCode,
            |p| first(p).put(0x81, "3132333435363738").done(),
            |p| first(p).put(0x81, "3132333435363737").done(),
        ),
        case(Rule::PinBlocked, |p| first(p).put(0x82, "00A0").done(), |p| first(p).put(0x82, "00A1").done()),
    ]
}

/// The algorithm of the USIM.
fn algorithm(p: &mut Edit) -> &mut super::edit::Node {
    p.element("akaParameter").at(&[0xA1, 0xA1])
}

fn aka() -> Vec<Case> {
    let constants = |equal: bool| {
        // c1 and c2 are zero; r1 and r2 are 64 and 0 by default.
        let c3 = if equal { "00" } else { "02" };
        format!("{:0>32}{:0>32}{c3:0>32}{:0>32}{:0>32}", "00", "00", "04", "08")
    };
    let (equal, different) = (constants(true), constants(false));
    vec![
        case(
            Rule::AkaMissing,
            |p| p.remove("akaParameter").done(),
            |p| p.move_before("df-5gs", "akaParameter"),
        ),
        case(
            Rule::AkaAlgorithm,
            |p| algorithm(p).put(0x80, "04").done(),
            |p| algorithm(p).put(0x80, "02").done(),
        ),
        case(
            Rule::AkaKeyLength,
            |p| algorithm(p).put(0x82, &KEY[2..]).done(),
            |p| algorithm(p).put(0x82, KEY).done(),
        ),
        case(
            Rule::AkaKeyLength,
            |p| algorithm(p).put(0x82, &format!("{KEY}{OTHER_KEY}")).done(),
            |p| algorithm(p).put(0x80, "02").put(0x82, &format!("{KEY}{OTHER_KEY}")).done(),
        ),
        case(
            Rule::AkaOpcLength,
            |p| algorithm(p).put(0x80, "02").done(),
            |p| algorithm(p).put(0x80, "02").put(0x83, &format!("{KEY}{OTHER_KEY}")).done(),
        ),
        case(
            Rule::AkaRotation,
            |p| algorithm(p).put(0x84, "4000204080").done(),
            |p| algorithm(p).put(0x84, "400020407F").done(),
        ),
        case(
            Rule::AkaConstants,
            // r1 to r3 become 0, 0, 0 by turns: with c all zero two of them are the same.
            move |p| algorithm(p).put(0x84, "0000204060").put(0x85, &equal).done(),
            move |p| algorithm(p).put(0x84, "4000204060").put(0x85, &different).done(),
        ),
        case(
            Rule::AkaKeccak,
            |p| algorithm(p).put(0x87, "02").done(),
            |p| algorithm(p).put(0x80, "02").put(0x83, &format!("{KEY}{OTHER_KEY}")).put(0x87, "02").done(),
        ),
        case(
            Rule::AkaCounter,
            |p| algorithm(p).put(0x86, "0003E8").done(),
            |p| algorithm(p).put(0x86, "0186A0").done(),
        ),
        case(
            Rule::AkaMapping,
            |p| p.nth("akaParameter", 1).at(&[0xA1, 0xA0, 0x81]).set("A0000000871002"),
            |p| p.nth("akaParameter", 1).at(&[0xA1, 0xA0, 0x81]).set(USIM_AID),
        ),
        case(
            Rule::AkaMapping,
            |p| {
                let mapped = p.nth("akaParameter", 1).at(&[0xA1]).clone();
                *p.element("akaParameter").at(&[0xA1]) = mapped;
            },
            |_| {},
        ),
        case(
            Rule::AkaSequence,
            |p| p.element("akaParameter").push(leaf(0x83, "080000000000")).done(),
            |p| p.element("akaParameter").push(leaf(0x83, "07FFFFFFFFFF")).done(),
        ),
        case(
            Rule::AkaSequence,
            |p| p.element("akaParameter").push(branch(0xA5, vec![leaf(0x04, "080000000000"); 32])).done(),
            |p| p.element("akaParameter").push(branch(0xA5, vec![leaf(0x04, "07FFFFFFFFFF"); 32])).done(),
        ),
        case(
            Rule::AkaTestAlgorithm,
            |p| algorithm(p).put(0x80, "03").done(),
            |p| {
                algorithm(p).put(0x80, "03");
                p.content("usim", "EF.IMSI", "080910101032547698");
            },
        ),
        case(
            Rule::CdmaMissing,
            |p| {
                with_csim(p);
                p.remove("cdmaParameter");
            },
            with_csim,
        ),
        case(
            Rule::CdmaLength,
            |p| {
                with_csim(p);
                *p.element("cdmaParameter") = cdma(&[(0x81, 8), (0x82, 15)]);
            },
            |p| {
                with_csim(p);
                *p.element("cdmaParameter") = cdma(&[(0x81, 8), (0x82, 16)]);
            },
        ),
    ]
}

/// The instance of the MNO-SD, and the n-th key of its list.
fn instance(p: &mut Edit) -> &mut super::edit::Node {
    p.element("securityDomain").at(&[0xA1])
}

fn key(p: &mut Edit, number: usize) -> &mut super::edit::Node {
    &mut p.element("securityDomain").at(&[0xA2]).members[number]
}

fn key_data(p: &mut Edit, number: usize) -> &mut super::edit::Node {
    key(p, number).at(&[0x30, 0x30])
}

fn domains() -> Vec<Case> {
    let version = |p: &mut Edit, version: &str| {
        for number in 0..3 {
            key(p, number).put(0x83, version);
        }
    };
    let announce = |p: &mut Edit, protocol: &str| instance(p).put(0xC9, protocol).done();
    vec![
        case(
            Rule::DomainMissing,
            |p| {
                for name in ["securityDomain", "rfm", "application"] {
                    p.remove(name);
                }
            },
            |p| p.insert_before("rfm", security_domain(60, INSTANCE_AID)),
        ),
        case(
            Rule::DomainAids,
            |p| instance(p).members[1].set("A000000251535041"),
            |p| instance(p).members[2].set("A000000151000001"),
        ),
        case(
            Rule::DomainPrivileges,
            |p| instance(p).put(0x82, "02DC00").done(),
            |p| instance(p).put(0x82, "80").done(),
        ),
        case(
            Rule::DomainLifeCycle,
            |p| instance(p).put(0x83, "03").done(),
            |p| instance(p).put(0x83, "0F").done(),
        ),
        case(
            Rule::DomainLifeCycle,
            |p| p.element("application").at(&[0xA2, 0x30]).members.insert(4, leaf(0x83, "01")),
            |p| p.element("application").at(&[0xA2, 0x30]).members.insert(4, leaf(0x83, "03")),
        ),
        case(Rule::DomainParameters, move |p| announce(p, "810280"), move |p| announce(p, "81028000")),
        case(
            Rule::DomainSecureChannel,
            move |p| announce(p, "81020370"),
            move |p| announce(p, "8102037081028000"),
        ),
        case(Rule::DomainKeyVersion, move |p| version(p, "80"), move |p| version(p, "0F")),
        case(Rule::DomainKeyVersionRange, move |p| version(p, "10"), move |p| version(p, "11")),
        case(
            Rule::DomainKeyIdentifier,
            |p| key(p, 2).put(0x82, "04").done(),
            |p| key(p, 2).put(0x82, "03").done(),
        ),
        case(
            Rule::DomainKeyType,
            |p| key_data(p, 0).put(0x80, "A1").done(),
            |p| key_data(p, 0).put(0x80, "80").done(),
        ),
        case(
            Rule::DomainKeyLength,
            |p| key_data(p, 0).put(0x86, &KEY[2..]).done(),
            |p| key_data(p, 0).put(0x86, KEY).done(),
        ),
        case(
            Rule::DomainKeyTwice,
            |p| key(p, 2).put(0x82, "01").done(),
            |p| key(p, 2).put(0x82, "01").put(0x83, "02").done(),
        ),
        case(
            Rule::DomainWithoutMac,
            |p| p.element("securityDomain").at(&[0xA2]).members.remove(1).done(),
            |p| p.element("securityDomain").at(&[0xA2]).members.remove(2).done(),
        ),
        case(
            Rule::DomainKeysEqual,
            |p| {
                key_data(p, 0).put(0x86, KEY);
                key_data(p, 2).put(0x86, KEY);
            },
            |p| {
                key_data(p, 0).put(0x86, KEY);
                key_data(p, 2).put(0x86, OTHER_KEY);
            },
        ),
        case(
            Rule::DomainWithoutKeys,
            |p| p.element("securityDomain").remove(0xA2).done(),
            |p| p.element("securityDomain").at(&[0xA2]).members.truncate(1),
        ),
    ]
}

fn remote() -> Vec<Case> {
    let toolkit = |level: &str| format!("01000000000201{level}03F1000100");
    let (weak, strong) = (toolkit("01"), toolkit("02"));
    vec![
        case(
            Rule::RemoteMinimumSecurity,
            |p| p.element("rfm").at(&[0x81]).set("04"),
            |p| p.element("rfm").at(&[0x81]).set("06"),
        ),
        case(
            Rule::RemoteMinimumSecurity,
            move |p| p.element("application").at(&[0xA2, 0x30, 0xEA, 0x80]).set(&weak),
            move |p| p.element("application").at(&[0xA2, 0x30, 0xEA, 0x80]).set(&strong),
        ),
        case(
            Rule::RemoteTar,
            |p| p.element("rfm").members[2].at(&[0x04]).set("B001"),
            |p| p.element("rfm").members[2].at(&[0x04]).set("B00141"),
        ),
        case(
            Rule::RemoteTarTwice,
            |p| p.insert_before("end", rfm(60, "A00000055910100002", "B00140")),
            |p| p.insert_before("end", rfm(60, "A00000055910100002", "B00141")),
        ),
        case(
            Rule::RemoteTarTwice,
            |p| p.insert_before("end", rfm(60, "A00000055910100002", "F10001")),
            |p| p.insert_before("end", rfm(60, "A00000055910100002", "F10002")),
        ),
        case(
            Rule::RemoteDomain,
            |p| p.element("rfm").members.insert(2, leaf(0x4F, "A00000055910100102")),
            |p| p.element("rfm").members.insert(2, leaf(0x4F, "A000000151000000")),
        ),
        case(
            Rule::RemoteDomain,
            |p| p.element("application").at(&[0xA2, 0x30]).members.insert(3, leaf(0x4F, "A0000000000001")),
            |p| p.element("application").at(&[0xA2, 0x30]).members.insert(3, leaf(0x4F, "A000000151000000")),
        ),
        case(
            Rule::RemoteApplication,
            |p| p.element("rfm").at(&[0x30, 0x80]).set("A0000000871002"),
            |p| p.element("rfm").at(&[0x30, 0x80]).set(super::edit::ISIM_AID),
        ),
        case(
            Rule::RemoteAccessDomain,
            |p| p.element("rfm").at(&[0x04]).set("03"),
            |p| p.element("rfm").at(&[0x04]).set("FF"),
        ),
        case(
            Rule::RemoteFullAccess,
            |p| {
                p.element("rfm").at(&[0x30, 0x82]).set("00");
                p.element("rfm").at(&[0x81]).set("06");
            },
            |p| p.element("rfm").at(&[0x30, 0x82]).set("00"),
        ),
    ]
}

fn applications() -> Vec<Case> {
    vec![
        case(
            Rule::ApplicationAidTwice,
            |p| p.insert_before("end", rfm(60, RFM_AID, "B00141")),
            |p| p.insert_before("end", rfm(60, "A00000055910100002", "B00141")),
        ),
        case(
            Rule::ApplicationAidTwice,
            |p| p.fcp("isim", "ADF.ISIM").put(0x84, USIM_AID).done(),
            |p| p.fcp("isim", "ADF.ISIM").put(0x84, "A0000000871004").done(),
        ),
        case(
            Rule::ApplicationAid,
            |p| p.element("rfm").at(&[0x4F]).set("A0000005"),
            |p| p.element("rfm").at(&[0x4F]).set("A000000559"),
        ),
        case(
            Rule::ApplicationEmpty,
            |p| p.insert_before("end", element("application", 60, true, Vec::new())),
            |p| p.element("application").remove(0xA2).done(),
        ),
        case(
            Rule::ApplicationPackage,
            |p| p.element("application").remove(0xA1).done(),
            |p| {
                p.element("application").remove(0xA1);
                p.element("header").push(branch(0xA8, vec![library(PACKAGE_AID, "0100")]));
            },
        ),
        case(
            Rule::ApplicationPackage,
            |p| {
                p.element("application").remove(0xA1);
                p.element("application").at(&[0xA2, 0x30]).put(0x4F, "A000000151535041");
            },
            // A security domain of the eUICC's own package.
            |p| {
                p.element("application").remove(0xA1);
                p.element("application").at(&[0xA2, 0x30]).put(0x4F, "A0000001515350");
            },
        ),
        case(
            Rule::ApplicationPackageLater,
            |p| {
                let mut load = application(60);
                load.remove(0xA2);
                p.element("application").remove(0xA1);
                p.insert_before("end", load);
            },
            |p| {
                let mut load = application(60);
                load.remove(0xA2);
                p.element("application").remove(0xA1);
                p.insert_before("application", load);
            },
        ),
        case(
            Rule::ApplicationLoadBlock,
            |p| p.element("application").at(&[0xA1, 0xC4]).set("01000ADECAFFED0102040001"),
            |p| p.element("application").at(&[0xA1, 0xC4]).set("010004DECAFFED020001AA"),
        ),
    ]
}

fn keys() -> Vec<Case> {
    let second_usim = |p: &mut Edit, k: &str| {
        let mut usim = p.element("usim").clone();
        usim.at(&[0xA2, 0xA1, 0x83]).set("7FD1");
        usim.at(&[0xA2, 0xA1, 0x84]).set("A0000000871002FFFFFFFF8907090001");
        usim.at(&[0xA0, 0x81]).set("60");
        let mut keys = p.element("akaParameter").clone();
        keys.at(&[0xA0, 0x81]).set("61");
        keys.at(&[0xA1, 0xA1]).put(0x82, k);
        p.insert_before("isim", usim);
        p.insert_before("isim", keys);
        algorithm(p).put(0x82, KEY);
    };
    vec![
        case(
            Rule::KeyPublished,
            |p| algorithm(p).put(0x83, "CD63CB71954A9F4E48A5994E37A02BAF").done(),
            |p| algorithm(p).put(0x83, "CD63CB71954A9F4E48A5994E37A02BAE").done(),
        ),
        case(
            Rule::KeyPublished,
            |p| key_data(p, 0).put(0x86, "404142434445464748494A4B4C4D4E4F").done(),
            |p| key_data(p, 0).put(0x86, "404142434445464748494A4B4C4D4E4E").done(),
        ),
        case(
            Rule::KeyPattern,
            |p| algorithm(p).put(0x82, "00000000000000000000000000000000").done(),
            |p| algorithm(p).put(0x82, "00000000000000000000000000000001").done(),
        ),
        case(
            Rule::KeyOpcIsK,
            |p| algorithm(p).put(0x82, KEY).put(0x83, KEY).done(),
            |p| algorithm(p).put(0x82, KEY).put(0x83, OTHER_KEY).done(),
        ),
        case(Rule::KeySharedInPackage, move |p| second_usim(p, KEY), move |p| second_usim(p, OTHER_KEY)),
    ]
}
