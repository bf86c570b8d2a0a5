//! Several IMSIs on one card: an applet with a table in a file or in commands, several USIMs, several packages.

use simyard::profile::description::{build, extract};
use simyard::profile::image::ProfileImage;
use simyard::profile::multi_imsi::{Object, Table, find};
use simyard::profile::personal_csv::{Rows, Settings};
use simyard::profile::plan::{PersonaliseError, Template};
use simyard::profile::shipped;
use simyard_asn1::saip::Package;

crate::tests!(
    an_applet_finds_its_table_in_a_file,
    an_applet_gets_table_and_keys_by_commands,
    a_package_has_two_usims,
    each_imsi_of_a_row_goes_into_its_entry,
    a_row_that_does_not_fit_the_table_is_refused,
    a_table_whose_keys_are_not_there_makes_no_template,
);

/// Two IMSIs: one for Brazil, one for everywhere else.
pub const TABLE: &str = r#"{ first = 1, retry_seconds = 240, return_hours = 24, entries = [
  { index = 1, imsi = "724680000000001", key = 0, networks = ["724"], role = "brazil" },
  { index = 2, imsi = "901405100000001", key = 0, rotation_days = 60, role = "global" },
] }"#;

/// An applet whose load file lies beside the description.
pub fn applet(process_data: &str) -> String {
    format!(
        r#"
[[element]]
kind = "application"
loadBlock = {{ loadPackageAID = "A0000000871005", loadBlockObject = {{ file = "applet.cap" }} }}
[[element.instanceList]]
applicationLoadPackageAID = "A0000000871005"
classAID = "A000000087100501"
instanceAID = "A000000087100501"
applicationPrivileges = "00"
lifeCycleState = "07"
applicationSpecificParametersC9 = ""
applicationParameters = {{ uiccToolkitApplicationSpecificParametersField = {{ priority = 1, timers = 1, minimum_security_level = "", tars = ["B30001"] }} }}
processData = [{process_data}]
"#
    )
}

/// A file of the USIM with a table.
pub fn file(content: &str) -> String {
    format!(
        r#"
[[element]]
kind = "genericFileManagement"
[[element.fileManagementCMD]]
path = "7FD0"
fcp = {{ descriptor = "transparent", fileID = "6FA0", access = "6F06/3", size = 200, shortEFID = "none" }}
content = {content}
"#
    )
}

