//! Binding a profile package to one eUICC (SGP.22 2.5.4, 5.5).
//!
//! The segments depend on the keys, the metadata and the package alone; the secure channel request also on the
//! transaction. So a retry in a new transaction with the same one-time keys makes a new request and the same segments
//! (3.1.3.1). The segments of the profile are protected with the session keys, or with random keys (PPK) that
//! ReplaceSessionKeys hands to the eUICC (5.5.4).

use simyard_asn1::Encode as _;
use simyard_asn1::rsp::package::{
    BoundProfilePackage, ConfigureIsdpRequest, ControlRefTemplate, INSTALL_BOUND_PROFILE_PACKAGE,
    InitialiseSecureChannelRequest, KEY_LEN_AES_128, KEY_TYPE_AES, ReplaceSessionKeysRequest,
};
use zeroize::Zeroizing;

use crate::crypto::bsp::{Bsp, BspError, KEYS_LEN, SessionKeys};
use crate::crypto::ecdsa::{EcdsaError, PublicKey, SigningKey};
use crate::ident::TransactionId;

/// hostId of the key derivation: free octets of the SM-DP+.
pub const HOST_ID: &[u8] = b"simyard";

/// The keys of a binding. No `Debug`; wiped when dropped.
pub struct BindingKeys {
    /// Those that the key agreement yields.
    pub session: SessionKeys,
    /// Those of the profile's own segments (PPK), where they are not the session's.
    pub random: Option<SessionKeys>,
}

impl BindingKeys {
    /// The octets that [`BindingKeys::from_octets`] reads, for sealed storage: 48 of the session, and 48 of random keys
    /// where there are some.
    #[must_use]
    pub fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        let mut octets = Zeroizing::new(Vec::with_capacity(2 * KEYS_LEN));
        octets.extend_from_slice(self.session.to_octets().as_slice());
        if let Some(random) = &self.random {
            octets.extend_from_slice(random.to_octets().as_slice());
        }
        octets
    }

    /// Reads either form; `None` for any other number of octets.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (session, random) = octets.split_first_chunk::<KEYS_LEN>()?;
        let random = match random {
            [] => None,
            random => Some(SessionKeys::from_octets(random.try_into().ok()?)),
        };
        Some(Self { session: SessionKeys::from_octets(session), random })
    }
}

/// What a package is bound to.
pub struct Binding<'a> {
    /// The session.
    pub transaction_id: &'a TransactionId,
    /// hostId, 1 to 16 octets: the same as in the key derivation.
    pub host_id: &'a [u8],
    /// otPK.DP.ECKA.
    pub smdp_otpk: &'a PublicKey,
    /// otPK.EUICC.ECKA.
    pub euicc_otpk: &'a PublicKey,
    /// The keys that both yield, and perhaps random ones.
    pub keys: &'a BindingKeys,
}

/// Why a package could not be bound: faults of the server.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The request could not be signed.
    #[error("the secure channel request could not be signed: {0}")]
    Signing(#[from] EcdsaError),
    /// A command does not fit its segment.
    #[error("a command of the package does not fit its segment: {0}")]
    Segment(#[from] BspError),
}

/// Binds `package` with its `metadata` (`BF25`): DER, `BF36`.
///
/// # Errors
/// [`BindError`].
pub fn bind(
    dp_pb: &SigningKey,
    binding: &Binding<'_>,
    metadata: &[u8],
    package: &[u8],
) -> Result<Vec<u8>, BindError> {
    let request = initialise_secure_channel(dp_pb, binding)?;
    let mut bsp = Bsp::new(&binding.keys.session);
    let first_sequence_of_87 = bsp.protect_87(&ConfigureIsdpRequest::default().to_der())?;
    // The splitting makes the room.
    let mut sequence_of_88 = Vec::new();
    bsp.split_88(metadata, &mut sequence_of_88);
    let second_sequence_of_87 =
        binding.keys.random.as_ref().map(|random| replace_session_keys(&mut bsp, random)).transpose()?;
    let mut sequence_of_86 = Vec::new();
    bsp.split_86(package, &mut sequence_of_86);
    let bound = BoundProfilePackage {
        initialise_secure_channel: &request,
        first_sequence_of_87: &first_sequence_of_87,
        sequence_of_88: &sequence_of_88,
        second_sequence_of_87: second_sequence_of_87.as_deref(),
        sequence_of_86: &sequence_of_86,
    };
    Ok(bound.to_der())
}

/// ReplaceSessionKeys (5.5.4), under the keys that it replaces; what follows is under `random`.
fn replace_session_keys(bsp: &mut Bsp, random: &SessionKeys) -> Result<Vec<u8>, BspError> {
    let request = ReplaceSessionKeysRequest {
        initial_mac_chaining_value: &random.initial_chain,
        ppk_enc: &random.s_enc,
        ppk_cmac: &random.s_mac,
    };
    let segment = bsp.protect_87(&Zeroizing::new(request.to_der()))?;
    bsp.replace_keys(random);
    Ok(segment)
}

/// InitialiseSecureChannelRequest, signed by CERT.DPpb (5.5.1).
///
/// # Errors
/// [`EcdsaError`] if signing fails.
pub fn initialise_secure_channel(dp_pb: &SigningKey, binding: &Binding<'_>) -> Result<Vec<u8>, EcdsaError> {
    let mut request = InitialiseSecureChannelRequest {
        remote_op_id: INSTALL_BOUND_PROFILE_PACKAGE,
        transaction_id: binding.transaction_id.as_octets(),
        control_ref_template: ControlRefTemplate {
            key_type: &[KEY_TYPE_AES],
            key_len: &[KEY_LEN_AES_128],
            host_id: binding.host_id,
        },
        smdp_otpk: binding.smdp_otpk.as_point(),
        smdp_sign: &[0; 64],
    };
    let signature = dp_pb.sign(&request.signed_octets(binding.euicc_otpk.as_point()))?;
    request.smdp_sign = &signature;
    Ok(request.to_der())
}
