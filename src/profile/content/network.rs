//! Networks (TS 24.008 10.5.1.3: PLMN) and the lists of them.

use toml::Value;

use super::codec::{Codec, Field, Form, fields};
use super::error::{ContentError, Refusal};
use super::tlv;
use super::value::{self, Encoded, Flags, Members};

/// Octets of a PLMN.
pub const PLMN_LEN: usize = 3;

const EXPECTED_PLMN: &str =
    "a network as \"262-01\": three digits of country, two or three of network, or \"724\" for a country";

/// A PLMN in three octets.
///
/// # Errors
/// [`ContentError`] if `mcc` is not three digits or `mnc` not two or three.
pub fn plmn(mcc: &str, mnc: &str) -> Result<[u8; PLMN_LEN], ContentError> {
    from_digits(mcc, mnc)
        .filter(|_| !mnc.is_empty())
        .ok_or_else(|| Refusal::text(EXPECTED_PLMN, &format!("{mcc}-{mnc}")).about("PLMN", false))
}

/// The octets of digits; `D` is the wild digit of EF.OPL. Without digits of a network, all of the country are meant.
fn from_digits(mcc: &str, mnc: &str) -> Option<[u8; PLMN_LEN]> {
    let nibbles = |text: &str| -> Option<Vec<u8>> {
        let nibble = |octet: u8| match octet {
            b'0'..=b'9' => Some(octet - b'0'),
            b'D' => Some(0x0D),
            _ => None,
        };
        text.bytes().map(nibble).collect()
    };
    let mcc = nibbles(mcc)?;
    let [a, b, c] = *mcc.as_slice() else { return None };
    let (d, e, f) = match *nibbles(mnc)?.as_slice() {
        [] => (0x0F, 0x0F, 0x0F),
        [d, e] => (d, e, 0x0F),
        [d, e, f] => (d, e, f),
        _ => return None,
    };
    Some([b << 4 | a, f << 4 | c, e << 4 | d])
}

/// A network as `262-01`, all networks of a country as `724`; `None` where the octets are neither.
pub(in crate::profile) fn plmn_text(octets: [u8; PLMN_LEN]) -> Option<String> {
    let [first, second, third] = octets;
    let digits = |nibbles: &[u8]| -> Option<String> {
        let digit = |nibble: &u8| match nibble {
            0..=9 => Some(char::from(b'0' + nibble)),
            0x0D => Some('D'),
            _ => None,
        };
        nibbles.iter().map(digit).collect()
    };
    let mcc = digits(&[first & 0x0F, first >> 4, second & 0x0F])?;
    let mnc = match [third & 0x0F, third >> 4, second >> 4] {
        [0x0F, 0x0F, 0x0F] => return Some(mcc),
        [d, e, 0x0F] => digits(&[d, e])?,
        mnc => digits(&mnc)?,
    };
    Some(format!("{mcc}-{mnc}"))
}

/// The octets of what [`plmn_text`] says.
pub(in crate::profile) fn plmn_of(text: &str) -> Option<[u8; PLMN_LEN]> {
    match text.split_once('-') {
        Some((_, "")) => None,
        Some((mcc, mnc)) => from_digits(mcc, mnc),
        None => from_digits(text, ""),
    }
}

/// A network in words, or six hexadecimal digits where the octets are none.
pub(super) fn decode_plmn(octets: &[u8]) -> Value {
    octets.try_into().ok().and_then(plmn_text).map_or_else(|| value::hex(octets), value::text)
}

/// The three octets of a network.
pub(super) fn encode_plmn(value: &Value) -> Encoded {
    let octets = value.as_str().and_then(plmn_of).map(Vec::from);
    let octets = octets.or_else(|| value::from_hex(value, Some(PLMN_LEN)).ok());
    octets.ok_or_else(|| Refusal::value(EXPECTED_PLMN, value))
}

/// A list of networks: EF.FPLMN, EF.EHPLMN.
pub(super) const NETWORKS: Codec = Codec::List(PLMN_LEN, Form::Plmn);

