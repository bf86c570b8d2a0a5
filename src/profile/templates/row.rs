//! One row of a template: a file, its attributes, and how the tables write them down.

/// The size or the record numbers and lengths that a package must give itself.
pub(super) const ANY: u16 = 0;

/// What kind of file a row describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The master file.
    Mf,
    /// A dedicated file.
    Df,
    /// The dedicated file of an application.
    Adf,
    /// Octets without structure.
    Transparent,
    /// Records of one length.
    LinearFixed,
    /// Records of one length in a ring.
    Cyclic,
    /// Data objects.
    BerTlv,
    /// Not known: the package says it.
    Unknown,
}

impl FileKind {
    /// Whether files can lie below it.
    #[must_use]
    pub const fn is_directory(self) -> bool {
        matches!(self, Self::Mf | Self::Df | Self::Adf)
    }

    /// Whether its content has records.
    #[must_use]
    pub const fn has_records(self) -> bool {
        matches!(self, Self::LinearFixed | Self::Cyclic)
    }
}

/// What a file holds where the package does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultContent {
    /// The template has none; the eUICC fills with FF.
    None,
    /// The package must give it.
    MustGive,
    /// In the notation of the standard: octets, or `00FF...FF` and `FF...FF07`, which repeat one octet.
    Notation(&'static str),
    /// These octets over and over.
    Repeat(&'static str),
}

impl DefaultContent {
    /// The default content of a file or record of `length` octets; `None` where there is none.
    #[must_use]
    pub fn expand(self, length: usize) -> Option<Vec<u8>> {
        match self {
            Self::None | Self::MustGive => None,
            Self::Repeat(text) => Some(hex::decode(text).ok()?.into_iter().cycle().take(length).collect()),
            Self::Notation(text) => {
                let (head, tail) = text.split_once("...").unwrap_or((text, ""));
                let head = hex::decode(head).ok()?;
                // Of the tail, the first octet is the end of the repetition.
                let tail = hex::decode(tail.get(2..).unwrap_or_default()).ok()?;
                let filler = if text.contains("...") { *head.last()? } else { 0xFF };
                let mut octets = head;
                octets.truncate(length);
                octets.resize(length, filler);
                let start = length.saturating_sub(tail.len());
                octets.iter_mut().skip(start).zip(tail).for_each(|(to, from)| *to = from);
                Some(octets)
            }
        }
    }
}

/// One file of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The context tag number of the file's field.
    pub field: u32,
    /// The file's name in the standards.
    pub name: &'static str,
    /// Its identifier; `None` where the package must give it.
    pub fid: Option<u16>,
    /// The identifiers that the package may choose from, first and last, where it must give one of a range.
    pub fid_range: Option<(u16, u16)>,
    /// The kind of file.
    pub kind: FileKind,
    /// Octets of a file without records; `None` where the package must give them.
    pub size: Option<u16>,
    /// Number of records; `None` where the package must give it.
    pub records: Option<u16>,
    /// Octets of a record; `None` where the package must give them.
    pub record_length: Option<u16>,
    /// The record of EF.ARR with the access rules; `None` where it is not known.
    pub arr: Option<u8>,
    /// The short file identifier.
    pub sfi: Option<u8>,
    /// Whether the package must give a short file identifier.
    pub needs_sfi: bool,
    /// Whether the file is updated often.
    pub high_update: bool,
    /// What the file holds where the package does not say it.
    pub content: DefaultContent,
    /// The field of the directory that the file lies in; 0 for the directory that the element stands in.
    pub parent: u32,
    /// The first version of the template with this row.
    pub since: u8,
    /// The last version of the template with this row.
    pub until: u8,
}

/// The record of EF.ARR with the rule of directories (9.9).
const ARR_OF_DIRECTORIES: u8 = 14;

const fn new(field: u32, name: &'static str, fid: Option<u16>, kind: FileKind, arr: Option<u8>) -> Row {
    Row {
        field,
        name,
        fid,
        fid_range: None,
        kind,
        size: None,
        records: None,
        record_length: None,
        arr,
        sfi: None,
        needs_sfi: false,
        high_update: false,
        content: DefaultContent::None,
        parent: 0,
        since: 1,
        until: u8::MAX,
    }
}

