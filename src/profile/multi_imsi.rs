//! The data of a multi-IMSI applet: which IMSIs a card has, where each of them serves, and when to change.
//!
//! The applet is its owner's own; the table below is what Simyard writes for it and reads again. It is a BER-TLV data
//! object, so that it can stand in a file of the card (GenericFileManagement) and in a STORE DATA command to the
//! applet (processData). Several objects may follow each other; the applet takes them as one table.
//!
//! | tag | member | octets |
//! |---|---|---|
//! | `FF4D` | table | |
//! | `80` | version: 1 | 1 |
//! | `81` | index of the entry in EF.IMSI when the card is new | 1 |
//! | `82` | seconds without service before the next entry is tried | 2 |
//! | `83` | hours until the applet returns to the first entry; not there: never | 2 |
//! | `A4` | entries, each an `A0` | |
//! | `A0` `80` | index, 1 to 16 | 1 |
//! | `A0` `81` | the IMSI as in EF.IMSI (TS 31.102 4.2.2) | 9 |
//! | `A0` `82` | key reference: 0 the keys of the USIM, else a key set of `FF4B` | 1 |
//! | `A0` `83` | networks that it serves, each as in EF.PLMNsel; MNC `FFF` is a whole country; none: everywhere else | 3 each |
//! | `A0` `84` | days until the applet goes on to the next entry of the same role; not there: never | 1 |
//! | `A0` `85` | role, a name | 1 to 32 |
//! | `FF4B` | key sets, **in commands to the applet alone**: whoever reads a file reads the keys in it | |
//! | `80` | version: 1 | 1 |
//! | `A1` | key sets, each an `A0` | |
//! | `A0` `80` | reference, from 1 | 1 |
//! | `A0` `81` | algorithm: 1 Milenage, 2 TUAK | 1 |
//! | `A0` `82` | K | 16 or 32 |
//! | `A0` `83` | OPc or TOPc | 16 or 32 |
//!
//! Where all entries refer to key set 0, the network's AuC holds the one K and OPc under each IMSI.

use simyard_asn1::saip::{ElementKind, FileElement, FileManagementCommand, Package};
use simyard_asn1::{Error, ErrorKind, Reader, Tag, Tlv, Writer};

use crate::ident::Imsi;

/// The table.
pub const TABLE: Tag = Tag(0xFF4D);
/// The key sets.
pub const KEYS: Tag = Tag(0xFF4B);
/// The largest number of entries: more IMSIs than any card is known to have.
pub const MAX_ENTRIES: usize = 16;
/// The largest number of networks of one entry; cards in the field have up to 85.
pub const MAX_NETWORKS: usize = 85;
/// The longest role in octets.
pub const MAX_ROLE: usize = 32;
const VERSION: u8 = 1;

/// Octets of a network.
const NETWORK: usize = 3;

/// A table, or one of the objects that make it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The entry that is in EF.IMSI when the card is new.
    pub first: u8,
    /// Seconds without service before the next entry is tried.
    pub retry_seconds: u16,
    /// Hours until the applet returns to the first entry.
    pub return_hours: Option<u16>,
    /// The IMSIs.
    pub entries: Vec<Entry>,
}

/// One IMSI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 1 to 16.
    pub index: u8,
    /// The IMSI.
    pub imsi: Imsi,
    /// Where its nine octets start, counted from the start of the table.
    pub imsi_offset: usize,
    /// 0 for the keys of the USIM.
    pub key: u8,
    /// The networks that it serves, three octets each.
    pub networks: Vec<[u8; NETWORK]>,
    /// Days until the next entry of the same role.
    pub rotation_days: Option<u8>,
    /// Its role; the subscription with this role gives its IMSI when a template is personalised.
    pub role: String,
}

/// A key set for the applet. It has no Debug: it holds secrets.
#[derive(Clone, Copy)]
pub struct KeySet<'a> {
    /// From 1.
    pub reference: u8,
    /// 1 Milenage, 2 TUAK.
    pub algorithm: u8,
    /// K.
    pub key: &'a [u8],
    /// Where K starts, counted from the start of the object.
    pub key_offset: usize,
    /// OPc or TOPc.
    pub opc: &'a [u8],
    /// Where OPc starts.
    pub opc_offset: usize,
}

