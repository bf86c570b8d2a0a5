//! The icon of a profile (SGP.22 5.5.3): 64 × 64 pixels as PNG or JPEG, at most 1024 octets.
//!
//! Type and size are read from the image's own headers; its pixels are not decoded.

/// Octets of an icon at most.
pub const ICON_MAX: usize = 1024;
/// Pixels of each side.
pub const ICON_SIDE: u32 = 64;

/// iconType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IconType {
    /// JPEG.
    Jpg,
    /// PNG.
    Png,
}

impl IconType {
    /// The integer of iconType.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Jpg => 0,
            Self::Png => 1,
        }
    }
}

/// Why an image is no icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IconError {
    /// Empty or too long.
    #[error("an icon has 1 to {ICON_MAX} octets, this image has {octets}")]
    Length {
        /// Its octets; more than that are not counted.
        octets: usize,
    },
    /// Neither of the two formats, or cut short.
    #[error("an icon is a PNG or a JPEG image")]
    Format,
    /// Another size.
    #[error("an icon has {ICON_SIDE} x {ICON_SIDE} pixels, this image has {width} x {height}")]
    Size {
        /// Pixels of a row.
        width: u32,
        /// Rows.
        height: u32,
    },
}

/// An icon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icon {
    kind: IconType,
    image: Vec<u8>,
}

impl Icon {
    /// Takes an image.
    ///
    /// # Errors
    /// [`IconError`].
    pub fn new(image: Vec<u8>) -> Result<Self, IconError> {
        if !(1..=ICON_MAX).contains(&image.len()) {
            return Err(IconError::Length { octets: image.len() });
        }
        let png = png_size(&image).map(|size| (IconType::Png, size));
        let jpg = || jpeg_size(&image).map(|size| (IconType::Jpg, size));
        let (kind, (width, height)) = png.or_else(jpg).ok_or(IconError::Format)?;
        if (width, height) != (ICON_SIDE, ICON_SIDE) {
            return Err(IconError::Size { width, height });
        }
        Ok(Self { kind, image })
    }

    /// Its type.
    #[must_use]
    pub const fn kind(&self) -> IconType {
        self.kind
    }

    /// Its octets.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        &self.image
    }
}

/// Width and height: the first two members of IHDR, which is the first chunk.
fn png_size(image: &[u8]) -> Option<(u32, u32)> {
    const BEFORE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";
    let members = image.strip_prefix(BEFORE).filter(|_| image.ends_with(END))?;
    let (width, rest) = members.split_first_chunk::<4>()?;
    let (height, _) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(*height)))
}

/// Width and height: in the first start-of-frame segment.
fn jpeg_size(image: &[u8]) -> Option<(u32, u32)> {
    let mut rest = image.strip_prefix(b"\xFF\xD8").filter(|_| image.ends_with(b"\xFF\xD9"))?;
    loop {
        let (marker, behind) = rest.split_first_chunk::<2>()?;
        let [0xFF, code] = *marker else { return None };
        let (length, _) = behind.split_first_chunk::<2>()?;
        let segment = behind.get(..usize::from(u16::from_be_bytes(*length)))?;
        // C4, C8 and CC are tables and an extension among the frames' codes.
        if (0xC0..=0xCF).contains(&code) && ![0xC4, 0xC8, 0xCC].contains(&code) {
            let [_, _, _, h1, h2, w1, w2, ..] = *segment else { return None };
            let number = |high, low| u32::from(u16::from_be_bytes([high, low]));
            return Some((number(w1, w2), number(h1, h2)));
        }
        // No segment is shorter than its own length.
        rest = behind.get(segment.len().max(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    fn png(width: u32, height: u32, filler: usize) -> Vec<u8> {
        let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        image.extend(width.to_be_bytes());
        image.extend(height.to_be_bytes());
        image.extend(vec![7; filler]);
        image.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
        image
    }

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut image = b"\xFF\xD8\xFF\xE0\0\x04ab\xFF\xC4\0\x03x\xFF\xC2\0\x0B\x08".to_vec();
        image.extend(height.to_be_bytes());
        image.extend(width.to_be_bytes());
        image.extend(b"\x01\x01\x11\0\xFF\xD9");
        image
    }

    #[test]
    fn type_and_size_are_those_of_the_image() {
        assert_eq!(Icon::new(png(64, 64, 5)).unwrap().kind().code(), 1);
        let icon = Icon::new(jpeg(64, 64)).unwrap();
        assert_eq!((icon.kind().code(), icon.image()), (0, &jpeg(64, 64)[..]));
        assert_eq!(Icon::new(png(64, 64, 1024 - 36)).unwrap().image().len(), ICON_MAX);
    }

    #[test]
    fn what_is_no_icon_is_named() {
        assert_eq!(Icon::new(Vec::new()), Err(IconError::Length { octets: 0 }));
        assert_eq!(Icon::new(png(64, 64, 1024 - 35)), Err(IconError::Length { octets: 1025 }));
        assert_eq!(Icon::new(png(64, 32, 0)), Err(IconError::Size { width: 64, height: 32 }));
        assert_eq!(Icon::new(jpeg(63, 64)), Err(IconError::Size { width: 63, height: 64 }));
        for image in [&b"GIF89a"[..], &png(64, 64, 0)[..30], &jpeg(64, 64)[..26], b"\xFF\xD8\xFF\xD9"] {
            assert_eq!(Icon::new(image.to_vec()), Err(IconError::Format), "{image:02X?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_kept_octet_by_octet(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let image = [b"\xFF\xD8", &octets[..], b"\xFF\xD9"].concat();
            if let Ok(icon) = Icon::new(image.clone()) {
                prop_assert_eq!(icon.image(), &image[..]);
            }
        }
    }
}
