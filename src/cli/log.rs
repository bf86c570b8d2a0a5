//! Where the log goes: to stderr, with identifiers masked whoever logs them. The audit has them whole.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::ident::masked;

/// Stderr for the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct MaskedStderr;

/// Writes one event, which comes in one piece.
impl Write for MaskedStderr {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(octets);
        io::stderr().lock().write_all(masked(&text).as_bytes())?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for MaskedStderr {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
