//! Files of a template that data go into: what the template gives of them, and how their field looks with a value.
//!
//! A value that lies within octets that the field gives in one piece is written over them. For any other the field is
//! written anew: its pieces in their order with the value among them, and, for a value that is longer than the file or
//! its record, with another size (TCA Profile Package 8.3).

use std::ops::Range;

use simyard_asn1::saip::{FileElement, FileField};
use simyard_asn1::{Error, Reader, Tag, Writer};

use super::skeleton::{Edit, Output};
use crate::profile::image::{ElementaryFile, Structure};

/// The order of the members of an Fcp.
const FCP_ORDER: [u32; 10] = [0x82, 0x83, 0x84, 0x8A, 0x8B, 0x80, 0xC6, 0x88, 0xA5, 0xC7];

/// What a template gives of one file.
#[derive(Clone)]
pub(super) struct FilePlan {
    /// The number of its field in the element.
    pub(super) number: u32,
    /// The field; empty at the place where it would stand, if the template does not list the file.
    pub(super) field: Range<usize>,
    /// Where the element starts.
    pub(super) element: usize,
    /// The Fcp.
    fcp: Option<Range<usize>>,
    /// Pieces of the content: where each starts in the file, and where it stands in the template.
    pieces: Vec<(usize, Range<usize>)>,
    /// Parts that this version does not know.
    unknown: Vec<Range<usize>>,
    /// How the file is laid out.
    pub(super) structure: Structure,
    /// Octets of the file.
    pub(super) size: usize,
}

/// One value for a file.
#[derive(Clone, Copy)]
pub(super) struct Value {
    /// The number of the place in the plan.
    pub(super) place: usize,
    /// Where it starts in the file as the template has it.
    pub(super) at: usize,
    /// Its octets.
    pub(super) length: usize,
}

/// A piece of a field's content.
#[derive(Clone)]
enum Piece {
    Template(Range<usize>),
    Value(usize, usize),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Template(range) => range.len(),
            Self::Value(_, length) => *length,
        }
    }
}

