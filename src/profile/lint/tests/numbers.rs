//! Who the profile is, contents of files, packages for one eUICC.

use super::edit::{Edit, INSTANCE_AID, ISIM_AID, USIM_AID, branch, directory_entry, leaf};
use super::{Case, Rule, case};

pub(super) fn cases() -> Vec<Case> {
    [identity(), contents(), announced(), sets()].into_iter().flatten().collect()
}

/// Changes the ICCID in the header and in EF.ICCID.
fn iccid(p: &mut Edit, digits: &str) {
    p.element("header").at(&[0x83]).set(digits);
    let swapped: String =
        digits.as_bytes().chunks(2).flat_map(|pair| [char::from(pair[1]), char::from(pair[0])]).collect();
    p.content("mf", "EF.ICCID", &swapped);
}

fn usim(file: &'static str, content: &'static str) -> impl Fn(&mut Edit) {
    move |p: &mut Edit| p.content("usim", file, content)
}

/// A record of EF.MSISDN without name: its last 14 octets.
fn msisdn(number: &str) -> String {
    format!("{:F<20}{number:F<28}", "")
}

fn identity() -> Vec<Case> {
    let optional = |file: &'static str, content: &str| {
        let content = content.to_owned();
        move |p: &mut Edit| p.content("opt-usim", file, &content)
    };
    let spn = |name: &str| format!("01{name:F<32}");
    let (good_name, bad_name) = (spn("53696D79617264"), spn("53FF6D"));
    let entries = |aids: &[&str]| aids.iter().map(|aid| directory_entry(aid)).collect::<String>();
    let listed =
        |aids: &'static [&'static str]| move |p: &mut Edit| p.content("mf", "EF.DIR", &entries(aids));
    let second_usim = |p: &mut Edit, imsi: &str| {
        let mut usim = p.element("usim").clone();
        usim.at(&[0xA2, 0xA1, 0x83]).set("7FD1");
        usim.at(&[0xA2, 0xA1, 0x84]).set("A0000000871002FFFFFFFF8907090001");
        usim.at(&[0xA0, 0x81]).set("60");
        usim.at(&[0xA3]).members = vec![leaf(0x83, imsi)];
        p.insert_before("isim", usim);
    };
    vec![
        case(
            Rule::IdentityIccid,
            |p| p.content("mf", "EF.ICCID", "98888200000000000061"),
            |p| p.content("mf", "EF.ICCID", "98888200000000000051"),
        ),
        case(
            Rule::IdentityIccidCheckDigit,
            |p| iccid(p, "89882800000000000016"),
            |p| iccid(p, "8944476500009169967F"),
        ),
        case(
            Rule::IdentityIccidPrefix,
            |p| iccid(p, "98882800000000000014"),
            |p| iccid(p, "89000123456789012341"),
        ),
        // Fifteen digits with the parity of fourteen; a digit more than the length has room for.
        case(
            Rule::IdentityImsi,
            usim("EF.IMSI", "089110041500000030"),
            usim("EF.IMSI", "089910041500000030"),
        ),
        case(
            Rule::IdentityImsi,
            usim("EF.IMSI", "099910041500000030"),
            usim("EF.IMSI", "0821262021436587F9"),
        ),
        case(
            Rule::IdentityImsiLength,
            usim("EF.IMSI", "0821262021436587F9"),
            usim("EF.IMSI", "089910041500000030"),
        ),
        case(
            Rule::IdentityImsiTwice,
            move |p| second_usim(p, "089910041500000030"),
            move |p| second_usim(p, "089910041500000031"),
        ),
        case(Rule::IdentityAccessClass, usim("EF.ACC", "000C"), usim("EF.ACC", "8008")),
        case(Rule::IdentityAccessClassImsi, usim("EF.ACC", "0010"), usim("EF.ACC", "0008")),
        case(Rule::IdentityAd, usim("EF.AD", "00000004"), usim("EF.AD", "00000003")),
        case(Rule::IdentityAd, usim("EF.AD", "03000002"), usim("EF.AD", "01000002")),
        case(Rule::IdentityTestMode, usim("EF.AD", "80000002"), |p| {
            p.content("usim", "EF.AD", "80000002");
            p.content("usim", "EF.IMSI", "080910101032547698");
        }),
        case(
            Rule::IdentityHomePlmn,
            optional("EF.HPLMNwAcT", "09F114C080"),
            optional("EF.HPLMNwAcT", "09F104C080"),
        ),
        case(
            Rule::IdentityMsisdn,
            optional("EF.MSISDN", &msisdn("0691949F4321")),
            optional("EF.MSISDN", &msisdn("0691949821F4")),
        ),
        case(
            Rule::IdentitySpn,
            move |p| p.content("usim", "EF.SPN", &bad_name),
            move |p| p.content("usim", "EF.SPN", &good_name),
        ),
        case(
            Rule::IdentityImpi,
            |p| p.content("isim", "EF.IMPI", "810161"),
            |p| p.content("isim", "EF.IMPI", "8003614062"),
        ),
        case(
            Rule::IdentityImpi,
            |p| p.content("isim", "EF.IMPI", "800161"),
            |p| p.content("isim", "EF.Domain", "800161"),
        ),
        case(
            Rule::IdentityImpiImsi,
            |p| p.content("isim", "EF.IMPI", &format!("8011{}", hex::encode("901405100000004@b"))),
            |p| p.content("isim", "EF.IMPI", &format!("8011{}", hex::encode("901405100000003@b"))),
        ),
        case(Rule::IdentityDirectory, listed(&[USIM_AID]), listed(&[ISIM_AID, USIM_AID])),
        case(
            Rule::IdentityDirectory,
            |p| {
                p.fcp("mf", "EF.DIR").put(0x80, "4E");
                p.content(
                    "mf",
                    "EF.DIR",
                    &[USIM_AID, ISIM_AID, "A0000000871004FFFFFFFF8907090001"].map(directory_entry).concat(),
                );
            },
            |p| {
                p.fcp("mf", "EF.DIR").put(0x80, "4E");
                // An applet may be listed as well.
                let applet = format!("61104F08{INSTANCE_AID}500453494D31{:F<16}", "");
                let applications = [USIM_AID, ISIM_AID].map(directory_entry).concat();
                p.content("mf", "EF.DIR", &format!("{applications}{applet}"));
            },
        ),
    ]
}

