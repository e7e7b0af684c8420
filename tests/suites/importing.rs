//! The import system at work: what it does for modules of an image is what it does without one.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use cds_tests::{files, fixtures};
use libtest_mimic::Trial;
use serde_json::{Value, json};

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "importing",
        &[
            ("report", report),
            ("report_of_statements", report_of_statements),
            ("audited", audited),
            ("threads", threads),
            ("times", times),
            ("frames", frames),
            ("short_way", short_way),
            ("finders_in_threads", finders_in_threads),
            ("daemon_threads", daemon_threads),
            ("descriptors", descriptors),
            ("heap", heap),
            ("address_space", address_space),
            ("pause", pause),
            ("pause_and_collections", pause_and_collections),
            ("pause_and_fork", pause_and_fork),
        ],
    )
}

fn environment(python: &Interpreter) -> Result<Environment> {
    let environment = Environment::small(python)?;
    files::copy_tree(&fixtures().join("importing/site"), &environment.site)?;
    environment.python().args(["-m", "compileall", "-q"]).arg(environment.site.join("steps")).ok()?;
    environment.build_image()?;
    Ok(environment)
}

/// `fixtures/importing/report.py`, section by section, where the functions of importlib stay on the stack.
fn report(python: &Interpreter) -> Result<()> {
    compare(python, "report.py", &["function"], 25)
}

/// The same for what C's import does.
fn report_of_statements(python: &Interpreter) -> Result<()> {
    compare(python, "report.py", &["statement"], 25)
}

/// Audit events that modules of an image do not raise, as `docs/security.md` says: those of reading `.pyc` files and of listing
/// directories for them.
const NOT_RAISED: [&str; 3] = ["marshal.loads", "open", "os.listdir"];

/// Those that are raised for them alone, as is said there, too; name and what comes first.
const RAISED: [&str; 5] = [
    r#"["object.__setattr__","ImageLoader","__class__","#,
    r#"["object.__setattr__","function","__"#,
    r#"["object.__getattr__","function","__"#,
    r#"["object.__delattr__","function","__"#,
    r#"["function.__new__",["<frozen importlib._bootstrap>","#,
];

/// All other audit events of imports are the same, in the same order.
fn audited(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    environment.python().args(["-m", "compileall", "-q"]).arg(&environment.site).ok()?;
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
    for (way, raised) in [("function", &["object.__setattr__"][..]), ("statement", &[])] {
        let run = |mode: &str| -> Result<Value> {
            let run = environment.python().arg("-P").arg(fixtures().join("importing/audited.py")).arg(way);
            run.env("PYCDSMODE", mode).cwd(&environment.scratch).ok()?.silent()?.json()
        };
        let (without, with) = (run("OFF")?, run("")?);
        let served = [&without, &with].map(|report| report["served"].as_u64().unwrap_or(0));
        ensure!(served[0] == 0 && served[1] > 40, "{served:?} modules served");
        ensure!([&without, &with].iter().all(|report| report["missing"] == json!([])), "{without:#}");

        let found = Differences::of(&without["found"], &with["found"]).with_context(|| way.to_owned())?;
        ensure!(found.same > 150, "{way}: only {} events", found.same);
        ensure!(found.not_raised == names(&NOT_RAISED), "{way}: {:?} are not raised", found.not_raised);
        ensure!(found.still_raised.is_empty(), "{way}: {:?} are raised", found.still_raised);
        ensure!(found.raised == names(raised), "{way}: {:?} are raised with the image alone", found.raised);
        let own = environment.site.join("audits/__init__.py");
        let is_own = |event: &&Value| event[0] == "open" && event[1] == *own.to_string_lossy();
        let opens = with["found"].as_array().map_or(0, |events| events.iter().filter(is_own).count());
        ensure!(opens == 1, "{way}: what a module opens itself is noted {opens} times");

        // What is not there is looked for as ever, and what is served no more comes from its file.
        let others = Differences::of(&without["others"], &with["others"]).with_context(|| way.to_owned())?;
        ensure!(others.same > 10, "{way}: only {} events of others", others.same);
        ensure!(others.still_raised.is_subset(&names(&NOT_RAISED)), "{way}: {:?}", others.still_raised);
    }
    Ok(())
}

