//! The plots of a report.

use crate::plots::{Bar, Bars, Key, Level, Lines, colour, shade};
use crate::report::ratios::{self, FROM_START, IMPORT, Of, PEAK, PROCESS, mean, plain};
use crate::report::short;
use crate::report::targets::{self, Target};
use crate::results::{Built, Measured, OnInterpreter, Results, Way};
use crate::statistics::{geometric_mean, median};

/// A plot.
#[derive(Debug)]
pub struct Figure {
    /// The file's name.
    pub file: String,
    /// What is shown.
    pub title: String,
    /// The interpreter that it is of; all, if `None`.
    pub label: Option<String>,
    /// What is said below it, if anything.
    pub caption: String,
    /// The file.
    pub svg: String,
}

/// The figures to reach that plots have a line of, by their names.
mod wanted {
    pub const NON_PIE: &str = "import: image / limit, geometric mean, non-PIE";
    pub const SHARED: &str = "import: image / limit, geometric mean, shared libpython";
    pub const OVER_PYC: &str = "import: `.pyc` / image, geometric mean";
    pub const RESIDENT: &str = "peak RSS of one process: image / `.pyc`, every package";
    pub const PSS: &str = "PSS of 16 processes: image / `.pyc`, geometric mean, non-PIE 3.14";
    pub const SECONDS: &str = "build of 8 000 modules";
    pub const MEMORY: &str = "build of 8 000 modules, peak RSS";
}

/// What is said of the thin lines in plots that have some.
const INTERVALS: &str = "; thin lines are 99 % intervals, cut off at the edge, where both ways had the same rounds";

/// What every axis of ratios to `.pyc` files says.
const RELATIVE: &str = "relative to .pyc; less is better";

/// The name of the group behind those of the packages.
const MEAN: &str = "mean";

/// All plots for which there are values.
pub fn all(results: &Results) -> Vec<Figure> {
    let targets = targets::all(results);
    let mut all = Vec::new();
    all.extend(inside(results, &targets));
    all.extend(from_start(results));
    all.extend(over_limit(results, &targets));
    let (seconds, memory) = (|built: &Built| median(&built.seconds), |built: &Built| median(&built.peak) / 1e6);
    let wanted = |name, unit| level(&targets, name, None).map(|wanted| wanted.of("8 000 modules", unit));
    let level = wanted(wanted::SECONDS, 1.0);
    all.extend(scale(results, "Time to build an image", "build-time.svg", "seconds", level, seconds));
    let level = wanted(wanted::MEMORY, 1e3);
    all.extend(scale(results, "Memory to build an image", "build-memory.svg", "MB, peak RSS", level, memory));
    for (number, on) in results.interpreters.iter().enumerate() {
        all.extend(of_interpreter(on, number, &targets));
    }
    all
}

/// The plots of one interpreter, by its number among all.
fn of_interpreter(on: &OnInterpreter, number: usize, targets: &[Target]) -> Vec<Figure> {
    let level = |name| level(targets, name, Some(number));
    let only: Vec<&Measured> = ratios::imports(on).collect();
    let all: Vec<&Measured> = on.imports.iter().flatten().collect();
    let commands: Vec<&Measured> = on.commands.iter().flatten().collect();
    let over_pyc = level(wanted::OVER_PYC).map(|wanted| wanted.inverse("image, mean"));
    let resident = level(wanted::RESIDENT).map(|wanted| wanted.of("image", 1.0));
    let pss = level(wanted::PSS).map(|wanted| wanted.of("image ×16, mean", 1.0));
    let figures = [
        ways(on, &only, IMPORT, over_pyc, "Import time inside the process", "import"),
        ways(on, &only, FROM_START, None, "Import from start", "from-start"),
        ways(on, &all, PEAK, resident, "Peak RSS", "peak"),
        ways(on, &commands, PROCESS, None, "Commands, time from start to end", "commands"),
        memory(on, pss),
    ];
    figures.into_iter().flatten().collect()
}

