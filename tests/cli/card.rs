//! `simyard card`: which CIs of a test PKI a card has, and in which order it prefers them; a card in a reader.

use std::net::TcpListener;

use simyard::device::transport::{read_frame, write_frame};

use crate::binary::{Place, free_port};

crate::tests!(
    a_card_prefers_the_curve_that_is_named_first,
    a_card_waits_for_its_reader_and_goes_into_it,
    what_is_no_reader_or_no_answer_to_reset_is_wrong_usage,
);

fn a_card_prefers_the_curve_that_is_named_first() {
    let place = Place::furnished();
    let cis = |card: &str, curves: &str| {
        place.run(&format!("card new {card} --pki pki {curves}")).ok();
        let shown = place.run(&format!("card show {card} --json")).json();
        assert_eq!(shown["signingCiKeys"], shown["trustedCiKeys"]);
        shown["signingCiKeys"].as_array().unwrap().clone()
    };
    let [p256, brainpool] = cis("both", "").try_into().unwrap();
    place.run("card new second --pki pki --curve brainpool --curve p256").ok();
    assert_eq!(cis("other", "--curve brainpool --curve p256"), [brainpool.clone(), p256]);
    assert_eq!(cis("one", "--curve brainpool"), [brainpool]);
}

fn a_card_waits_for_its_reader_and_goes_into_it() {
    let place = Place::furnished();
    place.run("card new card --pki pki").ok();
    let port = free_port();
    let mut running =
        place.start(&format!("card serve card --vpcd 127.0.0.1:{port} --atr 3B00"), "no reader at");
    assert!(running.printed[0].contains("pcscd"), "{:?}", running.printed);
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut reader = listener.accept().unwrap().0;
    running.wait_for(&format!("card in the reader at 127.0.0.1:{port}"));
    write_frame(&mut reader, &[0x04]).unwrap();
    assert_eq!(read_frame(&mut reader).unwrap().unwrap(), [0x3B, 0x00]);
    drop(reader);
    running.wait_for("ended; the card waits for it");
    assert!(listener.accept().is_ok());
}

fn what_is_no_reader_or_no_answer_to_reset_is_wrong_usage() {
    let place = Place::new();
    for (line, says) in [
        ("card serve --vpcd card", "in front of --vpcd"),
        ("card serve card --vpcd localhost:0", "HOST:PORT"),
        ("card serve card --vpcd :35963", "HOST:PORT"),
        ("card serve card --vpcd --stdio", "cannot be used with"),
        ("card serve card --stdio --atr 3B00", "cannot be used with"),
        ("card serve card --vpcd --atr 9000", "begins with 3B or 3F"),
    ] {
        let run = place.run(line);
        assert_eq!(run.code, Some(2), "{line}: {run:?}");
        assert!(run.stderr.contains(says), "{line}: {run:?}");
    }
}
