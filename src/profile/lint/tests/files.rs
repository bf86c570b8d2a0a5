//! Templates, files, links, access rules, file management.

use super::super::access::TEMPLATE_RULES;
use super::edit::{Edit, branch, create, create_directory, fill, leaf, management, path, template};
use super::{Case, Rule, case};

pub(super) fn cases() -> Vec<Case> {
    [templates(), contents(), attributes(), links(), access(), commands()].into_iter().flatten().collect()
}

/// Runs commands in the MF, behind all elements that create files.
fn manage(p: &mut Edit, commands: Vec<super::edit::Node>) {
    p.insert_before("securityDomain", management(90, commands));
}

fn templates() -> Vec<Case> {
    vec![
        case(
            Rule::TemplateUnknown,
            |p| p.element("opt-usim").at(&[0x81]).set("67810F01020504"),
            |p| p.element("opt-usim").at(&[0x81]).set("67810F01020503"),
        ),
        case(
            Rule::TemplateOfAnother,
            |p| p.element("opt-usim").at(&[0x81]).set("67810F010204"),
            |p| p.element("opt-usim").at(&[0x81]).set("67810F010205"),
        ),
        case(
            Rule::TemplateUnknownFile,
            |p| p.element("df-5gs").push(branch(0xAD, vec![leaf(0x83, "00")])).done(),
            |p| p.element("df-5gs").push(branch(0xAC, vec![leaf(0x83, "F0FF0000")])).done(),
        ),
        case(
            Rule::TemplateDirectoryMissing,
            |p| p.content("telecom", "EF.MMSSMODE", "00"),
            |p| {
                p.fcp("telecom", "DF.MMSS").put(0xC6, "010A");
                p.content("telecom", "EF.MMSSMODE", "00");
            },
        ),
        case(
            Rule::TemplateFileMissing,
            |p| {
                let tag = p.file("usim", "EF.ACC").tag;
                p.element("usim").remove(tag);
            },
            |p| {
                // EF.Keys has a default.
                let tag = p.file("usim", "EF.Keys").tag;
                p.element("usim").remove(tag);
            },
        ),
        case(
            Rule::TemplateParameterMissing,
            |p| p.fcp("mf", "MF").remove(0xC6).done(),
            |p| p.fcp("mf", "MF").put(0xC6, "01").done(),
        ),
        case(
            Rule::TemplateParameterMissing,
            |p| p.content("opt-usim", "EF.SPNI", "00"),
            |p| {
                p.fcp("opt-usim", "EF.SPNI").put(0x80, "01");
                p.content("opt-usim", "EF.SPNI", "00");
            },
        ),
    ]
}

fn contents() -> Vec<Case> {
    vec![
        case(
            Rule::FileDoNotCreate,
            |p| p.file("df-5gs", "EF.UAC_AIC").members = vec![leaf(0x80, "")],
            |p| p.file("usim", "EF.NETPAR").members = vec![leaf(0x80, "")],
        ),
        case(
            Rule::FileDoNotCreateMf,
            |p| p.file("mf", "EF.PL").members = vec![leaf(0x80, "")],
            |p| p.file("usim", "EF.NETPAR").members = vec![leaf(0x80, "")],
        ),
        case(
            Rule::FileParts,
            |p| p.file("usim", "EF.ACC").push(leaf(0x80, "")).done(),
            |p| p.file("usim", "EF.NETPAR").push(leaf(0x80, "")).done(),
        ),
        case(
            Rule::FileParts,
            |p| p.file("mf", "EF.DIR").members.reverse(),
            |p| p.file("mf", "EF.DIR").push(leaf(0x82, "00")).done(),
        ),
        case(
            Rule::FileContentTooLong,
            |p| p.content("usim", "EF.ACC", "000800"),
            |p| p.content("usim", "EF.ACC", "0008"),
        ),
        case(
            Rule::FileContentMissing,
            |p| p.fcp("opt-usim", "EF.GID1").put(0x80, "08").done(),
            |p| p.fcp("opt-usim", "EF.GID1").proprietary().put(0xC1, "00").done(),
        ),
        case(
            Rule::FilePatternTooLong,
            |p| p.fcp("opt-usim", "EF.GID1").proprietary().put(0xC1, "000102030405060708").done(),
            |p| p.fcp("opt-usim", "EF.GID1").proprietary().put(0xC1, "0001020304050607").done(),
        ),
        case(
            Rule::FileIdTwice,
            |p| manage(p, vec![path(""), create("4121", "2F05", "02")]),
            |p| manage(p, vec![path(""), create("4121", "2FF5", "02")]),
        ),
        case(
            Rule::FileIdTwice,
            |p| p.fcp("opt-usim", "EF.LI").put(0x83, "6F40").done(),
            |p| p.fcp("telecom", "EF.ICE_DN").put(0x83, "6FE0").done(),
        ),
        case(
            Rule::FileShortIdTwice,
            |p| p.fcp("usim", "EF.ACC").put(0x88, "38").done(),
            |p| p.fcp("usim", "EF.ACC").put(0x88, "").done(),
        ),
        case(
            Rule::FileMemory,
            |p| manage(p, vec![path(""), create("4121", "2FF5", "200000")]),
            |p| manage(p, vec![path(""), create("4121", "2FF5", "080000")]),
        ),
    ]
}

