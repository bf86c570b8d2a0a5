//! The real binary for tests: runs of it, and servers that end with the test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a line of a running program may take in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// `simyard` with these arguments, in a folder.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simyard"));
    command.current_dir(folder).args(arguments).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// The output of a run that must have gone well.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout.clone()
    }

    /// The JSON that a run that must have gone well printed.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// It failed, and told why, on stderr alone.
    #[track_caller]
    pub fn failed(&self, says: &str) {
        assert_eq!(self.code, Some(1), "{says}: stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(self.stderr.contains(says), "{says:?} is not said: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// Runs `simyard` to its end.
pub fn simyard(folder: &Path, arguments: &[&str]) -> Run {
    command(folder, arguments).stdin(Stdio::null()).output().unwrap().into()
}

/// A program that runs until the test ends it, or ends.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// What it has printed so far.
    pub printed: Vec<String>,
}

impl Running {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child =
            command(folder, arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, printed: Vec::new() }
    }

    /// Waits for a line that holds `text` and returns it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {text:?}; printed was: {}", self.printed.join("\n")),
            }
        }
    }

    /// The word behind `prefix` in what was printed.
    #[track_caller]
    pub fn address(&self, prefix: &str) -> String {
        let line = self.printed.iter().find_map(|line| line.strip_prefix(prefix)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    }

    /// Asks it to end, as a service manager does, and returns its exit code.
    pub fn terminate(self) -> Option<i32> {
        self.end("TERM")
    }

    /// Asks it to end with any signal, and returns its exit code.
    pub fn end(mut self, signal: &str) -> Option<i32> {
        // The shell's own kill: the program is not on every machine.
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The host name of a server in a [`Place`].
pub const HOST: &str = "smdp.example.com";
/// The profiles of its batch.
pub const ICCIDS: [&str; 3] = ["89882801000000000014", "89882801000000000022", "89882801000000000030"];
/// Its settings: free ports.
pub const SETTINGS: &str = r#"mode = "test"
addresses = ["smdp.example.com"]
[es9plus]
listen = "127.0.0.1:0"
[es2plus]
listen = "127.0.0.1:0"
[[operator]]
name = "acme"
oid = "2.999.20"
[[profile_type]]
name = "iot"
owner = "acme"
service_provider_name = "Acme"
profile_name = "Acme IoT"
"#;

/// A manufacturer's file: K and OPc of TS 35.208 test set 1.
pub fn batch() -> String {
    let mut file = String::from("iccid,imsi,ki,opc,pin1,puk1,pin2,puk2,adm1\n");
    for (number, iccid) in (1..).zip(ICCIDS) {
        file += &format!(
            "{iccid},90140510000000{number},465b5ce8b199b49faa5f0a2ee238a6bc,cd63cb71954a9f4e48a5994e37a02baf,\
             1234,12345678,5678,87654321,11223344\n"
        );
    }
    file
}

/// A folder in which commands run, each written as a line of words.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a test PKI, settings and a batch of three.
    pub fn furnished() -> Self {
        let place = Self::new();
        place.run("pki init pki --host smdp.example.com").ok();
        place.write("simyard.toml", SETTINGS);
        place.write("batch.csv", &batch());
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub fn write_octets(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.path().join(name), octets).unwrap();
    }

    pub fn command(&self, line: &str) -> Command {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = command(self.path(), &words);
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, line: &str) -> Run {
        self.command(line).output().unwrap().into()
    }

    /// Starts a command that goes on, up to the line that holds `until`.
    pub fn start(&self, line: &str, until: &str) -> Running {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut running = Running::start(self.path(), &words);
        running.wait_for(until);
        running
    }

    /// `simyard serve` on free ports.
    pub fn serve(&self) -> Running {
        self.start("serve --config simyard.toml", "ES2+ on ")
    }
}
