//! The figures to reach, and whether they are.

use crate::report::markdown::Table;
use crate::report::ratios::{self, FROM_START, IMPORT, PEAK, all as ratios_of, mean};
use crate::report::short;
use crate::results::{OnInterpreter, Results, Way};
use crate::statistics::median;

/// Modules of the largest image, of which a target speaks.
const MANY: usize = 8000;

/// A figure to reach.
#[derive(Debug)]
pub struct Target {
    /// What is measured.
    pub name: &'static str,
    /// What is wanted.
    pub wanted: String,
    /// For each interpreter of the results: the value as text, and whether it is reached; `None` where it was not
    /// measured or the target is not meant for this interpreter.
    pub values: Vec<Option<(String, bool)>>,
    /// The interpreters, as columns.
    pub labels: Vec<String>,
    /// Whether all are reached; `None` if none was measured.
    pub reached: Option<bool>,
}

/// What a value has to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Bound::AtMost(most) => value <= most,
            Bound::AtLeast(least) => value >= least,
        }
    }

    /// What is wanted.
    pub(super) fn wanted(self) -> f64 {
        match self {
            Bound::AtMost(most) => most,
            Bound::AtLeast(least) => least,
        }
    }

    /// The value if it is not what is wanted.
    pub(super) fn missed(self, value: Value) -> Option<f64> {
        value.map(|(value, _)| value).filter(|&value| !self.holds(value))
    }

    /// Of several values, the one that is furthest from what is wanted.
    pub(super) fn worst<'a>(self, values: &[(&'a str, f64)]) -> Option<(&'a str, f64)> {
        let order = |a: &&(&str, f64), b: &&(&str, f64)| a.1.total_cmp(&b.1);
        match self {
            Bound::AtMost(_) => values.iter().max_by(order).copied(),
            Bound::AtLeast(_) => values.iter().min_by(order).copied(),
        }
    }
}

/// What imports from the image may take relative to the limit, where addresses are the same in each process.
const NON_PIE: Bound = Bound::AtMost(0.97);

/// The same with a shared libpython.
const SHARED: Bound = Bound::AtMost(1.02);

/// How much quicker imports from the image are to be than those from `.pyc` files.
pub(super) const OVER_PYC: Bound = Bound::AtLeast(1.6);

/// How much quicker each of them is to be than by code-data-share.
pub(super) const OVER_CDS: Bound = Bound::AtLeast(1.25);

/// What a process may have resident at most, relative to one that imports from `.pyc` files.
pub(super) const RESIDENT: Bound = Bound::AtMost(1.05);

/// What a start with the image may take relative to one without.
pub(super) const START: Bound = Bound::AtMost(1.02);

/// A value of one interpreter, and what else to say.
pub(super) type Value = Option<(f64, String)>;

/// All targets.
pub fn all(results: &Results) -> Vec<Target> {
    use Bound::AtMost;
    let is = |linking: &'static str| move |on: &OnInterpreter| on.linking == linking;
    let limit = |on: &OnInterpreter| over_limit(on, Way::Image);
    let many = |on: &OnInterpreter| on.scale.as_ref()?.images.iter().find(|i| i.count == MANY).map(|i| i.built.clone());
    let new = |name, bound, unit, meant: &dyn Fn(&OnInterpreter) -> bool, value: &dyn Fn(&OnInterpreter) -> Value| {
        target(results, name, bound, unit, &|on| if meant(on) { value(on) } else { None })
    };
    let any = |_: &OnInterpreter| true;
    vec![
        new("import: image / limit, geometric mean, non-PIE", NON_PIE, "", &is("static"), &limit),
        new("import: image / limit, geometric mean, shared libpython", SHARED, "", &is("shared"), &limit),
        new("import: `.pyc` / image, geometric mean", OVER_PYC, "", &any, &|on| pyc_over(on, Way::Image)),
        new("import from start: code-data-share / image, every package", OVER_CDS, "", &any, &|on| {
            let worst = |of| worst(OVER_CDS, &ratios_of(on, Way::Cds, Way::Image, of));
            let (value, name) = worst(FROM_START)?;
            let inside = worst(IMPORT).map_or_else(String::new, |(inside, n)| format!("; inside {inside:.3}{n}"));
            Some((value, name + &inside))
        }),
        new("`python -c pass`: with image / without", START, "", &any, &|on| plain(ratios::pass(on))),
        new("peak RSS of one process: image / `.pyc`, every package", RESIDENT, "", &any, &|on| peak(on, Way::Image)),
        new(
            "PSS of 16 processes: image / `.pyc`, geometric mean, non-PIE 3.14",
            AtMost(0.8),
            "",
            &|on| on.minor == 14 && on.linking == "static",
            &|on| pss_of_16(on, Way::Image),
        ),
        new("image bytes / `.pyc` bytes, whole environment", AtMost(1.6), "", &any, &|on| {
            plain(on.environment.as_ref().map(|built| built.image_bytes as f64 / built.pyc_bytes as f64))
        }),
        new("build of 8 000 modules", AtMost(8.0), " s", &any, &|on| plain(many(on).map(|b| median(&b.seconds)))),
        new("build of 8 000 modules, peak RSS", AtMost(1.5), " GB", &any, &|on| {
            plain(many(on).map(|b| median(&b.peak) / 1e9))
        }),
    ]
}

/// Imports one way over the limit, the geometric mean.
pub(super) fn over_limit(on: &OnInterpreter, way: Way) -> Value {
    plain(mean(&ratios_of(on, way, Way::Limit, IMPORT)))
}

/// Imports from `.pyc` files over those one way, the geometric mean.
pub(super) fn pyc_over(on: &OnInterpreter, way: Way) -> Value {
    plain(mean(&ratios_of(on, Way::Pyc, way, IMPORT)))
}

