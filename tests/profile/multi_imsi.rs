//! Several IMSIs on one card: an applet with a table in a file or in commands, several USIMs, several packages.

use simyard::profile::description::{build, extract};
use simyard::profile::image::ProfileImage;
use simyard::profile::multi_imsi::Table;
use simyard::profile::shipped;
use simyard_asn1::saip::Package;

crate::tests!(
    an_applet_finds_its_table_in_a_file,
    an_applet_gets_table_and_keys_by_commands,
    a_package_has_two_usims,
);

/// Two IMSIs: one for Brazil, one for everywhere else.
pub const TABLE: &str = r#"{ first = 1, retry-seconds = 240, return-hours = 24, entries = [
  { index = 1, imsi = "724680000000001", key = 0, networks = ["724"], role = "brazil" },
  { index = 2, imsi = "901405100000001", key = 0, rotation-days = 60, role = "global" },
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
applicationParameters = {{ uiccToolkitApplicationSpecificParametersField = {{ priority = 1, timers = 1, minimum-security-level = "", tars = ["B30001"] }} }}
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
    let octets = with(&(file(&format!("{{ multi-imsi = {TABLE} }}")) + &applet("")));
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
    let keys = r#"{ multi-imsi-keys = [{ reference = 1, algorithm = "milenage", key = "465B5CE8B199B49FAA5F0A2EE238A6BC", opc = "CD63CB71954A9F4E48A5994E37A02BAF" }] }"#;
    let octets = with(&applet(&format!("{{ multi-imsi = {TABLE} }}, {keys}")));
    assert!(ProfileImage::build_for_any_card(&Package::from_der(&octets).unwrap()).is_ok());
    let text = extract(&Package::from_der(&octets).unwrap());
    assert!(
        text.contains("multi-imsi-keys = [{ reference = 1, algorithm = \"milenage\", key = \"465B"),
        "{}",
        *text
    );
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
