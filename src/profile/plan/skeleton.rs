//! Skeletons: the template's octets with a slot for every datum, for values of certain lengths.
//!
//! Where all values have the lengths of the places that they replace, the skeleton is the template itself. Where one
//! has another length, or has to be inserted, the lengths of all TLVs around it change: the template is written anew,
//! once for all data of that shape.

use std::ops::Range;

use simyard_asn1::tlv::length_octets;
use simyard_asn1::{Error, Reader, Tag, Tlv, Writer};

/// Where one value goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// The number of the place in the plan.
    pub(super) place: usize,
    /// Where it stands; a shorter value is filled up with FF.
    pub(super) range: Range<usize>,
}

/// Octets with slots in them.
#[derive(Clone, Default)]
pub(super) struct Output {
    pub(super) octets: Vec<u8>,
    pub(super) slots: Vec<Slot>,
}

impl Output {
    /// Appends octets as they are.
    pub(super) fn raw(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// Appends room for a value.
    pub(super) fn slot(&mut self, place: usize, length: usize) {
        let start = self.octets.len();
        self.octets.resize(start + length, 0xFF);
        self.slots.push(Slot { place, range: start..start + length });
    }

    /// Appends another output.
    pub(super) fn append(&mut self, other: &Self) {
        let start = self.octets.len();
        self.octets.extend_from_slice(&other.octets);
        let moved =
            |slot: &Slot| Slot { place: slot.place, range: slot.range.start + start..slot.range.end + start };
        self.slots.extend(other.slots.iter().map(moved));
    }

    /// Appends a TLV around another output.
    pub(super) fn tlv(&mut self, tag: Tag, value: &Self) {
        let mut header = Writer::new();
        header.tlv(tag, &[]);
        let mut header = header.finish();
        header.pop();
        header.extend(length_octets(value.octets.len()));
        self.raw(&header);
        self.append(value);
    }
}

/// A change of the template: these octets instead of those of `range`.
#[derive(Clone)]
pub(super) struct Edit {
    /// What is replaced: octets of one primitive value, a whole TLV, or nothing where a TLV is inserted.
    pub(super) range: Range<usize>,
    /// The offset of the TLV that an insertion goes into.
    pub(super) parent: Option<usize>,
    /// What comes instead.
    pub(super) output: Output,
}

impl Edit {
    /// A value instead of the octets at `range`.
    pub(super) fn value(place: usize, range: Range<usize>, length: usize) -> Self {
        let mut output = Output::default();
        output.slot(place, length);
        Self { range, parent: None, output }
    }
}

/// Applies edits, which may not overlap, to a package.
///
/// # Errors
/// [`Error`] if the octets are no package; those of a template are.
pub(super) fn apply(template: &[u8], mut edits: Vec<Edit>) -> Result<Output, Error> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    if edits.iter().all(|edit| edit.range.len() == edit.output.octets.len() && edit.parent.is_none()) {
        return Ok(in_place(template, &edits));
    }
    let mut out = Output { octets: Vec::with_capacity(template.len() + 512), slots: Vec::new() };
    let mut edits = edits.as_slice();
    sequence(template, Reader::new(template, "template"), None, &mut edits, &mut out)?;
    // An edit that is left over stood where no TLV is: its value would be missing.
    match edits {
        [] => Ok(out),
        _ => Err(Reader::new(&[], "edit of a template").error(simyard_asn1::ErrorKind::Trailing)),
    }
}

/// Edits that change no length.
fn in_place(template: &[u8], edits: &[Edit]) -> Output {
    let mut out = Output { octets: template.to_vec(), slots: Vec::new() };
    for edit in edits {
        if let Some(target) = out.octets.get_mut(edit.range.clone()) {
            target.copy_from_slice(&edit.output.octets);
        }
        let moved = |slot: &Slot| {
            let start = edit.range.start;
            Slot { place: slot.place, range: slot.range.start + start..slot.range.end + start }
        };
        out.slots.extend(edit.output.slots.iter().map(moved));
    }
    out
}

