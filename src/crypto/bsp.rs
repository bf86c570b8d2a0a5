//! Protection of the segments of a bound profile package: SCP03t (SGP.22 2.5.3 and 5.5; SGP.02 4.1.3.3),
//! called BSP since SGP.22 v3 (2.6.4).
//!
//! One state ([`Bsp`]) runs through a whole package, on either side. A segment is a TLV: 87 and 86 are
//! encrypted and authenticated, 88 is authenticated only. Each MAC covers the full MAC of the segment before
//! it, and each segment, 88 included, advances the counter that the next encryption starts from. What stands
//! in the segments, and in which order they come, is not known here.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt as _, BlockModeDecrypt as _, BlockModeEncrypt as _};
use aes::cipher::{InnerIvInit as _, KeyInit as _};
use cmac::{Cmac, Mac as _};
use simyard_asn1::tlv::{Reader, Tag, length_octets};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::ecka::SharedSecret;
use super::kdf;
use crate::env::Rng;
use crate::ident::Eid;

/// Octets of a whole segment at most: tag, length, data and MAC (SGP.22 2.5.3).
pub const MAX_SEGMENT: usize = 1020;
/// Octets of plaintext of an 86 or 87 at most: with padding 1008.
pub const MAX_PLAINTEXT: usize = 1007;
/// Octets of data of an 88 at most.
pub const MAX_AUTHENTICATED: usize = 1008;
/// Octets of [`SessionKeys`].
pub const KEYS_LEN: usize = 48;

/// LoadProfileElements, encrypted.
pub const TAG_86: Tag = Tag(0x86);
/// ConfigureISDP and ReplaceSessionKeys, encrypted.
pub const TAG_87: Tag = Tag(0x87);
/// StoreMetadata, authenticated.
pub const TAG_88: Tag = Tag(0x88);

const BLOCK: usize = 16;
const MAC_LEN: usize = 8;
/// Key type AES and key length 16 of the control reference template (SGP.22 5.5.1).
const KEY_TYPE_AND_LENGTH: [u8; 2] = [0x88, 0x10];
const MAX_HOST_ID: usize = 16;

/// Why a segment cannot be made or opened. A card reports the two kinds by different reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BspError {
    /// The octets are no segment, whoever made them.
    #[error("segment malformed: {0}")]
    Structure(#[from] StructureFault),
    /// The segment was not made by the owner of the keys, or not at this place.
    #[error("segment not authentic: {0}")]
    Security(#[from] SecurityFault),
}

/// What is wrong with the form of a segment, or with what is to become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructureFault {
    /// No complete DER TLV, or octets after it.
    #[error("one DER TLV is expected")]
    Form,
    /// Another tag than the protection has.
    #[error("tag {found} where {expected} is expected")]
    Tag {
        /// The tags allowed here.
        expected: &'static str,
        /// What came.
        found: Tag,
    },
    /// Longer than allowed.
    #[error("{found} octets where at most {limit} are allowed")]
    TooLong {
        /// Octets allowed.
        limit: usize,
        /// Octets that came.
        found: usize,
    },
    /// No room for a MAC, or ciphertext that is not whole blocks.
    #[error("a value of {found} octets: whole blocks (86, 87) and a MAC of eight octets are expected")]
    Length {
        /// Octets of the value.
        found: usize,
    },
    /// The plaintext does not end in 80 and zeros.
    #[error("the padding is not 80 00…")]
    Padding,
    /// No hostId of SGP.22 5.5.1.
    #[error("a hostId of {found} octets: 1 to 16 are expected")]
    HostId {
        /// Octets that came.
        found: usize,
    },
}

/// What is wrong with the authenticity of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecurityFault {
    /// The MAC differs: other keys, another place in the chain, or changed octets.
    #[error("the MAC differs")]
    Mac,
}

/// The keys of a package: derived, or drawn for a protection in advance (PPK). Wiped when dropped; no
/// `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKeys {
    /// Initial MAC chaining value.
    pub initial_chain: [u8; 16],
    /// S-ENC, or PPK-ENC.
    pub s_enc: [u8; 16],
    /// S-MAC, or PPK-CMAC.
    pub s_mac: [u8; 16],
}