/// Peak RSS one way over that from `.pyc` files, the worst package.
pub(super) fn peak(on: &OnInterpreter, way: Way) -> Value {
    worst(RESIDENT, &ratios_of(on, way, Way::Pyc, PEAK))
}

/// PSS of 16 processes one way over that from `.pyc` files, the geometric mean.
pub(super) fn pss_of_16(on: &OnInterpreter, way: Way) -> Value {
    plain(mean(&ratios::pss(on, way, 16)))
}

/// Imports from the image over the limit, where that is not what is wanted.
pub fn missed_limit(on: &OnInterpreter) -> Option<f64> {
    let bound = match on.linking.as_str() {
        "static" => NON_PIE,
        "shared" => SHARED,
        _ => return None,
    };
    bound.missed(over_limit(on, Way::Image))
}

/// A value about which nothing else is to be said.
pub(super) fn plain(value: Option<f64>) -> Value {
    value.map(|value| (value, String::new()))
}

/// The value that is furthest from what is wanted, with its name.
pub(super) fn worst(bound: Bound, values: &[(&str, f64)]) -> Value {
    bound.worst(values).map(|(name, value)| (value, format!(" ({name})")))
}

/// With a value of each interpreter.
pub(super) fn target(
    results: &Results,
    name: &'static str,
    bound: Bound,
    unit: &str,
    value: &dyn Fn(&OnInterpreter) -> Value,
) -> Target {
    let cell = |on| value(on).map(|(value, more)| (format!("{value:.3}{unit}{more}"), bound.holds(value)));
    let values: Vec<Option<(String, bool)>> = results.interpreters.iter().map(cell).collect();
    let reached = values.iter().flatten().map(|(_, good)| *good).reduce(|all, good| all && good);
    let sign = match bound {
        Bound::AtMost(_) => '≤',
        Bound::AtLeast(_) => '≥',
    };
    let wanted = format!("{sign} {}{unit}", bound.wanted());
    let labels = results.interpreters.iter().map(|on| short(&on.label)).collect();
    Target { name, wanted, values, labels, reached }
}

/// The table of the targets: what is missed is bold.
pub fn table(targets: &[Target]) -> String {
    titled(targets, "reached")
}

/// The same, with this title above whether they are reached.
pub(super) fn titled(targets: &[Target], title: &str) -> String {
    let labels = targets.first().map(|target| target.labels.clone()).unwrap_or_default();
    let head = ["figure", "target", title].map(str::to_owned);
    let mut table = Table::new(&[head.to_vec(), labels].concat());
    for target in targets {
        let reached = match target.reached {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        };
        let mut row = vec![target.name.to_owned(), target.wanted.clone(), reached.to_owned()];
        row.extend(target.values.iter().map(|value| match value {
            Some((text, true)) => text.clone(),
            Some((text, false)) => format!("**{text}**"),
            None => "–".to_owned(),
        }));
        table.row(&row);
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Measured, Outcome, Samples};

    fn measured(name: &str, ways: &[(Way, f64)]) -> Measured {
        let samples =
            |value: f64| Samples { import: vec![value], process: vec![value], peak: vec![value], ..Samples::default() };
        let ways = ways.iter().map(|&(way, value)| (way, Outcome::Measured(samples(value)))).collect();
        Measured { name: name.to_owned(), program: String::new(), ways, nothing: vec![0.5] }
    }

    #[test]
    fn each_target_has_the_interpreters_that_it_is_meant_for() {
        let imports = vec![
            measured("pass", &[(Way::Pyc, 1.0), (Way::Image, 1.01)]),
            measured("json", &[(Way::Pyc, 2.0), (Way::Image, 1.0), (Way::Limit, 1.0), (Way::Cds, 1.5)]),
            measured("rich", &[(Way::Pyc, 8.0), (Way::Image, 2.0), (Way::Limit, 1.0), (Way::Cds, 2.2)]),
        ];
        let on = |linking: &str, imports| OnInterpreter {
            label: format!("3.13.0-{linking}"),
            linking: linking.to_owned(),
            minor: 13,
            imports,
            ..OnInterpreter::default()
        };
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        let interpreters = vec![on("shared", Some(imports)), on("static", None)];
        let results = Results { machine, version: String::new(), interpreters, pages: None };
        let targets = all(&results);
        assert_eq!(results.interpreters.iter().map(|on| missed_limit(on).is_some()).collect::<Vec<_>>(), [true, false]);
        let found = |part: &str| targets.iter().find(|t| t.name.contains(part)).unwrap();
        let value = |part: &str| found(part).values[0].clone();
        assert_eq!(found("non-PIE").reached, None);
        // 1 and 2: their geometric mean is above the bound.
        assert_eq!(value("limit, geometric mean, shared"), Some(("1.414".to_owned(), false)));
        assert_eq!(value("`.pyc` / image"), Some(("2.828".to_owned(), true)));
        // (1.5 - 0.5) / (1 - 0.5) and (2.2 - 0.5) / (2 - 0.5): what every process costs counts for neither.
        assert_eq!(value("code-data-share"), Some(("1.133 (rich); inside 1.100 (rich)".to_owned(), false)));
        assert_eq!(value("-c pass"), Some(("1.010".to_owned(), true)));
        // What does nothing does not count among the packages.
        assert_eq!(value("peak RSS of one"), Some(("0.500 (json)".to_owned(), true)));
        let text = table(&targets);
        assert_eq!(text.lines().count(), 2 + targets.len());
        assert!(text.contains("| **no** | **1.414** | – |"), "{text}");
        assert!(text.contains("| not measured | – | – |"), "{text}");
    }
}