/// What is wanted of a figure to reach.
struct Wanted {
    /// The number, in the figure's own unit.
    value: f64,
    /// With sign and unit.
    said: String,
}

impl Wanted {
    /// A line for it on an axis whose unit is so many times smaller.
    fn of(&self, what: &str, unit: f64) -> Level {
        Level { value: self.value * unit, said: format!("{what} {}", self.said) }
    }

    /// A line for a ratio that is to be at least that, on an axis of its inverse.
    fn inverse(&self, what: &str) -> Level {
        Level { value: 1.0 / self.value, said: format!("{what} ≤ 1/{}", self.value) }
    }
}

/// Of the figure with this name, if it was measured: on this interpreter, or on any.
fn level(targets: &[Target], name: &str, interpreter: Option<usize>) -> Option<Wanted> {
    let target = targets.iter().find(|target| target.name == name)?;
    match interpreter {
        Some(number) => target.values.get(number)?.is_some(),
        None => target.reached.is_some(),
    }
    .then_some(())?;
    Some(Wanted { value: target.number, said: target.wanted.clone() })
}

/// Each has its colour in all plots.
const COMPARED: [Way; 6] = [Way::Image, Way::Cds, Way::Zip, Way::Limit, Way::Paused, Way::InPlace];

/// The ways that memory of several processes is measured of, beside `.pyc` files.
const SHARING: [Way; 3] = [Way::Image, Way::InPlace, Way::Cds];

type Groups = Vec<(String, Vec<Option<Bar>>)>;

/// What a plot of bars is of, before anything is known of its values.
struct Plot {
    file: String,
    title: String,
    axis: String,
    label: Option<String>,
    caption: String,
    levels: Vec<Level>,
    dots: bool,
}

impl Plot {
    /// One of all interpreters.
    fn of_all(file: &str, title: &str) -> Plot {
        Plot {
            file: file.to_owned(),
            title: title.to_owned(),
            axis: RELATIVE.to_owned(),
            label: None,
            caption: String::new(),
            levels: Vec::new(),
            dots: false,
        }
    }

    /// One of one interpreter.
    fn of_one(on: &OnInterpreter, file: &str, title: &str) -> Plot {
        let title = format!("{title}, CPython {}", short(&on.label));
        Plot { label: Some(on.label.clone()), ..Plot::of_all(&format!("{file}-{}.svg", on.label), &title) }
    }

    /// Groups without any value, and colours that no group has, are left out.
    fn draw(self, names: &[Key], groups: Groups) -> Option<Figure> {
        let Plot { file, title, axis, label, caption, levels, dots } = self;
        let groups: Vec<_> = groups.into_iter().filter(|(_, values)| values.iter().any(Option::is_some)).collect();
        let used = |index: &usize| groups.iter().any(|(_, values)| values[*index].is_some());
        let kept: Vec<usize> = (0..names.len()).filter(used).collect();
        if kept.is_empty() {
            return None;
        }
        let of_kept = |values: &[Option<Bar>]| kept.iter().map(|&index| values[index]).collect();
        let bars = Bars {
            title: title.clone(),
            axis,
            names: kept.iter().map(|&index| names[index].clone()).collect(),
            groups: groups.iter().map(|(label, values)| (label.clone(), of_kept(values))).collect(),
            levels,
            dots,
        };
        Some(Figure { file, title, label, caption, svg: bars.svg() })
    }
}

fn titles() -> Vec<Key> {
    COMPARED.iter().enumerate().map(|(number, way)| (way.title().to_owned(), colour(number))).collect()
}

/// A value without an interval.
fn bar(value: f64) -> Bar {
    Bar { value, interval: None }
}

/// Whether both ways had their turn in the same rounds: only then has a ratio an interval.
fn is_paired(row: &Measured, above: Way, below: Way, of: Of) -> bool {
    let rounds = of(row, above).len();
    rounds > 1 && rounds == of(row, below).len()
}

