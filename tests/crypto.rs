//! Cryptography against published vectors, byte for byte: `testvectors/`, and a recorded session of another
//! implementation.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cmac::{Cmac, KeyInit as _, Mac as _};
use p256::elliptic_curve::SecretKey;
use simyard::crypto::aka::AkaAlgorithm;
use simyard::crypto::bsp::{Bsp, SessionKeys};
use simyard::crypto::ecdsa::{Curve, PublicKey, SigningKey};
use simyard::crypto::ecka::EphemeralKey;
use simyard::crypto::hash::{code_hash, hash_cc, proves_code, sha256};
use simyard::crypto::keyfile::{load_certificates, load_signing_key};
use simyard::crypto::milenage::{Milenage, opc_from_op};
use simyard::crypto::{kdf, milenage};
use simyard::ident::{Eid, TransactionId};
use simyard::profile::bind::{Binding, BindingKeys, bind};
use simyard_asn1::Decode as _;
use simyard_asn1::rsp::package::BoundProfilePackage;
use simyard_asn1::tlv::{Reader, Tag, Tlv};

use crate::harness::vectors;
use crate::server::PKI;

crate::tests!(
    aes_cmac_of_rfc_4493,
    deterministic_signatures_of_rfc_6979,
    key_derivation_of_ansi_x9_63,
    milenage_of_ts_35_208,
    milenage_with_the_default_constants_written_out,
    session_keys_of_sgp_22_annex_g,
    segments_of_sgp_22_2_5_3,
    a_package_is_bound_under_either_kind_of_keys,
    confirmation_code_hash_of_sgp_22_4_7,
    every_vector_file_is_listed,
    a_recorded_package_is_reproduced,
    published_keys_fit_their_certificates,
);

/// One block of a vector file.
struct Block(BTreeMap<String, Vec<u8>>);

impl Block {
    fn get(&self, name: &str) -> &[u8] {
        self.0.get(name).unwrap_or_else(|| panic!("no {name} in the block"))
    }

    fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.get(name).try_into().unwrap_or_else(|_| panic!("{name} has not {N} octets"))
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testvectors")
}

