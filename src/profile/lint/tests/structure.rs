//! Encoding, elements, order, header, services.

use super::edit::{
    Edit, INSTANCE_AID, application, branch, create, create_directory, element, hex, leaf, management, path,
    security_domain, template,
};
use super::{Case, Rule, case, octets};

pub(super) fn cases() -> Vec<Case> {
    [encoding(), elements(), order(), header(), services()].into_iter().flatten().collect()
}

/// End by itself, for packages that are put together octet by octet.
fn with_end(end: &str) -> Vec<u8> {
    let mut edit = Edit::rich();
    edit.remove("end");
    [edit.octets(), hex(end)].concat()
}

fn encoding() -> Vec<Case> {
    let good = Edit::rich().octets();
    let mut deep = "8100".to_owned();
    for _ in 0..40 {
        deep = format!("A0{:02X}{deep}", deep.len() / 2);
    }
    vec![
        octets(Rule::EncodingFraming, good[..good.len() - 1].to_vec(), good.clone()),
        octets(Rule::EncodingFraming, Vec::new(), with_end("AA05A003810140")),
        octets(Rule::EncodingFraming, with_end("AA80A0038101400000"), with_end("AA8105A003810140")),
        octets(
            Rule::EncodingFraming,
            with_end(&format!("AA{:02X}{deep}", deep.len() / 2)),
            with_end("AA05A003810140"),
        ),
        octets(Rule::EncodingElement, with_end("AA06A0048102FF40"), with_end("AA06A00481024000")),
        case(
            Rule::EncodingElement,
            |p| p.element("akaParameter").at(&[0xA1, 0xA1, 0x81]).set("0101"),
            |p| p.element("akaParameter").at(&[0xA1, 0xA1, 0x81]).set("02"),
        ),
        octets(Rule::EncodingLength, with_end("AA8105A003810140"), with_end("AA05A003810140")),
        octets(Rule::EncodingInteger, with_end("AA06A00481020040"), with_end("AA06A00481024040")),
        case(
            Rule::EncodingDefault,
            |p| p.element("pukCodes").at(&[0xA1, 0x30]).push(leaf(0x82, "00AA")).done(),
            |p| p.element("pukCodes").at(&[0xA1, 0x30]).push(leaf(0x82, "0099")).done(),
        ),
        case(
            Rule::EncodingDefault,
            |p| p.element("akaParameter").push(branch(0xA5, vec![leaf(0x04, "000000000000"); 32])).done(),
            |p| p.element("akaParameter").push(branch(0xA5, vec![leaf(0x04, "000000000001"); 32])).done(),
        ),
        case(
            Rule::EncodingMemberOrder,
            |p| p.fcp("mf", "EF.DIR").members.reverse(),
            |p| p.fcp("mf", "EF.DIR").push(leaf(0x9A, "")).done(),
        ),
        case(
            Rule::EncodingUnknownMember,
            |p| p.fcp("mf", "EF.DIR").push(leaf(0x9A, "")).done(),
            |p| p.fcp("mf", "EF.DIR").put(0x8B, "2F060A").done(),
        ),
    ]
}

fn elements() -> Vec<Case> {
    vec![
        case(
            Rule::ElementIdentificationTwice,
            |p| p.element("rfm").at(&[0xA0, 0x81]).set("15"),
            |p| p.element("rfm").at(&[0xA0, 0x81]).set("7D"),
        ),
        octets(
            Rule::ElementUnknown,
            [Edit::rich().octets(), hex("BF2205A003810170")].concat(),
            [Edit::rich().octets(), hex("BF2105A003810170")].concat(),
        ),
        case(
            Rule::ElementNonStandard,
            |p| {
                p.insert_before(
                    "end",
                    element("nonStandard", 99, true, vec![leaf(0x81, "8837"), leaf(0x82, "00")]),
                )
            },
            |p| {
                p.insert_before(
                    "end",
                    element("nonStandard", 99, false, vec![leaf(0x81, "8837"), leaf(0x82, "00")]),
                )
            },
        ),
        case(
            Rule::ElementEndContent,
            |p| p.element("end").push(leaf(0x81, "00")).done(),
            |p| p.element("end").at(&[0xA0, 0x81]).set("7F"),
        ),
    ]
}