/// How audit events without an image and with it differ: in nothing but names that are known.
#[derive(Default)]
struct Differences {
    same: usize,
    not_raised: BTreeSet<String>,
    still_raised: BTreeSet<String>,
    raised: BTreeSet<String>,
}

impl Differences {
    fn of(without: &Value, with: &Value) -> Result<Differences> {
        let mut differences = Differences::default();
        let (mut expected, not_raised) = split(without)?;
        let (seen, still_raised) = split(with)?;
        (differences.not_raised, differences.still_raised) = (not_raised, still_raised);
        expected.reverse();
        for event in seen {
            if expected.last() == Some(&event) {
                expected.pop();
                differences.same += 1;
                continue;
            }
            let text = event.to_string();
            ensure!(RAISED.iter().any(|start| text.starts_with(start)), "{text} instead of {:?}", expected.last());
            differences.raised.insert(name_of(&event));
        }
        ensure!(expected.is_empty(), "not raised: {:?}", expected.last());
        Ok(differences)
    }
}

fn name_of(event: &Value) -> String {
    event[0].as_str().unwrap_or_default().to_owned()
}

/// The events that have to be raised in any case, and the names of the others.
fn split(events: &Value) -> Result<(Vec<Value>, BTreeSet<String>)> {
    let events = events.as_array().context("no events")?.iter().cloned();
    let (about_files, others): (Vec<Value>, Vec<Value>) = events.partition(is_about_files);
    Ok((others, about_files.iter().map(name_of).collect()))
}

/// Whether modules of an image need not raise an event.
fn is_about_files(event: &Value) -> bool {
    let first = event[1].as_str().unwrap_or_default();
    match event[0].as_str() {
        Some("open") => first.ends_with(".pyc"),
        Some("marshal.loads") => first == "_compile_bytecode",
        // A module that lists directories itself does so elsewhere.
        Some("os.listdir") => first.starts_with('/') && !first.starts_with("/proc/"),
        _ => false,
    }
}

/// Threads that wait for each other, or would for ever.
fn threads(python: &Interpreter) -> Result<()> {
    for _ in 0..2 {
        compare(python, "in_threads.py", &[], 9)?;
    }
    Ok(())
}

/// Whether a program prints the same without an image and with it, when at least so many modules come from it.
fn compare(python: &Interpreter, program: &str, arguments: &[&str], least: u64) -> Result<()> {
    let environment = environment(python)?;
    let program = fixtures().join("importing").join(program);
    let run = || {
        let run = environment.python().args(["-W", "ignore::DeprecationWarning"]).arg(&program);
        run.args(arguments).cwd(&environment.scratch)
    };
    let mut without = run().env("PYCDSMODE", "OFF").ok()?.silent()?.json()?;
    let mut with = run().ok()?.silent()?.json()?;
    let served = |report: &mut Value| report.as_object_mut().and_then(|map| map.remove("served")?.as_u64());
    let (none, some) = (served(&mut without), served(&mut with));
    ensure!(
        none.unwrap_or(0) == 0 && some.is_some_and(|n| n >= least),
        "served: {none:?} without an image, {some:?} with it"
    );
    let sections = without.as_object().context("no sections")?;
    ensure!(sections.len() > 4, "only {} sections", sections.len());
    for (name, expected) in sections {
        ensure!(expected.get("failed").is_none(), "{name} fails without an image: {expected:#}");
        ensure!(with[name] == *expected, "{name}\n--- without image\n{expected:#}\n--- with image\n{:#}", with[name]);
    }
    Ok(())
}