/// The blocks of a file of `testvectors/`; `count` keeps a lost block from passing unnoticed.
fn blocks(file: &str, count: usize) -> Vec<Block> {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    let mut blocks = vec![BTreeMap::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.is_empty() {
            blocks.push(BTreeMap::new());
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{file}: {line}"));
        let earlier =
            blocks.last_mut().unwrap().insert(name.trim().to_owned(), hex::decode(value.trim()).unwrap());
        assert!(earlier.is_none(), "{file}: {name} twice in a block");
    }
    blocks.retain(|block| !block.is_empty());
    assert_eq!(blocks.len(), count, "{file}");
    blocks.into_iter().map(Block).collect()
}

fn aes_cmac_of_rfc_4493() {
    for block in blocks("aes-cmac.txt", 4) {
        let mut mac = Cmac::<aes::Aes128>::new_from_slice(block.get("key")).unwrap();
        mac.update(block.get("message"));
        assert_eq!(mac.finalize().into_bytes().as_slice(), block.get("mac"));
    }
}

fn deterministic_signatures_of_rfc_6979() {
    for block in blocks("ecdsa-p256.txt", 2) {
        let secret = SecretKey::<p256::NistP256>::from_slice(block.get("scalar")).unwrap();
        let key = SigningKey::deterministic_from_der(&secret.to_sec1_der().unwrap()).unwrap();
        assert_eq!(key.public_key().as_point().as_slice(), block.get("point"));
        let signature = key.sign(block.get("message")).unwrap();
        assert_eq!(signature.as_slice(), block.get("signature"));
        key.public_key().verify(block.get("message"), &signature).unwrap();
    }
}

fn key_derivation_of_ansi_x9_63() {
    for block in blocks("x963-kdf-sha256.txt", 6) {
        let expected = block.get("key_data");
        let length = u16::try_from(expected.len()).unwrap();
        assert_eq!(kdf::x963(block.get("z"), block.get("shared_info"), length).as_slice(), expected);
    }
}

fn check_milenage(block: &Block, algorithm: &AkaAlgorithm) {
    let (rand, sqn, amf) = (block.array("rand"), block.array("sqn"), block.array("amf"));
    assert_eq!(algorithm.mac_a(&rand, &sqn, &amf), block.get("f1"));
    assert_eq!(algorithm.mac_s(&rand, &sqn, &amf), block.get("f1_star"));
    let response = algorithm.generate(&rand);
    assert_eq!(response.res, block.get("f2"));
    assert_eq!(response.ck, block.get("f3"));
    assert_eq!(response.ik, block.get("f4"));
    assert_eq!(response.ak, block.get("f5"));
    assert_eq!(algorithm.ak_star(&rand), block.get("f5_star"));
}

fn milenage_of_ts_35_208() {
    for block in blocks("milenage.txt", 20) {
        let key = block.array("k");
        let opc = opc_from_op(&key, &block.array("op"));
        assert_eq!(opc.as_slice(), block.get("opc"));
        check_milenage(&block, &Milenage::new(&key, &opc).into());
    }
}

fn milenage_with_the_default_constants_written_out() {
    let mut xorings = [0; milenage::XORING_LEN];
    for (at, octet) in [(31, 1), (47, 2), (63, 4), (79, 8)] {
        xorings[at] = octet;
    }
    for block in blocks("milenage.txt", 20) {
        let constants = milenage::Constants::new(&[0x40, 0x00, 0x20, 0x40, 0x60], &xorings).unwrap();
        let algorithm = Milenage::with_constants(&block.array("k"), &block.array("opc"), constants);
        check_milenage(&block, &algorithm.into());
    }
}

fn bsp_block() -> Block {
    blocks("bsp.txt", 1).remove(0)
}

fn bsp_keys(block: &Block) -> SessionKeys {
    let server = EphemeralKey::from_scalar(Curve::P256, &block.array("otsk_dp")).unwrap();
    let card = *EphemeralKey::from_scalar(Curve::P256, &block.array("otsk_euicc")).unwrap().public_key();
    let eid = Eid::from_bcd(&block.array("eid")).unwrap();
    SessionKeys::derive(&server.agree(&card).unwrap(), block.get("host_id"), &eid).unwrap()
}

fn session_keys_of_sgp_22_annex_g() {
    let block = bsp_block();
    let server = EphemeralKey::from_scalar(Curve::P256, &block.array("otsk_dp")).unwrap();
    let card = EphemeralKey::from_scalar(Curve::P256, &block.array("otsk_euicc")).unwrap();
    let (server_point, card_point) = (*server.public_key(), *card.public_key());
    assert_eq!(server_point.as_point().as_slice(), block.get("otpk_dp"));
    assert_eq!(card_point.as_point().as_slice(), block.get("otpk_euicc"));
    assert_eq!(server.agree(&card_point).unwrap().as_octets(), block.get("z"));
    assert_eq!(card.agree(&server_point).unwrap().as_octets(), block.get("z"));

    let keys = bsp_keys(&block);
    assert_eq!(keys.initial_chain, block.get("initial_chain"));
    assert_eq!(keys.s_enc, block.get("s_enc"));
    assert_eq!(keys.s_mac, block.get("s_mac"));
    assert_eq!(
        keys.to_octets().as_slice(),
        kdf::x963(block.get("z"), block.get("shared_info"), 48).as_slice()
    );
    assert_eq!(sha256(block.get("smdp_sign_input")), block.get("smdp_sign_input_sha256"));
}

fn segments_of_sgp_22_2_5_3() {
    let block = bsp_block();
    let mut server = Bsp::new(&bsp_keys(&block));
    let mut card = Bsp::new(&bsp_keys(&block));
    let mut unreplaced = Bsp::new(&bsp_keys(&block));

    let first = server.protect_87(block.get("configure_isdp")).unwrap();
    assert_eq!(first, block.get("segment_1"));
    assert_eq!(server.chain(), block.get("chain_1"));
    assert_eq!(card.open_encrypted(&first).unwrap().as_slice(), block.get("configure_isdp"));
    let second = server.authenticate_88(block.get("store_metadata")).unwrap();
    assert_eq!(second, block.get("segment_2"));
    assert_eq!(server.chain(), block.get("chain_2"));
    assert_eq!(card.open_authenticated(&second).unwrap(), block.get("store_metadata"));

    unreplaced.open_encrypted(&first).unwrap();
    unreplaced.open_authenticated(&second).unwrap();
    let third = unreplaced.protect_86(block.get("package")).unwrap();
    assert_eq!(third, block.get("segment_3_without_replacement"));

    let third = server.protect_87(block.get("replace_session_keys")).unwrap();
    assert_eq!(third, block.get("segment_3"));
    let ppk = SessionKeys::from_octets(&block.array("ppk"));
    let replacement = card.open_encrypted(&third).unwrap();
    assert!(replacement.windows(16).any(|window| window == ppk.s_enc));
    server.replace_keys(&ppk);
    card.replace_keys(&ppk);
    let mut under_ppk = Vec::new();
    server.split_86(block.get("package"), &mut under_ppk);
    assert_eq!(under_ppk, block.get("segment_1_under_ppk"));
    assert_eq!(card.open_encrypted(&under_ppk).unwrap().as_slice(), block.get("package"));
}

fn a_package_is_bound_under_either_kind_of_keys() {
    let block = bsp_block();
    let point = |name: &str| PublicKey::from_point(Curve::P256, block.get(name)).unwrap();
    let (smdp_otpk, euicc_otpk) = (point("otpk_dp"), point("otpk_euicc"));
    let dp_pb = PKI.dp_pb.key.signing_key().unwrap();
    let transaction_id = TransactionId::from_octets(&[1; 16]).unwrap();
    for random in [None, Some(SessionKeys::from_octets(&block.array("ppk")))] {
        let segments = match random {
            None => "segment_3_without_replacement",
            Some(_) => "segment_1_under_ppk",
        };
        let replaced = random.is_some().then(|| block.get("segment_3"));
        let keys = BindingKeys { session: bsp_keys(&block), random };
        // As they are when they come back from the store.
        let keys = BindingKeys::from_octets(&keys.to_octets()).unwrap();
        let binding = Binding {
            transaction_id: &transaction_id,
            host_id: block.get("host_id"),
            smdp_otpk: &smdp_otpk,
            euicc_otpk: &euicc_otpk,
            keys: &keys,
        };
        let bound = bind(&dp_pb, &binding, block.get("store_metadata"), block.get("package")).unwrap();
        let bound = BoundProfilePackage::from_der(&bound).unwrap();
        assert_eq!(bound.first_sequence_of_87, block.get("segment_1"));
        assert_eq!(bound.sequence_of_88, block.get("segment_2"));
        assert_eq!(bound.second_sequence_of_87, replaced);
        assert_eq!(bound.sequence_of_86, block.get(segments));
    }
    for length in [0, 47, 49, 95, 97] {
        assert!(BindingKeys::from_octets(&vec![7; length]).is_none(), "{length}");
    }
}

fn confirmation_code_hash_of_sgp_22_4_7() {
    let block = blocks("hash-cc.txt", 1).remove(0);
    let stored = code_hash(str::from_utf8(block.get("code")).unwrap());
    let transaction_id = TransactionId::from_octets(block.get("transaction_id")).unwrap();
    assert_eq!(hash_cc(&stored, &transaction_id), block.get("hash_cc"));
    assert!(proves_code(block.get("hash_cc"), &stored, &transaction_id));
}

fn every_vector_file_is_listed() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut found = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "README.md" {
            assert!(readme.contains(&format!("| `{name}` |")), "{name} is missing in the table");
            found += 1;
        }
    }
    assert_eq!(found, readme.lines().filter(|line| line.starts_with("| `")).count());
}

