//! `simyard pki device EID`: a client certificate for a device, under the CA of devices.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cli::folder::write_private;
use crate::cli::output::line;
use crate::crypto::ecdsa::Curve;
use crate::crypto::keyfile::{load_certificates, load_certification_request, load_signing_key};
use crate::env::{Clock, Rng};
use crate::ident::Eid;
use crate::pki::Certificate;
use crate::pki::issue::Issuer;
use crate::pki::request::VerifiedRequest;
use crate::pki::test_pki::pem;

#[derive(Args, Debug)]
pub(super) struct DeviceArgs {
    /// The EID that the certificate names: 32 digits.
    eid: Eid,
    /// A certification request (PKCS #10, PEM or DER) that the device made: its key never leaves it. Without one, a key is
    /// drawn here.
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// The folder with device-ca.pem and device-ca.key.pem.
    #[arg(long, value_name = "DIR", default_value = "pki")]
    ca: PathBuf,
    /// The folder that device-EID.pem is written to, and device-EID.key.pem if the key was drawn here.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Days of validity; never beyond that of the CA.
    #[arg(long, value_name = "NUMBER", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
}

/// Issues the certificate; files that are there are not replaced.
pub(super) fn run(args: &DeviceArgs) -> anyhow::Result<()> {
    let issuer = issuer(&args.ca)?;
    let (rng, now) = (Rng::system(), Clock::system().now());
    let [certificate_file, key_file] =
        ["pem", "key.pem"].map(|extension| args.out.join(format!("device-{}.{extension}", args.eid)));
    for file in [&certificate_file, &key_file] {
        if file.exists() {
            bail!("{} is there already: move it away, or name another folder with --out", file.display());
        }
    }
    let certificate = match &args.csr {
        Some(request) => {
            let asked = request_of(request)?;
            issuer.certify_device(&args.eid, asked.public_key(), Some(args.days), &rng, now)?
        }
        None => {
            let issued = issuer.issue_device(&args.eid, Some(args.days), &rng, now)?;
            write_private(&key_file, issued.key.to_pkcs8_pem()?.as_bytes())?;
            issued.certificate
        }
    };
    fs::write(&certificate_file, pem(&certificate))
        .with_context(|| format!("cannot write {}", certificate_file.display()))?;
    line(&format!("{} until {}", certificate_file.display(), certificate.not_after()));
    line(&format!("SHA-256 {}", hex::encode(certificate.fingerprint())));
    Ok(())
}

fn issuer(folder: &Path) -> anyhow::Result<Issuer> {
    let file = folder.join("device-ca.pem");
    let certificates = load_certificates(&file)
        .context("the CA of devices is missing: `simyard pki init` makes one, --ca names its folder")?;
    let first = certificates.first().with_context(|| format!("{} holds no certificate", file.display()))?;
    let key = load_signing_key(&folder.join("device-ca.key.pem"))?;
    let certificate = Certificate::from_der(first).with_context(|| file.display().to_string())?;
    Issuer::new(certificate, key).with_context(|| file.display().to_string())
}

fn request_of(file: &Path) -> anyhow::Result<VerifiedRequest> {
    let der = load_certification_request(file)?;
    let asked = VerifiedRequest::from_der(&der).with_context(|| file.display().to_string())?;
    if asked.public_key().curve() != Curve::P256 {
        bail!("{}: its key is on {}; TLS needs one on P-256", file.display(), asked.public_key().curve());
    }
    Ok(asked)
}