/// Access technologies (TS 31.102 4.2.5). WB-S1 and NB-S1 narrow E-UTRAN down, EC-GSM-IoT and "GSM without EC-GSM-IoT"
/// narrow GSM down.
const TECHNOLOGIES: Flags = Flags {
    length: 2,
    names: &[
        (0x8000, "UTRAN"),
        (0x4000, "E-UTRAN"),
        (0x2000, "WB-S1"),
        (0x1000, "NB-S1"),
        (0x0800, "NG-RAN"),
        (0x0080, "GSM"),
        (0x0040, "GSM COMPACT"),
        (0x0020, "cdma2000 HRPD"),
        (0x0010, "cdma2000 1xRTT"),
        (0x0008, "EC-GSM-IoT"),
        (0x0004, "GSM without EC-GSM-IoT"),
    ],
};
/// Octets of a network with its technologies.
const SELECTOR: usize = 5;
/// An entry that is not used.
const FREE: [u8; SELECTOR] = [0xFF, 0xFF, 0xFF, 0, 0];
/// Entries in the largest file.
const MAX_FREE: i64 = 13_107;

/// Networks in the order of preference with their technologies: `networks`, then `free` entries `FFFFFF0000`.
pub(super) const SELECTORS: Codec = Codec::Words(decode_selectors, encode_selectors);

fn decode_selectors(octets: &[u8]) -> Option<Value> {
    let (entries, _) = octets.as_chunks::<SELECTOR>();
    let used = entries.iter().rposition(|entry| *entry != [0xFF; SELECTOR]).map_or(0, |last| last + 1);
    let entries = entries.get(..used)?;
    let filled = entries.iter().rposition(|entry| *entry != FREE).map_or(0, |last| last + 1);
    let (entries, free) = entries.split_at_checked(filled)?;
    let selector = |entry: &[u8; SELECTOR]| {
        let (plmn, technologies) = entry.split_at(PLMN_LEN);
        value::table([
            ("plmn", Some(decode_plmn(plmn))),
            ("technologies", Some(TECHNOLOGIES.decode(technologies))),
        ])
    };
    Some(value::table([
        ("networks", Some(Value::Array(entries.iter().map(selector).collect()))),
        ("free", (!free.is_empty()).then(|| Value::Integer(i64::try_from(free.len()).unwrap_or(MAX_FREE)))),
    ]))
}

fn encode_selectors(value: &Value, _: Option<usize>) -> Encoded {
    const EXPECTED: &str = "a list of tables with plmn and technologies";
    let members = Members::of(value, "a table", &["networks", "free"])?;
    let selector = |value: &Value| {
        let members = Members::of(value, EXPECTED, &["plmn", "technologies"])?;
        let plmn = encode_plmn(members.required("plmn", EXPECTED_PLMN)?);
        let plmn = plmn.map_err(|refusal| refusal.within("plmn"))?;
        let technologies = members.read("technologies", |value| TECHNOLOGIES.encode(value))?;
        Ok([plmn, technologies.unwrap_or_else(|| vec![0, 0])].concat())
    };
    let networks = members.read("networks", |value| value::each(value, EXPECTED, selector))?;
    let free = members.integer("free", 0..=MAX_FREE)?.unwrap_or_default();
    let mut octets = networks.unwrap_or_default();
    octets.extend(FREE.repeat(usize::try_from(free).unwrap_or_default()));
    Ok(octets)
}

/// The networks of the service provider: EF.SPDI (TS 31.102 4.2.66).
pub(super) const PROVIDER_NETWORKS: Codec = Codec::Words(decode_provider_networks, encode_provider_networks);

/// The tags of EF.SPDI: display information, list of networks.
const DISPLAY_INFORMATION: u8 = 0xA3;
const NETWORK_LIST: u8 = 0x80;

fn decode_provider_networks(octets: &[u8]) -> Option<Value> {
    match tlv::read(octets)?.as_slice() {
        [(DISPLAY_INFORMATION, inner)] => match tlv::read(inner)?.as_slice() {
            [(NETWORK_LIST, list)] => Some(Value::Array(list.chunks(PLMN_LEN).map(decode_plmn).collect())),
            _ => None,
        },
        _ => None,
    }
}

fn encode_provider_networks(value: &Value, _: Option<usize>) -> Encoded {
    let list = value::each(value, "a list of networks", encode_plmn)?;
    tlv::object(DISPLAY_INFORMATION, &tlv::object(NETWORK_LIST, &list)?)
}

/// Which name belongs to which networks and location areas: EF.OPL (4.2.59). `name` is the record of EF.PNN; 0 is a
/// name from elsewhere. `D` is a digit that matches all.
pub(super) const OPERATOR_LIST: Codec = fields(&[
    Field("plmn", PLMN_LEN, Form::Plmn),
    Field("from", 2, Form::Hex),
    Field("to", 2, Form::Hex),
    Field("name", 1, Form::Number),
]);

