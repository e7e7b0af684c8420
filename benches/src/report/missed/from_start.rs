//! The parts of the time that an import from the image takes from start, where code-data-share is too near.

use crate::report::difference::first;
use crate::report::from_start_profile::TooMuch;
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
    let said = format!(
        "Where the image spends what is too much of it, by the profiles from start below: the figure and its ratio in the \
         profile, which takes samples and so takes longer; what the image takes more than 1 / {wanted} of code-data-share's time, and \
         the places where it certainly does. ms of one process, the median of the rounds with the standard error; what is less than \
         twice that is left out. Where the whole is below nothing, the profile does not show what the figure says.",
        wanted = OVER_CDS.wanted()
    );
    let columns =
        ["", "package", "code-data-share / image", "in the profile", "too much", "most", "second", "third", "fourth"];
    super::table(text, results, &said, &cells(columns), places);
}

/// Packages with what code-data-share takes over what the image does: how many were compared, and those that miss the figure, the
/// furthest first.
fn missed(on: &OnInterpreter) -> (usize, Vec<(&Measured, f64)>) {
    let mut all: Vec<(&Measured, f64)> = ratios::imports(on)
        .filter_map(|row| Some((row, ratios::plain(row, Way::Cds, Way::Image, FROM_START)?)))
        .collect();
    let compared = all.len();
    all.retain(|&(_, ratio)| OVER_CDS.missed(plain(Some(ratio))).is_some());
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    (compared, all)
}

/// A row for each package that misses the figure and has a profile.
fn places(on: &OnInterpreter) -> Vec<Vec<String>> {
    let profiles = on.from_start_profile.as_deref().unwrap_or_default();
    let row = |(measured, ratio): (&Measured, f64)| {
        let profile = profiles.iter().find(|row| row.name == measured.name)?;
        let TooMuch { ratio: sampled, all, places } = TooMuch::of(profile, OVER_CDS.wanted())?;
        let mut row = vec![short(&on.label), measured.name.clone(), format!("{ratio:.3}"), format!("{sampled:.3}")];
        row.push(all.to_string());
        row.extend(first(&places, 4));
        Some(row)
    };
    missed(on).1.into_iter().filter_map(row).collect()
}

fn rows(on: &OnInterpreter) -> Vec<Vec<String>> {
    let Some(surplus) = ratios::surplus(on) else { return Vec::new() };
    let (compared, missed) = missed(on);
    let how_many = format!("{} of {compared}", missed.len());
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
    use crate::report::from_start_profile::tests::row as profiled;
    use crate::report::missed::tests::{package, results};
    use crate::results::Whole;

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

    #[test]
    fn what_is_too_much_is_where_the_profile_has_it() {
        // From start 5 ms with the image, and 6 or 7 by code-data-share.
        let of = |name: &str, cds: f64| {
            let ways = [(Way::Image, 0.004, 10.005, 0.0), (Way::Cds, 0.001, 10.0 + cds / 1e3, 0.0)];
            package(name, &ways)
        };
        let kinds = [(Whole::Nothing, [20, 10]), (Whole::Image, [80, 15]), (Whole::Cds, [95, 12])];
        let text = |imports: &[(&str, f64)], profiles: &[&str]| {
            let imports = Some(imports.iter().map(|&(name, cds)| of(name, cds)).collect());
            let from_start_profile = Some(profiles.iter().map(|name| profiled(name, &kinds)).collect());
            let on = OnInterpreter { imports, from_start_profile, ..OnInterpreter::default() };
            let mut text = String::new();
            in_the_way(&mut text, &results(on));
            text
        };
        let line =
            "| 3.11.7 shared | json | 1.200 | 1.185 | +3.40 ± 0.36 | kernel: files: +3.40 ± 0.13 | – | – | – |\n\n";
        let found = text(&[("rich", 6.0), ("json", 6.0), ("flask", 7.0)], &["json", "flask"]);
        assert!(found.ends_with(line) && !found.contains("flask") && !found.contains("rich"), "{found}");
        assert_eq!(text(&[("json", 6.0)], &[]), "");
        assert_eq!(text(&[("json", 7.0)], &["json"]), "");
    }
}
