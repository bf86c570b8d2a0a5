//! The errors of ESipa: each function's, its integer in the ASN.1 binding and its pair in the JSON binding (SGP.32 6.4; of
//! relayed functions SGP.22 5.6). The whole table stands in `testvectors/sgp32/errors.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use simyard::binding::esipa::EsipaCode;
use simyard_asn1::iot::esipa::Function;

crate::tests!(the_table_of_errors_is_the_committed_one);

fn the_table_of_errors_is_the_committed_one() {
    let mut text = String::from(
        "# Errors of ESipa\n\nEvery error that the functions of ESipa answer, its integer in the ASN.1 binding and its pair in the \
         JSON binding (SGP.32 6.4; of\nrelayed functions SGP.22 5.6). HandleNotification answers none. Written by \
         `SIMYARD_RECORD=1 cargo test --test it -- esipa_codes`.\n\n\
         | function | error | ASN.1 | pair |\n|---|---|---|---|\n",
    );
    for function in Function::ALL {
        let mut pairs = BTreeSet::new();
        for code in EsipaCode::all(function) {
            let (subject, reason) = code.status();
            let pair = format!("{}/{}", subject.code(), reason.code());
            let name = code.name().unwrap();
            text += &format!("| {} | {name} | {} | {pair} |\n", function.name(), code.code());
            assert!(pairs.insert(pair), "{name}: a pair stands for one error of a function");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testvectors/sgp32/errors.md");
    if std::env::var_os("SIMYARD_RECORD").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "SIMYARD_RECORD=1 writes it");
}