/// The TLVs inside a constructed TLV, which stands next in `reader`.
fn members<'a>(reader: &mut Reader<'a>, tag: u32) -> Vec<Tlv<'a>> {
    let mut inner = reader.expect(Tag(tag)).unwrap().members("package");
    let mut found = Vec::new();
    while !inner.is_empty() {
        found.push(inner.read().unwrap());
    }
    found
}

fn recorded_eid(certificate: &[u8]) -> Eid {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).unwrap();
    let oid = x509_parser::oid_registry::OID_X509_SERIALNUMBER;
    let attribute = certificate.subject().iter_by_oid(&oid).next().unwrap();
    Eid::parse(attribute.as_str().unwrap()).unwrap()
}

fn a_recorded_package_is_reproduced() {
    let Some(folder) = vectors("a recorded package") else { return };
    let read = |name: &str| fs::read(folder.join("rsp-session").join(name)).unwrap();

    let prepared = read("prepare-download-response.der");
    let signed = Reader::new(&prepared, "PrepareDownloadResponse").expect(Tag(0xBF21)).unwrap();
    let ok = signed.members("PrepareDownloadResponse").expect(Tag(0xA0)).unwrap();
    let signed = ok.members("euiccSigned2").expect(Tag::SEQUENCE).unwrap();
    let otpk = members(&mut Reader::new(signed.raw, "EUICCSigned2"), 0x30)
        .into_iter()
        .find(|tlv| tlv.tag == Tag(0x5F49))
        .unwrap();
    let euicc_otpk = PublicKey::from_point(Curve::P256, otpk.value).unwrap();

    let server = EphemeralKey::from_scalar(Curve::P256, &read("otsk-dp.bin").try_into().unwrap()).unwrap();
    let smdp_otpk = *server.public_key();
    let eid = recorded_eid(&read("sgp26-euicc.der"));
    let secret = server.agree(&euicc_otpk).unwrap();
    let keys = SessionKeys::derive(&secret, b"euicc-rsp", &eid).unwrap();

    let recorded = read("bound-profile-package.der");
    let mut package = Reader::new(&recorded, "BoundProfilePackage");
    let mut package = package.expect(Tag(0xBF36)).unwrap().members("BoundProfilePackage");
    let channel = members(&mut package, 0xBF23);
    let point = channel.iter().find(|tlv| tlv.tag == Tag(0x5F49)).unwrap();
    assert_eq!(point.value, smdp_otpk.as_point());
    let (first_87, sequence_88, sequence_86) =
        (members(&mut package, 0xA0), members(&mut package, 0xA1), members(&mut package, 0xA3));
    package.finish().unwrap();

    let mut bsp = Bsp::new(&keys);
    assert_eq!(
        [bsp.protect_87(&[0xBF, 0x24, 0x00]).unwrap()],
        first_87.iter().map(|t| t.raw).collect::<Vec<_>>()[..]
    );
    let mut out = Vec::new();
    bsp.split_88(&read("store-metadata.der"), &mut out);
    assert_eq!(out, sequence_88.iter().flat_map(|tlv| tlv.raw).copied().collect::<Vec<_>>());
    let mut out = Vec::new();
    bsp.split_86(&read("upp.der"), &mut out);
    assert_eq!(out, sequence_86.iter().flat_map(|tlv| tlv.raw).copied().collect::<Vec<_>>());

    let mut card = Bsp::new(&keys);
    let opened: Vec<u8> =
        first_87.iter().flat_map(|tlv| card.open_encrypted(tlv.raw).unwrap().to_vec()).collect();
    assert_eq!(opened, [0xBF, 0x24, 0x00]);
    let opened: Vec<u8> =
        sequence_88.iter().flat_map(|tlv| card.open_authenticated(tlv.raw).unwrap()).copied().collect();
    assert_eq!(opened, read("store-metadata.der"));
    let opened: Vec<u8> =
        sequence_86.iter().flat_map(|tlv| card.open_encrypted(tlv.raw).unwrap().to_vec()).collect();
    assert_eq!(opened, read("upp.der"));
}