impl SessionKeys {
    /// Derives the session keys (SGP.22 Annex G): the shared info is key type, key length, and hostId and EID
    /// each behind its length.
    ///
    /// # Errors
    /// [`StructureFault::HostId`] unless the hostId has 1 to 16 octets.
    pub fn derive(secret: &SharedSecret, host_id: &[u8], eid: &Eid) -> Result<Self, BspError> {
        let host_id_len = u8::try_from(host_id.len())
            .ok()
            .filter(|_| (1..=MAX_HOST_ID).contains(&host_id.len()))
            .ok_or(StructureFault::HostId { found: host_id.len() })?;
        let mut info = KEY_TYPE_AND_LENGTH.to_vec();
        info.push(host_id_len);
        info.extend_from_slice(host_id);
        info.push(0x10);
        info.extend_from_slice(&eid.to_bcd());
        let derived = kdf::x963(secret.as_octets(), &info, 48);
        let mut octets = Zeroizing::new([0; KEYS_LEN]);
        for (to, from) in octets.iter_mut().zip(derived.iter()) {
            *to = *from;
        }
        Ok(Self::from_octets(&octets))
    }

    /// Draws keys for a protection in advance; ReplaceSessionKeys (SGP.22 5.5.4) hands them to the eUICC.
    #[must_use]
    pub fn generate(rng: &Rng) -> Self {
        let mut octets = Zeroizing::new([0; KEYS_LEN]);
        rng.fill(octets.as_mut_slice());
        Self::from_octets(&octets)
    }

    /// Reads initial chaining value, S-ENC and S-MAC in this order.
    #[must_use]
    pub fn from_octets(octets: &[u8; KEYS_LEN]) -> Self {
        let mut keys = Self { initial_chain: [0; 16], s_enc: [0; 16], s_mac: [0; 16] };
        let parts = [&mut keys.initial_chain, &mut keys.s_enc, &mut keys.s_mac];
        for (part, from) in parts.into_iter().zip(octets.chunks_exact(16)) {
            part.copy_from_slice(from);
        }
        keys
    }

    /// The 48 octets that [`SessionKeys::from_octets`] reads, for sealed storage.
    #[must_use]
    pub fn to_octets(&self) -> Zeroizing<[u8; KEYS_LEN]> {
        let mut octets = Zeroizing::new([0; KEYS_LEN]);
        let parts = [&self.initial_chain, &self.s_enc, &self.s_mac];
        for (to, part) in octets.chunks_exact_mut(16).zip(parts) {
            to.copy_from_slice(part);
        }
        octets
    }
}

/// The running state of one package on one side: keys, MAC chain and counter. No `Debug`.
pub struct Bsp {
    enc: Aes128,
    mac: Cmac<Aes128>,
    chain: [u8; 16],
    counter: u128,
}

impl Bsp {
    /// The state before the first segment: the counter is one.
    #[must_use]
    pub fn new(keys: &SessionKeys) -> Self {
        Self {
            enc: Aes128::new(&keys.s_enc.into()),
            mac: Cmac::new(&keys.s_mac.into()),
            chain: keys.initial_chain,
            counter: 1,
        }
    }

    /// Goes on with other keys, after ReplaceSessionKeys (SGP.22 5.5.4): the counter is one again.
    pub fn replace_keys(&mut self, keys: &SessionKeys) {
        *self = Self::new(keys);
    }

    /// The full MAC of the last segment: what the next one is chained to.
    #[must_use]
    pub const fn chain(&self) -> &[u8; 16] {
        &self.chain
    }

    /// Protects ConfigureISDP or ReplaceSessionKeys: the whole TLV 87.
    ///
    /// # Errors
    /// [`StructureFault::TooLong`] beyond [`MAX_PLAINTEXT`].
    pub fn protect_87(&mut self, plain: &[u8]) -> Result<Vec<u8>, BspError> {
        self.protect_one(TAG_87, plain)
    }

    /// Protects one segment of a profile package: the whole TLV 86.
    ///
    /// # Errors
    /// [`StructureFault::TooLong`] beyond [`MAX_PLAINTEXT`].
    pub fn protect_86(&mut self, plain: &[u8]) -> Result<Vec<u8>, BspError> {
        self.protect_one(TAG_86, plain)
    }