fn order() -> Vec<Case> {
    let another_usim = |p: &mut Edit| {
        let mut usim = p.element("usim").clone();
        usim.at(&[0xA2, 0xA1, 0x83]).set("7FD1");
        usim.at(&[0xA2, 0xA1, 0x84]).set("A0000000871002FFFFFFFF8907090001");
        usim.at(&[0xA0, 0x81]).set("60");
        p.insert_before("isim", usim);
    };
    vec![
        case(Rule::OrderHeaderFirst, |p| p.move_before("header", "pukCodes"), |_| {}),
        case(
            Rule::OrderHeaderOnce,
            |p| {
                let header = p.element("header").clone();
                p.insert_before("telecom", header);
            },
            |_| {},
        ),
        case(
            Rule::OrderMfSecond,
            |p| p.move_before("pukCodes", "mf"),
            |p| p.move_before("pinCodes", "telecom"),
        ),
        case(
            Rule::OrderMfSecond,
            |p| {
                p.remove("mf");
                p.insert_before("pukCodes", management(60, vec![create_directory("7F20")]));
            },
            |p| {
                p.remove("mf");
                p.insert_before("pukCodes", management(60, vec![create_directory("3F00")]));
            },
        ),
        case(
            Rule::OrderMfOnce,
            |p| {
                let mut mf = p.element("mf").clone();
                mf.at(&[0xA0, 0x81]).set("60");
                p.insert_before("telecom", mf);
            },
            |_| {},
        ),
        case(
            Rule::OrderMfByManagement,
            |p| {
                p.remove("mf");
                p.insert_before("pukCodes", management(60, vec![create_directory("3F00")]));
            },
            |p| p.insert_before("pukCodes", management(60, vec![create_directory("7F20")])),
        ),
        case(Rule::OrderEndLast, |p| p.move_before("end", "rfm"), |p| p.move_before("rfm", "end")),
        case(Rule::OrderEndMissing, |p| p.remove("end").done(), |p| p.move_before("end", "rfm")),
        case(
            Rule::OrderElementTwice,
            |p| {
                let mut telecom = p.element("telecom").clone();
                telecom.at(&[0xA0, 0x81]).set("60");
                p.insert_before("usim", telecom);
            },
            another_usim,
        ),
        case(
            Rule::OrderElementTwice,
            |p| {
                let mut files = p.element("df-5gs").clone();
                files.at(&[0xA0, 0x81]).set("61");
                p.insert_before("isim", files);
            },
            |p| {
                let mut files = p.element("df-5gs").clone();
                files.at(&[0xA0, 0x81]).set("61");
                another_usim(p);
                p.insert_before("isim", files);
            },
        ),
        case(
            Rule::OrderApplicationBefore,
            |p| p.move_before("opt-usim", "usim"),
            |p| p.move_before("df-5gs", "akaParameter"),
        ),
        case(
            Rule::OrderAkaPlace,
            |p| p.move_before("akaParameter", "usim"),
            |p| p.move_before("akaParameter", "opt-usim"),
        ),
        case(
            Rule::OrderAkaTwice,
            |p| {
                let mut keys = p.element("akaParameter").clone();
                keys.at(&[0xA0, 0x81]).set("60");
                p.insert_before("df-5gs", keys);
            },
            |p| p.move_before("df-5gs", "akaParameter"),
        ),
        case(Rule::OrderCdmaPlace, |p| p.insert_before("isim", cdma(&[(0x81, 8)])), with_csim),
        case(Rule::OrderPukBeforePin, |p| p.move_before("pinCodes", "pukCodes"), |_| {}),
        case(
            Rule::OrderPinsAfterTelecom,
            |p| {
                p.insert_before("usim", local_pins());
                p.element("header").at(&[0x81]).set("01");
            },
            |p| p.insert_before("usim", local_pins()),
        ),
        case(
            Rule::OrderSecurityDomainBefore,
            |p| p.move_before("rfm", "securityDomain"),
            |p| p.move_before("rfm", "application"),
        ),
        case(
            Rule::OrderMnoSecurityDomain,
            |p| p.insert_before("securityDomain", security_domain(60, INSTANCE_AID)),
            |p| p.insert_before("rfm", security_domain(60, "A00000055910100102736456616C7565")),
        ),
    ]
}

/// PINs of an application or of DF.TELECOM.
fn local_pins() -> super::edit::Node {
    let pin = vec![leaf(0x80, "0081"), leaf(0x81, "3731393032383634"), leaf(0x82, "0081"), leaf(0x83, "03")];
    element("pinCodes", 70, true, vec![branch(0xA1, vec![branch(0xA0, vec![branch(0x30, pin)])])])
}

/// CDMA keys: tags and lengths.
pub(super) fn cdma(members: &[(u32, usize)]) -> super::edit::Node {
    let members = members.iter().map(|(tag, octets)| leaf(*tag, &"5A3C".repeat(*octets)[..2 * octets]));
    element("cdmaParameter", 80, true, members.collect())
}

/// A CSIM with a directory alone, and its keys.
pub(super) fn with_csim(p: &mut Edit) {
    let fcp = vec![leaf(0x83, "7FC0"), leaf(0x84, "A0000003431002F310FFFF89020000FF"), leaf(0xC6, "81010A")];
    let files = vec![template("csim", 1), branch(0xA2, vec![branch(0xA1, fcp)])];
    p.insert_before("isim", element("csim", 81, true, files));
    p.insert_before("isim", cdma(&[(0x81, 8)]));
}