fn published_keys_fit_their_certificates() {
    let Some(folder) = vectors("the keys of SGP.26") else { return };
    let sgp26 = folder.join("sgp26");
    for (key, certificate) in [
        ("SK_CI_ECDSA_NIST.p8", "CERT_CI_ECDSA_NIST.der"),
        ("SK_EUICC_ECDSA_NIST.p8", "CERT_EUICC_ECDSA_NIST.der"),
        ("SK_EUM_ECDSA_NIST.p8", "CERT_EUM_ECDSA_NIST.der"),
        ("SK_S_SM_DPauth_ECDSA_NIST.p8", "CERT_S_SM_DPauth_ECDSA_NIST.der"),
        ("SK_S_SM_DPpb_ECDSA_NIST.p8", "CERT_S_SM_DPpb_ECDSA_NIST.der"),
        ("SK_S_SM_DP_TLS_NIST.p8", "CERT_S_SM_DP_VARO_TLS_NIST.der"),
        ("SK_CI_ECDSA_BRP.p8", "CERT_CI_ECDSA_BRP.der"),
        ("SK_EUICC_ECDSA_BRP.p8", "CERT_EUICC_ECDSA_BRP.der"),
        ("SK_EUM_ECDSA_BRP.p8", "CERT_EUM_ECDSA_BRP.der"),
        ("SK_S_SM_DPauth_ECDSA_BRP.p8", "CERT_S_SM_DPauth_ECDSA_BRP.der"),
        ("SK_S_SM_DPpb_ECDSA_BRP.p8", "CERT_S_SM_DPpb_ECDSA_BRP.der"),
        ("SK_S_SM_DP_TLS_BRP.p8", "CERT_S_SM_DP_VARO_TLS_BRP.der"),
    ] {
        let key = load_signing_key(&sgp26.join(key)).unwrap();
        let der = load_certificates(&sgp26.join(certificate)).unwrap().remove(0);
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert_eq!(
            parsed.public_key().subject_public_key.data.as_ref(),
            key.public_key().as_point(),
            "{certificate}"
        );
    }
}