    fn protect_one(&mut self, tag: Tag, plain: &[u8]) -> Result<Vec<u8>, BspError> {
        limit(plain, MAX_PLAINTEXT)?;
        let mut tlv = Vec::with_capacity(MAX_SEGMENT);
        self.encrypt(tag, plain, &mut tlv);
        Ok(tlv)
    }

    /// Authenticates one segment of StoreMetadata: the whole TLV 88.
    ///
    /// # Errors
    /// [`StructureFault::TooLong`] beyond [`MAX_AUTHENTICATED`].
    pub fn authenticate_88(&mut self, data: &[u8]) -> Result<Vec<u8>, BspError> {
        limit(data, MAX_AUTHENTICATED)?;
        let mut tlv = Vec::with_capacity(MAX_SEGMENT);
        self.authenticate(data, &mut tlv);
        Ok(tlv)
    }

    /// Appends a whole profile package to `out` as TLVs 86, all but the last of the largest size.
    pub fn split_86(&mut self, package: &[u8], out: &mut Vec<u8>) {
        out.reserve(package.len().div_ceil(MAX_PLAINTEXT).saturating_mul(MAX_SEGMENT));
        for segment in package.chunks(MAX_PLAINTEXT) {
            self.encrypt(TAG_86, segment, out);
        }
    }

    /// Appends StoreMetadata to `out` as TLVs 88, all but the last of the largest size.
    pub fn split_88(&mut self, data: &[u8], out: &mut Vec<u8>) {
        out.reserve(data.len().div_ceil(MAX_AUTHENTICATED).saturating_mul(MAX_SEGMENT));
        for segment in data.chunks(MAX_AUTHENTICATED) {
            self.authenticate(segment, out);
        }
    }

    /// Opens a TLV 86 or 87 and returns the plaintext without padding. After an error the package is lost:
    /// drop the state, which has not moved.
    ///
    /// # Errors
    /// [`BspError::Structure`] for a TLV that no sender makes, and for a padding that is none;
    /// [`BspError::Security`] where the MAC differs.
    pub fn open_encrypted(&mut self, tlv: &[u8]) -> Result<Zeroizing<Vec<u8>>, BspError> {
        let (tag, value, signed) = parse(tlv)?;
        if tag != TAG_86 && tag != TAG_87 {
            return Err(StructureFault::Tag { expected: "86 or 87", found: tag }.into());
        }
        let (data, mac) = split_mac(value)?;
        if data.is_empty() || !data.len().is_multiple_of(BLOCK) {
            return Err(StructureFault::Length { found: value.len() }.into());
        }
        let full = self.verify(signed, mac)?;
        let mut plain = Zeroizing::new(data.to_vec());
        let (blocks, _) = Array::slice_as_chunks_mut(&mut plain);
        cbc::Decryptor::inner_iv_init(&self.enc, &self.initial_block()).decrypt_blocks(blocks);
        let padding = plain.iter().rposition(|octet| *octet != 0).filter(|at| plain.get(*at) == Some(&0x80));
        let length = padding.filter(|at| plain.len() - at <= BLOCK).ok_or(StructureFault::Padding)?;
        plain.truncate(length);
        self.advance(full);
        Ok(plain)
    }