fn octet(tlv: &Tlv<'_>, what: &'static str) -> Result<u8, Error> {
    tlv.array::<1>(what).map(|[octet]| *octet)
}

fn version(members: &mut Reader<'_>) -> Result<(), Error> {
    let version = members.expect(Tag(0x80))?;
    if octet(&version, members.what())? == VERSION {
        Ok(())
    } else {
        Err(version.error(ErrorKind::Value, members.what()))
    }
}

impl Table {
    /// Reads a table that fills `octets`, but for FF behind it.
    ///
    /// # Errors
    /// [`Error`] for anything else; offsets count from the start of `octets`.
    pub fn from_octets(octets: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "multi-IMSI table";
        let mut members = object(octets, TABLE, WHAT)?.members(WHAT);
        version(&mut members)?;
        let first = octet(&members.expect(Tag(0x81))?, WHAT)?;
        let retry = members.expect(Tag(0x82))?;
        let hours = members.optional(Tag(0x83))?;
        let mut list = members.expect(Tag(0xA4))?.members(WHAT);
        members.finish()?;
        let mut entries = Vec::new();
        while !list.is_empty() {
            let entry = list.expect(Tag(0xA0))?;
            if entries.len() == MAX_ENTRIES {
                return Err(entry.error(ErrorKind::Value, WHAT));
            }
            entries.push(Entry::read(&entry)?);
        }
        Ok(Self {
            first,
            retry_seconds: u16::from_be_bytes(*retry.array(WHAT)?),
            return_hours: hours
                .map(|hours| hours.array(WHAT).map(|octets| u16::from_be_bytes(*octets)))
                .transpose()?,
            entries,
        })
    }

    /// The octets of the table.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nested(TABLE, |w| {
            w.tlv(Tag(0x80), &[VERSION]).tlv(Tag(0x81), &[self.first]);
            w.tlv(Tag(0x82), &self.retry_seconds.to_be_bytes());
            w.optional(Tag(0x83), self.return_hours.map(u16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice));
            w.nested(Tag(0xA4), |w| self.entries.iter().for_each(|entry| entry.write(w)));
        });
        writer.finish()
    }
}

