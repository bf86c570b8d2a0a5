//! Smaller files of a USIM: short messages, cell broadcast, charging, mailboxes, groups, settings of the terminal
//! (TS 31.102 chapter 4.2).

use toml::Value;

use super::codec::{
    Codec, Field, Form, Layout, Object, ObjectForm, fields, fields_and, named, without_filler,
};
use super::network::PLMN_LEN;
use super::value::{self, Encoded};

/// EF.SMS (4.2.25): the message is left in hexadecimal digits.
pub(super) const SHORT_MESSAGE: Codec = fields_and(
    &[Field(
        "status",
        1,
        Form::Word(&[(0, "free"), (1, "read"), (3, "to be read"), (5, "sent"), (7, "to be sent")]),
    )],
    "message",
);
/// EF.SMSS (4.2.9).
pub(super) const SHORT_MESSAGE_STATUS: Codec = fields_and(
    &[Field("last_reference", 1, Form::Number), Field("memory", 1, Form::Word(&[(0xFE, "exceeded")]))],
    "more",
);
/// EF.SMSR (4.2.32): a report about the message in this record of EF.SMS; 0 is none.
pub(super) const SHORT_MESSAGE_REPORT: Codec = fields_and(&[Field("record", 1, Form::Number)], "report");

/// EF.CBMI and EF.CBMID (4.2.14, 4.2.20): message identifiers.
pub(super) const BROADCAST_MESSAGES: Codec = Codec::List(2, Form::Number);
/// EF.CBMIR (4.2.22): ranges of message identifiers, first and last.
pub(super) const BROADCAST_RANGES: Codec =
    Codec::Entries(&[Field("from", 2, Form::Number), Field("to", 2, Form::Number)]);

/// EF.ACM, EF.ACMmax, EF.ICT, EF.OCT, EF.THRESHOLD (4.2.9, 4.2.10, 4.2.35, 4.2.36, 4.2.52).
pub(super) const COUNTER: Codec = Codec::Single(3, Form::Number);
/// EF.PUCT (4.2.13): the price is mantissa and exponent as the file holds them.
pub(super) const PRICE: Codec = fields(&[Field("currency", 3, Form::Letters), Field("price", 2, Form::Hex)]);

/// EF.MBI (4.2.61): records of EF.MBDN, counted from 1; 0 is none.
pub(super) const MAILBOXES: Codec = fields(&[
    Field("voicemail", 1, Form::Number),
    Field("fax", 1, Form::Number),
    Field("email", 1, Form::Number),
    Field("other", 1, Form::Number),
    Field("videomail", 1, Form::Number),
]);
/// EF.MWIS (4.2.63): which messages wait, and how many.
pub(super) const MESSAGES_WAITING: Codec = fields(&[
    Field(
        "waiting",
        1,
        Form::Flags(&[
            (0x01, "voicemail"),
            (0x02, "fax"),
            (0x04, "email"),
            (0x08, "other"),
            (0x10, "videomail"),
        ]),
    ),
    Field("voicemail", 1, Form::Number),
    Field("fax", 1, Form::Number),
    Field("email", 1, Form::Number),
    Field("other", 1, Form::Number),
    Field("videomail", 1, Form::Number),
]);
/// EF.MMSN (4.2.67).
pub(super) const MULTIMEDIA_NOTIFICATION: Codec = fields_and(
    &[Field("status", 2, Form::Hex), Field("implementation", 1, Form::Flags(&[(0x01, "WAP")]))],
    "notification",
);
/// EF.ACL (4.2.48): how many names of access points there are; the names are left in hexadecimal digits.
pub(super) const ACCESS_POINTS: Codec = fields_and(&[Field("access_points", 1, Form::Number)], "names");

/// EF.VGCS and EF.VBS (4.2.73): identifiers of groups, up to eight digits each.
pub(super) const GROUPS: Codec = Codec::List(4, Form::Digits);

/// EF.VGCSCA and EF.VBSCA (4.2.81, 4.2.82): two algorithms for each group.
pub(super) const GROUP_ALGORITHMS: Codec =
    Codec::Entries(&[Field("first", 1, Form::Number), Field("second", 1, Form::Number)]);

/// Groups that EF.VGCSS and EF.VBSS have a flag for.
const GROUP_FLAGS: i64 = 50;
/// The bits of the last octet that belong to no group.
const NO_GROUP: u8 = 0xFC;