/// Copies the TLVs of one level. `parent` is the offset of the TLV that they lie in.
fn sequence(
    template: &[u8],
    mut reader: Reader<'_>,
    parent: Option<usize>,
    edits: &mut &[Edit],
    out: &mut Output,
) -> Result<(), Error> {
    loop {
        while let [edit, rest @ ..] = *edits
            && edit.range.is_empty()
            && edit.range.start == reader.offset()
            && edit.parent == parent
        {
            out.append(&edit.output);
            *edits = rest;
        }
        if reader.is_empty() {
            return Ok(());
        }
        let tlv = reader.read()?;
        let all = tlv.offset..tlv.offset + tlv.raw.len();
        match *edits {
            [edit, rest @ ..] if edit.range == all => {
                out.append(&edit.output);
                *edits = rest;
            }
            [edit, ..] if all.contains(&edit.range.start) || edit.parent == Some(tlv.offset) => {
                let mut value = Output::default();
                if tlv.tag.is_constructed() {
                    sequence(template, tlv.members("template"), Some(tlv.offset), edits, &mut value)?;
                } else {
                    primitive(template, &tlv, edits, &mut value);
                }
                out.tlv(tlv.tag, &value);
            }
            _ => out.raw(tlv.raw),
        }
    }
}

/// Copies one value with the edits in it.
fn primitive(template: &[u8], tlv: &Tlv<'_>, edits: &mut &[Edit], out: &mut Output) {
    let end = tlv.offset + tlv.raw.len();
    let mut at = end - tlv.value.len();
    while let [edit, rest @ ..] = *edits
        && edit.range.end <= end
        && edit.range.start >= at
        && edit.parent.is_none()
    {
        out.raw(template.get(at..edit.range.start).unwrap_or_default());
        out.append(&edit.output);
        at = edit.range.end;
        *edits = rest;
    }
    out.raw(template.get(at..end).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A2 { 80 01 02 03, A1 { 81 AA BB }, 82 } 85 00.
    const TEMPLATE: [u8; 17] = [
        0xA2, 0x0D, 0x80, 0x03, 0x01, 0x02, 0x03, 0xA1, 0x04, 0x81, 0x02, 0xAA, 0xBB, 0x82, 0x00, 0x85, 0x00,
    ];

    fn literal(range: Range<usize>, parent: Option<usize>, octets: &[u8]) -> Edit {
        Edit { range, parent, output: Output { octets: octets.to_vec(), slots: Vec::new() } }
    }

    #[test]
    fn values_of_the_same_length_leave_the_template_as_it_is() {
        let out = apply(&TEMPLATE, vec![Edit::value(1, 11..13, 2), Edit::value(0, 5..6, 1)]).unwrap();
        assert_eq!(out.slots, [Slot { place: 0, range: 5..6 }, Slot { place: 1, range: 11..13 }]);
        assert_eq!(out.octets[..5], TEMPLATE[..5]);
    }

    #[test]
    fn lengths_around_a_longer_value_are_written_anew() {
        let out = apply(&TEMPLATE, vec![Edit::value(0, 11..13, 200), Edit::value(1, 4..5, 1)]).unwrap();
        let [one, long] = out.slots.as_slice() else { panic!("{:?}", out.slots) };
        assert_eq!((one.place, one.range.clone()), (1, 5..6));
        assert_eq!(out.octets[..2], [0xA2, 0x81]);
        assert_eq!(out.octets[long.range.start - 3..long.range.start], [0x81, 0x81, 200]);
        assert_eq!(long.range.len(), 200);
        assert!(simyard_asn1::saip::Package::from_der(&out.octets).is_err(), "no elements, but well formed");
        assert_eq!(Reader::new(&out.octets, "x").read().unwrap().raw.len(), out.octets.len() - 2);
    }

    #[test]
    fn tlvs_are_inserted_and_replaced_at_their_level() {
        let new = [0x84, 0x01, 0x07];
        for (edit, expected) in [
            (literal(15..15, Some(0), &new), "a210800301020 3a1048102aabb8200840107 8500"),
            (literal(7..7, Some(0), &new), "a2108003010203840107a1048102aabb82008500"),
            (literal(13..13, Some(7), &new), "a2108003010203a1078102aabb84010782008500"),
            (literal(13..15, None, &new), "a20e8003010203a1048102aabb8401078500"),
        ] {
            let out = apply(&TEMPLATE, vec![edit]).unwrap();
            assert_eq!(hex::encode(out.octets), expected.replace(' ', ""));
        }
    }

    #[test]
    fn an_edit_between_the_octets_of_a_header_is_refused() {
        assert!(apply(&TEMPLATE, vec![literal(8..9, None, &[1, 2])]).is_err());
    }
}
