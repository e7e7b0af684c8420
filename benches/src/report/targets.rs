//! The figures to reach, and whether they are.

use crate::report::markdown::Table;
use crate::report::ratios::{self, FROM_START, IMPORT, Of, PEAK, all as ratios_of, mean};
use crate::report::short;
use crate::report::ways::interval;
use crate::results::{OnInterpreter, Results, Scaled, Way};
use crate::statistics::{Ratio, median};

/// Modules of the largest image, of which a target speaks.
const MANY: usize = 8000;

/// A figure to reach.
#[derive(Debug)]
pub struct Target {
    /// What is measured.
    pub name: &'static str,
    /// What is wanted.
    pub wanted: String,
    /// The number in that.
    pub number: f64,
    /// For each interpreter of the results: the value as text, and whether it is reached; `None` where it was not
    /// measured or the target is not meant for this interpreter.
    pub values: Vec<Option<(String, State)>>,
    /// The interpreters, as columns.
    pub labels: Vec<String>,
    /// The worst of them; `None` if none was measured.
    pub reached: Option<State>,
}

/// Whether a figure is reached, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The value is what is wanted.
    Reached,
    /// It is not, but its interval has values that are.
    Undecided,
    /// It is not.
    Missed,
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

    /// Whether a value is what is wanted, with its interval where there is one.
    fn state(self, value: f64, within: Option<Ratio>) -> State {
        match within {
            _ if self.holds(value) => State::Reached,
            Some(Ratio { low, high, .. }) if self.holds(low) || self.holds(high) => State::Undecided,
            _ => State::Missed,
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

/// What few modules may take from an image of many, relative to one of these alone.
pub(super) const OF_FEW: Bound = Bound::AtMost(1.0);

/// What a start with the image may take relative to one without.
pub(super) const START: Bound = Bound::AtMost(1.02);

/// A value of one interpreter, and what else to say.
pub(super) type Value = Option<(f64, String)>;

/// What a target is of one interpreter.
type ValueOf<'a> = &'a dyn Fn(&OnInterpreter) -> Value;

/// The interval of that, where there is one.
type Within<'a> = &'a dyn Fn(&OnInterpreter) -> Option<Ratio>;

/// Of values that do not vary, or of which there are few.
const ALONE: Within<'static> = &|_| None;

/// All targets.
pub fn all(results: &Results) -> Vec<Target> {
    let mut all = times(results);
    all.extend(memory(results));
    all.extend(images(results));
    all
}

fn times(results: &Results) -> Vec<Target> {
    let new = |name, bound, value: ValueOf, within: Within| within_interval(results, name, bound, "", value, within);
    let limit = |linking: &'static str| {
        move |on: &OnInterpreter| (on.linking == linking).then(|| over_limit(on, Way::Image))?
    };
    let limit_within = |on: &OnInterpreter| ratios::mean_within(on, Way::Image, Way::Limit, IMPORT);
    let cds = |name, of| every_package(results, name, OVER_CDS, (Way::Cds, Way::Image, of));
    vec![
        new("import: image / limit, geometric mean, non-PIE", NON_PIE, &limit("static"), &limit_within),
        new("import: image / limit, geometric mean, shared libpython", SHARED, &limit("shared"), &limit_within),
        new("import: `.pyc` / image, geometric mean", OVER_PYC, &|on| pyc_over(on, Way::Image), &|on| {
            ratios::mean_within(on, Way::Pyc, Way::Image, IMPORT)
        }),
        cds("import from start: code-data-share / image, every package", FROM_START),
        cds("import inside the process: code-data-share / image, every package", IMPORT),
        new("`python -c pass`: with image / without", START, &|on| plain(ratios::pass(on)), &ratios::pass_within),
        of_ratio(
            results,
            "import of three modules: image of 8 000 / of these three, time of the process",
            OF_FEW,
            of_many_over_few,
        ),
        new(
            "import of three modules: image of 8 000 / of these three, instructions of the import",
            OF_FEW,
            &|on| plain(many(on)?.instructions_over_few(|steps| steps.import)),
            ALONE,
        ),
    ]
}

fn memory(results: &Results) -> Vec<Target> {
    let new = |name, bound, value: ValueOf, within: Within| within_interval(results, name, bound, "", value, within);
    vec![
        every_package(
            results,
            "peak RSS of one process: image / `.pyc`, every package",
            RESIDENT,
            (Way::Image, Way::Pyc, PEAK),
        ),
        new(
            "import of three modules: image of 8 000 / of these three, peak RSS",
            OF_FEW,
            &|on| plain(many(on)?.peak_over_few()),
            ALONE,
        ),
        new(
            "PSS of 16 processes: image / `.pyc`, geometric mean, non-PIE 3.14",
            Bound::AtMost(0.8),
            &|on| (on.minor == 14 && on.linking == "static").then(|| pss_of_16(on, Way::Image))?,
            ALONE,
        ),
    ]
}

fn images(results: &Results) -> Vec<Target> {
    let built = |on: &OnInterpreter| many(on).map(|image| image.built.clone());
    let new = |name, bound, unit, value: ValueOf| target(results, name, bound, unit, value);
    vec![
        new("image bytes / `.pyc` bytes, whole environment", Bound::AtMost(1.6), "", &|on| {
            plain(on.environment.as_ref().map(|built| built.image_bytes as f64 / built.pyc_bytes as f64))
        }),
        new("build of 8 000 modules", Bound::AtMost(8.0), " s", &|on| {
            plain(built(on).map(|built| median(&built.seconds)))
        }),
        new("build of 8 000 modules, peak RSS", Bound::AtMost(1.5), " GB", &|on| {
            plain(built(on).map(|built| median(&built.peak) / 1e9))
        }),
    ]
}

/// The largest image.
pub(super) fn many(on: &OnInterpreter) -> Option<&Scaled> {
    on.scale.as_ref()?.images.iter().find(|image| image.count == MANY)
}

/// What a process takes that needs few modules of it, over one with an image of these alone.
fn of_many_over_few(on: &OnInterpreter) -> Option<Ratio> {
    let image = many(on).filter(|image| !image.alone.process.is_empty())?;
    Some(Ratio::of(&image.image.process, &image.alone.process))
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
pub(super) fn target(results: &Results, name: &'static str, bound: Bound, unit: &str, value: ValueOf) -> Target {
    within_interval(results, name, bound, unit, value, ALONE)
}

/// The same, with an interval behind it where there is one.
fn within_interval(
    results: &Results,
    name: &'static str,
    bound: Bound,
    unit: &str,
    value: ValueOf,
    within: Within,
) -> Target {
    with_cells(results, name, bound, unit, |on| {
        let (value, more) = value(on)?;
        let within = within(on);
        let range = within.map_or_else(String::new, |ratio| format!(", {}", interval(Some(ratio))));
        Some((format!("{value:.3}{unit}{more}{range}"), bound.state(value, within)))
    })
}

/// Of a ratio that has its interval.
pub(super) fn of_ratio(
    results: &Results,
    name: &'static str,
    bound: Bound,
    ratio: impl Fn(&OnInterpreter) -> Option<Ratio>,
) -> Target {
    with_cells(results, name, bound, "", |on| {
        let ratio = ratio(on)?;
        Some((format!("{:.3}, {}", ratio.value, interval(Some(ratio))), bound.state(ratio.value, Some(ratio))))
    })
}

/// Of the ratio of two ways, which each package is to reach: the package that is furthest from it, how many of all miss it, and the
/// interval of that one. What any of them certainly misses is missed.
fn every_package(results: &Results, name: &'static str, bound: Bound, (above, below, of): (Way, Way, Of)) -> Target {
    with_cells(results, name, bound, "", |on| {
        let ratios = ratios_of(on, above, below, of);
        let (furthest, value) = bound.worst(&ratios)?;
        let within = |name| ratios::of_one(on, name, above, below, of);
        let states: Vec<State> = ratios.iter().map(|&(name, value)| bound.state(value, within(name))).collect();
        let many = match states.iter().filter(|state| **state != State::Reached).count() {
            0 => String::new(),
            missed => format!("; {missed} of {}", states.len()),
        };
        let range = interval(within(furthest));
        Some((format!("{value:.3} ({furthest}{many}), {range}"), states.into_iter().max()?))
    })
}

/// With the cell of each interpreter.
fn with_cells(
    results: &Results,
    name: &'static str,
    bound: Bound,
    unit: &str,
    cell: impl Fn(&OnInterpreter) -> Option<(String, State)>,
) -> Target {
    let values: Vec<Option<(String, State)>> = results.interpreters.iter().map(cell).collect();
    let reached = values.iter().flatten().map(|(_, state)| *state).max();
    let sign = match bound {
        Bound::AtMost(_) => '≤',
        Bound::AtLeast(_) => '≥',
    };
    let number = bound.wanted();
    let wanted = format!("{sign} {number}{unit}");
    let labels = results.interpreters.iter().map(|on| short(&on.label)).collect();
    Target { name, wanted, number, values, labels, reached }
}

/// The table of the targets: what is missed is bold, what is not decided italic.
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
            Some(State::Reached) => "yes",
            Some(State::Undecided) => "*not decided*",
            Some(State::Missed) => "**no**",
            None => "not measured",
        };
        let mut row = vec![target.name.to_owned(), target.wanted.clone(), reached.to_owned()];
        row.extend(target.values.iter().map(|value| match value {
            Some((text, State::Reached)) => text.clone(),
            Some((text, State::Undecided)) => format!("*{text}*"),
            Some((text, State::Missed)) => format!("**{text}**"),
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
        let is = |text: &str, state| Some((text.to_owned(), state));
        assert_eq!(value("limit, geometric mean, shared"), is("1.414, 1.414–1.414", State::Missed));
        assert_eq!(value("`.pyc` / image"), is("2.828, 2.828–2.828", State::Reached));
        // (1.5 - 0.5) / (1 - 0.5) and (2.2 - 0.5) / (2 - 0.5): what every process costs counts for neither.
        assert_eq!(value("from start: code-data-share"), is("1.133 (rich; 1 of 2), 1.133–1.133", State::Missed));
        assert_eq!(
            value("inside the process: code-data-share"),
            is("1.100 (rich; 1 of 2), 1.100–1.100", State::Missed)
        );
        assert_eq!(value("-c pass"), is("1.010, 1.010–1.010", State::Reached));
        // What does nothing does not count among the packages.
        assert_eq!(value("peak RSS of one"), is("0.500 (json), 0.500–0.500", State::Reached));
        let text = table(&targets);
        assert_eq!(text.lines().count(), 2 + targets.len());
        assert!(text.contains("| **no** | **1.414, 1.414–1.414** | – |"), "{text}");
        assert!(text.contains("| not measured | – | – |"), "{text}");
    }

    #[test]
    fn what_repeating_the_measurement_might_reach_is_not_decided() {
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        let interpreters = vec![OnInterpreter::default(); 3];
        let results = Results { machine, version: String::new(), interpreters, pages: None };
        let next = std::cell::Cell::new(0);
        let ratios =
            [(0.9, 0.7, 1.3), (1.1, 0.9, 1.3), (1.1, 1.05, 1.3)].map(|(value, low, high)| Ratio { value, low, high });
        let target = |count: usize| {
            next.set(0);
            let results = Results { interpreters: results.interpreters[..count].to_vec(), ..results.clone() };
            within_interval(&results, "x", Bound::AtMost(1.0), "", &|_| plain(Some(ratios[next.get()].value)), &|_| {
                next.set(next.get() + 1);
                Some(ratios[next.get() - 1])
            })
        };
        let reached = [1, 2, 3].map(|count| target(count).reached);
        assert_eq!(reached, [State::Reached, State::Undecided, State::Missed].map(Some));
        let text = table(&[target(3)]);
        let line = "| **no** | 0.900, 0.700–1.300 | *1.100, 0.900–1.300* | **1.100, 1.050–1.300** |";
        assert!(text.contains(line), "{text}");
        assert!(table(&[target(2)]).contains("| *not decided* |"));
    }

    #[test]
    fn what_one_package_certainly_misses_is_missed() {
        let row = |name: &str, image: [f64; 3], cds: [f64; 3]| {
            let of = |values: [f64; 3]| Outcome::Measured(Samples { import: values.to_vec(), ..Samples::default() });
            let ways = [(Way::Image, of(image)), (Way::Cds, of(cds))].into();
            Measured { name: name.to_owned(), program: String::new(), ways, nothing: Vec::new() }
        };
        let state = |rows: Vec<Measured>| {
            let machine =
                Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
            let interpreters = vec![OnInterpreter { imports: Some(rows), ..OnInterpreter::default() }];
            let results = Results { machine, version: String::new(), interpreters, pages: None };
            let target = every_package(&results, "x", OVER_CDS, (Way::Cds, Way::Image, IMPORT));
            (target.reached.unwrap(), target.values[0].clone().unwrap().0)
        };
        // The furthest one may be anything, for it varies.
        let json = || row("json", [1.0; 3], [0.5, 1.0, 3.0]);
        let (reached, said) = state(vec![json()]);
        assert_eq!(reached, State::Undecided);
        assert!(said.starts_with("1.000 (json; 1 of 1), 0.500–3.000"), "{said}");
        let (reached, said) = state(vec![json(), row("rich", [1.0; 3], [1.2; 3]), row("pip", [1.0; 3], [1.3; 3])]);
        assert_eq!(reached, State::Missed);
        assert!(said.starts_with("1.000 (json; 2 of 3), "), "{said}");
        assert_eq!(state(vec![row("pip", [1.0; 3], [1.3; 3])]).1, "1.300 (pip), 1.300–1.300");
    }
}