fn attributes() -> Vec<Case> {
    vec![
        case(
            Rule::FileIdReserved,
            |p| manage(p, vec![path(""), create("4121", "3FFF", "02")]),
            |p| manage(p, vec![path(""), create("4121", "3FFE", "02")]),
        ),
        case(
            Rule::FileIdOfTemplate,
            |p| p.fcp("usim", "EF.ACC").put(0x83, "6F79").done(),
            |p| p.fcp("usim", "EF.ACC").put(0x83, "6F78").done(),
        ),
        case(
            Rule::FileDescriptor,
            |p| p.fcp("usim", "EF.ACC").put(0x82, "4221").done(),
            |p| p.fcp("usim", "EF.ACC").put(0x82, "4121").done(),
        ),
        case(
            Rule::FileDataCoding,
            |p| p.fcp("usim", "EF.ACC").put(0x82, "4101").done(),
            |p| p.fcp("usim", "EF.ACC").put(0x82, "4121").done(),
        ),
        case(
            Rule::FileRecordSize,
            |p| p.fcp("mf", "EF.DIR").put(0x80, "35").done(),
            |p| p.fcp("mf", "EF.DIR").put(0x80, "4E").done(),
        ),
        case(
            Rule::FileSizeEncoding,
            |p| p.fcp("mf", "EF.DIR").put(0x80, "0034").done(),
            |p| p.fcp("mf", "EF.DIR").put(0x80, "34").done(),
        ),
        case(
            Rule::FileSizeEncoding,
            |p| p.fcp("mf", "EF.DIR").put(0x80, "000034").done(),
            |p| {
                p.element("header").at(&[0x81]).set("00");
                p.fcp("mf", "EF.DIR").put(0x80, "0034");
            },
        ),
        case(
            Rule::FileSizeOfDirectory,
            |p| p.fcp("telecom", "DF.TELECOM").put(0x80, "10").done(),
            |p| p.fcp("telecom", "DF.TELECOM").put(0x8B, "2F060E").done(),
        ),
        case(
            Rule::FileBerTlvSize,
            |p| p.fcp("usim", "EF.ACC").proprietary().put(0x86, "02").done(),
            |p| {
                p.service(18);
                let mut file = create("7921", "2FF5", "0400");
                file.proprietary().put(0x86, "0400");
                manage(p, vec![path(""), file]);
            },
        ),
        case(
            Rule::FilePinStatusOfFile,
            |p| p.fcp("usim", "EF.ACC").put(0xC6, "01").done(),
            |p| p.fcp("telecom", "DF.TELECOM").put(0xC6, "01").done(),
        ),
        case(
            Rule::FileAidOfOther,
            |p| p.fcp("telecom", "DF.TELECOM").put(0x84, "A000000087").done(),
            |p| p.fcp("isim", "ADF.ISIM").put(0x84, "A000000087").done(),
        ),
        case(
            Rule::FileLifeCycle,
            |p| p.fcp("usim", "EF.ACC").put(0x8A, "03").done(),
            |p| p.fcp("usim", "EF.ACC").put(0x8A, "04").done(),
        ),
        case(
            Rule::FileSpecialInformation,
            |p| p.fcp("usim", "EF.ACC").proprietary().put(0xC0, "20").done(),
            |p| p.fcp("usim", "EF.ACC").proprietary().put(0xC0, "C0").done(),
        ),
        case(
            Rule::FileNotShareable,
            |p| p.fcp("usim", "EF.ACC").put(0x82, "0121").done(),
            |p| manage(p, vec![path(""), create("0121", "2FF5", "02")]),
        ),
    ]
}

/// A link in the directory that is selected.
fn link(descriptor: &str, fid: &str, target: &str) -> super::edit::Node {
    branch(
        0x62,
        vec![
            leaf(0x82, descriptor),
            leaf(0x83, fid),
            leaf(0x8B, "2F060E"),
            leaf(0xC6, "010A"),
            leaf(0x88, ""),
            leaf(0xC7, target),
        ],
    )
}