/// The master file.
pub(super) const fn mf(field: u32, name: &'static str, fid: u16) -> Row {
    new(field, name, Some(fid), FileKind::Mf, Some(ARR_OF_DIRECTORIES))
}

/// A dedicated file.
pub(super) const fn df(field: u32, name: &'static str, fid: u16) -> Row {
    new(field, name, Some(fid), FileKind::Df, Some(ARR_OF_DIRECTORIES))
}

/// A dedicated file whose identifier the package gives.
pub(super) const fn df_without_id(field: u32, name: &'static str) -> Row {
    new(field, name, None, FileKind::Df, Some(ARR_OF_DIRECTORIES))
}

/// The directory of an application; the package gives its AID and a temporary identifier.
pub(super) const fn adf(field: u32, name: &'static str) -> Row {
    new(field, name, None, FileKind::Adf, Some(ARR_OF_DIRECTORIES))
}

/// A file of which only the name is known.
pub(super) const fn named(field: u32, name: &'static str) -> Row {
    new(field, name, None, FileKind::Unknown, None)
}

/// Kind, size, number of records, record length; [`ANY`] where the package gives it.
#[derive(Clone, Copy)]
pub(super) struct Shape(FileKind, u16, u16, u16);

/// A transparent file.
pub(super) const fn octets(size: u16) -> Shape {
    Shape(FileKind::Transparent, size, ANY, ANY)
}

/// A linear fixed file.
pub(super) const fn linear(records: u16, length: u16) -> Shape {
    Shape(FileKind::LinearFixed, ANY, records, length)
}

/// A cyclic file.
pub(super) const fn cyclic(records: u16, length: u16) -> Shape {
    Shape(FileKind::Cyclic, ANY, records, length)
}

/// A BER-TLV file.
pub(super) const fn ber_tlv(size: u16) -> Shape {
    Shape(FileKind::BerTlv, size, ANY, ANY)
}

const fn given(number: u16) -> Option<u16> {
    if number == ANY { None } else { Some(number) }
}

/// A file with content: its access rules are record `arr` of EF.ARR.
pub(super) const fn ef(field: u32, name: &'static str, fid: u16, shape: Shape, arr: u8) -> Row {
    let mut row = new(field, name, given(fid), shape.0, Some(arr));
    row.size = given(shape.1);
    row.records = given(shape.2);
    row.record_length = given(shape.3);
    row
}

impl Row {
    pub(super) const fn ids(mut self, first: u16, last: u16) -> Self {
        self.fid_range = Some((first, last));
        self
    }

    pub(super) const fn sfi(mut self, sfi: u8) -> Self {
        self.sfi = Some(sfi);
        self
    }

    pub(super) const fn needs_sfi(mut self) -> Self {
        self.needs_sfi = true;
        self
    }

    pub(super) const fn high_update(mut self) -> Self {
        self.high_update = true;
        self
    }

    pub(super) const fn must_fill(mut self) -> Self {
        self.content = DefaultContent::MustGive;
        self
    }

    pub(super) const fn content(mut self, notation: &'static str) -> Self {
        self.content = DefaultContent::Notation(notation);
        self
    }

    pub(super) const fn repeat(mut self, octets: &'static str) -> Self {
        self.content = DefaultContent::Repeat(octets);
        self
    }

    pub(super) const fn below(mut self, field: u32) -> Self {
        self.parent = field;
        self
    }

    pub(super) const fn since(mut self, version: u8) -> Self {
        self.since = version;
        self
    }

    pub(super) const fn until(mut self, version: u8) -> Self {
        self.until = version;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_of_the_standard_is_expanded() {
        for (content, length, octets) in [
            (DefaultContent::Notation("FF...FF"), 3, "FFFFFF"),
            (DefaultContent::Notation("00FF...FF"), 4, "00FFFFFF"),
            (DefaultContent::Notation("FF...FF07"), 4, "FFFFFF07"),
            (DefaultContent::Notation("0100FF...FF"), 4, "0100FFFF"),
            (DefaultContent::Notation("0A"), 1, "0A"),
            (DefaultContent::Notation("00000002"), 4, "00000002"),
            (DefaultContent::Repeat("FFFFFF0000"), 7, "FFFFFF0000FFFF"),
        ] {
            assert_eq!(hex::encode_upper(content.expand(length).unwrap()), octets, "{content:?}");
        }
        assert_eq!(DefaultContent::MustGive.expand(4), None);
    }
}