/// Whether functions of importlib run between an import and the module.
fn frames(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let program = fixtures().join("importing/frames.py");
    let above = |arguments: &[&str], mode: &str| -> Result<Value> {
        environment.python().args(arguments).arg(&program).env("PYCDSMODE", mode).ok()?.silent()?.json()
    };
    let importlib = "<frozen importlib._bootstrap>";
    // A statement, `importlib.import_module`, and statements while somebody traces, profiles or has replaced a function.
    let native = above(&[], "")?;
    let expected = json!([program.to_string_lossy(), importlib, importlib, importlib, importlib]);
    ensure!(native == expected, "{native} instead of {expected}");
    let without = above(&[], "OFF")?;
    ensure!(without == json!([importlib, importlib, importlib, importlib, importlib]), "without an image: {without}");
    Ok(())
}

/// The names and the nesting that `-X importtime` shows.
fn times(python: &Interpreter) -> Result<()> {
    const STEPS: usize = 5;
    let environment = environment(python)?;
    let names = |mode: &str| -> Result<Vec<String>> {
        let program = "import steps.inner.leaf, steps.outer_of_two, cds_loader; print(cds_loader.status()['served'])";
        let output = environment.python().args(["-X", "importtime", "-c", program]).env("PYCDSMODE", mode).ok()?;
        // The modules of `steps`, and whatever the start imports.
        let served = output.stdout.trim_end().parse().unwrap_or(0);
        ensure!(if mode == "OFF" { served == 0 } else { served >= STEPS }, "{served} modules served: {output}");
        let names = output.stderr.lines().filter_map(|line| line.rsplit_once("| ").map(|(_, name)| name.to_owned()));
        Ok(names.skip_while(|name| !name.contains("steps")).collect())
    };
    let (with, without) = (names("")?, names("OFF")?);
    ensure!(without.len() >= STEPS && with == without, "{with:?}\ninstead of\n{without:?}");
    Ok(())
}

/// How often the locks around finders are taken, which the short way does without, for the finders that it knows.
fn short_way(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let locks = |arguments: &[&str], mode: &str| -> Result<Vec<u32>> {
        let run = environment.python().args(arguments).env("PYCDSMODE", mode);
        let output = run.arg(fixtures().join("importing/locks.py")).ok()?;
        output.stdout.split_whitespace().map(|number| number.parse().context("no number")).collect()
    };
    // In a package, at the top, and behind a finder that somebody has put before the others.
    let short = locks(&[], "")?;
    ensure!(short == [0, 0, 1], "the short way was not taken: {short:?}");
    let ordinary = locks(&[], "OFF")?;
    ensure!(ordinary.iter().all(|&number| number >= 3), "the locks without an image: {ordinary:?}");
    // `-v` is about what importlib does.
    let verbose = locks(&["-v"], "")?;
    ensure!(verbose.iter().all(|&number| number >= 3), "the locks with -v: {verbose:?}");
    Ok(())
}

/// Whether each of two finders is asked for every module that several threads import.
fn finders_in_threads(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    for _ in 0..3 {
        let run = environment.python().args(["-W", "ignore"]).arg(fixtures().join("importing/finders_in_threads.py"));
        let answer = run.ok()?.silent()?.json()?;
        ensure!(answer["never asked"] == json!([[], []]), "{answer}");
        ensure!(answer["served"].as_u64().is_some_and(|n| n > 30), "{answer}");
    }
    Ok(())
}

/// Threads that are ended in the middle of an import when the interpreter finalises.
fn daemon_threads(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    for (program, pause) in [("missing", ""), ("waiting", ""), ("waiting", "pause")] {
        for _ in 0..8 {
            let run = environment.python().arg(fixtures().join("importing/daemon_threads.py")).arg(program);
            let output = run.env("PYCDSGC", pause).ok()?.silent()?;
            ensure!(output.stdout == "active\n", "{program}: {output}");
        }
    }
    Ok(())
}

