//! The card in a reader of PC/SC: a reader of our own that says anything, and the real `pcscd` with its virtual reader.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use simyard::device::transport::{read_frame, write_frame};
use simyard::device::vpcd::{Atr, READER_SILENCE, Way, serve_inserted, serve_reader};

use super::world::Device;
use crate::binary::free_port;
use crate::harness::left_out;

crate::tests!(
    control_octets_mean_power_and_the_answer_to_reset,
    a_card_comes_back_whenever_its_reader_went,
    a_silent_reader_counts_as_gone,
    programs_of_pc_sc_use_the_card,
);

/// How long programs may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const OPEN_CHANNEL: &str = "0070000001";
const SELECT_ISD_R: &str = "01A4040010A0000005591010FFFFFFFF8900000100";
const GET_EID: &str = "81E2910006BF3E035C015A";
const EID: &str = "BF3E125A10890490320000000000002799732000199000";

/// A reader of our own: what it sends, and what comes.
struct Reader(TcpStream);

impl Reader {
    fn send(&mut self, message: &str) {
        write_frame(&mut self.0, &hex::decode(message).unwrap()).unwrap();
    }

    fn ask(&mut self, message: &str) -> String {
        self.send(message);
        hex::encode_upper(read_frame(&mut self.0).unwrap().unwrap())
    }
}

fn control_octets_mean_power_and_the_answer_to_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let atr: Atr = "3B00".parse().unwrap();
    let served = std::thread::spawn(move || {
        let mut device = Device::new();
        serve_inserted(&mut device.card, &mut stream, &atr).map_err(|error| error.kind())
    });
    let mut reader = Reader(listener.accept().unwrap().0);
    for reset in ["00", "01", "02"] {
        assert_eq!(reader.ask("04"), "3B00");
        assert_eq!(reader.ask(OPEN_CHANNEL), "019000");
        assert!(reader.ask(SELECT_ISD_R).ends_with("9000"));
        assert_eq!(reader.ask(GET_EID), EID);
        // Not answered, and the channel is closed by it: what is answered next is the command.
        reader.send(reset);
        assert_eq!(reader.ask(GET_EID), "6881", "{reset}");
    }
    // A control octet that nobody knows is passed over; a message without octets is no command.
    reader.send("03");
    assert_eq!(reader.ask(""), "6700");
    // The reader ends between two messages, or within one.
    drop(reader);
    assert_eq!(served.join().unwrap(), Ok(()));
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut broken = listener.accept().unwrap().0;
    broken.write_all(&[0, 5, 0x00, 0xA4]).unwrap();
    drop(broken);
    let mut device = Device::new();
    let ended = serve_inserted(&mut device.card, &mut stream, &Atr::virtual_euicc());
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

/// A card that looks for its reader, and what it tells; it ends when nobody hears it any more.
fn insert(reader: String, silence: Duration) -> Receiver<&'static str> {
    let (sender, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut device = Device::new();
        let tell = telling(sender);
        serve_reader(&mut device.card, &reader, &Atr::virtual_euicc(), silence, tell);
    });
    told
}