impl FilePlan {
    /// Reads a field. `end` is where it ends: the start of the next one or the end of the element.
    ///
    /// # Errors
    /// [`Error`] where the octets are no TLVs; those of a decoded package are.
    pub(super) fn of(
        template: &[u8],
        element: usize,
        field: Option<(&FileField<'_>, usize)>,
        number: u32,
        insert_at: usize,
        file: &ElementaryFile,
    ) -> Result<Self, Error> {
        let mut plan = Self {
            number,
            field: insert_at..insert_at,
            element,
            fcp: None,
            pieces: Vec::new(),
            unknown: Vec::new(),
            structure: file.structure,
            size: file.size,
        };
        let Some((field, end)) = field else { return Ok(plan) };
        plan.field = field.offset..end;
        let mut at = 0_usize;
        for part in &field.parts {
            match part {
                FileElement::Descriptor(fcp) => {
                    let octets = template.get(fcp.offset..).unwrap_or_default();
                    let length = Reader::new(octets, "Fcp").read()?.raw.len();
                    plan.fcp = Some(fcp.offset..fcp.offset + length);
                }
                FileElement::FillOffset(skip) => at = at.saturating_add(usize::from(*skip)),
                FileElement::FillContent(fill) => {
                    plan.pieces.push((at, fill.offset..fill.offset + fill.octets.len()));
                    at = at.saturating_add(fill.octets.len());
                }
                FileElement::Unknown(tlv) => plan.unknown.push(tlv.offset..tlv.offset + tlv.raw.len()),
                FileElement::DoNotCreate => {}
            }
        }
        Ok(plan)
    }

    /// Octets of a record, or of the file where it has none: what the value of one place may fill.
    pub(super) fn unit(&self) -> usize {
        match self.structure {
            Structure::LinearFixed(length) | Structure::Cyclic(length) => usize::from(length),
            Structure::Transparent | Structure::BerTlv => self.size,
        }
    }

    /// Where in the template a range of the file stands, if the field gives it in one piece.
    fn in_one_piece(&self, at: usize, length: usize) -> Option<Range<usize>> {
        self.pieces.iter().find_map(|(start, range)| {
            let from = range.start + at.checked_sub(*start)?;
            (from + length <= range.end).then_some(from..from + length)
        })
    }

    /// The edits that bring values into the file. A value that is longer than the unit makes all units longer.
    pub(super) fn edits(&self, template: &[u8], values: &[Value]) -> Result<Vec<Edit>, Error> {
        let over = |value: &Value| value.at % self.unit().max(1) + value.length;
        let unit = values.iter().map(over).max().unwrap_or(0).max(self.unit());
        if unit == self.unit() {
            let in_place: Option<Vec<Edit>> = values
                .iter()
                .map(|value| {
                    let range = self.in_one_piece(value.at, value.length)?;
                    Some(Edit::value(value.place, range, value.length))
                })
                .collect();
            if let Some(edits) = in_place {
                return Ok(edits);
            }
        }
        let mut field = Output::default();
        if let Some(fcp) = self.fcp(template, unit)? {
            field.raw(&fcp);
        }
        self.content(template, values, unit, &mut field);
        for range in &self.unknown {
            field.raw(template.get(range.clone()).unwrap_or_default());
        }
        let mut output = Output::default();
        output.tlv(Tag::context_constructed(self.number), &field);
        let parent = self.field.is_empty().then_some(self.element);
        Ok(vec![Edit { range: self.field.clone(), parent, output }])
    }

    /// The Fcp with the size that units of `unit` octets need.
    fn fcp(&self, template: &[u8], unit: usize) -> Result<Option<Vec<u8>>, Error> {
        let given = self.fcp.as_ref().and_then(|range| template.get(range.clone()));
        if unit == self.unit() {
            return Ok(given.map(<[u8]>::to_vec));
        }
        let mut members: Vec<(u32, Vec<u8>)> = Vec::new();
        if let Some(fcp) = given {
            let mut reader = Reader::new(fcp, "Fcp").read()?.members("Fcp");
            while !reader.is_empty() {
                let tlv = reader.read()?;
                members.push((tlv.tag.0, tlv.value.to_vec()));
            }
        }
        let records = self.size / self.unit().max(1);
        let size = u32::try_from(records * unit).unwrap_or(u32::MAX).to_be_bytes();
        let size: Vec<u8> = size.into_iter().skip_while(|octet| *octet == 0).collect();
        set(&mut members, 0x80, size);
        if let Structure::LinearFixed(_) | Structure::Cyclic(_) = self.structure {
            let kind = if matches!(self.structure, Structure::Cyclic(_)) { 0x46 } else { 0x42 };
            let descriptor = members.iter().find(|(tag, _)| *tag == 0x82).map(|(_, value)| value.as_slice());
            let (kind, coding) = match descriptor {
                Some([kind, coding, ..]) => (*kind, *coding),
                _ => (kind, 0x21),
            };
            let [high, low] = u16::try_from(unit).unwrap_or(u16::MAX).to_be_bytes();
            set(&mut members, 0x82, vec![kind, coding, high, low]);
        }
        let mut writer = Writer::new();
        writer.nested(Tag(0xA1), |w| {
            for (tag, value) in &members {
                w.tlv(Tag(*tag), value);
            }
        });
        Ok(Some(writer.finish()))
    }

    /// Offsets and contents: the pieces of the template, and the values over them.
    fn content(&self, template: &[u8], values: &[Value], unit: usize, out: &mut Output) {
        let mut pieces: Vec<(usize, Piece)> = Vec::new();
        for (start, range) in &self.pieces {
            self.around(*start, range, values, &mut pieces);
        }
        pieces.extend(values.iter().map(|value| (value.at, Piece::Value(value.place, value.length))));
        if unit != self.unit() {
            pieces = self.moved(&pieces, unit);
        }
        pieces.sort_by_key(|(at, _)| *at);
        let (mut end, mut run) = (0, Output::default());
        for (at, piece) in &pieces {
            if *at > end || run.octets.is_empty() {
                flush(&mut run, out);
                // An offset is an INTEGER of at most 65535 octets.
                let mut gap = at.saturating_sub(end);
                while gap > 0 {
                    let step = gap.min(usize::from(u16::MAX));
                    let mut skip = Writer::new();
                    skip.integer(Tag(0x82), i64::try_from(step).unwrap_or(i64::MAX));
                    out.raw(&skip.finish());
                    gap -= step;
                }
            }
            match piece {
                Piece::Template(range) => run.raw(template.get(range.clone()).unwrap_or_default()),
                Piece::Value(place, length) => run.slot(*place, *length),
            }
            end = at + piece.len();
        }
        flush(&mut run, out);
    }

    /// What is left of a piece of the template beside the values.
    fn around(&self, start: usize, range: &Range<usize>, values: &[Value], out: &mut Vec<(usize, Piece)>) {
        let mut at = start;
        let end = start + range.len();
        let mut values: Vec<&Value> =
            values.iter().filter(|value| value.at < end && value.at + value.length > start).collect();
        values.sort_by_key(|value| value.at);
        let mut push = |from: usize, to: usize| {
            if from < to {
                out.push((from, Piece::Template(range.start + (from - start)..range.start + (to - start))));
            }
        };
        for value in values {
            push(at, value.at.min(end));
            // A value that grows takes the place of its unit, never of the next one.
            let unit_end = (value.at / self.unit().max(1) + 1) * self.unit().max(1);
            at = at.max((value.at + value.length).min(unit_end));
        }
        push(at, end);
    }

    /// The pieces where records have `unit` octets; a piece over several records is cut.
    fn moved(&self, pieces: &[(usize, Piece)], unit: usize) -> Vec<(usize, Piece)> {
        let old = self.unit().max(1);
        let place = |at: usize| at / old * unit + at % old;
        let mut moved = Vec::new();
        for (at, piece) in pieces {
            let Piece::Template(range) = piece else {
                moved.push((place(*at), piece.clone()));
                continue;
            };
            let (mut at, mut range) = (*at, range.clone());
            while !range.is_empty() {
                let length = (old - at % old).min(range.len());
                moved.push((place(at), Piece::Template(range.start..range.start + length)));
                at += length;
                range.start += length;
            }
        }
        moved
    }
}

/// Writes the run of content that is complete.
fn flush(run: &mut Output, out: &mut Output) {
    if !run.octets.is_empty() {
        out.tlv(Tag(0x83), run);
        *run = Output::default();
    }
}

/// Puts a member of an Fcp at its place.
fn set(members: &mut Vec<(u32, Vec<u8>)>, tag: u32, value: Vec<u8>) {
    if let Some(member) = members.iter_mut().find(|(other, _)| *other == tag) {
        member.1 = value;
        return;
    }
    let rank = |tag: u32| FCP_ORDER.iter().position(|known| *known == tag).unwrap_or(FCP_ORDER.len());
    let at = members.iter().position(|(other, _)| rank(*other) > rank(tag)).unwrap_or(members.len());
    members.insert(at, (tag, value));
}