/// A ratio with its interval, if it has one.
fn with_interval(row: &Measured, above: Way, below: Way, of: Of) -> Option<Bar> {
    let value = plain(row, above, below, of)?;
    let interval = is_paired(row, above, below, of).then(|| ratios::ratio(row, above, below, of)).flatten();
    Some(Bar { value, interval: interval.map(|ratio| [ratio.low, ratio.high]) })
}

/// The geometric mean of the ratios of all imports, with its interval under the same condition.
fn mean_with_interval(on: &OnInterpreter, above: Way, below: Way, of: Of) -> Option<Bar> {
    let value = mean(&ratios::all(on, above, below, of))?;
    let paired = ratios::imports(on).all(|row| of(row, above).is_empty() || is_paired(row, above, below, of));
    let interval = paired.then(|| ratios::mean_within(on, above, below, of)).flatten();
    Some(Bar { value, interval: interval.map(|ratio| [ratio.low, ratio.high]) })
}

/// One more group: the geometric means of all, if there are several.
fn and_means(mut groups: Groups) -> Groups {
    if groups.len() > 1 {
        let columns = groups.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let of_column = |column: usize| -> Vec<f64> {
            groups.iter().filter_map(|(_, values)| Some(values.get(column)?.as_ref()?.value)).collect()
        };
        let mean = |values: Vec<f64>| (!values.is_empty()).then(|| bar(geometric_mean(&values)));
        let means = (0..columns).map(|column| mean(of_column(column))).collect();
        groups.push((MEAN.to_owned(), means));
    }
    groups
}

/// Geometric means of all packages on each interpreter.
fn means(results: &Results, of: Of) -> Groups {
    let group = |on: &OnInterpreter| {
        let ratio = |way| mean_with_interval(on, way, Way::Pyc, of);
        (short(&on.label), COMPARED.map(ratio).into())
    };
    results.interpreters.iter().map(group).collect()
}

fn inside(results: &Results, targets: &[Target]) -> Option<Figure> {
    let title = "Import time inside the process, geometric mean over the packages that work this way";
    let wanted = level(targets, wanted::OVER_PYC, None).map(|wanted| wanted.inverse("image"));
    let plot = Plot {
        levels: wanted.into_iter().collect(),
        caption: before_the_clock(results),
        axis: RELATIVE.to_owned() + INTERVALS,
        ..Plot::of_all("overview.svg", title)
    };
    plot.draw(&titles(), means(results, IMPORT))
}

fn from_start(results: &Results) -> Option<Figure> {
    let title = "Import from start, geometric mean over the packages that work this way";
    let caption = "*Import from start* is the time of the whole process less that of the same program when it imports nothing, \
                   without loader and image, of the same round: whatever a way does before the import is in it. The limit is \
                   not there, since what lies ready for it is made before its clock starts.";
    let axis = RELATIVE.to_owned() + INTERVALS;
    let plot = Plot { caption: caption.to_owned(), axis, ..Plot::of_all("overview-from-start.svg", title) };
    plot.draw(&titles(), means(results, FROM_START))
}

/// Why the time inside the process is not what code-data-share is compared by, and what difference that makes.
fn before_the_clock(results: &Results) -> String {
    let one = |on: &OnInterpreter| {
        let over = |of| mean(&ratios::all(on, Way::Cds, Way::Image, of));
        Some(format!("{} {:.3} and {:.3}", short(&on.label), over(IMPORT)?, over(FROM_START)?))
    };
    let all: Vec<String> = results.interpreters.iter().filter_map(one).collect();
    if all.is_empty() {
        return String::new();
    }
    format!(
        "This clock starts right before the import. code-data-share maps, patches and prepares its whole archive when the interpreter \
         starts, before that; the loader does its part when a module is imported. So the time inside the process leaves out most of \
         what code-data-share costs: the two are to be compared by the next picture, which has the time from the start and \
         leaves out nothing of either. There is a figure to reach about either. \
         code-data-share over the image, inside the process and from start, geometric means of the packages, above 1 \
         where the image is quicker: {}.",
        all.join("; ")
    )
}

