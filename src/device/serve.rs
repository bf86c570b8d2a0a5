//! A card for programs outside: APDUs over TCP, and the JSON lines of lpac's stdio driver.
//!
//! The TCP framing is that of [`super::transport`]. On stdio each line is one JSON object and gets one line in answer;
//! lines that tell of progress or results get none. The card has no way to servers: `http` lines are refused.

use std::io::{self, BufRead, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::apdu::{Command, Response, ins};
use super::card::Card;
use super::transport::{read_frame, write_frame};

/// Octets of a line at most: an APDU in hexadecimal digits has 522.
const MAX_LINE: u64 = 64 << 10;
/// How long a client of `simyard card serve` may be silent: longer than a user takes to read a question, shorter than a working day.
pub const CLIENT_SILENCE: Duration = Duration::from_secs(15 * 60);
/// Failures to accept, one after the other, that end the service.
const MAX_ACCEPT_FAILURES: u32 = 100;

/// Serves a card to one client after the other. A new client finds the card as after power-up; one that says nothing
/// for `silence` is broken off, as others wait behind it.
///
/// # Errors
/// What the system says of the listener, when it has failed many times in a row; a client that breaks off is none.
pub fn serve_tcp(card: &mut Card, listener: &TcpListener, silence: Duration) -> io::Result<()> {
    let mut failures = 0;
    loop {
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            // A client that left before it was served, or a moment without file descriptors.
            Err(error) if failures < MAX_ACCEPT_FAILURES => {
                failures += 1;
                tracing::warn!(%error, "no connection was accepted");
                continue;
            }
            Err(error) => return Err(error),
        };
        failures = 0;
        tracing::info!(%peer, "client connected");
        if let Err(error) = serve_stream(card, stream, silence) {
            tracing::warn!(%peer, %error, "connection broke");
        }
    }
}

/// Serves one client.
fn serve_stream(card: &mut Card, mut stream: TcpStream, timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    card.reset();
    serve_client(card, &mut stream)
}

/// Answers the commands of one client until it goes.
///
/// # Errors
/// What the system says of the connection.
pub fn serve_client(card: &mut Card, stream: &mut (impl io::Read + Write)) -> io::Result<()> {
    while let Some(command) = read_frame(stream)? {
        write_frame(stream, &card.process(&command))?;
    }
    Ok(())
}

/// Answers the lines of lpac's stdio driver until the input ends.
///
/// # Errors
/// What the system says of input and output.
pub fn serve_stdio(card: &mut Card, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let is_whole = line.last() == Some(&b'\n') || (line.len() as u64) < MAX_LINE;
        if !is_whole {
            // Lines that tell of progress may be of any length; all others are no message of the driver.
            skip_line(input)?;
            if !tells_of_progress(&line) {
                writeln!(output, "{}", refusal("a line has at most 65536 octets"))?;
                output.flush()?;
            }
            continue;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if let Some(answer) = answer(card, &line) {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
}

/// Passes over what is left of a line.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        let end = buffer.iter().position(|octet| *octet == b'\n');
        let taken = end.map_or(buffer.len(), |end| end + 1);
        let ended = end.is_some() || taken == 0;
        input.consume(taken);
        if ended {
            return Ok(());
        }
    }
}

/// Whether the start of a long line says that it tells of progress: lpac writes the type first.
fn tells_of_progress(start: &[u8]) -> bool {
    let start: Vec<u8> =
        start.iter().filter(|octet| !octet.is_ascii_whitespace()).take(20).copied().collect();
    [&br#"{"type":"lpa""#[..], br#"{"type":"progress""#].iter().any(|lead| start.starts_with(lead))
}

/// The answer to a line, if it gets one.
fn answer(card: &mut Card, line: &[u8]) -> Option<Value> {
    let Ok(message) = serde_json::from_slice::<Value>(line) else {
        return Some(refusal("a line is one JSON object"));
    };
    match message.get("type").and_then(Value::as_str) {
        Some("apdu") => Some(json!({ "type": "apdu", "payload": apdu(card, message.get("payload")) })),
        Some("http") => {
            const WHY: &str = "this side is a card and reaches no server; let lpac use an HTTP driver of its own (LPAC_HTTP=curl)";
            tracing::error!("{WHY}");
            Some(json!({ "type": "http", "payload": { "rcode": 501, "rx": "", "error": WHY } }))
        }
        Some("lpa" | "progress") => None,
        _ => Some(refusal("type is one of apdu, http, lpa, progress")),
    }
}

fn refusal(message: &str) -> Value {
    json!({ "type": "error", "payload": { "ecode": -1, "message": message } })
}

/// One function of lpac's APDU driver.
fn apdu(card: &mut Card, payload: Option<&Value>) -> Value {
    let text =
        |name| payload.and_then(|payload| payload.get(name)).and_then(Value::as_str).unwrap_or_default();
    let octets = hex::decode(text("param"));
    let failed = |message: &str| json!({ "ecode": -1, "message": message });
    match (text("func"), octets) {
        ("connect", _) => {
            card.reset();
            json!({ "ecode": 0 })
        }
        ("disconnect", _) => json!({ "ecode": 0 }),
        ("logic_channel_open", Ok(aid)) => match open_channel(card, &aid) {
            Some(channel) => json!({ "ecode": channel }),
            None => failed("the application cannot be selected, or no channel is free"),
        },
        ("logic_channel_close", Ok(channel)) => match close_channel(card, &channel) {
            true => json!({ "ecode": 0 }),
            false => failed("the channel is not open"),
        },
        ("transmit", Ok(command)) => {
            json!({ "ecode": 0, "data": hex::encode_upper(card.process(&command)) })
        }
        (_, Err(_)) => failed("param is hexadecimal digits"),
        (_, Ok(_)) => {
            failed("func is one of connect, disconnect, logic_channel_open, logic_channel_close, transmit")
        }
    }
}

fn exchange(
    card: &mut Card,
    cla: u8,
    ins: u8,
    parameters: [u8; 2],
    data: &[u8],
    le: Option<usize>,
) -> Option<Response> {
    let [p1, p2] = parameters;
    let command = Command { cla, ins, p1, p2, data, le };
    Response::parse(&card.process(&command.to_octets())).ok()
}

/// Opens a channel and selects an application on it.
fn open_channel(card: &mut Card, aid: &[u8]) -> Option<u8> {
    let opened = exchange(card, 0x00, ins::MANAGE_CHANNEL, [0, 0], &[], Some(1))?;
    let channel = *opened.data.first()?;
    let selected = exchange(card, channel, ins::SELECT, [0x04, 0x0C], aid, None);
    if selected.is_some_and(|selected| selected.status.is_ok()) {
        return Some(channel);
    }
    close_channel(card, &[channel]);
    None
}

fn close_channel(card: &mut Card, channel: &[u8]) -> bool {
    let [channel] = channel else { return false };
    let closed = exchange(card, 0x00, ins::MANAGE_CHANNEL, [0x80, *channel], &[], None);
    closed.is_some_and(|closed| closed.status.is_ok())
}
