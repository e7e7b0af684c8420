//! Tables of an image's words, for small images of all interpreters of the machine: whatever says which words are to be changed, the copies
//! are the same.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use cds_benches::encodings::COMMAND;
use cds_benches::encodings::child::Found;
use cds_benches::results::Encoding;
use cds_tests::environments::Environment;
use cds_tests::interpreters::Interpreters;

fn compare(image: &Path, imports: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.env_remove("CDS_TESTS_INSIDE").arg(COMMAND).arg(image).args(["2", imports]).output().unwrap()
}

#[test]
fn every_encoding_leaves_the_same_copies() {
    let interpreters = Interpreters::discover().tested;
    if interpreters.is_empty() {
        // The macros that print are silent in a test that passes.
        let said = "skipped: every_encoding_leaves_the_same_copies: no supported interpreter on this machine";
        writeln!(std::io::stderr(), "{said}").unwrap();
    }
    for interpreter in interpreters {
        let environment = Environment::bare(&interpreter).unwrap();
        let image = environment.scratch.join("image.so");
        environment.build(&image).unwrap().args(["argparse", "json", "json.decoder"]).ok().unwrap();
        let output = compare(&image, r#"[["both", ["argparse", "json", "no.such"]], ["one", ["argparse"]]]"#);
        let label = &interpreter.label;
        assert!(output.status.success(), "{label}: {}", String::from_utf8_lossy(&output.stderr));
        let (tables, works) = serde_json::from_slice::<Found>(&output.stdout).unwrap();
        assert_eq!(works.iter().map(|work| (&*work.name, work.units)).collect::<Vec<_>>(), [("both", 2), ("one", 1)]);
        let [both, one] = &works[..] else { unreachable!() };
        assert!(both.changed > one.changed && one.changed > 1000, "{label}: {both:?}");
        assert!(both.bytes > one.bytes && both.bytes.is_multiple_of(8), "{label}: {both:?}");
        assert_eq!(both.copy.len(), 2, "{label}");
        for encoding in Encoding::ALL {
            let (all, both, one) = (tables[&encoding], both.tables[&encoding], one.tables[&encoding]);
            match encoding {
                Encoding::Windows => assert_eq!((all, both, one), (0, 0, 0), "{label}"),
                _ => assert!(all > both && both > one && one > 100, "{label}, {encoding:?}: {all}, {both}, {one}"),
            }
            assert!(works.iter().all(|work| work.seconds[&encoding].len() == 2), "{label}, {encoding:?}");
        }
        // Each word has a number of four bytes, also one with an address of the pool, which does not move here.
        assert!(one.tables[&Encoding::Numbers] / 4 >= one.changed, "{label}: {one:?}");

        let output = compare(&image, r#"[["none", ["no.such"]]]"#);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{label}: {said}");
        assert!(said.contains("the units of none") && said.contains("the image has none of these modules"), "{said}");
    }
}