/// Imports from the image over the limit: all packages on all interpreters.
fn over_limit(results: &Results, targets: &[Target]) -> Option<Figure> {
    let mut packages: Vec<&str> = Vec::new();
    for row in results.interpreters.iter().flat_map(ratios::imports) {
        if !packages.contains(&row.name.as_str()) {
            packages.push(&row.name);
        }
    }
    let value = |on: &OnInterpreter, package: &str| {
        let row = ratios::imports(on).find(|row| row.name == package)?;
        with_interval(row, Way::Image, Way::Limit, IMPORT)
    };
    let group = |package: &str| {
        (package.to_owned(), results.interpreters.iter().map(|on| value(on, package)).collect::<Vec<_>>())
    };
    let names: Vec<Key> =
        results.interpreters.iter().enumerate().map(|(number, on)| (short(&on.label), colour(number))).collect();
    let wanted = [(wanted::NON_PIE, "mean, non-PIE"), (wanted::SHARED, "mean, shared")];
    let plot = Plot {
        axis: "image / limit; less is better; thin lines are 99 % intervals, cut off at the edges".to_owned(),
        levels: wanted.into_iter().filter_map(|(name, what)| Some(level(targets, name, None)?.of(what, 1.0))).collect(),
        dots: true,
        ..Plot::of_all("limit.svg", "Import time inside the process, image over limit")
    };
    let mut groups: Groups = packages.iter().copied().map(group).collect();
    if groups.len() > 1 {
        let means = results.interpreters.iter().map(|on| mean_with_interval(on, Way::Image, Way::Limit, IMPORT));
        groups.push((MEAN.to_owned(), means.collect()));
    }
    plot.draw(&names, groups)
}

fn ways(
    on: &OnInterpreter,
    rows: &[&Measured],
    of: Of,
    wanted: Option<Level>,
    title: &str,
    file: &str,
) -> Option<Figure> {
    // Peaks hardly vary, and of commands the tables have the intervals.
    let has_intervals = file != "peak" && file != "commands";
    let value = |row: &Measured, way| {
        if has_intervals { with_interval(row, way, Way::Pyc, of) } else { plain(row, way, Way::Pyc, of).map(bar) }
    };
    let group = |row: &&Measured| (row.name.clone(), COMPARED.map(|way| value(row, way)).into());
    let more = if has_intervals { INTERVALS } else { "" };
    let plot = Plot {
        axis: format!("{RELATIVE}{more}"),
        levels: wanted.into_iter().collect(),
        ..Plot::of_one(on, file, title)
    };
    plot.draw(&titles(), and_means(rows.iter().map(group).collect()))
}

fn memory(on: &OnInterpreter, wanted: Option<Level>) -> Option<Figure> {
    let rows = on.memory.as_ref()?;
    let mut counts: Vec<usize> = rows.iter().map(|row| row.processes).collect();
    counts.sort_unstable();
    counts.dedup();
    let series: Vec<(Way, usize)> =
        SHARING.iter().flat_map(|&way| counts.iter().map(move |&count| (way, count))).collect();
    let mut groups: Groups = Vec::new();
    for row in rows {
        if groups.last().is_none_or(|(name, _)| *name != row.name) {
            groups.push((row.name.clone(), vec![None; series.len()]));
        }
        let values = &mut groups.last_mut()?.1;
        for (column, (way, _)) in series.iter().enumerate().filter(|(_, (_, count))| *count == row.processes) {
            values[column] = ratios::memory(row, *way, |f| &f.pss).map(bar);
        }
    }
    let key = |&(way, count): &(Way, usize)| {
        let number = COMPARED.iter().position(|compared| *compared == way).unwrap_or_default();
        let place = counts.iter().position(|known| *known == count).unwrap_or_default() + 1;
        (format!("{} ×{count}", way.title()), shade(number, 0.2 + 0.8 * place as f64 / counts.len() as f64))
    };
    let names: Vec<Key> = series.iter().map(key).collect();
    let plot = Plot {
        axis: format!("{RELATIVE}; ×N: N processes at the same time, their average"),
        levels: wanted.into_iter().collect(),
        ..Plot::of_one(on, "memory", "PSS of a process")
    };
    plot.draw(&names, and_means(groups))
}

