//! `simyard batch request`: the input file for a manufacturer.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::cli::output::{error_line, line};
use crate::domain::DeliveryId;
use crate::env::Clock;
use crate::ident::{Iccid, Imsi};
use crate::inventory::request::Request;

/// Write the input file for a manufacturer.
///
/// The manufacturer counts up from the first numbers and answers with a file of the same form, which `simyard ingest` takes. No
/// secret stands in the input file.
#[derive(Args)]
pub(super) struct RequestArgs {
    /// For whom the SIMs are.
    #[arg(long, value_name = "NAME")]
    customer: String,
    /// The profile type, or the manufacturer's name of the product.
    #[arg(long, value_name = "NAME")]
    profile_type: String,
    /// The name of the batch: the same one comes back with the delivery.
    #[arg(long, value_name = "ID", value_parser = parse_batch)]
    batch_id: DeliveryId,
    /// How many SIMs.
    #[arg(long, value_name = "NUMBER")]
    count: u64,
    /// The first ICCID, with its check digit if it has one.
    #[arg(long, value_name = "DIGITS")]
    first_iccid: Iccid,
    /// The ICCIDs have no check digit: all their digits count.
    #[arg(long)]
    no_check_digit: bool,
    /// The first IMSI; once for each IMSI slot of the SIM, the home subscription's first.
    #[arg(long, value_name = "DIGITS", required = true)]
    first_imsi: Vec<Imsi>,
    /// The index of the transport key for K and OPc; 0 for none.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    transport_key: u32,
    /// The index of the transport key for keys for remote management; 0 for none.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    ota_transport_key: u32,
    /// They are eUICCs: the manufacturer adds the EIDs.
    #[arg(long)]
    euicc: bool,
    /// The form of the file.
    #[arg(long, default_value = "classic", value_parser = ["classic", "header-line"])]
    format: String,
    /// Where the file goes; it must not exist. Standard output if absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes the file.
///
/// # Errors
/// What cannot be asked for, and a file that cannot be written.
pub(super) fn run(args: &RequestArgs) -> anyhow::Result<()> {
    let request = Request {
        customer: args.customer.clone(),
        profile_type: args.profile_type.clone(),
        batch: args.batch_id.clone(),
        at: Clock::system().now(),
        quantity: args.count,
        first_iccid: args.first_iccid.clone(),
        has_check_digit: !args.no_check_digit,
        first_imsis: args.first_imsi.clone(),
        subscription_key: args.transport_key,
        ota_key: args.ota_transport_key,
        is_euicc: args.euicc,
    };
    request.check()?;
    let text = if args.format == "classic" { request.to_classic() } else { request.to_header_line() };
    let Some(path) = &args.output else {
        line(text.trim_end());
        return Ok(());
    };
    let of_file = || path.display().to_string();
    let mut file = std::fs::File::create_new(path).with_context(of_file)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(of_file)?;
    if let Some(last) = request.last_iccid() {
        error_line(&format!("ICCIDs {} to {last}", request.first_iccid));
    }
    Ok(())
}

fn parse_batch(text: &str) -> Result<DeliveryId, String> {
    DeliveryId::parse(text).ok_or_else(|| "expected 1 to 128 octets without control characters".to_owned())
}
