//! Private keys and certificates from files: PEM or DER, PKCS#8 or SEC1, with or without the EC PARAMETERS
//! block that OpenSSL puts in front (as SGP.26 ships its keys).
//!
//! Encrypted keys are not supported. What a certificate says, and whom it trusts, is not read here.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, CertificateSigningRequestDer, PrivateKeyDer,
};
use simyard_asn1::tlv::{Reader, Tag};
use zeroize::{Zeroize as _, Zeroizing};

use super::ecdsa::SigningKey;

/// Octets of a key or certificate file at most.
pub const MAX_FILE: u64 = 256 * 1024;

const PEM_MARK: &[u8] = b"-----BEGIN ";

/// Why a file is no key or certificate.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system could not read it.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Longer than [`MAX_FILE`].
    #[error("{}: longer than {MAX_FILE} octets, which no file of keys, certificates or revocation lists is", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// No private key, more than one, or an encrypted one.
    #[error(
        "{}: one unencrypted private key is expected, PKCS#8 or SEC1, in PEM or DER; found {found}",
        path.display()
    )]
    PrivateKey {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: &'static str,
    },
    /// A private key, but of another kind.
    #[error("{}: a private key on P-256 or brainpoolP256r1 is expected; found another kind of key", path.display())]
    Curve {
        /// The file.
        path: PathBuf,
    },
    /// No certificate, or a broken one.
    #[error("{}: certificates are expected, any number in PEM or one in DER; found {found}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: &'static str,
    },
    /// No certification request, more than one, or a broken one.
    #[error("{}: one certification request (PKCS #10) is expected, in PEM or DER; found {found}", path.display())]
    Request {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: &'static str,
    },
    /// No revocation list, or a broken one.
    #[error("{}: revocation lists are expected, any number in PEM or one in DER; found {found}", path.display())]
    RevocationList {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: &'static str,
    },
}

/// Reads the private key of a file for signing.
///
/// # Errors
/// [`KeyFileError`], and [`KeyFileError::Curve`] for a key on no curve that is supported.
pub fn load_signing_key(path: &Path) -> Result<SigningKey, KeyFileError> {
    let der = load_private_key_der(path)?;
    SigningKey::from_der(&der).map_err(|_| KeyFileError::Curve { path: path.to_owned() })
}

/// Reads the private key of a file as DER, in the form that it has there: PKCS#8, SEC1 or PKCS#1.
///
/// # Errors
/// [`KeyFileError::PrivateKey`] unless the file holds one private key; [`KeyFileError::Read`] and
/// [`KeyFileError::TooLarge`].
pub fn load_private_key_der(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let content = read(path)?;
    private_key(&content).map_err(|found| KeyFileError::PrivateKey { path: path.to_owned(), found })
}

/// Reads the certificates of a file as DER, in their order.
///
/// # Errors
/// [`KeyFileError::Certificate`] unless the file holds at least one; [`KeyFileError::Read`] and
/// [`KeyFileError::TooLarge`].
pub fn load_certificates(path: &Path) -> Result<Vec<Vec<u8>>, KeyFileError> {
    let content = read(path)?;
    certificates(&content).map_err(|found| KeyFileError::Certificate { path: path.to_owned(), found })
}

/// Reads the revocation lists of a file as DER, in their order: any number in PEM, or one in DER. What a list says is
/// not looked at.
///
/// # Errors
/// [`KeyFileError::RevocationList`] unless the file holds at least one; [`KeyFileError::Read`] and
/// [`KeyFileError::TooLarge`].
pub fn load_revocation_lists(path: &Path) -> Result<Vec<Vec<u8>>, KeyFileError> {
    let content = read(path)?;
    revocation_lists(&content).map_err(|found| KeyFileError::RevocationList { path: path.to_owned(), found })
}

/// Reads the certification request of a file as DER. Whether it is signed as it must be is not looked at.
///
/// # Errors
/// [`KeyFileError::Request`] unless the file holds exactly one; [`KeyFileError::Read`] and [`KeyFileError::TooLarge`].
pub fn load_certification_request(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    let content = read(path)?;
    certification_request(&content).map_err(|found| KeyFileError::Request { path: path.to_owned(), found })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let expected = file.metadata().map_err(failed)?.len().min(MAX_FILE);
    // Room for all that is read: a vector that grows would leave copies of a key behind.
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 64));
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_FILE {
        return Err(KeyFileError::TooLarge { path: path.to_owned() });
    }
    Ok(content)
}

fn is_pem(content: &[u8]) -> bool {
    content.windows(PEM_MARK.len()).any(|window| window == PEM_MARK)
}

