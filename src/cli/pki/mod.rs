//! `simyard pki`: `init DIR` writes a test PKI of the shape of SGP.26; [`device`] issues certificates for devices.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::crypto::ecdsa::Curve;
use crate::env::{Clock, Rng};
use crate::ident::Eid;
use crate::pki::test_pki::{CurveSet, Existing, TestPki, TestPkiOptions};

mod device;

use device::DeviceArgs;

/// Certificates for tests and demonstrations, and for devices.
#[derive(Args, Debug)]
pub struct PkiArgs {
    #[command(subcommand)]
    command: PkiCommand,
}

#[derive(Debug, Subcommand)]
enum PkiCommand {
    /// Write a whole test PKI: CI, EUM, eUICC, SM-DP+, operator, eIM and device, each with its key, and wrong twins.
    ///
    /// All are on P-256; what eUICCs look at is there on brainpoolP256r1 too, under a CI of its own (`*-brp.pem`).
    /// The keys are drawn here and now; nothing but test equipment may trust this CI. `wrong/` gets copies with
    /// exactly one fault each (expired, unknown CI, wrong role, EID outside the range ...), to test who accepts them.
    Init(InitArgs),
    /// Issue a device's client certificate for ESipa, under the CA of devices.
    ///
    /// It names the EID given here, whatever a request asks for; of a request the key counts, and that it was signed with
    /// it. The CA is any that issues device certificates: a folder with device-ca.pem and device-ca.key.pem.
    Device(DeviceArgs),
}

#[derive(Args, Debug)]
struct InitArgs {
    /// The folder to write to; it is created if need be.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A host name of the SM-DP+ and the eIM, for their TLS certificates; may be given several times.
    #[arg(long = "host", value_name = "NAME", default_value = "localhost")]
    hosts: Vec<String>,
    /// The EID of the virtual eUICC and of its device: 32 digits. Its first eight are the range of the EUM.
    #[arg(long, value_name = "DIGITS", default_value = "89049032000000000000279973200019")]
    eid: Eid,
    /// Replace certificates and keys in a folder that is not empty.
    #[arg(long)]
    force: bool,
}

/// Runs `simyard pki`.
///
/// # Errors
/// A folder that is not empty, or that cannot be written; a CA or a request that cannot be used.
pub fn run(args: PkiArgs) -> anyhow::Result<()> {
    match args.command {
        PkiCommand::Init(init) => run_init(init),
        PkiCommand::Device(device) => device::run(&device),
    }
}

fn run_init(args: InitArgs) -> anyhow::Result<()> {
    let options = TestPkiOptions { host_names: args.hosts, eid: args.eid };
    let (rng, now) = (Rng::system(), Clock::system().now());
    let pki = TestPki::generate(&rng, now, &options)?;
    let brainpool = CurveSet::generate(&rng, now, &options, Curve::BrainpoolP256r1)?;
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    let mut written = pki.write_to(&args.folder, existing)?;
    written.extend(brainpool.write_beside(&args.folder)?);
    let mut out = std::io::stdout().lock();
    for pair in &written {
        let name = pair.certificate.strip_prefix(&args.folder).unwrap_or(&pair.certificate);
        writeln!(out, "{:<44} {}", name.display(), pair.purpose)?;
    }
    writeln!(
        out,
        "{} certificates, each with its key in *.key.pem, in {}",
        written.len(),
        args.folder.display()
    )?;
    Ok(())
}
