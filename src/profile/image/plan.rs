//! What a file will be: the attributes that its Fcp gives, or else those of its template's row.
//!
//! These are the rules of an installation; the tolerant tree of a package ([`crate::profile::tree`]) asks them too, and
//! goes on where they fail.

use simyard_asn1::saip::{ElementKind, Fcp, FileElement, FileField, ShortFileId};

use super::error::Reason;
use super::{MAX_MEMORY, SecurityReference, Structure};
use crate::profile::templates::{DefaultContent, FileKind, Row, Template};

/// Operational and activated (TS 102 221 11.1.1.4.9).
const ACTIVATED: u8 = 0x05;
/// EF.ARR of the MF, and of applications and directories.
const ARR_OF_MF: u16 = 0x2F06;
const ARR_OF_DIRECTORY: u16 = 0x6F06;

/// A reason and the octet of the package that it is about.
pub(in crate::profile) type Failure = (Reason, usize);

/// Two octets per identifier.
pub(in crate::profile) fn fids(path: &[u8]) -> Vec<u16> {
    path.chunks_exact(2).map(|pair| pair.iter().fold(0, |fid, octet| fid << 8 | u16::from(*octet))).collect()
}

/// Whether a file of a template is created: listed, or by default where its defaults are known.
pub(in crate::profile) fn is_wanted(template: &Template, row: &Row, field: Option<&FileField<'_>>) -> bool {
    match field.map(|field| field.parts.as_slice()) {
        None => template.created_by_default && row.kind != FileKind::Unknown,
        // doNotCreate has no effect on the files of the MF.
        Some([FileElement::DoNotCreate]) => template.kind == ElementKind::Mf,
        Some(_) => true,
    }
}

/// What is known about a file before it is created.
pub(in crate::profile) struct Plan<'a> {
    /// Its row, if it is a file of a template.
    pub(in crate::profile) row: Option<&'static Row>,
    /// What the package says about it.
    pub(in crate::profile) fcp: Option<&'a Fcp<'a>>,
    /// Where the file is described in the package.
    pub(in crate::profile) offset: usize,
}