/// What modules see of the image's file while they are imported: nothing but one descriptor, which they may close.
fn descriptors(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let program = fixtures().join("importing/open_files.py");
    let run = |mode: &str| environment.python().arg(&program).env("PYCDSMODE", mode).ok()?.silent()?.json();
    let mut reports = [run("OFF")?, run("")?];
    let mut take =
        |name: &str| reports.each_mut().map(|report| report.as_object_mut().and_then(|map| map.remove(name)));
    let [_, served] = take("served");
    ensure!(served == Some(json!(13)), "{served:?} modules served");
    let [without, with] = take("of image");
    // From the second unit of an import on, high up.
    let with: Vec<Vec<u64>> = serde_json::from_value(with.context("no numbers")?)?;
    ensure!(without == Some(json!([[], [], [], []])), "{without:?} without an image");
    let counts: Vec<usize> = with.iter().map(Vec::len).collect();
    ensure!(counts == [0, 1, 1, 1] && with.iter().flatten().all(|&number| number >= 48), "{with:?}");
    let [without, with] = take("number of replaced");
    ensure!((&without, &with) == (&Some(json!(0)), &Some(json!(2))), "{without:?} and {with:?} descriptors replaced");
    let [without, with] = reports;
    ensure!(with == without, "{with:#}\ninstead of\n{without:#}");
    let expected =
        [("after", json!([])), ("inherited", json!(false)), ("child", json!(9)), ("closed", json!([3, 4, 5]))];
    ensure!(expected.iter().all(|(name, value)| without[name] == *value), "{without:#}");
    ensure!(without["still the null device"] == json!(true), "{without:#}");
    Ok(())
}

/// Objects that modules make lie in what is left of the copies' huge pages, and only those; memory comes and goes as ever. CPython 3.15
/// asks for huge pages for all its arenas, which cannot be told from ours then.
fn heap(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let run = |name: &str, value: &str| -> Result<Value> {
        let run = environment.python().arg(fixtures().join("importing/growth.py"));
        run.env(name, value).ok()?.silent()?.json()
    };
    let check = |mut report: Value, borrows: bool, serves: bool| {
        let mut take = |name: &str| report.as_object_mut().and_then(|map| map.remove(name)).and_then(|n| n.as_i64());
        let [inside, later, served] = ["in huge pages", "taken later", "served"].map(|name| take(name).unwrap_or(-1));
        ensure!(if serves { served > 100 } else { served == 0 }, "{served} modules served");
        if python.minor < 15 {
            // Of a sample of nearly four thousand objects.
            ensure!(if borrows { inside > 100 } else { inside == 0 }, "{inside} objects");
            ensure!(later <= 0, "{later} bytes of huge pages were taken behind the imports");
        }
        let expected = json!({
            "intact": true, "intact again": true, "intact later": true, "child": 7, "threads": [true, true, true, true],
        });
        ensure!(report == expected, "{report:#}\ninstead of\n{expected:#}");
        Ok(())
    };
    check(run("PYCDSMODE", "OFF")?, false, false)?;
    check(run("PYTHONMALLOC", "default")?, true, true)?;
    check(run("PYTHONMALLOC", "pymalloc_debug")?, true, true)?;
    // No arenas at all.
    check(run("PYTHONMALLOC", "malloc")?, false, true)?;
    environment.build(&environment.image())?.args(["--units", "in-place"]).ok()?;
    check(run("PYTHONMALLOC", "default")?, false, true)
}

/// Where addresses are scarce, an image needs few more than `.pyc` files do. With less than they need, CPython 3.13 loses exceptions and
/// 3.11 may not end.
fn address_space(python: &Interpreter) -> Result<()> {
    const MORE: u32 = 8;
    let environment = environment(python)?;
    let run = |megabytes: u32, mode: &str| {
        let run = environment.python().arg(fixtures().join("importing/address_space.py"));
        run.arg(megabytes.to_string()).env("PYCDSMODE", mode)
    };
    let mut enough = 10;
    while run(enough, "OFF").output()?.stdout != "done False\n" {
        enough += 4;
        ensure!(enough < 80, "80 MB are not enough without an image");
    }
    for megabytes in [enough + MORE, enough + 2 * MORE] {
        let with = run(megabytes, "").ok()?.silent()?.stdout;
        ensure!(with == "done True\n", "{enough} MB are enough without an image, {megabytes} are not with it: {with}");
    }
    Ok(())
}

