//! 5G: concealing of the subscriber's identity, routing indicator, access identities, names of other kinds (TS 31.102
//! 4.4.11).

use toml::Value;

use super::codec::{Codec, Field, Form, Object, ObjectForm, fields, fields_and};
use super::error::Refusal;
use super::tlv;
use super::value::{self, Encoded, Members};

/// EF.SUCI_Calc_Info and its counterpart in DF.SAIP (4.4.11.8): `schemes` in the order of preference, each with the
/// number of its key in `keys`, counted from 1; 0 is no key. `keys` is left out where the object is not there.
pub(super) const CONCEALMENT: Codec = Codec::Words(decode_concealment, encode_concealment);

/// The tags of the file.
const SCHEMES: u8 = 0xA0;
const KEYS: u8 = 0xA1;
const KEY_IDENTIFIER: u8 = 0x80;
const KEY: u8 = 0x81;
/// Protection schemes (TS 33.501 C.3).
const SCHEME: Form = Form::Word(&[(0, "null"), (1, "profile A"), (2, "profile B")]);

fn decode_concealment(octets: &[u8]) -> Option<Value> {
    let objects = tlv::read(octets)?;
    let (schemes, keys) = match objects.as_slice() {
        [(SCHEMES, schemes)] => (schemes, None),
        [(SCHEMES, schemes), (KEYS, keys)] => (schemes, Some(keys)),
        _ => return None,
    };
    let (pairs, _) = schemes.as_chunks::<2>();
    let scheme = |[scheme, key]: &[u8; 2]| {
        let key = (*key != 0).then(|| Value::Integer(i64::from(*key)));
        Some(value::table([("scheme", Some(SCHEME.decode(&[*scheme])?)), ("key", key)]))
    };
    let schemes = pairs.iter().map(scheme).collect::<Option<_>>()?;
    let keys = match keys {
        None => None,
        Some([]) => Some(Vec::new()),
        Some(keys) => Some(decode_keys(keys)?),
    };
    Some(value::table([("schemes", Some(Value::Array(schemes))), ("keys", keys.map(Value::Array))]))
}

fn decode_keys(octets: &[u8]) -> Option<Vec<Value>> {
    let objects = tlv::read(octets)?;
    let (pairs, rest) = objects.as_chunks::<2>();
    let key = |pair: &[(u8, &[u8]); 2]| match pair {
        [(KEY_IDENTIFIER, [identifier]), (KEY, key)] => Some(value::table([
            ("identifier", Some(Value::Integer(i64::from(*identifier)))),
            ("key", Some(value::hex(key))),
        ])),
        _ => None,
    };
    if rest.is_empty() { pairs.iter().map(key).collect() } else { None }
}

fn encode_concealment(value: &Value, _: Option<usize>) -> Encoded {
    let members = Members::of(value, "a table", &["schemes", "keys"])?;
    let scheme = |value: &Value| {
        let members = Members::of(value, "a table with scheme and key", &["scheme", "key"])?;
        let scheme = SCHEME.encode(members.required("scheme", "a scheme")?, 1);
        let key = members.octet("key")?.unwrap_or_default();
        Ok([scheme.map_err(|refusal| refusal.within("scheme"))?, vec![key]].concat())
    };
    let key = |value: &Value| {
        let members = Members::of(value, "a table with identifier and key", &["identifier", "key"])?;
        let missing = |name| Refusal::missing(name, "a member");
        let identifier = members.octet("identifier")?.ok_or_else(|| missing("identifier"))?;
        let key = members.hex("key", None)?.ok_or_else(|| missing("key"))?;
        Ok([tlv::object(KEY_IDENTIFIER, &[identifier])?, tlv::object(KEY, &key)?].concat())
    };
    let schemes = members.read("schemes", |value| value::each(value, "a list of schemes", scheme))?;
    let mut octets = tlv::object(SCHEMES, &schemes.unwrap_or_default())?;
    if let Some(keys) = members.read("keys", |value| value::each(value, "a list of keys", key))? {
        octets.extend(tlv::object(KEYS, &keys)?);
    }
    Ok(octets)
}

/// EF.Routing_Indicator (4.4.11.11): one to four digits.
pub(super) const ROUTING_INDICATOR: Codec =
    fields(&[Field("digits", 2, Form::Digits), Field("unused", 2, Form::Hex)]);

/// EF.UAC_AIC (4.4.11.7): the access identities that are configured.
pub(super) const ACCESS_IDENTITIES: Codec = fields_and(
    &[
        Field(
            "access_identities",
            1,
            Form::Flags(&[(0x01, "multimedia priority service"), (0x02, "mission critical services")]),
        ),
        Field("unused", 3, Form::Hex),
    ],
    "more",
);

/// EF.SUPI_NAI (4.4.11.10): the identity where it is no IMSI.
pub(super) const NETWORK_ACCESS_IDENTIFIER: Codec = Codec::Objects(&[
    Object(0x80, "nsi", ObjectForm::Text),
    Object(0x81, "gli", ObjectForm::Text),
    Object(0x82, "gci", ObjectForm::Text),
]);

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use crate::profile::content::tests::{agree, refused};

    #[test]
    fn files_of_5g() {
        for (kind, name, octets, text) in [
            // TS.48: the null scheme alone, the pattern of the file.
            (
                ElementKind::DfSaip,
                "EF.SUCICalcInfo",
                "A0020000FF",
                r#"{ schemes = [{ scheme = "null" }], length = 5 }"#,
            ),
            // TS 31.102 4.4.11.8: two schemes with keys, then the null scheme.
            (
                ElementKind::Df5gs,
                "EF.SUCI_Calc_Info",
                "A006010102020000A10F80011B8102AABB80011E8103CCDDEE",
                r#"{ schemes = [{ scheme = "profile A", key = 1 }, { scheme = "profile B", key = 2 }, { scheme = "null" }],
                     keys = [{ identifier = 27, key = "AABB" }, { identifier = 30, key = "CCDDEE" }] }"#,
            ),
            (ElementKind::OptIot, "EF.SUCI-CALC-INFO", "A000A100", "{ schemes = [], keys = [] }"),
            // The defaults of the templates, versions 1 and 4.
            (ElementKind::Df5gs, "EF.Routing_Indicator", "F0FFFFFF", r#"{ digits = "0" }"#),
            (
                ElementKind::Df5gs,
                "EF.Routing_Indicator",
                "21F30000",
                r#"{ digits = "123", unused = "0000" }"#,
            ),
            (
                ElementKind::Df5gs,
                "EF.UAC_AIC",
                "03000000",
                r#"{ access_identities = ["multimedia priority service", "mission critical services"], unused = "000000" }"#,
            ),
            (ElementKind::Df5gs, "EF.SUPI_NAI", "800461406263", r#"{ nsi = "a@bc" }"#),
            (
                ElementKind::Df5gs,
                "EF.OPL5G",
                "62F210000000FFFFFE01",
                r#"{ plmn = "262-01", from = "000000", to = "FFFFFE", name = 1 }"#,
            ),
        ] {
            agree(kind, name, octets, &text.replace('\n', " "));
        }
        let error = refused(ElementKind::Df5gs, "EF.SUCI_Calc_Info", r#"{ schemes = [{ scheme = "C" }] }"#);
        assert!(error.contains("schemes[1].scheme: expected one of null, profile A, profile B"), "{error}");
        assert!(
            refused(ElementKind::Df5gs, "EF.Routing_Indicator", r#"{ digits = "12345" }"#)
                .contains("at most 4")
        );
    }
}