fn private_key(content: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    if !is_pem(content) {
        PrivateKeyDer::try_from(content).map_err(|_| "neither PEM nor the DER of a private key")?;
        return Ok(Zeroizing::new(content.to_vec()));
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(content);
    let mut key = match keys.next() {
        Some(Ok(key)) => key,
        Some(Err(_)) => return Err("broken PEM"),
        None => return Err("PEM without an unencrypted private key"),
    };
    let der = Zeroizing::new(key.secret_der().to_vec());
    key.zeroize();
    match keys.next() {
        None => Ok(der),
        Some(Ok(mut second)) => {
            second.zeroize();
            Err("several private keys")
        }
        Some(Err(_)) => Err("broken PEM"),
    }
}

fn certificates(content: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let found = if is_pem(content) {
        CertificateDer::pem_slice_iter(content)
            .map(|certificate| certificate.map(|der| der.to_vec()).map_err(|_| "broken PEM"))
            .collect::<Result<Vec<_>, _>>()?
    } else {
        vec![content.to_vec()]
    };
    if found.is_empty() {
        return Err("PEM without a certificate");
    }
    if !found.iter().all(|der| is_certificate(der)) {
        return Err("octets that are no certificate");
    }
    Ok(found)
}

fn revocation_lists(content: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let found = if is_pem(content) {
        CertificateRevocationListDer::pem_slice_iter(content)
            .map(|list| list.map(|der| der.to_vec()).map_err(|_| "broken PEM"))
            .collect::<Result<Vec<_>, _>>()?
    } else {
        vec![content.to_vec()]
    };
    if found.is_empty() {
        return Err("PEM without a revocation list");
    }
    // A list has the outer form of a certificate (RFC 5280 5.1).
    if !found.iter().all(|der| is_certificate(der)) {
        return Err("octets that are no revocation list");
    }
    Ok(found)
}

fn certification_request(content: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut found = if is_pem(content) {
        CertificateSigningRequestDer::pem_slice_iter(content)
            .map(|request| request.map(|der| der.to_vec()).map_err(|_| "broken PEM"))
            .collect::<Result<Vec<_>, _>>()?
    } else {
        vec![content.to_vec()]
    };
    match (found.pop(), found.is_empty()) {
        // A request has the outer form of a certificate (RFC 2986 4).
        (Some(request), true) if is_certificate(&request) => Ok(request),
        (Some(_), true) => Err("octets that are no certification request"),
        (Some(_), false) => Err("several certification requests"),
        (None, _) => Err("PEM without a certification request"),
    }
}

/// Whether the octets have the outer form of a certificate (RFC 5280 4.1): a sequence of a sequence, a
/// sequence and a bit string.
fn is_certificate(der: &[u8]) -> bool {
    let mut outer = Reader::new(der, "Certificate");
    let Ok(certificate) = outer.expect(Tag::SEQUENCE) else { return false };
    let mut members = certificate.members("Certificate");
    outer.is_empty()
        && [Tag::SEQUENCE, Tag::SEQUENCE, Tag::BIT_STRING].iter().all(|tag| members.expect(*tag).is_ok())
        && members.is_empty()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use p256::pkcs8::EncodePrivateKey as _;

    use super::*;
    use crate::crypto::ecdsa::Curve;

    fn pem(kind: &str, der: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
    }

    fn secret() -> p256::SecretKey {
        p256::SecretKey::from_slice(&[0x11; 32]).unwrap()
    }

    fn pkcs8() -> Vec<u8> {
        secret().to_pkcs8_der().unwrap().as_bytes().to_vec()
    }

    fn sec1() -> Vec<u8> {
        secret().to_sec1_der().unwrap().to_vec()
    }

    /// The object identifier of P-256.
    fn parameters() -> String {
        pem("EC PARAMETERS", &hex::decode("06082A8648CE3D030107").unwrap())
    }

    /// The outer form of a certificate and nothing in it.
    const CERTIFICATE: &[u8] = &[0x30, 0x07, 0x30, 0x00, 0x30, 0x00, 0x03, 0x01, 0x00];

    fn written(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_key_is_read_in_every_form() {
        let expected = *SigningKey::from_scalar(Curve::P256, &[0x11; 32]).unwrap().public_key();
        for content in [
            pkcs8(),
            sec1(),
            pem("PRIVATE KEY", &pkcs8()).into_bytes(),
            pem("EC PRIVATE KEY", &sec1()).into_bytes(),
            [parameters(), pem("EC PRIVATE KEY", &sec1())].concat().into_bytes(),
            ["Bag Attributes: none\n", &pem("PRIVATE KEY", &pkcs8())]
                .concat()
                .replace('\n', "\r\n")
                .into_bytes(),
            [pem("CERTIFICATE", CERTIFICATE), pem("PRIVATE KEY", &pkcs8())].concat().into_bytes(),
        ] {
            let (_folder, path) = written(&content);
            assert_eq!(*load_signing_key(&path).unwrap().public_key(), expected);
        }
    }

    #[test]
    fn a_brainpool_key_is_read_in_every_form() {
        let expected = *SigningKey::from_scalar(Curve::BrainpoolP256r1, &[0x11; 32]).unwrap().public_key();
        let secret = bp256::r1::SecretKey::from_slice(&[0x11; 32]).unwrap();
        let pkcs8 = secret.to_pkcs8_der().unwrap().as_bytes().to_vec();
        let sec1 = secret.to_sec1_der().unwrap().to_vec();
        let parameters = pem("EC PARAMETERS", &hex::decode("06092B2403030208010107").unwrap());
        for content in [
            pkcs8.clone(),
            sec1.clone(),
            pem("PRIVATE KEY", &pkcs8).into_bytes(),
            [parameters, pem("EC PRIVATE KEY", &sec1)].concat().into_bytes(),
        ] {
            let (_folder, path) = written(&content);
            assert_eq!(*load_signing_key(&path).unwrap().public_key(), expected);
        }
    }

    #[test]
    fn a_file_without_one_key_is_refused_and_named() {
        for (content, found) in [
            (vec![], "neither PEM nor"),
            (b"text".to_vec(), "neither PEM nor"),
            (parameters().into_bytes(), "without an unencrypted"),
            (pem("ENCRYPTED PRIVATE KEY", &pkcs8()).into_bytes(), "without an unencrypted"),
            (pem("PRIVATE KEY", &pkcs8()).repeat(2).into_bytes(), "several"),
            (b"-----BEGIN PRIVATE KEY-----\n***\n-----END PRIVATE KEY-----\n".to_vec(), "broken PEM"),
            (b"-----BEGIN PRIVATE KEY-----\nAAAA\n".to_vec(), "broken PEM"),
        ] {
            let (_folder, path) = written(&content);
            let error = load_signing_key(&path).unwrap_err().to_string();
            assert!(error.contains(found) && error.starts_with(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_key_of_another_kind_is_named() {
        let mut other = pkcs8();
        let at =
            other.windows(8).position(|window| window == hex::decode("2A8648CE3D030107").unwrap()).unwrap();
        other[at + 7] = 0x06;
        let (_folder, path) = written(&other);
        assert!(load_private_key_der(&path).is_ok());
        assert!(matches!(load_signing_key(&path), Err(KeyFileError::Curve { .. })));
    }

    #[test]
    fn files_are_bounded() {
        let (_folder, path) = written(&vec![b' '; usize::try_from(MAX_FILE).unwrap() + 1]);
        assert!(matches!(load_signing_key(&path), Err(KeyFileError::TooLarge { .. })));
        assert!(matches!(load_certificates(&path), Err(KeyFileError::TooLarge { .. })));
        let (folder, _) = written(b"");
        assert!(matches!(load_certificates(&folder.path().join("absent")), Err(KeyFileError::Read { .. })));
        assert!(matches!(load_certificates(folder.path()), Err(KeyFileError::Read { .. })));
    }

    #[test]
    fn revocation_lists_are_read_from_pem_and_der() {
        let second = [0x30, 0x08, 0x30, 0x00, 0x30, 0x00, 0x03, 0x02, 0x00, 0xFF];
        let both = [pem("X509 CRL", CERTIFICATE), pem("X509 CRL", &second)].concat();
        let (_folder, path) = written(both.as_bytes());
        assert_eq!(load_revocation_lists(&path).unwrap(), [CERTIFICATE.to_vec(), second.to_vec()]);
        let (_folder, path) = written(CERTIFICATE);
        assert_eq!(load_revocation_lists(&path).unwrap(), [CERTIFICATE.to_vec()]);
        for content in [vec![], pkcs8(), pem("CERTIFICATE", CERTIFICATE).into_bytes()] {
            let (_folder, path) = written(&content);
            assert!(matches!(load_revocation_lists(&path), Err(KeyFileError::RevocationList { .. })));
        }
    }

    #[test]
    fn certificates_keep_their_order() {
        let second = [0x30, 0x08, 0x30, 0x00, 0x30, 0x00, 0x03, 0x02, 0x00, 0xFF];
        let chain = [pem("CERTIFICATE", CERTIFICATE), pem("CERTIFICATE", &second)].concat();
        let (_folder, path) = written(chain.as_bytes());
        assert_eq!(load_certificates(&path).unwrap(), [CERTIFICATE.to_vec(), second.to_vec()]);
        let (_folder, path) = written(CERTIFICATE);
        assert_eq!(load_certificates(&path).unwrap(), [CERTIFICATE.to_vec()]);
        for content in [
            vec![],
            pkcs8(),
            pem("PRIVATE KEY", &pkcs8()).into_bytes(),
            pem("CERTIFICATE", &pkcs8()).into_bytes(),
            [CERTIFICATE, &[0]].concat(),
        ] {
            let (_folder, path) = written(&content);
            assert!(matches!(load_certificates(&path), Err(KeyFileError::Certificate { .. })));
        }
    }
}