/// The same for tracking areas of 5G: EF.OPL5G (4.4.11.9).
pub(super) const OPERATOR_LIST_5G: Codec = fields(&[
    Field("plmn", PLMN_LEN, Form::Plmn),
    Field("from", 3, Form::Hex),
    Field("to", 3, Form::Hex),
    Field("name", 1, Form::Number),
]);

/// How often the home network is searched for: EF.HPPLMN (4.2.6), in minutes; 0 is never.
pub(super) const SEARCH_PERIOD: Codec = Codec::Words(
    |octets| {
        let minutes = i64::from(*octets.first()?) * 6;
        Some(value::table([("minutes", Some(Value::Integer(minutes)))]))
    },
    |value, _| {
        const EXPECTED: &str = "a multiple of 6 minutes, at most 1530";
        let members = Members::of(value, EXPECTED, &["minutes"])?;
        let given = members.required("minutes", EXPECTED)?;
        let minutes = given.as_integer().filter(|minutes| minutes % 6 == 0);
        let octet = minutes.and_then(|minutes| u8::try_from(minutes / 6).ok());
        octet.map(|octet| vec![octet]).ok_or_else(|| Refusal::value(EXPECTED, given).within("minutes"))
    },
);

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use super::*;
    use crate::profile::content::tests::{agree, refused};

    #[test]
    fn networks_are_swapped_digits() {
        // TS 24.008 10.5.1.3.
        for (mcc, mnc, octets) in [
            ("262", "01", [0x62, 0xF2, 0x10]),
            ("001", "01", [0x00, 0xF1, 0x10]),
            ("246", "81", [0x42, 0xF6, 0x18]),
            ("310", "410", [0x13, 0x00, 0x14]),
        ] {
            assert_eq!(plmn(mcc, mnc), Ok(octets));
        }
        for (mcc, mnc) in [("26", "01"), ("262", "1"), ("262", "0123"), ("2F2", "01"), ("262", "")] {
            assert!(plmn(mcc, mnc).is_err(), "{mcc}-{mnc}");
        }
    }

    #[test]
    fn lists_of_networks() {
        let usim = ElementKind::OptUsim;
        for (name, octets, text) in [
            ("EF.FPLMN", "62F210130014FFFFFF", r#"{ value = ["262-01", "310-410"], length = 9 }"#),
            ("EF.EHPLMN", "00F110", r#"["001-01"]"#),
            ("EF.EHPLMN", "FFFFFF00F110", r#"["FFFFFF", "001-01"]"#),
            // All networks of Brazil.
            ("EF.EHPLMN", "27F4FF", r#"["724"]"#),
            // TS 31.102 4.2.5: GSM and UTRAN, E-UTRAN and NG-RAN, no entry, unknown bits.
            (
                "EF.PLMNwAcT",
                "62F210808062F2104800FFFFFF0000FFFFFF0000",
                r#"{ networks = [{ plmn = "262-01", technologies = ["UTRAN", "GSM"] }, { plmn = "262-01", technologies = ["E-UTRAN", "NG-RAN"] }], free = 2 }"#,
            ),
            (
                "EF.HPLMNwAcT",
                "FFFFFF000000F1100401FFFFFFFFFF",
                r#"{ networks = [{ plmn = "FFFFFF", technologies = [] }, { plmn = "001-01", technologies = ["0001", "0400"] }], length = 15 }"#,
            ),
            ("EF.OPLMNwAcT", "FFFFFF0000", "{ networks = [], free = 1 }"),
            // TS 31.102 4.2.66.
            ("EF.SPDI", "A308800662F21000F110FF", r#"{ value = ["262-01", "001-01"], length = 11 }"#),
            ("EF.OPL", "62F21D0000FFFE01", r#"{ plmn = "262-D1", from = "0000", to = "FFFE", name = 1 }"#),
            ("EF.HPPLMN", "0A", "{ minutes = 60 }"),
        ] {
            agree(usim, name, octets, text);
        }
        for (name, text, expected) in [
            ("EF.FPLMN", r#"["26201"]"#, "[1]: expected a network as \"262-01\""),
            ("EF.HPPLMN", "{ minutes = 61 }", "minutes: expected a multiple of 6 minutes"),
            ("EF.PLMNwAcT", "{ networks = [{ technologies = [] }] }", "networks[1].plmn: expected a network"),
            ("EF.PLMNwAcT", "{ free = 13108 }", "free: expected a number from 0 to 13107"),
        ] {
            let error = refused(usim, name, text);
            assert!(error.contains(expected), "{error}");
        }
    }
}