/// The IoT template with more elements before its last one.
pub fn with(elements: &str) -> Vec<u8> {
    let iot =
        shipped::find("iot").unwrap().description.replace("\"milenage\"]", "\"milenage\", \"javacard\"]");
    let end = iot.rfind("[[element]]").unwrap();
    let text = format!("{}{elements}\n{}", &iot[..end], &iot[end..]);
    let load =
        |name: &str| if name == "applet.cap" { Ok(vec![0xCA; 300]) } else { Err("no such file".to_owned()) };
    build(&text, &load).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn an_applet_finds_its_table_in_a_file() {
    let octets = with(&(file(&format!("{{ multi_imsi = {TABLE} }}")) + &applet("")));
    let image = ProfileImage::build_for_any_card(&Package::from_der(&octets).unwrap()).unwrap();
    let usim = image.applications[0].directory;
    let content = &image.file(image.child(usim, 0x6FA0).unwrap()).unwrap().content;
    let table = Table::from_octets(content).unwrap();
    let imsis: Vec<&str> = table.entries.iter().map(|entry| entry.imsi.as_str()).collect();
    assert_eq!(
        (table.first, table.return_hours, imsis),
        (1, Some(24), vec!["724680000000001", "901405100000001"])
    );
    let text = extract(&Package::from_der(&octets).unwrap());
    assert!(
        text.contains("imsi = \"724680000000001\", key = 0, networks = [\"724\"], role = \"brazil\""),
        "{}",
        *text
    );
    assert_eq!(build(&text, &|_| Err(String::new())).unwrap(), octets);
}

fn an_applet_gets_table_and_keys_by_commands() {
    let keys = r#"{ multi_imsi_keys = [{ reference = 1, algorithm = "milenage", key = "465B5CE8B199B49FAA5F0A2EE238A6BC", opc = "CD63CB71954A9F4E48A5994E37A02BAF" }] }"#;
    let octets = with(&applet(&format!("{{ multi_imsi = {TABLE} }}, {keys}")));
    assert!(ProfileImage::build_for_any_card(&Package::from_der(&octets).unwrap()).is_ok());
    let text = extract(&Package::from_der(&octets).unwrap());
    assert!(text.contains("key = \"465B5CE8B199B49FAA5F0A2EE238A6BC\""), "{}", *text);
    assert_eq!(build(&text, &|_| Err(String::new())).unwrap(), octets);
}

/// The USIM of the IoT template once more, under another AID and another temporary identifier.
pub fn second_usim() -> String {
    let iot = shipped::find("iot").unwrap().description;
    let elements: Vec<&str> = iot.split("\n[[element]]\n").collect();
    let of_usim = |element: &&&str| {
        ["\"usim\"", "\"pinCodes\"", "\"akaParameter\""]
            .iter()
            .any(|kind| element.starts_with(&format!("kind = {kind}")))
    };
    let start = elements.iter().position(|element| element.starts_with("kind = \"usim\"")).unwrap();
    let second: Vec<String> = elements[start..]
        .iter()
        .filter(of_usim)
        .map(|element| {
            let lines = element.lines().filter(|line| !line.starts_with("header = "));
            lines.collect::<Vec<_>>().join("\n").replace("7FD0", "7FD1").replace("8907090000", "8907090001")
        })
        .collect();
    format!("\n[[element]]\n{}\n", second.join("\n\n[[element]]\n"))
}

fn a_package_has_two_usims() {
    let octets = with(&second_usim());
    let image = ProfileImage::build_for_any_card(&Package::from_der(&octets).unwrap()).unwrap();
    assert_eq!(image.applications.len(), 2);
    assert!(image.applications[0].aid != image.applications[1].aid);
    assert!(image.aka(0).is_some() && image.aka(1).is_some());
}

const KEYS: &str = r#"{ multi_imsi_keys = [{ reference = 1, algorithm = "milenage", key = "00000000000000000000000000000000", opc = "00000000000000000000000000000000" }] }"#;

/// A row for the IoT template with these columns more.
fn personalise(octets: &[u8], columns: &str, values: &str) -> Result<Vec<u8>, String> {
    let template =
        Template::compile(&Package::from_der(octets).unwrap()).map_err(|error| error.to_string())?;
    let file = format!(
        "iccid,imsi,ki,opc,pin1,pin2,puk1,puk2,adm1,kic,kid,kik,{columns}\n\
         89882801000000000014,724680000000009,{},{},1234,1234,12345678,12345678,12345678,{},{},{},{values}\n",
        "A1".repeat(16),
        "A2".repeat(16),
        "A3".repeat(16),
        "A4".repeat(16),
        "A5".repeat(16),
    );
    let rows = Rows::new(file.as_bytes(), Settings::for_template(template.requirements()));
    let mut rows = rows.map_err(|error| error.to_string())?;
    let row = rows.next_row().unwrap().unwrap();
    let data = row.outcome.map_err(|faults| format!("{} faults", faults.len()))?.data;
    template
        .personalise(&data)
        .map(|octets| octets.to_vec())
        .map_err(|error: PersonaliseError| error.to_string())
}

/// What the applet gets: the IMSIs of the table, the keys.
fn table_of(octets: &[u8]) -> (Vec<String>, Vec<[Vec<u8>; 2]>) {
    let (mut imsis, mut keys) = (Vec::new(), Vec::new());
    for found in find(&Package::from_der(octets).unwrap()) {
        match found.read().unwrap() {
            Object::Table(table) => imsis.extend(table.entries.iter().map(|entry| entry.imsi.to_string())),
            Object::Keys(sets) => keys.extend(sets.iter().map(|set| [set.key.to_vec(), set.opc.to_vec()])),
        }
    }
    (imsis, keys)
}

fn each_imsi_of_a_row_goes_into_its_entry() {
    let in_file = with(&(file(&format!("{{ multi_imsi = {TABLE} }}")) + &applet("")));
    let own_keys = TABLE.replacen(
        "index = 2, imsi = \"901405100000001\", key = 0",
        "index = 2, imsi = \"901405100000001\", key = 1",
        1,
    );
    let by_command = with(&applet(&format!("{{ multi_imsi = {own_keys} }}, {KEYS}")));
    let shared = personalise(&in_file, "imsi2,role2", "901405100000777,global").unwrap();
    assert_eq!(table_of(&shared).0, ["724680000000009", "901405100000777"]);
    let columns = "imsi2,role2,ki2,opc2";
    let values = format!("901405100000777,global,{},{}", "B1".repeat(16), "B2".repeat(16));
    let own = personalise(&by_command, columns, &values).unwrap();
    let (imsis, keys) = table_of(&own);
    assert_eq!(imsis, ["724680000000009", "901405100000777"]);
    assert_eq!(keys, [[vec![0xB1; 16], vec![0xB2; 16]]]);
    // The USIM has the first one, with the keys of the card.
    for octets in [&shared, &own] {
        let image = ProfileImage::build_for_any_card(&Package::from_der(octets).unwrap()).unwrap();
        let imsi = image.child_by_name(image.applications[0].directory, "EF.IMSI").unwrap();
        assert_eq!(hex::encode_upper(&*image.file(imsi).unwrap().content), "087942860000000090");
        assert_eq!(*image.aka(0).unwrap().key, [0xA1; 16]);
    }
}

fn a_row_that_does_not_fit_the_table_is_refused() {
    let in_file = with(&(file(&format!("{{ multi_imsi = {TABLE} }}")) + &applet("")));
    let keys = format!("{},{}", "B1".repeat(16), "B2".repeat(16));
    for (columns, values, expected) in [
        ("acc", "0001".to_owned(), "imsi2"),
        ("imsi2,imsi3", "901405100000777,901405100000778".to_owned(), "for 2 subscriptions"),
        (
            "imsi2,role2",
            "901405100000777,china".to_owned(),
            "entry 2 of the multi-IMSI table is for another role",
        ),
        ("imsi2,ki2,opc2", format!("901405100000777,{keys}"), "no place for it"),
        ("imsi2,msisdn2", "901405100000777,+491711234567".to_owned(), "no place for it"),
    ] {
        let error = personalise(&in_file, columns, &values).unwrap_err();
        assert!(error.contains(expected), "{columns}: {error}");
    }
}

fn a_table_whose_keys_are_not_there_makes_no_template() {
    let dangling =
        TABLE.replace("imsi = \"901405100000001\", key = 0", "imsi = \"901405100000001\", key = 1");
    let twice =
        dangling.replace("imsi = \"724680000000001\", key = 0", "imsi = \"724680000000001\", key = 1");
    let role = TABLE.replace("role = \"global\"", "role = \"Über all\"");
    for (table, keys, expected) in [
        (dangling.as_str(), "", "key set 1 of the multi-IMSI table is missing"),
        (twice.as_str(), KEYS, "key set 1 of the multi-IMSI table is missing, or not for exactly one"),
        (TABLE, KEYS, "key set 1"),
        (role.as_str(), "", "entry 2 of the multi-IMSI table needs a role"),
    ] {
        let octets = with(&applet(&format!("{{ multi_imsi = {table} }}, {keys}")));
        let error = Template::compile(&Package::from_der(&octets).unwrap()).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