impl Entry {
    fn read(tlv: &Tlv<'_>) -> Result<Self, Error> {
        const WHAT: &str = "multi-IMSI entry";
        let mut members = tlv.members(WHAT);
        let index = members.expect(Tag(0x80))?;
        let imsi = members.expect(Tag(0x81))?;
        let key = octet(&members.expect(Tag(0x82))?, WHAT)?;
        let networks = members.optional(Tag(0x83))?;
        let rotation_days = members.optional(Tag(0x84))?.map(|days| octet(&days, WHAT)).transpose()?;
        let role = members.expect(Tag(0x85))?;
        members.finish()?;
        let (list, rest) = networks.map_or((&[][..], &[][..]), |networks| networks.value.as_chunks());
        if !rest.is_empty() || list.len() > MAX_NETWORKS || !(1..=16).contains(&octet(&index, WHAT)?) {
            return Err(tlv.error(ErrorKind::Value, WHAT));
        }
        role.sized(1..=MAX_ROLE, WHAT)?;
        Ok(Self {
            index: octet(&index, WHAT)?,
            imsi: Imsi::from_ef(imsi.array(WHAT)?).map_err(|_| imsi.error(ErrorKind::Value, WHAT))?,
            imsi_offset: imsi.offset + (imsi.raw.len() - imsi.value.len()),
            key,
            networks: list.to_vec(),
            rotation_days,
            role: role.text(MAX_ROLE, WHAT)?.to_owned(),
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.nested(Tag(0xA0), |w| {
            w.tlv(Tag(0x80), &[self.index]).tlv(Tag(0x81), &self.imsi.to_ef()).tlv(Tag(0x82), &[self.key]);
            if !self.networks.is_empty() {
                w.tlv(Tag(0x83), self.networks.as_flattened());
            }
            w.optional(Tag(0x84), self.rotation_days.as_ref().map(core::slice::from_ref));
            w.tlv(Tag(0x85), self.role.as_bytes());
        });
    }
}

/// Reads key sets that fill `octets`.
///
/// # Errors
/// [`Error`] for anything else; offsets count from the start of `octets`.
pub fn key_sets(octets: &[u8]) -> Result<Vec<KeySet<'_>>, Error> {
    const WHAT: &str = "multi-IMSI key set";
    let mut members = object(octets, KEYS, WHAT)?.members(WHAT);
    version(&mut members)?;
    let mut list = members.expect(Tag(0xA1))?.members(WHAT);
    members.finish()?;
    let mut sets = Vec::new();
    while !list.is_empty() {
        let set = list.expect(Tag(0xA0))?;
        let mut members = set.members(WHAT);
        let reference = octet(&members.expect(Tag(0x80))?, WHAT)?;
        let algorithm = octet(&members.expect(Tag(0x81))?, WHAT)?;
        let [key, opc] = [members.expect(Tag(0x82))?, members.expect(Tag(0x83))?];
        members.finish()?;
        let lengths_fit = [key, opc].iter().all(|secret| matches!(secret.value.len(), 16 | 32));
        if reference == 0 || !lengths_fit || sets.len() == MAX_ENTRIES {
            return Err(set.error(ErrorKind::Value, WHAT));
        }
        let start = |tlv: &Tlv<'_>| tlv.offset + (tlv.raw.len() - tlv.value.len());
        let (key_offset, opc_offset) = (start(&key), start(&opc));
        sets.push(KeySet { reference, algorithm, key: key.value, key_offset, opc: opc.value, opc_offset });
    }
    Ok(sets)
}

/// The octets of key sets.
#[must_use]
pub fn key_sets_to_octets(sets: &[KeySet<'_>]) -> zeroize::Zeroizing<Vec<u8>> {
    let mut writer = Writer::new();
    writer.nested(KEYS, |w| {
        w.tlv(Tag(0x80), &[VERSION]);
        w.nested(Tag(0xA1), |w| {
            for set in sets {
                w.nested(Tag(0xA0), |w| {
                    w.tlv(Tag(0x80), &[set.reference]).tlv(Tag(0x81), &[set.algorithm]);
                    w.tlv(Tag(0x82), set.key).tlv(Tag(0x83), set.opc);
                });
            }
        });
    });
    zeroize::Zeroizing::new(writer.finish())
}

/// Where an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the content of a file: whoever may read the file reads it.
    File,
    /// In a command to an application.
    Command,
}

/// A table, or key sets, of a package.
pub struct Found<'a> {
    /// The number of its element, from 0.
    pub element: usize,
    /// File or command.
    pub place: Place,
    /// Where it starts in the package.
    pub offset: usize,
    /// The object, in a file with FF behind it.
    pub octets: &'a [u8],
}

/// What an object is.
pub enum Object<'a> {
    /// A table.
    Table(Table),
    /// Key sets.
    Keys(Vec<KeySet<'a>>),
}

impl<'a> Found<'a> {
    /// Reads the object.
    ///
    /// # Errors
    /// [`Error`] with the offset in the package.
    pub fn read(&self) -> Result<Object<'a>, Error> {
        let object = if is(self.octets, TABLE) {
            Table::from_octets(self.octets).map(Object::Table)
        } else {
            key_sets(self.octets).map(Object::Keys)
        };
        object.map_err(|error| Error { offset: error.offset + self.offset, ..error })
    }
}

/// Whether octets begin with the tag of an object, whole or broken.
fn is(octets: &[u8], tag: Tag) -> bool {
    let [.., high, low] = tag.0.to_be_bytes();
    octets.starts_with(&[high, low])
}