impl Plan<'_> {
    /// The file's name for errors.
    pub(in crate::profile) fn name(&self) -> &'static str {
        self.row.map_or("the file", |row| row.name)
    }

    pub(in crate::profile) fn fail<T>(&self, reason: Reason) -> Result<T, Failure> {
        Err((reason, self.offset))
    }

    pub(in crate::profile) fn missing<T>(&self, what: &'static str) -> Result<T, Failure> {
        self.fail(Reason::MissingParameter { file: self.name(), what })
    }

    /// Whether the template's attributes are known to us.
    pub(in crate::profile) fn is_known(&self) -> bool {
        self.row.is_none_or(|row| row.kind != FileKind::Unknown)
    }

    /// The kind of file, from the descriptor and the row, which must agree.
    pub(in crate::profile) fn kind(&self) -> Result<FileKind, Failure> {
        let row = self.row.map_or(FileKind::Unknown, |row| row.kind);
        let Some(byte) = self.fcp.and_then(|fcp| fcp.file_descriptor).and_then(<[u8]>::first) else {
            return if self.row.is_some() { Ok(row) } else { self.missing("a file descriptor") };
        };
        // Bit 7 says whether the file is shareable (TS 102 221 11.1.1.4.3).
        let kind = match byte & 0xBF {
            0x01 => FileKind::Transparent,
            0x02 => FileKind::LinearFixed,
            0x06 => FileKind::Cyclic,
            0x39 => FileKind::BerTlv,
            0x38 if self.fcp.is_some_and(|fcp| fcp.df_name.is_some()) => FileKind::Adf,
            0x38 => FileKind::Df,
            _ => return self.fail(Reason::Descriptor(*byte)),
        };
        let agrees = row == kind || row == FileKind::Unknown || (row.is_directory() && kind.is_directory());
        if !agrees {
            return self.fail(Reason::Descriptor(*byte));
        }
        Ok(if row == FileKind::Unknown { kind } else { row })
    }

    /// The file identifier; none for files that are known by name only.
    pub(in crate::profile) fn fid(&self) -> Result<Option<u16>, Failure> {
        let given = self.fcp.and_then(|fcp| fcp.file_id).or(self.row.and_then(|row| row.fid));
        let range = self.row.and_then(|row| row.fid_range);
        match (given, range) {
            (None, _) if self.is_known() => self.missing("a file identifier"),
            (Some(fid), Some((first, last))) if !(first..=last).contains(&fid) => {
                self.missing("a file identifier of its range")
            }
            (given, _) => Ok(given),
        }
    }

    /// The access rules: given, or the template's record of the EF.ARR that the place implies.
    pub(in crate::profile) fn security(&self, in_mf: bool, kind: FileKind) -> Option<SecurityReference> {
        let implied = match kind {
            FileKind::Mf | FileKind::Adf => ARR_OF_MF,
            _ if in_mf => ARR_OF_MF,
            _ => ARR_OF_DIRECTORY,
        };
        match self.fcp.and_then(|fcp| fcp.security_attributes) {
            Some([record]) => Some(SecurityReference { file: implied, record: *record }),
            Some([high, low, record]) => {
                Some(SecurityReference { file: u16::from_be_bytes([*high, *low]), record: *record })
            }
            _ => self.row?.arr.map(|record| SecurityReference { file: implied, record }),
        }
    }

    /// The short file identifier. The files of a phonebook have one that the package chooses (TS 31.102 4.4.2); that
    /// there is none it must say.
    pub(in crate::profile) fn sfi(&self, fid: Option<u16>) -> Result<Option<u8>, Failure> {
        let given = self.fcp.and_then(|fcp| fcp.short_file_id);
        if given.is_none() && self.row.is_some_and(|row| row.needs_sfi) {
            return self.missing("a short file identifier");
        }
        Ok(match (self.fcp.and_then(|fcp| fcp.short_file_id), self.row) {
            (Some(ShortFileId::Number(sfi)), _) => Some(sfi),
            (Some(ShortFileId::None), _) => None,
            (None, Some(row)) => row.sfi,
            // Without a template: the five low bits of the identifier (TS 102 221 11.1.1.4.8).
            (None, None) => fid.map(|fid| fid.to_be_bytes()[1] & 0x1F).filter(|sfi| (1..=30).contains(sfi)),
        })
    }

    /// Where the file leads, if it is a link.
    pub(in crate::profile) fn link_path(&self) -> Option<&[u8]> {
        self.fcp.and_then(|fcp| fcp.link_path).filter(|path| !path.is_empty())
    }

    /// Octets of a record, from the descriptor or the row.
    pub(in crate::profile) fn record_length(&self) -> Result<u16, Failure> {
        let given = match self.fcp.and_then(|fcp| fcp.file_descriptor) {
            Some([_, _, high, low]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        };
        match given.or(self.row.and_then(|row| row.record_length)) {
            Some(length) if (1..=255).contains(&length) => Ok(length),
            Some(_) => self.missing("a record length of 1 to 255 octets"),
            None => self.missing("a record length"),
        }
    }

    /// How the content is laid out.
    pub(in crate::profile) fn structure(&self, kind: FileKind) -> Result<Structure, Failure> {
        Ok(match kind {
            FileKind::LinearFixed => Structure::LinearFixed(self.record_length()?),
            FileKind::Cyclic => Structure::Cyclic(self.record_length()?),
            FileKind::BerTlv => Structure::BerTlv,
            FileKind::Mf | FileKind::Df | FileKind::Adf | FileKind::Transparent | FileKind::Unknown => {
                Structure::Transparent
            }
        })
    }

    /// The size of the file; where the template's is unknown and none is given, what its content needs.
    pub(in crate::profile) fn size(&self, structure: Structure, needed: usize) -> Result<usize, Failure> {
        let given = self.fcp.and_then(|fcp| fcp.ef_file_size.or(fcp.maximum_file_size));
        let given = given.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        let record = match structure {
            Structure::LinearFixed(length) | Structure::Cyclic(length) => usize::from(length),
            Structure::Transparent | Structure::BerTlv => 1,
        };
        let of_template = || {
            let row = self.row?;
            if row.kind.has_records() {
                row.records.map(|records| usize::from(records) * record)
            } else {
                row.size.map(usize::from)
            }
        };
        let size = match given.or_else(of_template) {
            Some(size) => size,
            None if !self.is_known() => needed.max(1).next_multiple_of(record),
            None => return self.missing("a size"),
        };
        if size > MAX_MEMORY {
            return self.fail(Reason::Memory);
        }
        // The number of a record is one octet of the commands that read it, and 255 of them are too many to address.
        if size % record != 0 || (record > 1 && size / record > 254) {
            return self.fail(Reason::RecordSize { size, record });
        }
        Ok(size)
    }

    /// What the file holds before anything is written: the pattern given, the template's, or FF.
    pub(in crate::profile) fn initial(&self, structure: Structure, size: usize) -> Vec<u8> {
        let unit = match structure {
            Structure::BerTlv => return Vec::new(),
            Structure::Transparent => size,
            Structure::LinearFixed(length) | Structure::Cyclic(length) => usize::from(length),
        };
        let given = self.fcp.and_then(|fcp| match (fcp.fill_pattern, fcp.repeat_pattern) {
            (Some(pattern), _) => {
                let last = pattern.last()?;
                Some(pattern.iter().chain(std::iter::repeat(last)).copied().take(unit).collect())
            }
            (None, Some(pattern)) => Some(pattern.iter().cycle().copied().take(unit).collect()),
            (None, None) => None,
        });
        let one: Vec<u8> = given
            .or_else(|| self.row.and_then(|row| row.content.expand(unit)))
            .unwrap_or_else(|| vec![0xFF; unit]);
        one.iter().cycle().copied().take(size).collect()
    }

    /// Whether the Fcp says what the file is filled with.
    pub(in crate::profile) fn has_pattern(&self) -> bool {
        self.fcp.is_some_and(|fcp| fcp.fill_pattern.is_some() || fcp.repeat_pattern.is_some())
    }

    /// Refuses a file without content, if its template leaves the content to the package. A file that is listed
    /// without content is filled with FF: published packages list EF.5GAUTHKEYS so. A file that is not listed at all
    /// must have a default.
    pub(in crate::profile) fn must_give(&self, nothing_is_written: bool) -> Result<(), Failure> {
        let must_give = self.row.is_some_and(|row| row.content == DefaultContent::MustGive);
        if must_give && self.fcp.is_none() && nothing_is_written {
            return self.missing("content");
        }
        Ok(())
    }

    /// Special file information: 80 high update activity, 40 readable and updatable when deactivated.
    pub(in crate::profile) fn special_information(&self) -> u8 {
        let high_update = self.row.is_some_and(|row| row.high_update);
        let given = self.fcp.and_then(|fcp| fcp.special_information);
        given.unwrap_or(if high_update { 0x80 } else { 0 })
    }

    /// The life cycle status.
    pub(in crate::profile) fn lcsi(&self) -> u8 {
        self.fcp.and_then(|fcp| fcp.lcsi).unwrap_or(ACTIVATED)
    }
}