    /// Opens a TLV 88 and returns its data. After an error the package is lost: drop the state, which has not
    /// moved.
    ///
    /// # Errors
    /// [`BspError::Structure`] for a TLV that no sender makes, [`BspError::Security`] where the MAC differs.
    pub fn open_authenticated<'a>(&mut self, tlv: &'a [u8]) -> Result<&'a [u8], BspError> {
        let (tag, value, signed) = parse(tlv)?;
        if tag != TAG_88 {
            return Err(StructureFault::Tag { expected: "88", found: tag }.into());
        }
        let (data, mac) = split_mac(value)?;
        let full = self.verify(signed, mac)?;
        self.advance(full);
        Ok(data)
    }

    /// Appends the encrypted TLV. The plaintext fits a segment: the callers see to it.
    fn encrypt(&mut self, tag: Tag, plain: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let padded = (plain.len() + 1).next_multiple_of(BLOCK);
        push_header(tag, padded + MAC_LEN, out);
        let body = out.len();
        out.extend_from_slice(plain);
        out.push(0x80);
        out.resize(body + padded, 0);
        let (blocks, _) = Array::slice_as_chunks_mut(out.get_mut(body..).unwrap_or_default());
        cbc::Encryptor::inner_iv_init(&self.enc, &self.initial_block()).encrypt_blocks(blocks);
        self.append_mac(start, out);
    }

    /// Appends the authenticated TLV. The data fit a segment: the callers see to it.
    fn authenticate(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        push_header(TAG_88, data.len() + MAC_LEN, out);
        out.extend_from_slice(data);
        self.append_mac(start, out);
    }

    fn append_mac(&mut self, start: usize, out: &mut Vec<u8>) {
        let full = self.full_mac(out.get(start..).unwrap_or_default());
        out.extend(full.iter().take(MAC_LEN));
        self.advance(full);
    }

    /// The ICV: the encrypted counter.
    fn initial_block(&self) -> Array<u8, aes::cipher::consts::U16> {
        let mut block = self.counter.to_be_bytes().into();
        self.enc.encrypt_block(&mut block);
        block
    }

    /// The MAC over the chain, and the TLV up to its MAC.
    fn full_mac(&self, signed: &[u8]) -> [u8; 16] {
        let mut mac = self.mac.clone();
        mac.update(&self.chain);
        mac.update(signed);
        mac.finalize().into_bytes().into()
    }

    fn verify(&self, signed: &[u8], mac: &[u8]) -> Result<[u8; 16], BspError> {
        let full = self.full_mac(signed);
        let (short, _) = full.split_at(MAC_LEN);
        if bool::from(short.ct_eq(mac)) { Ok(full) } else { Err(SecurityFault::Mac.into()) }
    }

    fn advance(&mut self, full: [u8; 16]) {
        self.chain = full;
        // 2¹²⁸ segments never come.
        self.counter = self.counter.wrapping_add(1);
    }
}

fn limit(data: &[u8], limit: usize) -> Result<(), BspError> {
    if data.len() > limit {
        return Err(StructureFault::TooLong { limit, found: data.len() }.into());
    }
    Ok(())
}

fn push_header(tag: Tag, length: usize, out: &mut Vec<u8>) {
    // The three tags of this module have one octet.
    out.push(tag.0.to_be_bytes()[3]);
    out.extend(length_octets(length));
}

/// Tag, value, and what the MAC covers beside the chain.
fn parse(tlv: &[u8]) -> Result<(Tag, &[u8], &[u8]), BspError> {
    limit(tlv, MAX_SEGMENT)?;
    let mut reader = Reader::new(tlv, "segment");
    let read = reader.read().map_err(|_| StructureFault::Form)?;
    reader.finish().map_err(|_| StructureFault::Form)?;
    let signed = tlv.len().checked_sub(MAC_LEN).and_then(|end| tlv.get(..end)).unwrap_or_default();
    Ok((read.tag, read.value, signed))
}