/// A process that forks while another thread executes a module.
fn pause_and_fork(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let run = environment.python().arg(fixtures().join("importing/fork.py")).env("PYCDSGC", "pause");
    let output = run.args(["-W", "ignore"]).ok()?;
    ensure!(output.stdout == "paused True\nchild 700\nparent 700\n", "{output}");
    Ok(())
}

/// `PYCDSGC`.
fn pause(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let run = |value: &str| environment.python().arg(fixtures().join("importing/pause.py")).env("PYCDSGC", value);
    let paused = run("pause").ok()?.silent()?.json()?;
    let ordinary = run("").ok()?.silent()?.json()?;
    let expected = |threshold: u32| {
        json!({
            "inside": [threshold, threshold],
            "after": [true, true, 700],
            "after an exception": ["while paused", true, true, 700],
            "disabled by a module": [threshold, false, true, 700],
            "enabled by a module": [true, true, 700],
            "set by a module": [true, [123, 4]],
            "switched off by a module": [true, 0],
            "no threshold before": [true, 0],
        })
    };
    for (mut answer, threshold) in [(paused, i32::MAX as u32), (ordinary, 700)] {
        let served = answer.as_object_mut().and_then(|map| map.remove("served"));
        ensure!(served.as_ref().and_then(Value::as_u64).is_some_and(|n| n >= 8), "{served:?} modules served");
        ensure!(answer == expected(threshold), "{answer:#}\ninstead of\n{:#}", expected(threshold));
    }
    let verbose = environment.python().args(["-v", "-c", ""]).env("PYCDSGC", "pause").env("PYCDSVERBOSE", "1").ok()?;
    ensure!(verbose.stderr.contains("\ncds_loader: PYCDSGC=pause: nothing is paused with -v"), "{verbose}");
    let unknown = run("sometimes").ok()?;
    let complaint = "cds_loader: PYCDSGC=sometimes is unknown: expected pause; nothing is paused\n";
    ensure!(unknown.stderr == complaint && unknown.stdout == run("").ok()?.stdout, "{unknown}");
    Ok(())
}

/// With `PYCDSGC=pause` no collection begins while a module of the image executes, or one of two that execute at the same time in
/// two threads; without it some do, and outside they do in any case.
fn pause_and_collections(python: &Interpreter) -> Result<()> {
    const MODULES: u64 = 8;
    const PAUSED: u32 = i32::MAX as u32;
    let environment = environment(python)?;
    let run = |mode: &str, pause: &str| -> Result<Value> {
        let run = environment.python().arg(fixtures().join("importing/paused_collections.py"));
        run.env("PYCDSMODE", mode).env("PYCDSGC", pause).ok()?.silent()?.json()
    };
    let check = |report: &Value, served: u64, threshold: u32| {
        ensure!(report["served"].as_u64().unwrap_or(0) == served, "{} modules served", report["served"]);
        let is_paused = threshold == PAUSED;
        let collections = |count: &Value, none: bool| count.as_u64().is_some_and(|count| (count == 0) == none);
        let expected = json!([true, [700, 9]]);
        let inside = ["one module", "one in another", "a class and a function of a module", "one that raises"];
        for (what, none) in
            inside.map(|what| (what, is_paused)).into_iter().chain([("before", false), ("after", false)])
        {
            ensure!(collections(&report[what][0], none) && report[what][1] == expected, "{what}: {report:#}");
        }
        let overlapping = &report["overlapping"];
        for what in ["one executes", "both execute", "the second executes"] {
            ensure!(overlapping[what] == json!([true, threshold]), "{what}: {report:#}");
        }
        ensure!(collections(&overlapping["collections"], is_paused), "two at the same time: {report:#}");
        let [count, after] = [0, 1].map(|index| &overlapping["afterwards"][index]);
        ensure!(collections(count, false) && *after == expected, "after two at the same time: {report:#}");
        ensure!(overlapping["alive"] == json!([false, false]), "{report:#}");
        ensure!(overlapping["made"] == json!([20000, 20000]), "{report:#}");
        Ok(())
    };
    check(&run("OFF", "pause")?, 0, 700)?;
    check(&run("", "")?, MODULES, 700)?;
    check(&run("", "pause")?, MODULES, PAUSED)
}