/// EF.VGCSS and EF.VBSS (4.2.74): which entries of the list of groups are active, counted from 1.
pub(super) const ACTIVE_GROUPS: Codec = Codec::Words(
    |octets| {
        let flags: &[u8; 7] = octets.try_into().ok()?;
        let bits = flags.iter().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1));
        let active =
            (1..=GROUP_FLAGS).zip(bits).filter(|(_, set)| *set).map(|(group, _)| Value::Integer(group));
        Some(Value::Array(active.collect()))
    },
    encode_active_groups,
);

fn encode_active_groups(value: &Value, _: Option<usize>) -> Encoded {
    let mut octets = [0, 0, 0, 0, 0, 0, NO_GROUP];
    for (at, entry) in value::list(value, "a list of groups")?.iter().enumerate() {
        let group = value::number(entry, 1..=GROUP_FLAGS).map_err(|refusal| refusal.entry(at))?;
        let index = usize::try_from(group - 1).unwrap_or_default();
        if let Some(octet) = octets.get_mut(index / 8) {
            *octet |= 1 << (index % 8);
        }
    }
    Ok(octets.to_vec())
}

/// EF.GID1 and EF.GID2 (4.2.10, 4.2.11): octets, without the filler.
pub(super) const GROUP_IDENTIFIER: Codec =
    Codec::Words(|octets| Some(value::hex(without_filler(octets))), |value, _| value::from_hex(value, None));
/// EF.CNL (4.2.49): networks that the terminal may be locked to, with the parts of them.
pub(super) const COOPERATIVE_NETWORKS: Codec = Codec::Entries(&[
    Field("plmn", PLMN_LEN, Form::Plmn),
    Field("subset", 1, Form::Hex),
    Field("service_provider", 1, Form::Hex),
    Field("corporate", 1, Form::Hex),
]);
/// EF.NIA (4.2.65): what the terminal says at an alerting category.
pub(super) const ALERTING: Codec = Codec::Layout(Layout {
    before: &[Field("category", 1, Form::Number)],
    named: true,
    after: &[],
    rest: None,
});
/// EF.CMI (4.2.55): a method of comparing barred numbers.
pub(super) const COMPARISON_METHOD: Codec = named(&[Field("method", 1, Form::Number)]);

/// Priority levels of eMLPP.
const PRIORITIES: Form =
    Form::Flags(&[(0x01, "A"), (0x02, "B"), (0x04, "0"), (0x08, "1"), (0x10, "2"), (0x20, "3"), (0x40, "4")]);
/// EF.eMLPP (4.2.75): the levels of the subscription, and those with fast call set-up.
pub(super) const PRECEDENCE: Codec =
    fields(&[Field("levels", 1, PRIORITIES), Field("fast_call_setup", 1, PRIORITIES)]);
/// EF.AaeM (4.2.76): the levels that are answered automatically.
pub(super) const AUTOMATIC_ANSWER: Codec = Codec::Single(1, PRIORITIES);

/// EF.EHPLMNPI (4.2.84): what the terminal shows in an equivalent home network.
pub(super) const HOME_PRESENTATION: Codec =
    Codec::Single(1, Form::Word(&[(0, "no preference"), (1, "highest priority only"), (2, "all")]));
/// EF.LRPLMNSI (4.2.85): which network is tried first when switched on.
pub(super) const LAST_NETWORK: Codec =
    Codec::Single(1, Form::Word(&[(0, "last registered"), (1, "home or last registered")]));
/// EF.InvScan (4.4.3.4): when to scan.
pub(super) const INVESTIGATION_SCAN: Codec =
    Codec::Single(1, Form::Flags(&[(0x01, "in limited service"), (0x02, "after selection")]));
/// EF.FromPreferred (4.2.113).
pub(super) const FROM_PREFERRED: Codec = Codec::Single(1, Form::Word(&[(0, "no"), (1, "yes")]));

