//! `simyard profile personalise`: a package for each row of a manufacturer's file.
//!
//! Nothing half written is ever seen: packages are written aside, in a folder beside their place, and renamed when all
//! rows are read. Without `--partial`, one row that is refused leaves everything as it was.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use simyard_asn1::saip::Package;
use zeroize::Zeroizing;

use super::read_package;
use crate::cli::folder::write_private;
use crate::cli::output::{self, error_line, line};
use crate::env::Rng;
use crate::ident::Iccid;
use crate::profile::personal_csv::{Row, RowError, RowFault, Rows, Settings};
use crate::profile::plan::{Personaliser, Template};

/// The most faults that are told; the rest is counted.
const MAX_FAULTS: usize = 100;
/// Rows between two looks at the progress bar.
const PROGRESS_EVERY: u64 = 256;

/// Make a package for each row of a manufacturer's file.
#[derive(Args)]
pub(super) struct PersonaliseArgs {
    /// The template: a package in DER, a description, or the name of a template that Simyard brings.
    template: PathBuf,
    /// The rows: a line of column names, then one line for each package.
    ///
    /// Columns in any order, divided by comma, semicolon or tab: iccid, imsi, ki, opc (or op, or topc for TUAK), the
    /// codes that the template has (pin1, puk1, pin2, puk2, adm1 to adm10) and its keys for remote management (kic, kid,
    /// kik, with the version of their set where there are several: kic2). If you like: algorithm, acc, mnclength, msisdn,
    /// smsp, spn, impi, impu, otatype. Further subscriptions have a number: imsi2, role2, ki2, opc2.
    #[arg(long, value_name = "FILE.csv")]
    data: PathBuf,
    /// Where the packages go: a folder, in which each is named ICCID.der; or, for a single row, a file that ends in
    /// .der. What is there already is not replaced.
    #[arg(short, long, value_name = "DIR|FILE.der")]
    output: PathBuf,
    /// Write the packages of the rows that are in order, even if others are refused. The exit code is 1 then, too.
    #[arg(long)]
    partial: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Where packages go.
enum Place {
    Folder(PathBuf),
    File(PathBuf),
}

/// Packages that are written aside until all are there. What is left is removed when it is dropped.
struct Aside {
    folder: PathBuf,
    /// Whether the folder that the packages go to was made for them.
    made: Option<PathBuf>,
    files: Vec<Iccid>,
}

impl Aside {
    /// A folder in the one that the packages go to, so that they can be renamed.
    fn new(place: &Place) -> anyhow::Result<Self> {
        let target = match place {
            Place::Folder(folder) => folder.as_path(),
            Place::File(file) => {
                file.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
            }
        };
        let made = (!target.exists()).then(|| target.to_owned());
        let folder = target.join(format!(".simyard-{}", hex::encode(Rng::system().array::<6>())));
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).with_context(|| format!("cannot make {}", target.display()))?;
        Ok(Self { folder, made, files: Vec::new() })
    }

    fn add(&mut self, iccid: Iccid, package: &[u8]) -> anyhow::Result<()> {
        write_private(&self.folder.join(file_name(&iccid)), package)?;
        self.files.push(iccid);
        Ok(())
    }

    /// Brings the packages to their place and returns their names.
    fn keep(&mut self, place: &Place) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::with_capacity(self.files.len());
        for iccid in &self.files {
            let name = file_name(iccid);
            let target = match place {
                Place::Folder(folder) => folder.join(&name),
                Place::File(file) => file.clone(),
            };
            std::fs::rename(self.folder.join(&name), &target)
                .with_context(|| format!("cannot write {}", target.display()))?;
            names.push(target.display().to_string());
            self.made = None;
        }
        Ok(names)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Some(made) = &self.made {
            let _ = std::fs::remove_dir(made);
        }
    }
}

fn file_name(iccid: &Iccid) -> String {
    format!("{iccid}.der")
}

/// What became of the rows.
#[derive(Default)]
struct Report {
    rows: u64,
    refused: u64,
    faults: Vec<RowError>,
    more: u64,
}

impl Report {
    fn refuse(&mut self, errors: Vec<RowError>) {
        self.refused += 1;
        for error in errors {
            if self.faults.len() < MAX_FAULTS {
                self.faults.push(error);
            } else {
                self.more += 1;
            }
        }
    }
}

