//! Where the subscriber was, and the keys of that time: TS 31.102 4.2.3, 4.2.4, 4.2.17, 4.2.23, 4.2.51 to 4.2.53,
//! 4.2.91, 4.4.3, 4.4.11. Templates fill these files with values that say "nowhere" and "no key".

use super::codec::{Codec, Field, Form, fields};
use super::network::PLMN_LEN;

const AREA: Field = Field("plmn", PLMN_LEN, Form::Plmn);
const UPDATED: (u8, &str) = (0, "updated");
const NOT_UPDATED: (u8, &str) = (1, "not updated");

/// EF.LOCI.
pub(super) const CIRCUIT_SWITCHED: Codec = fields(&[
    Field("tmsi", 4, Form::Hex),
    AREA,
    Field("location_area", 2, Form::Hex),
    Field("unused", 1, Form::Hex),
    Field(
        "status",
        1,
        Form::Word(&[UPDATED, NOT_UPDATED, (2, "network not allowed"), (3, "location area not allowed")]),
    ),
]);

/// EF.PSLOCI.
pub(super) const PACKET_SWITCHED: Codec = fields(&[
    Field("p_tmsi", 4, Form::Hex),
    Field("signature", 3, Form::Hex),
    AREA,
    Field("location_area", 2, Form::Hex),
    Field("routing_area", 1, Form::Hex),
    Field(
        "status",
        1,
        Form::Word(&[UPDATED, NOT_UPDATED, (2, "network not allowed"), (3, "routing area not allowed")]),
    ),
]);

/// EF.EPSLOCI.
pub(super) const EVOLVED: Codec = fields(&[
    Field("guti", 12, Form::Hex),
    AREA,
    Field("tracking_area", 2, Form::Hex),
    Field("status", 1, Form::Word(&[UPDATED, NOT_UPDATED, (2, "roaming not allowed")])),
]);

/// EF.5GS3GPPLOCI and EF.5GSN3GPPLOCI.
pub(super) const FIFTH_GENERATION: Codec = fields(&[
    Field("guti", 13, Form::Hex),
    AREA,
    Field("tracking_area", 3, Form::Hex),
    Field("status", 1, Form::Word(&[UPDATED, NOT_UPDATED, (2, "roaming not allowed")])),
]);

const NO_KEY: Form = Form::Word(&[(7, "none")]);

/// EF.Keys and EF.KeysPS.
pub(super) const KEYS: Codec =
    fields(&[Field("key_set", 1, NO_KEY), Field("ck", 16, Form::Hex), Field("ik", 16, Form::Hex)]);

/// EF.Kc and EF.KcGPRS.
pub(super) const GSM_KEY: Codec = fields(&[Field("kc", 8, Form::Hex), Field("key_set", 1, NO_KEY)]);

/// EF.START-HFN.
pub(super) const HYPERFRAME_NUMBERS: Codec =
    fields(&[Field("circuit_switched", 3, Form::Hex), Field("packet_switched", 3, Form::Hex)]);

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use crate::profile::content::tests::agree;

    #[test]
    fn places_and_keys() {
        for (name, octets, text) in [
            // TS.48.
            (
                "EF.LOCI",
                "FFFFFFFF42F618FFFEFF01",
                r#"{ plmn = "246-81", location_area = "FFFE", status = "not updated" }"#,
            ),
            (
                "EF.PSLOCI",
                "FFFFFFFFFFFFFF42F618FFFEFF01",
                r#"{ plmn = "246-81", location_area = "FFFE", status = "not updated" }"#,
            ),
            (
                "EF.5GS3GPPLOCI",
                "FFFFFFFFFFFFFFFFFFFFFFFFFF42F61800000001",
                r#"{ plmn = "246-81", tracking_area = "000000", status = "not updated" }"#,
            ),
            // The defaults of the templates.
            ("EF.LOCI", "FFFFFFFFFFFFFF0000FF01", r#"{ location_area = "0000", status = "not updated" }"#),
            (
                "EF.EPSLOCI",
                "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000001",
                r#"{ tracking_area = "0000", status = "not updated" }"#,
            ),
            (
                "EF.START-HFN",
                "F00000F00000",
                r#"{ circuit_switched = "F00000", packet_switched = "F00000" }"#,
            ),
            ("EF.Kc", "FFFFFFFFFFFFFFFF07", r#"{ key_set = "none" }"#),
        ] {
            agree(ElementKind::Usim, name, octets, text);
        }
        agree(ElementKind::Usim, "EF.Keys", &["07", &"FF".repeat(32)].concat(), r#"{ key_set = "none" }"#);
        // The pattern of TS.48 for the same file: shorter octets.
        agree(ElementKind::Usim, "EF.Keys", "07FF", r#"{ key_set = "none", length = 2 }"#);
        let octets = ["03", &"11".repeat(16), &"22".repeat(16)].concat();
        let text = format!(r#"{{ key_set = 3, ck = "{}", ik = "{}" }}"#, "11".repeat(16), "22".repeat(16));
        agree(ElementKind::Usim, "EF.KeysPS", &octets, &text);
    }
}
