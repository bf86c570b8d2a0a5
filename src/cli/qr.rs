//! QR codes (ISO/IEC 18004) of activation codes: on the terminal, as PNG and as SVG.
//!
//! Modes and version are chosen by the encoder: alphanumeric mode, which takes 5.5 bits a character, wherever upper-case
//! letters, digits and the signs of an activation code allow it. Error correction is of level M, and the quiet zone of
//! four modules is part of the picture.
//!
//! The modules come from the crate `qrcode`; its own way to PNG is the crate `image` with all its formats, so the
//! picture is written by `png` alone.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use qrcode::render::{svg, unicode};
use qrcode::{Color, QrCode};

use super::folder::replace_private;
use crate::ident::Iccid;

/// Pixels of a module's side.
const SCALE: usize = 8;
/// Modules of the quiet zone.
const QUIET: usize = 4;

fn encoded(text: &str) -> anyhow::Result<QrCode> {
    QrCode::new(text.as_bytes()).with_context(|| format!("{text:?} does not fit into a QR code"))
}

/// Two modules a character, dark on light: what phones read from a terminal. `None` for a text that does not fit.
#[must_use]
pub fn terminal(text: &str) -> Option<String> {
    type Cell = unicode::Dense1x2;
    let code = encoded(text).ok()?;
    Some(code.render::<Cell>().dark_color(Cell::Light).light_color(Cell::Dark).build())
}

/// A grey picture of one bit a pixel.
///
/// # Errors
/// A text that does not fit into a QR code.
pub fn png(text: &str) -> anyhow::Result<Vec<u8>> {
    let code = encoded(text)?;
    let modules = code.width();
    let colors = code.to_colors();
    let side = (modules + 2 * QUIET) * SCALE;
    let is_light = |x: usize, y: usize| {
        let place = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|at| *at < modules);
        let color = place(x).zip(place(y)).and_then(|(x, y)| colors.get(y * modules + x));
        color != Some(&Color::Dark)
    };
    let mut rows = Vec::with_capacity(side * side.div_ceil(8));
    for y in 0..side {
        let octets = (0..side.div_ceil(8))
            .map(|octet| (0..8).fold(0, |bits, bit| bits << 1 | u8::from(is_light(8 * octet + bit, y))));
        rows.extend(octets);
    }
    let side = u32::try_from(side)?;
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rows)?;
    writer.finish()?;
    Ok(picture)
}

/// A drawing without units.
///
/// # Errors
/// As [`png()`].
pub fn svg(text: &str) -> anyhow::Result<String> {
    let side = u32::try_from(SCALE)?;
    Ok(encoded(text)?.render::<svg::Color<'_>>().module_dimensions(side, side).build())
}

/// The pictures of an order in a folder: `ICCID.png` and `ICCID.svg`.
fn files(folder: &Path, iccid: &Iccid) -> [PathBuf; 2] {
    [folder.join(format!("{iccid}.png")), folder.join(format!("{iccid}.svg"))]
}

/// Writes the pictures of an activation code, readable by their owner alone, as the code itself would be. Those that
/// are there are replaced.
///
/// # Errors
/// A folder that cannot be made or written.
pub fn write(folder: &Path, iccid: &Iccid, text: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let [as_png, as_svg] = files(folder, iccid);
    replace_private(&as_png, &png(text)?)?;
    replace_private(&as_svg, svg(text)?.as_bytes())
}

/// Removes the pictures of an activation code that leads nowhere any more.
///
/// # Errors
/// A file that cannot be removed.
pub fn remove(folder: &Path, iccid: &Iccid) -> anyhow::Result<()> {
    for file in files(folder, iccid) {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "LPA:1$SMDP.EXAMPLE.COM$04386-AGYFT-A74Y8-3F815";

    /// Side in pixels, and whether each pixel is dark, as another library reads them.
    fn pixels(picture: &[u8]) -> (usize, Vec<bool>) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(picture));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut grey = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut grey).unwrap();
        assert_eq!(info.width, info.height);
        (info.width as usize, grey.into_iter().map(|level| level == 0).collect())
    }

    fn read(side: usize, dark: &[bool]) -> String {
        let mut image = rqrr::PreparedImage::prepare_from_bitmap(side, side, |x, y| dark[y * side + x]);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn another_reader_finds_the_text_in_the_picture() {
        for text in [CODE, "LPA:1$smdp.example.com:8443$T$2.999.10$1", &"LPA:1$A$".repeat(30)] {
            let (side, dark) = pixels(&png(text).unwrap());
            assert_eq!(read(side, &dark), text);
            assert!(dark[..side * QUIET * SCALE].iter().all(|dark| !dark), "the quiet zone");
        }
    }

    #[test]
    fn another_reader_finds_the_text_in_the_drawing_and_on_the_terminal() {
        let drawing = svg(CODE).unwrap();
        // One path of squares: M x y h 8 v 8 and so on.
        let side: usize =
            drawing.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        let path = drawing.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut dark = vec![false; side * side];
        for square in path.split('M').skip(1) {
            let corner = square.split('h').next().unwrap();
            let mut numbers = corner.split([' ', ',']).map(|number| number.parse::<usize>().unwrap());
            let (left, top) = (numbers.next().unwrap(), numbers.next().unwrap());
            for y in top..top + SCALE {
                dark[y * side + left..y * side + left + SCALE].fill(true);
            }
        }
        assert_eq!(read(side, &dark), CODE);

        let drawn = terminal(CODE).unwrap();
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        // The terminal is dark: what is drawn there is light, and each character is two modules high.
        let is_light = |x: usize, y: usize| match lines[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        let width = lines[0].len();
        let side = width * SCALE;
        let dark: Vec<bool> =
            (0..side * side).map(|at| !is_light(at % side / SCALE, at / side / SCALE)).collect();
        assert_eq!(read(side, &dark), CODE);
    }

    #[test]
    fn upper_case_takes_fewer_modules() {
        let upper = encoded(CODE).unwrap().width();
        assert!(upper < encoded(&CODE.to_lowercase()).unwrap().width());
        assert!(png(&"x".repeat(5000)).is_err() && terminal(&"x".repeat(5000)).is_none());
    }

    #[test]
    fn pictures_are_written_replaced_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("codes");
        let iccid = Iccid::parse("8988280000000000001").unwrap();
        remove(&folder, &iccid).unwrap();
        for text in ["LPA:1$A$B", CODE] {
            write(&folder, &iccid, text).unwrap();
            let (side, dark) = pixels(&std::fs::read(folder.join("8988280000000000001.png")).unwrap());
            assert_eq!(read(side, &dark), text);
            let drawing = std::fs::read_to_string(folder.join("8988280000000000001.svg")).unwrap();
            assert_eq!(drawing, svg(text).unwrap());
        }
        remove(&folder, &iccid).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}