fn contents() -> Vec<Case> {
    let smsp = |indicators: &str| format!("{:F<20}{indicators}{:F<24}0791947101670000{:F<24}", "", "", "");
    let (cleared, set) = (smsp("FD"), smsp("FF"));
    let names = |p: &mut Edit, record: &str| {
        p.element("opt-usim").at(&[0x81]);
        p.fcp("opt-usim", "EF.PNN").put(0x82, "42210010").put(0x80, "20");
        p.content("opt-usim", "EF.PNN", "430583D3B4DB0C");
        p.fcp("opt-usim", "EF.OPL").put(0x82, "42210008").put(0x80, "08");
        p.content("opt-usim", "EF.OPL", &format!("09F1410000FFFE{record}"));
    };
    let suci = |scheme: &str, key: usize| {
        let key = format!("800101 81{key:02X}{}", "3C".repeat(key)).replace(' ', "");
        let list = format!("A1{:02X}{key}", key.len() / 2);
        format!("A002{scheme}{list}")
    };
    let calculation = |content: String| {
        move |p: &mut Edit| {
            p.fcp("df-5gs", "EF.SUCI_Calc_Info").put(0x80, &format!("{:02X}", content.len() / 2));
            p.content("df-5gs", "EF.SUCI_Calc_Info", &content);
        }
    };
    vec![
        case(
            Rule::ContentSize,
            |p| {
                p.fcp("usim", "EF.SPN").put(0x80, "12");
            },
            |p| {
                p.fcp("usim", "EF.SPN").put(0x80, "11");
            },
        ),
        case(
            Rule::ContentSize,
            |p| p.fcp("usim", "EF.SMSP").put(0x82, "4221001B").put(0x80, "1B").done(),
            |p| p.fcp("usim", "EF.SMSP").put(0x82, "4221001C").put(0x80, "1C").done(),
        ),
        case(Rule::ContentPlmn, usim("EF.FPLMN", "62F2FA"), usim("EF.FPLMN", "62F210")),
        case(Rule::ContentPlmn, usim("EF.FPLMN", "62F2A0"), usim("EF.FPLMN", "624210")),
        case(Rule::ContentSmsp, move |p| sms_parameters(p, &set), move |p| sms_parameters(p, &cleared)),
        case(Rule::ContentOperatorList, move |p| names(p, "02"), move |p| names(p, "01")),
        case(Rule::ContentSuci, calculation(suci("0101", 31)), calculation(suci("0101", 32))),
        case(Rule::ContentSuci, calculation(suci("0202", 33)), calculation(suci("0201", 33))),
        case(
            Rule::ContentSuci,
            calculation("A00300".to_owned() + "0101"),
            calculation("A0020000".to_owned()),
        ),
        case(
            Rule::ContentRoutingIndicator,
            |p| p.content("df-5gs", "EF.Routing_Indicator", "F1F20000"),
            |p| p.content("df-5gs", "EF.Routing_Indicator", "21F30000"),
        ),
    ]
}