/// All tables and key sets of a package, in its order: contents of files that begin with their tags, and data of STORE
/// DATA commands to applications. Elements that cannot be read have none.
#[must_use]
pub fn find<'a>(package: &Package<'a>) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for (number, element) in package.elements().iter().enumerate() {
        let mut add = |place: Place, octets: &'a [u8], offset: usize| {
            if is(octets, TABLE) || is(octets, KEYS) {
                found.push(Found { element: number, place, offset, octets });
            }
        };
        match element.kind {
            ElementKind::Application => {
                for instance in
                    element.application().into_iter().flat_map(|application| application.instances)
                {
                    for command in instance.process_data {
                        let data = stored_data(command.octets).unwrap_or_default();
                        add(Place::Command, data, command.offset + STORE_DATA_HEADER);
                    }
                }
            }
            ElementKind::GenericFileManagement => {
                let lists = element.generic_file_management().map(|management| management.lists);
                for (_, command) in lists.into_iter().flatten().flatten() {
                    if let FileManagementCommand::FillContent(fill) = command {
                        add(Place::File, fill.octets, fill.offset);
                    }
                }
            }
            kind if kind.is_file_system() => {
                let files = element.file_system().map(|files| files.fields).unwrap_or_default();
                for part in files.into_iter().flat_map(|file| file.parts) {
                    if let FileElement::FillContent(fill) = part {
                        add(Place::File, fill.octets, fill.offset);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The one object that fills `octets`; a file may have FF behind it.
fn object<'a>(octets: &'a [u8], tag: Tag, what: &'static str) -> Result<Tlv<'a>, Error> {
    let mut reader = Reader::new(octets, what);
    let object = reader.expect(tag)?;
    let rest = octets.get(object.raw.len()..).unwrap_or_default();
    if rest.iter().all(|octet| *octet == 0xFF) { Ok(object) } else { Err(reader.error(ErrorKind::Trailing)) }
}

/// Octets in front of the data of a STORE DATA command.
const STORE_DATA_HEADER: usize = 5;

/// The data of a STORE DATA command to an applet (GlobalPlatform Card Specification 11.11): `80 E2 P1 P2 Lc`, data.
#[must_use]
pub fn stored_data(command: &[u8]) -> Option<&[u8]> {
    match command {
        [0x80, 0xE2, _, _, length, data @ ..] if data.len() == usize::from(*length) => Some(data),
        _ => None,
    }
}

/// A STORE DATA command with this data, at most 255 octets: the only block, without encryption, BER-TLV.
#[must_use]
pub fn store_data(data: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(data.len()).ok()?;
    Some([&[0x80, 0xE2, 0x90, 0x00, length], data].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of a SIM for Brazil: one IMSI for the country, three in rotation for everywhere else.
    pub(super) fn sample() -> Table {
        let entry = |index: u8, imsi: &str, role: &str| Entry {
            index,
            imsi: Imsi::parse(imsi).unwrap(),
            imsi_offset: 0,
            key: 0,
            networks: Vec::new(),
            rotation_days: (index > 1).then_some(60),
            role: role.to_owned(),
        };
        Table {
            first: 1,
            retry_seconds: 240,
            return_hours: Some(24),
            entries: vec![
                // MCC 724, all networks.
                Entry { networks: vec![[0x27, 0xF4, 0xFF]], ..entry(1, "724680000000001", "brazil") },
                entry(2, "901405100000001", "global"),
                entry(3, "901405100000002", "global"),
                entry(4, "901405100000003", "global"),
            ],
        }
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let octets = sample().to_octets();
        let read = Table::from_octets(&octets).unwrap();
        assert_eq!(read.to_octets(), octets);
        for (ours, theirs) in sample().entries.iter().zip(&read.entries) {
            assert_eq!(octets[theirs.imsi_offset..][..9], ours.imsi.to_ef());
        }
        let padded = [&octets[..], &[0xFF; 20]].concat();
        assert_eq!(Table::from_octets(&padded).unwrap(), read);
        for end in 0..octets.len() {
            assert!(Table::from_octets(&octets[..end]).is_err(), "{end}");
        }
        assert!(Table::from_octets(&[&octets[..], &[0]].concat()).is_err());
        // It fits into one command.
        let command = store_data(&octets).unwrap();
        assert_eq!(stored_data(&command), Some(&octets[..]));
        assert_eq!(stored_data(&command[..command.len() - 1]), None);
    }

    #[test]
    fn key_sets_are_read_as_they_were_written() {
        let (key, opc) = ([0x11; 16], [0x22; 32]);
        let set = KeySet { reference: 1, algorithm: 1, key: &key, key_offset: 0, opc: &opc, opc_offset: 0 };
        let octets = key_sets_to_octets(&[set]);
        let read = key_sets(&octets).ok().unwrap();
        assert_eq!(octets[read[0].key_offset..][..16], key);
        assert_eq!(octets[read[0].opc_offset..][..32], opc);
        assert_eq!(*key_sets_to_octets(&read), *octets);
        assert!(key_sets(&key_sets_to_octets(&[KeySet { reference: 0, ..set }])).is_err());
        assert!(Table::from_octets(&octets).is_err());
    }
}
