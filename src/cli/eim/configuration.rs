//! `simyard eim configuration`: what eUICCs are told of this eIM (SGP.32 2.11.1.1.1).

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, ValueEnum};
use serde_json::json;
use simyard_asn1::iot::configuration::REQUEST_TOKEN;

use super::DownloadArgs;
use super::eim_of;
use crate::app::config::EimSetting;
use crate::app::credentials::credential;
use crate::app::open_store;
use crate::cli::output::line;
use crate::cli::serve::ConfigArgs;
use crate::crypto::keyfile::load_certificates;
use crate::eim::association::{
    ConfigurationOptions, EimIdentity, Envelope, KeyForm, Protocols, parse_counter, read_configuration,
};
use crate::ident::Eid;
use crate::pki::Certificate;

#[derive(Args)]
pub(super) struct ConfigurationArgs {
    /// For this eUICC, which is associated: with the counterValue that was used last.
    #[arg(long, value_name = "DIGITS", conflicts_with = "counter")]
    eid: Option<Eid>,
    /// counterValue to begin with: the first package has a higher one.
    #[arg(long, value_name = "NUMBER", value_parser = parse_counter, default_value = "0")]
    counter: i64,
    /// Ask the eUICC for an associationToken: tell it to this eIM then ('simyard eim associate').
    #[arg(long)]
    token: bool,
    #[command(flatten)]
    download: DownloadArgs,
    /// Tell the certificate of the eIM's key, not the key alone.
    #[arg(long)]
    with_certificate: bool,
    /// The certificate by which the IPA knows the eIM's TLS, or that of its CA.
    #[arg(long, value_name = "FILE")]
    tls_trust: Option<PathBuf>,
    /// Tell that this eIM brings packages to devices that listen, too (injectHttps).
    #[arg(long)]
    inject: bool,
    /// The key identifier of the CI under which the eUICC is to sign for this eIM.
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    euicc_ci: Option<Octets>,
    /// In what it travels.
    #[arg(long, value_name = "MESSAGE", default_value = "plain")]
    r#as: MessageName,
    /// How it is written.
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: FormatName,
    /// Write to this file, not to standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Octets of an argument.
#[derive(Clone, Debug)]
struct Octets(Vec<u8>);

fn parse_hex(text: &str) -> Result<Octets, String> {
    hex::decode(text).map(Octets).map_err(|_| "hexadecimal digits are expected".to_owned())
}

#[derive(Clone, Copy, ValueEnum)]
enum MessageName {
    /// EimConfigurationData.
    Plain,
    /// AddInitialEimRequest, for the factory.
    AddInitialEim,
    /// An ecoList with addEim, for another eIM.
    AddEim,
    /// An ecoList with updateEim, for this eIM.
    UpdateEim,
}

impl MessageName {
    const fn envelope(self) -> Envelope {
        match self {
            Self::Plain => Envelope::Plain,
            Self::AddInitialEim => Envelope::AddInitialEim,
            Self::AddEim => Envelope::AddEim,
            Self::UpdateEim => Envelope::UpdateEim,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// DER, as it is.
    Der,
    /// DER in base64.
    Base64,
    /// What it says, and the DER of it in base64.
    Json,
}

/// Runs `simyard eim configuration`.
pub(super) async fn run(args: ConfigurationArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let setting = eim_of(&config)?;
    let counter = match &args.eid {
        Some(eid) => {
            let store = open_store(&config).await?;
            let euicc = store.eim_euicc(eid).await;
            store.close().await;
            let euicc = euicc?.with_context(|| format!("{eid} is not associated with this eIM"))?;
            euicc.association.counter
        }
        None => args.counter,
    };
    let signing = credential(&setting.signing)?.certificate;
    let identity = identity(setting, &signing);
    let options = ConfigurationOptions {
        counter,
        asks_token: args.token,
        key_form: if args.with_certificate { KeyForm::Certificate } else { KeyForm::Key },
        tls_trust: args.tls_trust.as_deref().map(certificate).transpose()?,
        download: args.download.way(&config),
        protocols: if args.inject { Protocols::RetrieveAndInject } else { Protocols::Retrieve },
        euicc_ci: args.euicc_ci.clone().map(|octets| octets.0),
    };
    let made = identity.configuration(&options, args.r#as.envelope())?;
    let text = match args.format {
        FormatName::Der => return write(args.out.as_deref(), &made),
        FormatName::Base64 => BASE64.encode(&made),
        FormatName::Json => {
            let plain = identity.configuration(&options, Envelope::Plain)?;
            told(&plain, &made)?
        }
    };
    match &args.out {
        Some(_) => write(args.out.as_deref(), format!("{text}\n").as_bytes()),
        None => {
            line(&text);
            Ok(())
        }
    }
}

/// Who the eIM of the settings is.
fn identity<'a>(setting: &'a EimSetting, signing_certificate: &'a Certificate) -> EimIdentity<'a> {
    EimIdentity { id: &setting.id, id_type: setting.id_type, fqdn: &setting.fqdn, signing_certificate }
}

/// The first certificate of a file.
fn certificate(path: &Path) -> anyhow::Result<Certificate> {
    let all = load_certificates(path)?;
    let first = all.first().with_context(|| format!("{} holds no certificate", path.display()))?;
    Certificate::from_der(first).with_context(|| path.display().to_string())
}

fn write(out: Option<&Path>, octets: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    match out {
        Some(path) => {
            std::fs::write(path, octets).with_context(|| format!("cannot write {}", path.display()))
        }
        None => Ok(std::io::stdout().lock().write_all(octets)?),
    }
}

fn told(plain: &[u8], made: &[u8]) -> anyhow::Result<String> {
    let data = read_configuration(plain).map_err(anyhow::Error::msg)?;
    let value = json!({
        "eim_id": data.eim_id,
        "eim_id_type": data.eim_id_type.map(|kind| kind.code()),
        "eim_fqdn": data.eim_fqdn,
        "counter": data.counter_value,
        "asks_token": data.association_token == Some(REQUEST_TOKEN),
        "indirect": data.indirect_profile_download,
        "der": BASE64.encode(made),
    });
    Ok(serde_json::to_string_pretty(&value)?)
}
