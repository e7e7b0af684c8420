//! The parts of the time that an import from the image takes from start, where code-data-share is too near.

use crate::report::markdown::{cells, ms, or_dash, signed};
use crate::report::process_profile::from_start;
use crate::report::ratios::{self, FROM_START, IMPORT, Split, middle};
use crate::report::short;
use crate::report::targets::{OVER_CDS, plain};
use crate::results::{Measured, OnInterpreter, Place, Results, Way};

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
        "Where that time goes, by the profiles of whole processes below less that of a start without the loader: of the \
         packages that miss the figure and have a profile, in ms. *Too much* is what the image would have to be quicker by, in \
         the same profile, for code-data-share to be {wanted} times slower. Both ways run the bodies of the modules and \
         importlib, which is most of what the interpreter does.",
        wanted = OVER_CDS.wanted()
    );
    let mut columns = cells(["", "package", "way", "from start", "too much"]);
    columns.extend(Place::ALL.map(|place| place.title().to_owned()));
    super::table(text, results, &said, &columns, places);
}

/// Packages with what code-data-share takes over what the image does, those nearest first; all, and those that miss the figure.
fn compared(on: &OnInterpreter) -> [Vec<(&Measured, f64)>; 2] {
    let mut all: Vec<(&Measured, f64)> = ratios::imports(on)
        .filter_map(|row| Some((row, ratios::plain(row, Way::Cds, Way::Image, FROM_START)?)))
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    let missed = |&(_, ratio): &(&Measured, f64)| OVER_CDS.missed(plain(Some(ratio))).is_some();
    [all.clone(), all.into_iter().filter(missed).collect()]
}

/// Two rows for each package: the image and code-data-share, by place.
fn places(on: &OnInterpreter) -> Vec<Vec<String>> {
    let [_, missed] = compared(on);
    let (profiles, starts) = (on.profile.as_deref().unwrap_or_default(), on.start_profile.as_ref());
    let mut rows = Vec::new();
    for (measured, _) in missed {
        let profile = profiles.iter().find(|row| row.name == measured.name);
        let of = |way, places: &[Place]| from_start(profile?, starts?, way, places);
        let [Some(image), Some(cds)] = [Way::Image, Way::Cds].map(|way| of(way, &Place::ALL)) else { continue };
        for (way, all, too_much) in [(Way::Image, image, Some(image - cds / OVER_CDS.wanted())), (Way::Cds, cds, None)]
        {
            let mut row = vec![short(&on.label), measured.name.clone(), way.title().to_owned(), ms(all)];
            row.push(or_dash(too_much.map(|seconds| signed(seconds, ms))));
            row.extend(Place::ALL.map(|place| or_dash(of(way, &[place]).map(|seconds| signed(seconds, ms)))));
            rows.push(row);
        }
    }
    rows
}

fn rows(on: &OnInterpreter) -> Vec<Vec<String>> {
    let Some(surplus) = ratios::surplus(on) else { return Vec::new() };
    let [compared, missed] = compared(on);
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
    use crate::report::process_profile::tests::row as profiled;
    use crate::results::{ProfiledStart, Step};

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
    fn a_profile_says_where_the_time_from_start_goes() {
        // From start 5 ms with the image, and 6 or 7 by code-data-share.
        let of = |name: &str, cds: f64| {
            let ways = [(Way::Image, 0.004, 10.005, 0.0), (Way::Cds, 0.001, 10.0 + cds / 1e3, 0.0)];
            package(name, &ways)
        };
        let imports = Some(vec![of("rich", 6.0), of("json", 6.0), of("flask", 7.0)]);
        let ways = [(Way::Image, [60, 5]), (Way::Cds, [65, 15])];
        let profile = Some(vec![profiled("json", &ways), profiled("flask", &ways)]);
        let mut starts = ProfiledStart { frequency: 1000.0, ..ProfiledStart::default() };
        starts.add(Step::None, &[(Place::Interpreter, 20), (Place::Files, 10)].into());
        let mut text = String::new();
        let on = OnInterpreter { imports, profile, start_profile: Some(starts), ..OnInterpreter::default() };
        in_the_way(&mut text, &results(on));
        let wanted = [
            "| 3.11.7 shared | json | image | 35.0 | −5.00 | +40.0 | +0.00 | +0.00 | +0.00 | −5.00 | +0.00 | +0.00 |",
            "| 3.11.7 shared | json | code-data-share | 50.0 | – | +45.0 | +0.00 | +0.00 | +0.00 | +5.00 | +0.00 | +0.00 |",
        ];
        assert_eq!(text.lines().filter(|line| line.starts_with("| 3.11.7")).collect::<Vec<_>>(), wanted, "{text}");
    }
}