/// Makes the packages and prints the report.
///
/// # Errors
/// A template that is none, a file without the columns that it needs, or a folder that cannot be written. Rows that are
/// refused are told, and the exit code is 1.
pub(super) fn run(args: &PersonaliseArgs) -> anyhow::Result<ExitCode> {
    let name = args.template.display();
    let octets = read_package(&args.template)?;
    let package = Package::from_der(&octets).with_context(|| name.to_string())?;
    let template = Template::compile(&package).with_context(|| name.to_string())?;
    let data = || args.data.display().to_string();
    let file = File::open(&args.data).with_context(data)?;
    let bar = bar(file.metadata().map_or(0, |metadata| metadata.len()));
    let input = bar.wrap_read(file);
    let mut rows = Rows::new(input, Settings::for_template(template.requirements())).with_context(data)?;

    let place = place(&args.output)?;
    let mut aside = Aside::new(&place)?;
    let mut report = Report::default();
    let mut maker =
        Maker { personaliser: Personaliser::new(&template), package: Zeroizing::default(), place: &place };
    while let Some(row) = rows.next_row().with_context(data)? {
        report.rows += 1;
        if report.rows.is_multiple_of(PROGRESS_EVERY) {
            bar.set_message(format!("{} rows", report.rows));
        }
        match maker.package(row) {
            Ok(iccid) if matches!(place, Place::File(_)) && !aside.files.is_empty() => {
                drop(iccid);
                bail!(
                    "{}: a file holds one package, and {} has more rows: name a folder",
                    args.output.display(),
                    args.data.display()
                );
            }
            // Once nothing will be kept, rows are only checked.
            Ok(iccid) if args.partial || report.refused == 0 => aside.add(iccid, &maker.package)?,
            Ok(_) => {}
            Err(errors) => report.refuse(errors),
        }
    }
    bar.finish_and_clear();
    if report.rows == 0 {
        bail!("{}: no row follows the line of column names", args.data.display());
    }
    let files = if report.refused == 0 || args.partial { aside.keep(&place)? } else { Vec::new() };
    print(args, &template, &report, &files);
    Ok(if report.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the output is a file for one package, or a folder.
fn place(output: &Path) -> anyhow::Result<Place> {
    if output.is_dir() || output.extension().is_none_or(|extension| extension != "der") {
        return Ok(Place::Folder(output.to_owned()));
    }
    if output.exists() {
        bail!("{} is there already; remove it, or name another file", output.display());
    }
    Ok(Place::File(output.to_owned()))
}

/// Makes the packages of rows.
struct Maker<'a> {
    personaliser: Personaliser<'a>,
    package: Zeroizing<Vec<u8>>,
    place: &'a Place,
}

impl Maker<'_> {
    /// The package of a row, which then stands in `self.package`.
    fn package(&mut self, row: Row) -> Result<Iccid, Vec<RowError>> {
        let line = row.line;
        let data = row.outcome?.data;
        let refuse = |column: Option<String>, fault| vec![RowError::new(line, column.map(Into::into), fault)];
        self.personaliser
            .personalise(&data, &mut self.package)
            .map_err(|error| refuse(error.column(), RowFault::Template(error)))?;
        if let Place::Folder(folder) = self.place {
            let path = folder.join(file_name(&data.iccid));
            if path.exists() {
                let fault = RowFault::FileThere(path.display().to_string());
                return Err(refuse(Some("iccid".to_owned()), fault));
            }
        }
        Ok(data.iccid)
    }
}

fn bar(octets: u64) -> ProgressBar {
    use std::io::IsTerminal as _;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(octets) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// What stays the same in every package, though one might expect otherwise.
fn notes(template: &Template) -> Vec<&'static str> {
    let cdma = "the keys for CDMA are those of the template in every package: they are not personalised";
    template.has_cdma_keys().then_some(cdma).into_iter().collect()
}

fn print(args: &PersonaliseArgs, template: &Template, report: &Report, files: &[String]) {
    let Report { rows, refused, faults, more } = report;
    if args.json {
        let refused_rows = faults.iter().map(
            |error| json!({ "line": error.line, "column": error.column, "reason": error.fault.to_string() }),
        );
        output::json(&json!({
            "template": args.template.display().to_string(),
            "data": args.data.display().to_string(),
            "output": args.output.display().to_string(),
            "rows": rows,
            "packages": files.len(),
            "refused": refused,
            "faults": refused_rows.collect::<Vec<_>>(),
            "more_faults": more,
            "files": files,
            "notes": notes(template),
        }));
        return;
    }
    for fault in faults {
        error_line(&format!("{}: {fault}", args.data.display()));
    }
    if *more > 0 {
        error_line(&format!("and {more} more faults"));
    }
    let rows_word = |count: u64| if count == 1 { "row" } else { "rows" };
    let packages = if files.len() == 1 { "package" } else { "packages" };
    match (*refused, files) {
        (0, [file]) => line(&format!("1 package: {file}")),
        (0, _) => line(&format!("{} {packages} in {}", files.len(), args.output.display())),
        (_, []) => line(&format!("nothing was written: {refused} of {rows} {} refused", rows_word(*rows))),
        (_, _) => line(&format!(
            "{} {packages} in {}, {refused} of {rows} {} refused",
            files.len(),
            args.output.display(),
            rows_word(*rows)
        )),
    }
    notes(template).iter().for_each(|note| line(&format!("note: {note}")));
}