/// EF.SMSP with one record of 38 octets.
fn sms_parameters(p: &mut Edit, content: &str) {
    p.fcp("usim", "EF.SMSP").put(0x82, "42210026").put(0x80, "26");
    p.content("usim", "EF.SMSP", content);
}

/// The service table with these octets changed: octet, bits to set, bits to clear.
fn announce(p: &mut Edit, changes: &[(usize, u8, u8)]) {
    let table = p.file("usim", "EF.UST").at(&[0x83]);
    for (octet, set, clear) in changes {
        table.octets[*octet] = table.octets[*octet] & !clear | set;
    }
}

fn announced() -> Vec<Case> {
    vec![
        // Service 17: EF.GID1.
        case(
            Rule::ContentService,
            |p| announce(p, &[(2, 0x01, 0)]),
            |p| {
                announce(p, &[(2, 0x01, 0)]);
                p.content("opt-usim", "EF.GID1", "0102030405060708");
            },
        ),
        case(
            Rule::ContentFile,
            |p| p.content("opt-usim", "EF.GID1", "0102030405060708"),
            |p| {
                announce(p, &[(2, 0x01, 0)]);
                p.content("opt-usim", "EF.GID1", "0102030405060708");
            },
        ),
        // The USIM calculates the SUCI by profile A: the card must have both.
        case(Rule::ServiceMissing, |p| suci_by_usim(p, &[21]), |p| suci_by_usim(p, &[21, 22])),
    ]
}

fn suci_by_usim(p: &mut Edit, services: &[u32]) {
    announce(p, &[(15, 0x18, 0)]);
    let content = format!("A0020101A125800101 8120{}", "3C".repeat(32)).replace(' ', "");
    let directory = vec![leaf(0x83, "5FD0"), leaf(0xC6, "81010A")];
    let file =
        vec![branch(0xA1, vec![leaf(0x80, &format!("{:02X}", content.len() / 2))]), leaf(0x83, &content)];
    let mut saip = super::edit::element(
        "df-saip",
        62,
        true,
        vec![
            super::edit::template("df-saip", 1),
            branch(0xA2, vec![branch(0xA1, directory)]),
            branch(0xA3, file),
        ],
    );
    saip.members[1].tag = 0x81;
    p.insert_before("isim", saip);
    p.element("header").at(&[0xA6]).push(leaf(0x06, "67810F01020E"));
    for service in services {
        p.service(*service);
    }
}

fn sets() -> Vec<Case> {
    let base = Edit::rich().octets();
    // Another package: numbers and keys that the first does not have.
    let other = |change: fn(&mut Edit)| {
        let mut p = Edit::rich();
        iccid(&mut p, "89000123456789012341");
        p.content("usim", "EF.IMSI", "089910041500000031");
        let algorithm = p.element("akaParameter").at(&[0xA1, 0xA1]);
        algorithm.put(0x82, "5C13E80FA96B4427D3910E7C86F2B05A").put(0x83, "E47A209D11C8563FB20D7986FA4C1E73");
        *p.element("securityDomain").at(&[0xA2]) =
            super::edit::security_domain(1, "A000000000").at(&[0xA2]).clone();
        change(&mut p);
        p.octets()
    };
    let pair = |rule, change: fn(&mut Edit)| Case {
        rule,
        wrong: vec![base.clone(), other(change)],
        near: vec![base.clone(), other(|_| {})],
    };
    vec![
        pair(Rule::SetIccidTwice, |p| iccid(p, "89882800000000000015")),
        pair(Rule::SetImsiTwice, |p| p.content("usim", "EF.IMSI", "089910041500000030")),
        pair(Rule::SetKeyShared, |p| {
            let mut first = Edit::rich();
            let keys = first.element("securityDomain").at(&[0xA2]).clone();
            *p.element("securityDomain").at(&[0xA2]) = keys;
        }),
    ]
}