fn telling(sender: Sender<&'static str>) -> impl FnMut(&Way) -> ControlFlow<()> {
    move |way| {
        let word = match way {
            Way::Absent(_) => "absent",
            Way::Inserted => "inserted",
            Way::Removed(Ok(())) => "ended",
            Way::Removed(Err(_)) => "broken",
        };
        match sender.send(word) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Waits for a word; others may come before it.
#[track_caller]
fn wait_for(told: &Receiver<&'static str>, word: &str) {
    while told.recv_timeout(PATIENCE).unwrap() != word {}
}

fn a_card_comes_back_whenever_its_reader_went() {
    let port = free_port();
    let told = insert(format!("127.0.0.1:{port}"), READER_SILENCE);
    wait_for(&told, "absent");
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for _ in 0..2 {
        let mut reader = Reader(listener.accept().unwrap().0);
        wait_for(&told, "inserted");
        assert_eq!(reader.ask("04"), Atr::virtual_euicc().to_string());
        // What the reader before opened is closed.
        assert_eq!(reader.ask(OPEN_CHANNEL), "019000");
        drop(reader);
        wait_for(&told, "ended");
    }
    let mut broken = listener.accept().unwrap().0;
    broken.write_all(&[0xFF]).unwrap();
    drop(broken);
    wait_for(&told, "broken");
    let reader = listener.accept().unwrap();
    drop((told, reader));
}

fn a_silent_reader_counts_as_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let told = insert(listener.local_addr().unwrap().to_string(), Duration::from_millis(100));
    let silent = listener.accept().unwrap();
    wait_for(&told, "broken");
    let mut reader = Reader(listener.accept().unwrap().0);
    assert_eq!(reader.ask("04"), Atr::virtual_euicc().to_string());
    drop((told, silent));
}

/// The daemon of PC/SC with the virtual reader on a port of its own.
struct Daemon {
    child: Child,
    log: Receiver<String>,
    /// What the log said so far: the card may be there before the daemon is ready.
    said: String,
}

impl Daemon {
    /// Where the driver of the virtual reader is, beside the folders of other drivers.
    const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

    fn start(configuration: &Path) -> Self {
        let mut child = Command::new("pcscd")
            .args(["--foreground", "--info", "--config"])
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, log, said: String::new() }
    }

    /// Waits until its log has said this; all that it said, if it ends or is silent instead.
    fn wait_for(&mut self, text: &str) -> Result<(), String> {
        while !self.said.contains(text) {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else { return Err(self.said.clone()) };
            self.said.push_str(&line);
            self.said.push('\n');
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked to end, it removes its socket, which the next one would stumble over.
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}

/// What a program of PC/SC writes, and whether it was content.
fn pc_sc(program: &str, arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The octets of the responses that `scriptor` shows: behind `<`, in lines of 16, and words from the colon on.
fn responses(shown: &str) -> Vec<String> {
    let mut responses: Vec<String> = Vec::new();
    for line in shown.lines() {
        let octets = |text: &str| text.split(':').next().unwrap_or_default().replace(' ', "");
        match line.strip_prefix("< ") {
            // In front of the answer to a reset stands that it went well.
            Some(first) => responses.push(octets(first.trim_start_matches("OK: "))),
            None if line.starts_with("> ") || responses.is_empty() => {}
            None => responses.last_mut().unwrap().push_str(&octets(line)),
        }
    }
    responses
}

fn programs_of_pc_sc_use_the_card() {
    const WHAT: &str = "the card in a reader of PC/SC";
    let folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    let is_there = |program: &&str| folders.iter().any(|folder| folder.join(program).is_file());
    if !(["pcscd", "pcsc_scan", "scriptor"].iter().all(is_there) && Path::new(Daemon::DRIVER).exists()) {
        return left_out(WHAT, "install the packages pcscd, vsmartcard-vpcd and pcsc-tools");
    }
    // A machine has one daemon; another run of these tests may have it now.
    let lock = File::create(std::env::temp_dir().join("simyard-test-pcscd.lock")).unwrap();
    lock.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let reader = format!(
        "FRIENDLYNAME \"Simyard\"\nDEVICENAME /dev/null:{port:#X}\nLIBPATH {}\nCHANNELID {port:#X}\n",
        Daemon::DRIVER
    );
    std::fs::write(folder.path().join("reader"), reader).unwrap();
    let told = insert(format!("127.0.0.1:{port}"), READER_SILENCE);
    let atr = Atr::virtual_euicc().to_string();
    for round in ["first", "again, after the daemon ended"] {
        let mut daemon = Daemon::start(folder.path());
        if let Err(log) = daemon.wait_for("daemon ready") {
            return left_out(WHAT, &format!("pcscd does not start: {}", log.trim()));
        }
        wait_for(&told, "inserted");
        daemon.wait_for("Card ATR: ").unwrap();
        let readers = pc_sc("pcsc_scan", &["-r"], "").1;
        let name =
            readers.lines().find_map(|line| line.split_once(": ").map(|(_, name)| name.trim())).unwrap();
        assert!(name.starts_with("Simyard"), "{round}: {readers}");
        let commands = format!("reset\n{OPEN_CHANNEL}\n{SELECT_ISD_R}\n{GET_EID}\nreset\n{GET_EID}\n");
        let (is_content, shown) = pc_sc("scriptor", &["-r", name], &commands);
        assert!(is_content, "{round}: {shown}");
        let responses = responses(&shown);
        assert_eq!(responses.len(), 6, "{round}: {shown}");
        // A reset answers with the ATR, and closes the channel.
        assert!(responses[0] == atr && responses[4] == atr, "{round}: {shown}");
        assert_eq!(responses[1], "019000", "{round}: {shown}");
        assert!(responses[2].ends_with("9000"), "{round}: {shown}");
        assert_eq!((&*responses[3], &*responses[5]), (EID, "6881"), "{round}: {shown}");
        drop(daemon);
        wait_for(&told, "ended");
    }
    drop((told, lock));
}