const ONE: ObjectForm = ObjectForm::Fixed(1, Form::Number);
/// EF.NASCONFIG (4.2.94), with the values of TS 24.368.
pub(super) const NON_ACCESS_STRATUM: Codec = Codec::Objects(&[
    Object(0x80, "signalling_priority", ONE),
    Object(0x81, "nmo_i_behaviour", ONE),
    Object(0x82, "attach_with_imsi", ONE),
    Object(0x83, "minimum_periodic_search_timer", ONE),
    Object(0x84, "extended_access_barring", ONE),
    Object(0x85, "timer_t3245_behaviour", ONE),
    Object(0x86, "override_low_priority", ONE),
    Object(0x87, "override_extended_access_barring", ONE),
    Object(0x88, "fast_first_higher_priority_search", ONE),
    Object(0x89, "eutra_disabling_allowed", ONE),
    Object(0x8A, "sm_retry_wait_time", ONE),
    Object(0x8B, "sm_retry_at_rat_change", ONE),
    Object(0x8C, "default_dcn", ObjectForm::Hex),
    Object(0x8D, "exception_data_reporting", ONE),
]);

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use crate::profile::content::tests::{agree, refused};

    #[test]
    fn settings_of_a_subscription() {
        for (name, octets, text) in [
            ("EF.SMSS", "05FE", r#"{ last_reference = 5, memory = "exceeded" }"#),
            ("EF.SMSR", "00FFFF", "{ record = 0, length = 3 }"),
            ("EF.CBMI", "1112FFFF", "{ value = [4370], length = 4 }"),
            ("EF.CBMIR", "11121130FFFFFFFF", "{ value = [{ from = 4370, to = 4400 }], length = 8 }"),
            // The defaults of the templates.
            ("EF.ACM", "000000", "0"),
            ("EF.ACMmax", "000100", "256"),
            ("EF.PUCT", "FFFFFF0000", r#"{ price = "0000" }"#),
            ("EF.PUCT", "4555521234", r#"{ currency = "EUR", price = "1234" }"#),
            ("EF.MMSN", "000000FFFF", r#"{ status = "0000", implementation = [], length = 5 }"#),
            ("EF.ACL", "00FFFF", "{ access_points = 0, length = 3 }"),
            ("EF.AaeM", "00", "[]"),
            ("EF.InvScan", "03", r#"["in limited service", "after selection"]"#),
            ("EF.EHPLMNPI", "01", r#""highest priority only""#),
            ("EF.LRPLMNSI", "00", r#""last registered""#),
            ("EF.FromPreferred", "01", r#""yes""#),
            ("EF.MBI", "01020000", "{ voicemail = 1, fax = 2, email = 0, other = 0, length = 4 }"),
            (
                "EF.MWIS",
                "010300000000",
                r#"{ waiting = ["voicemail"], voicemail = 3, fax = 0, email = 0, other = 0, videomail = 0 }"#,
            ),
            // TS.48.
            ("EF.VGCS", "21FFFFFF21F3FFFF215320F9", r#"["12", "123", "1235029"]"#),
            ("EF.VGCSS", "150000000000FC", "[1, 3, 5]"),
            ("EF.VBSS", "000000000000FE", "[50]"),
            ("EF.VGCSCA", "0103", "[{ first = 1, second = 3 }]"),
            ("EF.GID1", "ABFF", r#"{ value = "AB", length = 2 }"#),
            ("EF.GID2", "0102", r#""0102""#),
            (
                "EF.CNL",
                "62F210FF0102FFFFFFFFFFFF",
                r#"{ value = [{ plmn = "262-01", service_provider = "01", corporate = "02" }], length = 12 }"#,
            ),
            ("EF.NIA", "014869FF", r#"{ category = 1, name = "Hi", length = 4 }"#),
            ("EF.CMI", "486905", r#"{ name = "Hi", method = 5 }"#),
            ("EF.eMLPP", "0500", r#"{ levels = ["A", "0"], fast_call_setup = [] }"#),
            ("EF.SMS", "00FFFFFF", r#"{ status = "free", length = 4 }"#),
            ("EF.SMS", "030791", r#"{ status = "to be read", message = "0791" }"#),
            ("EF.NASCONFIG", "8001018D0100", "{ signalling_priority = 1, exception_data_reporting = 0 }"),
        ] {
            agree(ElementKind::OptUsim, name, octets, text);
        }
        // Bits that belong to no group are set.
        assert_eq!(
            crate::profile::content::decode(ElementKind::OptUsim, "EF.VGCSS", &[1, 2, 3, 4, 5, 6, 0]),
            None
        );
        assert!(
            refused(ElementKind::OptUsim, "EF.VGCSS", "[51]").contains("[1]: expected a number from 1 to 50")
        );
        assert!(
            refused(ElementKind::OptUsim, "EF.CBMIR", "[{ from = -1 }]")
                .contains("[1].from: expected a number")
        );
        assert!(refused(ElementKind::OptUsim, "EF.GID1", r#""A""#).contains("octets in hexadecimal digits"));
        assert!(refused(ElementKind::OptUsim, "EF.EHPLMNPI", r#""some""#).contains("one of no preference"));
    }
}
