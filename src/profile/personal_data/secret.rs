//! Octets that are wiped when they are dropped. Nothing here has Debug.

use zeroize::Zeroizing;

use crate::env::Rng;

/// `N` secret octets, wiped when dropped.
#[derive(Clone)]
pub struct Secret<const N: usize>(Zeroizing<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes octets over.
    #[must_use]
    pub fn new(octets: [u8; N]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Fresh random octets.
    #[must_use]
    pub fn random(rng: &Rng) -> Self {
        Self::new(rng.array())
    }

    /// Copies exactly `N` octets.
    #[must_use]
    pub fn from_slice(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self::new)
    }

    /// The octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8; N] {
        &self.0
    }
}

/// The most octets of a [`Key`].
pub const MAX_KEY: usize = 32;

/// A key of up to [`MAX_KEY`] octets in a place of its own, which never grows and so leaves no copies behind.
#[derive(Clone)]
pub struct Key {
    octets: Secret<MAX_KEY>,
    length: usize,
}

impl Key {
    /// Copies a key; `None` beyond [`MAX_KEY`] octets.
    #[must_use]
    pub fn from_slice(octets: &[u8]) -> Option<Self> {
        let mut place = Zeroizing::new([0; MAX_KEY]);
        place.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self { octets: Secret(place), length: octets.len() })
    }

    /// The first `length` octets of an array.
    pub(super) fn from_array(octets: &[u8; MAX_KEY], length: usize) -> Self {
        Self { octets: Secret::new(*octets), length: length.min(MAX_KEY) }
    }

    /// Fresh random octets, at most [`MAX_KEY`].
    #[must_use]
    pub fn random(rng: &Rng, length: usize) -> Self {
        Self { octets: Secret::random(rng), length: length.min(MAX_KEY) }
    }

    /// The octets.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        self.octets.0.get(..self.length).unwrap_or_default()
    }
}