fn header() -> Vec<Case> {
    vec![
        case(
            Rule::HeaderVersion,
            |p| p.element("header").at(&[0x80]).set("04"),
            |p| p.element("header").at(&[0x80]).set("03"),
        ),
        case(
            Rule::HeaderVersionUnpublished,
            |p| p.element("header").at(&[0x81]).set("04"),
            |p| p.element("header").at(&[0x81]).set("00"),
        ),
        case(
            Rule::HeaderVersionContent,
            |p| p.element("header").at(&[0x81]).set("02"),
            |p| {
                p.element("header").at(&[0x81]).set("02");
                p.remove("df-5gs");
            },
        ),
        case(
            Rule::HeaderVersionContent,
            |p| {
                p.element("header").at(&[0x81]).set("01");
                p.remove("df-5gs");
                p.element("securityDomain").push(branch(0xA4, Vec::new()));
            },
            |p| {
                p.element("header").at(&[0x81]).set("01");
                p.remove("df-5gs");
            },
        ),
        case(
            Rule::HeaderProfileType,
            |p| p.element("header").at(&[0x82]).set(&"41".repeat(101)),
            |p| p.element("header").at(&[0x82]).set(&"41".repeat(100)),
        ),
        case(
            Rule::HeaderIccid,
            |p| p.element("header").at(&[0x83]).set("8988280000000000001A"),
            |p| p.element("header").at(&[0x83]).set("898828000000000001FF"),
        ),
        case(
            Rule::HeaderTemplateUnknown,
            |p| p.element("header").at(&[0xA6]).push(leaf(0x06, "67810F01025A")).done(),
            |p| p.element("header").at(&[0xA6]).push(leaf(0x06, "67810F010202")).done(),
        ),
        case(
            Rule::HeaderTemplateTwice,
            |p| p.element("header").at(&[0xA6]).push(leaf(0x06, "67810F010201")).done(),
            |p| p.element("header").at(&[0xA6]).push(leaf(0x06, "67810F01020D")).done(),
        ),
        case(
            Rule::HeaderTemplateUnlisted,
            |p| p.element("df-5gs").at(&[0xA0]).members.insert(0, leaf(0x80, "")),
            |p| {
                p.element("df-5gs").at(&[0xA0]).members.insert(0, leaf(0x80, ""));
                p.element("header").at(&[0xA6]).push(leaf(0x06, "67810F01020D"));
            },
        ),
        case(
            Rule::HeaderTemplateUnused,
            |p| p.element("header").at(&[0xA6]).push(leaf(0x06, "67810F010202")).done(),
            |p| p.element("header").at(&[0xA6]).push(leaf(0x06, "67810F01020D")).done(),
        ),
        case(
            Rule::HeaderAids,
            |p| p.element("header").push(branch(0xA8, vec![library("A0000000", "0100")])).done(),
            |p| p.element("header").push(branch(0xA8, vec![library("A000000009", "0100")])).done(),
        ),
        case(
            Rule::HeaderIotOptions,
            |p| p.element("header").push(branch(0xA9, vec![leaf(0x80, "1002FFFFFFFF")])).done(),
            |p| p.element("header").push(branch(0xA9, vec![leaf(0x80, "1002FFFFFFFF89")])).done(),
        ),
    ]
}

/// An entry of eUICC-Mandatory-AIDs.
pub(super) fn library(aid: &str, version: &str) -> super::edit::Node {
    branch(0x30, vec![leaf(0x80, aid), leaf(0x81, version)])
}

fn services() -> Vec<Case> {
    let not_mandated = |p: &mut Edit| {
        p.element("application").at(&[0xA0]).remove(0x80);
    };
    vec![
        case(Rule::ServiceUnknown, |p| p.service(30), |p| p.service(29)),
        case(Rule::ServiceTwice, |p| p.service(1), |p| p.service(9)),
        case(
            Rule::ServiceMissing,
            |p| p.element("header").at(&[0xA5]).remove(0x84).done(),
            |p| {
                p.element("header").at(&[0xA5]).remove(0x8B);
                not_mandated(p);
            },
        ),
        case(
            Rule::ServiceMissing,
            |p| p.insert_before("rfm", management(60, vec![path(""), create("7921", "2FF0", "10")])),
            |p| {
                p.insert_before("rfm", management(60, vec![path(""), create("7921", "2FF0", "10")]));
                p.service(18);
            },
        ),
        case(Rule::ServiceWithoutContent, |p| p.service(3), |p| p.service(0)),
        case(Rule::ServiceNotMandated, not_mandated, |p| {
            not_mandated(p);
            p.element("header").at(&[0xA5]).remove(0x8B);
        }),
        case(Rule::ServiceNotMandated, not_mandated, |p| {
            not_mandated(p);
            p.insert_before("end", {
                let mut second = application(61);
                second.members.remove(1);
                second.at(&[0xA2, 0x30]).members[2].set("F000000001010102");
                second.at(&[0xA2, 0x30]).remove(0xEA);
                second
            });
        }),
        case(
            Rule::ServiceDependency,
            |p| {
                p.element("header").at(&[0xA5]).remove(0x82);
                p.service(8);
            },
            |p| p.service(8),
        ),
    ]
}

#[test]
fn what_is_taken_apart_is_put_together_again() {
    let octets = Edit::rich().octets();
    assert_eq!(Edit::of(&octets).octets(), octets);
}
