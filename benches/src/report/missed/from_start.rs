//! The parts of the time that an import from the image takes from start, where code-data-share is too near.

use crate::report::markdown::{cells, ms};
use crate::report::ratios::{self, FROM_START, IMPORT, Split, middle};
use crate::report::short;
use crate::report::targets::{OVER_CDS, plain};
use crate::results::{Measured, OnInterpreter, Results, Way};

/// How many packages of an interpreter have a row: those that are furthest from the target.
const SHOWN: usize = 3;

/// For each interpreter that misses the figure about code-data-share.
pub fn in_the_way(text: &mut String, results: &Results) {
    let said = format!(
        "What the time from start consists of where code-data-share is not {wanted} times slower: of each interpreter the \
         {SHOWN} packages furthest from that, in ms. The image's time is what its start takes longer than one without, the \
         import inside the clock, and what the process takes around that; *wanted* is what it would have to be, by the time of \
         code-data-share, most of whose work is before its clock.",
        wanted = OVER_CDS.wanted()
    );
    let columns = [
        "",
        "package",
        "packages that miss",
        "code-data-share / image",
        "image: from start",
        "wanted",
        "image: start",
        "image: import",
        "image: around",
        "code-data-share: from start",
        "code-data-share: import",
    ];
    super::table(text, results, &said, &cells(columns), rows);
}

fn rows(on: &OnInterpreter) -> Vec<Vec<String>> {
    let Some(surplus) = ratios::surplus(on) else { return Vec::new() };
    let compared: Vec<(&Measured, f64)> = ratios::imports(on)
        .filter_map(|row| Some((row, ratios::plain(row, Way::Cds, Way::Image, FROM_START)?)))
        .collect();
    let mut missed: Vec<(&Measured, f64)> =
        compared.iter().copied().filter(|&(_, ratio)| OVER_CDS.missed(plain(Some(ratio))).is_some()).collect();
    missed.sort_by(|a, b| a.1.total_cmp(&b.1));
    let how_many = format!("{} of {}", missed.len(), compared.len());
    let row = |(row, ratio): &(&Measured, f64)| {
        let Split { surplus, import, around } = ratios::split(row, surplus)?;
        let cds = middle(row, Way::Cds, FROM_START)?;
        let mut line = vec![short(&on.label), row.name.clone(), how_many.clone(), format!("{ratio:.3}")];
        let inside = middle(row, Way::Cds, IMPORT)?;
        let all = surplus + import + around;
        line.extend([all, cds / OVER_CDS.wanted(), surplus, import, around, cds, inside].map(ms));
        Some(line)
    };
    missed.iter().take(SHOWN).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::missed::tests::{package, results};

    #[test]
    fn the_packages_furthest_from_the_target_have_their_parts() {
        // In ms, of a start of ten seconds; `pass` says that a start with the image takes 2 ms more.
        let of = |name: &str, image: f64, cds: f64| {
            let (import, process) = (image / 1e3, 10.0 + (image + 3.0) / 1e3);
            let ways = [(Way::Image, import, process, 0.0), (Way::Cds, 0.001, 10.0 + cds / 1e3, 0.0)];
            package(name, &ways)
        };
        let pass = package("pass", &[(Way::Pyc, 0.0, 10.0, 0.0), (Way::Image, 0.0, 10.002, 0.0)]);
        let packages = [("json", 5.0, 8.8), ("rich", 7.5, 20.0), ("flask", 7.5, 10.5), ("pip", 7.5, 12.0)];
        let mut imports: Vec<_> = packages.map(|(name, image, cds)| of(name, image, cds)).into();
        imports.push(of("typer", 7.5, 9.0));
        let mut text = String::new();
        let alone = OnInterpreter { imports: Some(imports.clone()), ..OnInterpreter::default() };
        in_the_way(&mut text, &results(alone));
        assert_eq!(text, "", "what a start costs is not known");
        imports.push(pass);
        in_the_way(&mut text, &results(OnInterpreter { imports: Some(imports), ..OnInterpreter::default() }));
        let wanted = [
            "| 3.11.7 shared | typer | 4 of 5 | 0.857 | 10.5 | 7.20 | 2.00 | 7.50 | 1.00 | 9.00 | 1.00 |",
            "| 3.11.7 shared | flask | 4 of 5 | 1.000 | 10.5 | 8.40 | 2.00 | 7.50 | 1.00 | 10.5 | 1.00 |",
            "| 3.11.7 shared | json | 4 of 5 | 1.100 | 8.00 | 7.04 | 2.00 | 5.00 | 1.00 | 8.80 | 1.00 |",
        ];
        assert_eq!(text.lines().filter(|line| line.starts_with("| 3.11.7")).collect::<Vec<_>>(), wanted, "{text}");
    }
}