fn links() -> Vec<Case> {
    let to = |target: &'static str| {
        move |p: &mut Edit| {
            let mut link = link("4121", "6F38", target);
            link.remove(0xC6);
            manage(p, vec![path("7F10"), link]);
        }
    };
    vec![
        case(Rule::LinkTarget, to("7FD06F39"), to("7FD06F38")),
        case(
            Rule::LinkLater,
            |p| {
                let mut link = link("4121", "6F38", "7FD06F38");
                link.remove(0xC6);
                p.insert_before("usim", management(90, vec![path("7F10"), link]));
            },
            to("7FD06F38"),
        ),
        case(
            Rule::LinkAttributes,
            |p| {
                let mut link = link("4121", "6F38", "7FD06F38");
                link.remove(0xC6);
                link.put(0x80, "0E");
                manage(p, vec![path("7F10"), link]);
            },
            to("7FD06F38"),
        ),
        case(
            Rule::LinkAttributes,
            |p| {
                let mut link = link("4121", "6F38", "7FD06F38");
                link.remove(0xC6);
                manage(p, vec![path("7F10"), link, fill("00")]);
            },
            to("7FD06F38"),
        ),
        // EF.SMS has records.
        case(Rule::LinkKind, to("7FD06F3C"), to("7FD06F38")),
        case(
            Rule::LinkKind,
            |p| manage(p, vec![path("7F10"), link("7821", "5F99", "7F10")]),
            |p| {
                p.service(19);
                manage(p, vec![path("7F10"), link("7821", "5F99", "7FD05FC0")]);
            },
        ),
        // A directory link is a service that has to be listed.
        case(
            Rule::ServiceMissing,
            |p| manage(p, vec![path("7F10"), link("7821", "5F99", "7FD05FC0")]),
            |p| {
                p.service(19);
                manage(p, vec![path("7F10"), link("7821", "5F99", "7FD05FC0")]);
            },
        ),
    ]
}

fn access() -> Vec<Case> {
    let record = |text: &str| format!("{text:F<66}");
    let wrong = record("80");
    let right = record("8001019000");
    let arr = |p: &mut Edit, content: &str| {
        p.fcp("telecom", "EF.ARR").put(0x82, "42210021").put(0x80, "21");
        p.content("telecom", "EF.ARR", content);
    };
    vec![
        case(
            Rule::AccessRecord,
            |p| p.fcp("usim", "EF.ACC").put(0x8B, "6F0F02").done(),
            |p| p.fcp("usim", "EF.ACC").put(0x8B, "6F0602").done(),
        ),
        case(
            Rule::AccessRecord,
            |p| p.fcp("usim", "EF.ACC").put(0x8B, "0F").done(),
            |p| p.fcp("usim", "EF.ACC").put(0x8B, "0E").done(),
        ),
        case(Rule::AccessRule, move |p| arr(p, &wrong), move |p| arr(p, &right)),
        case(
            Rule::AccessTwoForms,
            |p| {
                let fcp = p.fcp("usim", "EF.ACC").put(0x8B, "02");
                fcp.members.push(leaf(0x8C, "0100"));
            },
            |p| p.fcp("usim", "EF.ACC").put(0x8B, "02").done(),
        ),
        case(
            Rule::AccessKey,
            |p| p.fcp("telecom", "DF.TELECOM").put(0xC6, "810A").done(),
            |p| p.fcp("telecom", "DF.TELECOM").put(0xC6, "0A").done(),
        ),
        case(
            Rule::AccessKey,
            // Rule 8 wants PIN2 for updates; DF.TELECOM has none.
            |p| manage(p, vec![path("7F10"), with_rule(create("4121", "6F70", "05"), "2F0608")]),
            |p| manage(p, vec![path("7F10"), with_rule(create("4121", "6F70", "05"), "2F0605")]),
        ),
        case(Rule::AccessTemplateRule, swap_rules, |p| {
            swap_rules(p);
            for (kind, file) in USERS {
                p.fcp(kind, file).put(0x8B, "2F0603");
            }
        }),
    ]
}

fn with_rule(mut file: super::edit::Node, rule: &str) -> super::edit::Node {
    file.put(0x8B, rule);
    file
}

/// Files of the MF that keep rule 1, 10 or 11 of their template.
const USERS: [(&str, &str); 5] =
    [("mf", "EF.PL"), ("mf", "EF.ICCID"), ("mf", "EF.DIR"), ("mf", "EF.ARR"), ("mf", "EF.UMPC")];

/// Puts rule 3 where 1, 10 and 11 stood.
fn swap_rules(p: &mut Edit) {
    let mut rules = TEMPLATE_RULES;
    for number in [0, 9, 10] {
        rules[number] = TEMPLATE_RULES[2];
    }
    let records: String = rules.iter().map(|rule| format!("{rule:F<66}")).collect();
    p.content("mf", "EF.ARR", &records);
}

fn commands() -> Vec<Case> {
    vec![
        case(Rule::ManagementPath, |p| manage(p, vec![path("3F007FD0")]), |p| manage(p, vec![path("7FD0")])),
        case(
            Rule::ManagementNothingToFill,
            |p| manage(p, vec![path("7FD0"), fill("00")]),
            |p| manage(p, vec![path("7FD06F78"), fill("00")]),
        ),
        case(
            Rule::ManagementBesideDirectory,
            |p| manage(p, vec![path(""), create_directory("7F66"), in_mf("2FF5")]),
            |p| manage(p, vec![path(""), create_directory("7F66"), path("7F66"), in_mf("4F01")]),
        ),
    ]
}

fn in_mf(fid: &str) -> super::edit::Node {
    with_rule(create("4121", fid, "02"), "2F0605")
}

#[test]
fn every_template_is_that_of_its_element() {
    assert_eq!(template("opt-usim", 3).octets, super::edit::hex("67810F01020503"));
}