fn scale(
    results: &Results,
    title: &str,
    file: &str,
    up: &str,
    wanted: Option<Level>,
    of: fn(&Built) -> f64,
) -> Option<Figure> {
    let line = |on: &OnInterpreter| {
        let images = &on.scale.as_ref()?.images;
        Some((short(&on.label), images.iter().map(|i| [i.count as f64, of(&i.built)]).collect()))
    };
    let lines: Vec<(String, Vec<[f64; 2]>)> = results.interpreters.iter().filter_map(line).collect();
    let levels = wanted.into_iter().collect();
    let plot = Lines { title: title.to_owned(), across: "modules".to_owned(), up: up.to_owned(), lines, levels };
    let figure =
        |svg| Figure { file: file.to_owned(), title: title.to_owned(), label: None, caption: String::new(), svg };
    (!plot.lines.is_empty()).then(|| figure(plot.svg()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::results::{Footprint, Memory, Outcome, Samples, Scale, Scaled};

    /// One package, each way with so many seconds inside the process and as many of the process.
    fn row(name: &str, ways: &[(Way, [f64; 2])]) -> Measured {
        let samples = |[import, process]: [f64; 2]| Samples {
            import: vec![import; 3],
            process: vec![process; 3],
            peak: vec![1e6; 3],
            ..Samples::default()
        };
        let ways = ways.iter().map(|&(way, values)| (way, Outcome::Measured(samples(values)))).collect();
        Measured { name: name.to_owned(), program: String::new(), ways, nothing: vec![1.0; 3] }
    }

    fn memory_of(name: &str, processes: usize, ways: &[Way]) -> Memory {
        let footprint = || Footprint { pss: vec![1.0], ..Footprint::default() };
        Memory { name: name.to_owned(), processes, ways: ways.iter().map(|&way| (way, footprint())).collect() }
    }

    fn results(interpreters: Vec<OnInterpreter>) -> Results {
        let machine = Machine { processor: String::new(), processors: 2, kernel: String::new(), load: String::new() };
        Results { machine, version: String::new(), interpreters, pages: None }
    }

    fn on() -> OnInterpreter {
        let ways = [
            (Way::Pyc, [4.0, 6.0]),
            (Way::Image, [2.0, 4.0]),
            (Way::Cds, [1.0, 5.0]),
            (Way::Limit, [1.6, 0.0]),
            (Way::InPlace, [2.5, 4.0]),
        ];
        let sharing = [Way::Pyc, Way::Image, Way::InPlace];
        let memory = |name| [1, 16].map(|processes| memory_of(name, processes, &sharing));
        let built = || Built { modules: 1, pyc_bytes: 1, image_bytes: 1, seconds: vec![1.0], peak: vec![1e8] };
        let scaled = |count| Scaled {
            count,
            built: built(),
            pyc: Samples::default(),
            image: Samples::default(),
            alone: Samples::default(),
            pass: Samples::default(),
            counted: None,
        };
        OnInterpreter {
            label: "3.14.8-static".to_owned(),
            linking: "static".to_owned(),
            minor: 14,
            imports: Some(vec![row("json", &ways), row("rich", &ways)]),
            memory: Some([memory("json"), memory("rich")].concat()),
            scale: Some(Scale { off: Samples::default(), images: vec![scaled(10), scaled(8000)] }),
            ..OnInterpreter::default()
        }
    }

    fn svg<'a>(figures: &'a [Figure], file: &str) -> &'a str {
        &figures.iter().find(|figure| figure.file == file).unwrap_or_else(|| panic!("no `{file}`")).svg
    }

    #[test]
    fn every_figure_to_reach_that_has_a_line_is_one() {
        let names = [
            wanted::NON_PIE,
            wanted::SHARED,
            wanted::OVER_PYC,
            wanted::RESIDENT,
            wanted::PSS,
            wanted::SECONDS,
            wanted::MEMORY,
        ];
        let targets = targets::all(&results(Vec::new()));
        for name in names {
            assert!(targets.iter().any(|target| target.name == name), "{name}");
            assert!(level(&targets, name, None).is_none(), "{name} was not measured");
        }
    }

    #[test]
    fn lines_stand_where_the_axis_has_the_unit_of_the_figure() {
        let other =
            OnInterpreter { label: "3.13.0-shared".to_owned(), minor: 13, linking: "shared".to_owned(), ..on() };
        let figures = all(&results(vec![other, on()]));
        for (file, said) in [
            ("overview.svg", "image ≤ 1/1.6"),
            ("limit.svg", "mean, non-PIE ≤ 0.97"),
            ("limit.svg", "mean, shared ≤ 1.02"),
            ("import-3.13.0-shared.svg", "image, mean ≤ 1/1.6"),
            ("peak-3.13.0-shared.svg", "image ≤ 1.05"),
            ("memory-3.14.8-static.svg", "image ×16, mean ≤ 0.8"),
            ("build-time.svg", "8 000 modules ≤ 8 s"),
            ("build-memory.svg", "8 000 modules ≤ 1.5 GB"),
        ] {
            let svg = svg(&figures, file);
            assert!(svg.contains(&format!(">{said}<")) && svg.contains("stroke-dasharray"), "{file}: {svg}");
        }
        for file in ["overview-from-start.svg", "from-start-3.14.8-static.svg", "memory-3.13.0-shared.svg"] {
            assert!(!svg(&figures, file).contains("stroke-dasharray"), "{file}");
        }
    }

    #[test]
    fn below_the_first_plot_is_what_its_clock_leaves_out() {
        let figures = all(&results(vec![on()]));
        // 1 / 2 inside, and (5 - 1) / (4 - 1) from start.
        assert!(figures[0].caption.ends_with(": 3.14.8 static 0.500 and 1.333."), "{}", figures[0].caption);
        assert_eq!(figures[1].file, "overview-from-start.svg");
        let mut without = on();
        for row in without.imports.iter_mut().flatten() {
            row.ways.remove(&Way::Cds);
        }
        assert_eq!(all(&results(vec![without]))[0].caption, "");
    }

    #[test]
    fn memory_has_a_shade_for_each_number_of_processes_of_each_way_that_was_measured() {
        let figures = all(&results(vec![on()]));
        let svg = svg(&figures, "memory-3.14.8-static.svg");
        for name in ["image ×1", "image ×16", "in place ×1", "in place ×16"] {
            assert!(svg.contains(&format!(">{name}<")), "{svg}");
        }
        assert!(!svg.contains("code-data-share") && svg.contains(">mean<"), "{svg}");
        // The background, four in the legend, and four of each package and of the mean.
        assert_eq!(svg.matches("<rect").count(), 1 + 4 + 3 * 4);
    }

    #[test]
    fn intervals_are_of_the_same_rounds_only() {
        let mut row = row("json", &[(Way::Pyc, [4.0, 6.0]), (Way::Zip, [6.0, 7.0]), (Way::Image, [2.0, 3.0])]);
        let image = with_interval(&row, Way::Image, Way::Pyc, IMPORT).unwrap();
        assert_eq!(image, Bar { value: 0.5, interval: Some([0.5, 0.5]) });
        let Some(Outcome::Measured(zip)) = row.ways.get_mut(&Way::Zip) else { panic!("measured") };
        zip.import.pop();
        assert_eq!(with_interval(&row, Way::Zip, Way::Pyc, IMPORT), Some(bar(1.5)));
    }
}
