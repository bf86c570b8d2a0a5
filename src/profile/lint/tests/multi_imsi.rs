//! The table of a multi-IMSI applet.

use super::edit::{Edit, application, branch, create, fill, leaf, management, path};
use super::{Case, Rule, case};
use crate::ident::Imsi;
use crate::profile::multi_imsi::{Entry, KeySet, Table, key_sets_to_octets, store_data};

/// The IMSI of the USIM of the package that is in order.
const HOME: &str = "901405100000003";
const OTHER: &str = "901405100000011";

/// A table of two entries: index and IMSI of the first, key set of the second, index of the second, first entry.
fn table(first_imsi: &str, second: (u8, &str, u8), first: u8) -> Vec<u8> {
    let entry = |index: u8, imsi: &str, key: u8, role: &str| Entry {
        index,
        imsi: Imsi::parse(imsi).unwrap(),
        imsi_offset: 0,
        key,
        networks: vec![[0x27, 0xF4, 0xFF]],
        rotation_days: None,
        role: role.to_owned(),
    };
    let (index, imsi, key) = second;
    let entries = vec![entry(1, first_imsi, 0, "home"), entry(index, imsi, key, "other")];
    Table { first, retry_seconds: 240, return_hours: None, entries }.to_octets()
}

fn keys() -> Vec<u8> {
    let (key, opc) = (Edit::random(1), Edit::random(2));
    let set = KeySet { reference: 1, algorithm: 1, key: &key, key_offset: 0, opc: &opc, opc_offset: 0 };
    key_sets_to_octets(&[set]).to_vec()
}

/// The package with contents of files in the USIM.
fn in_files(p: &mut Edit, contents: &[Vec<u8>]) {
    let mut commands = vec![path("7FD0")];
    for (number, content) in contents.iter().enumerate() {
        commands.push(create("4121", &format!("6FA{number}"), "00C8"));
        commands.push(fill(&hex::encode(content)));
    }
    p.insert_before("end", management(90, commands));
}

/// The package with commands to an applet.
fn by_commands(p: &mut Edit, data: &[Vec<u8>]) {
    let mut applet = application(91);
    let commands = data.iter().map(|data| leaf(0x04, &hex::encode(store_data(data).unwrap()))).collect();
    applet.at(&[0xA2, 0x30]).push(branch(0x30, commands));
    p.remove("application");
    p.insert_before("end", applet);
}

pub(super) fn cases() -> Vec<Case> {
    let right = || table(HOME, (2, OTHER, 0), 1);
    let own_keys = || table(HOME, (2, OTHER, 1), 1);
    vec![
        case(
            Rule::MultiImsiObject,
            move |p| in_files(p, &[right()[..20].to_vec()]),
            move |p| in_files(p, &[right()]),
        ),
        case(
            Rule::MultiImsiKeysInFile,
            move |p| in_files(p, &[own_keys(), keys()]),
            move |p| by_commands(p, &[own_keys(), keys()]),
        ),
        case(
            Rule::MultiImsiApplet,
            move |p| {
                p.remove("application");
                in_files(p, &[right()]);
            },
            move |p| in_files(p, &[right()]),
        ),
        case(
            Rule::MultiImsiKeySet,
            move |p| by_commands(p, &[own_keys()]),
            move |p| by_commands(p, &[own_keys(), keys()]),
        ),
        case(
            Rule::MultiImsiKeySet,
            move |p| by_commands(p, &[right(), keys()]),
            move |p| by_commands(p, &[right()]),
        ),
        case(
            Rule::MultiImsiTwice,
            |p| in_files(p, &[table(HOME, (1, OTHER, 0), 1)]),
            |p| in_files(p, &[table(HOME, (16, OTHER, 0), 1)]),
        ),
        case(
            Rule::MultiImsiTwice,
            |p| in_files(p, &[table(HOME, (2, HOME, 0), 1)]),
            |p| in_files(p, &[table(HOME, (2, OTHER, 0), 1)]),
        ),
        case(
            Rule::MultiImsiFirst,
            |p| in_files(p, &[table(HOME, (2, OTHER, 0), 3)]),
            |p| in_files(p, &[table(OTHER, (2, HOME, 0), 2)]),
        ),
        case(
            Rule::MultiImsiFirst,
            |p| in_files(p, &[table(OTHER, (2, HOME, 0), 1)]),
            |p| in_files(p, &[table(HOME, (2, OTHER, 0), 1)]),
        ),
        // Keys for an applet are keys.
        case(
            Rule::KeyPublished,
            move |p| {
                let published = hex::decode("465B5CE8B199B49FAA5F0A2EE238A6BC").unwrap();
                let opc = Edit::random(2);
                let set = KeySet {
                    reference: 1,
                    algorithm: 1,
                    key: &published,
                    key_offset: 0,
                    opc: &opc,
                    opc_offset: 0,
                };
                by_commands(p, &[own_keys(), key_sets_to_octets(&[set]).to_vec()]);
            },
            move |p| by_commands(p, &[own_keys(), keys()]),
        ),
    ]
}