fn split_mac(value: &[u8]) -> Result<(&[u8], &[u8]), BspError> {
    let length = StructureFault::Length { found: value.len() };
    let end = value.len().checked_sub(MAC_LEN).ok_or(length)?;
    Ok(value.split_at_checked(end).ok_or(length)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn keys() -> SessionKeys {
        SessionKeys::from_octets(&std::array::from_fn(|at| u8::try_from(at).unwrap()))
    }

    fn pair() -> (Bsp, Bsp) {
        (Bsp::new(&keys()), Bsp::new(&keys()))
    }

    #[test]
    fn keys_survive_their_octets() {
        assert_eq!(*SessionKeys::from_octets(&keys().to_octets()).to_octets(), *keys().to_octets());
        assert_eq!(keys().s_enc[0], 16);
        assert_eq!(keys().s_mac[15], 47);
        assert_ne!(
            *SessionKeys::generate(&Rng::seeded(1)).to_octets(),
            *SessionKeys::generate(&Rng::seeded(2)).to_octets()
        );
    }

    #[test]
    fn a_host_id_has_one_to_sixteen_octets() {
        let secret = SharedSecret::from_octets([7; 32]);
        let eid = Eid::parse("89049032123451234512345678901235").unwrap();
        for found in [0, 17, 256] {
            let error = SessionKeys::derive(&secret, &vec![1; found], &eid).err();
            assert_eq!(error, Some(StructureFault::HostId { found }.into()));
        }
        assert!(SessionKeys::derive(&secret, &[1; 16], &eid).is_ok());
    }

    #[test]
    fn segments_reach_the_largest_size_and_no_more() {
        let (mut server, mut card) = pair();
        let tlv = server.protect_86(&[5; MAX_PLAINTEXT]).unwrap();
        assert_eq!((tlv.len(), &tlv[..4]), (MAX_SEGMENT, &[0x86, 0x82, 0x03, 0xF8][..]));
        assert_eq!(card.open_encrypted(&tlv).unwrap().as_slice(), [5; MAX_PLAINTEXT]);
        let tlv = server.authenticate_88(&[5; MAX_AUTHENTICATED]).unwrap();
        assert_eq!(tlv.len(), MAX_SEGMENT);
        assert_eq!(card.open_authenticated(&tlv).unwrap(), [5; MAX_AUTHENTICATED]);

        let too_long = |limit, found| Some(StructureFault::TooLong { limit, found }.into());
        assert_eq!(server.protect_86(&[0; 1008]).err(), too_long(1007, 1008));
        assert_eq!(server.protect_87(&[0; 1008]).err(), too_long(1007, 1008));
        assert_eq!(server.authenticate_88(&[0; 1009]).err(), too_long(1008, 1009));
        assert_eq!(card.open_authenticated(&[0x88; 1021]).err(), too_long(1020, 1021));
    }

    #[test]
    fn a_package_is_cut_into_the_largest_segments() {
        for (length, sizes) in [
            (0, vec![]),
            (1, vec![26]),
            (1007, vec![1020]),
            (1008, vec![1020, 26]),
            (12_000, [vec![1020; 11], vec![940]].concat()),
        ] {
            let package: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let (mut server, mut card) = pair();
            let mut out = vec![0xEE];
            server.split_86(&package, &mut out);
            let mut reader = Reader::new(&out[1..], "package");
            let (mut found, mut opened) = (Vec::new(), Vec::new());
            while !reader.is_empty() {
                let tlv = reader.read().unwrap();
                found.push(tlv.raw.len());
                opened.extend_from_slice(&card.open_encrypted(tlv.raw).unwrap());
            }
            assert_eq!(found, sizes, "{length}");
            assert_eq!(opened, package);
        }
    }

    #[test]
    fn metadata_with_an_icon_takes_two_segments() {
        let data = vec![0xAB; 1100];
        let (mut server, mut card) = pair();
        let mut out = Vec::new();
        server.split_88(&data, &mut out);
        let mut reader = Reader::new(&out, "metadata");
        let (first, second) = (reader.read().unwrap().raw, reader.read().unwrap().raw);
        reader.finish().unwrap();
        let parts = [card.open_authenticated(first).unwrap(), card.open_authenticated(second).unwrap()];
        assert_eq!(parts.concat(), data);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let (mut server, _) = pair();
        let encrypted = server.protect_87(b"segment").unwrap();
        let authenticated = server.authenticate_88(b"segment").unwrap();
        for (tlv, count) in [(&encrypted, 1), (&authenticated, 2)] {
            for bit in 0..tlv.len() * 8 {
                let mut changed = tlv.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let (_, mut card) = pair();
                if count == 2 {
                    card.open_encrypted(&encrypted).unwrap();
                    card.open_authenticated(&changed).unwrap_err();
                } else {
                    card.open_encrypted(&changed).unwrap_err();
                }
            }
        }
    }

    #[test]
    fn segments_open_in_their_order_alone() {
        let (mut server, mut card) = pair();
        let first = server.protect_86(b"first").unwrap();
        let second = server.protect_86(b"second").unwrap();
        let mac = BspError::Security(SecurityFault::Mac);
        assert_eq!(card.open_encrypted(&second).err(), Some(mac.clone()));
        card.open_encrypted(&first).unwrap();
        assert_eq!(card.open_encrypted(&first).err(), Some(mac));
        assert_eq!(card.open_encrypted(&second).unwrap().as_slice(), b"second");
    }

    #[test]
    fn replaced_keys_start_anew() {
        let (mut server, mut card) = pair();
        card.open_encrypted(&server.protect_87(b"BF26").unwrap()).unwrap();
        let ppk = SessionKeys::generate(&Rng::seeded(3));
        server.replace_keys(&ppk);
        let segment = server.protect_86(b"profile").unwrap();
        assert_eq!(segment, Bsp::new(&ppk).protect_86(b"profile").unwrap());
        card.open_encrypted(&segment).unwrap_err();
        card.replace_keys(&ppk);
        assert_eq!(card.open_encrypted(&segment).unwrap().as_slice(), b"profile");
    }

    #[test]
    fn malformed_segments_are_named() {
        let (_, mut card) = pair();
        let structure = |fault: StructureFault| Some(BspError::Structure(fault));
        let length = |found| structure(StructureFault::Length { found });
        let tlv = |tag: u8, value: usize| [vec![tag, u8::try_from(value).unwrap()], vec![0; value]].concat();
        assert_eq!(card.open_encrypted(&[]).err(), structure(StructureFault::Form));
        assert_eq!(card.open_encrypted(&[0x86, 0x10, 0x00]).err(), structure(StructureFault::Form));
        assert_eq!(
            card.open_encrypted(&[tlv(0x86, 24), vec![0]].concat()).err(),
            structure(StructureFault::Form)
        );
        assert_eq!(
            card.open_encrypted(&[0x86, 0x81, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]).err(),
            structure(StructureFault::Form)
        );
        assert_eq!(card.open_encrypted(&tlv(0x86, 0)).err(), length(0));
        assert_eq!(card.open_encrypted(&tlv(0x86, 7)).err(), length(7));
        assert_eq!(card.open_encrypted(&tlv(0x86, 8)).err(), length(8));
        assert_eq!(card.open_encrypted(&tlv(0x87, 25)).err(), length(25));
        assert_eq!(card.open_authenticated(&tlv(0x88, 7)).err(), length(7));
        let tag = |expected, found| structure(StructureFault::Tag { expected, found: Tag(found) });
        assert_eq!(card.open_encrypted(&tlv(0x88, 24)).err(), tag("86 or 87", 0x88));
        assert_eq!(card.open_authenticated(&tlv(0x86, 24)).err(), tag("88", 0x86));
        let mac = Some(BspError::Security(SecurityFault::Mac));
        assert_eq!(card.open_encrypted(&tlv(0x86, 24)).err(), mac);
        assert_eq!(card.open_authenticated(&tlv(0x88, 8)).err(), mac);
    }

    #[test]
    fn a_wrong_padding_under_a_right_mac_is_malformed() {
        // Blocks as the plaintext of a segment, without the padding that `encrypt` adds.
        for plain in [[0x00; 16].to_vec(), [0x11; 16].to_vec(), [vec![0x80], vec![0; 31]].concat()] {
            let (mut server, mut card) = pair();
            let mut tlv = vec![0x86, u8::try_from(plain.len() + 8).unwrap()];
            tlv.extend_from_slice(&plain);
            let (blocks, _) = Array::slice_as_chunks_mut(&mut tlv[2..]);
            cbc::Encryptor::inner_iv_init(&server.enc, &server.initial_block()).encrypt_blocks(blocks);
            server.append_mac(0, &mut tlv);
            assert_eq!(card.open_encrypted(&tlv).err(), Some(StructureFault::Padding.into()));
        }
    }

    proptest! {
        #[test]
        fn what_is_protected_opens(
            segments in prop::collection::vec((0_u8..3, prop::collection::vec(any::<u8>(), 0..200)), 0..8)
        ) {
            let (mut server, mut card) = pair();
            for (kind, data) in segments {
                let opened = match kind {
                    0 => card.open_encrypted(&server.protect_86(&data).unwrap()).unwrap().to_vec(),
                    1 => card.open_encrypted(&server.protect_87(&data).unwrap()).unwrap().to_vec(),
                    _ => card.open_authenticated(&server.authenticate_88(&data).unwrap()).unwrap().to_vec(),
                };
                prop_assert_eq!(opened, data);
            }
        }

        #[test]
        fn octets_from_anywhere_do_not_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let (_, mut card) = pair();
            prop_assert!(card.open_encrypted(&octets).is_err());
            prop_assert!(card.open_authenticated(&octets).is_err());
        }
    }
}
