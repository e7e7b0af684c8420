//! Named objects: what `cds-build --object` puts into an image and `cds_loader.load` gives back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cds_layout::format::FORMAT_VERSION;
use cds_tests::environments::Environment;
use cds_tests::files::{read, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::{Output, Run};
use cds_tests::suite::on_each;
use cds_tests::tools::tools;
use cds_tests::{comparison, fixtures};
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "objects",
        &[
            ("values", values),
            ("several_nans", several_nans),
            ("shared_parts", shared_parts),
            ("alone", alone),
            ("with_modules", with_modules),
            ("bad_values", bad_values),
            ("refused_images", refused_images),
            ("replaced_image", replaced_image),
            ("changed_bytes", changed_bytes),
            ("memory", memory),
            ("no_memory", no_memory),
            ("other_interpreters", other_interpreters),
        ],
    )
}

/// An interpreter's program without an active image.
fn off(environment: &Environment) -> Run {
    environment.python().env("PYCDSMODE", "OFF").args(["-W", "error"])
}

/// Writes the marshal files of `fixtures/objects/values.py` and returns the names.
fn write_values(environment: &Environment, directory: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(directory)?;
    let output = off(environment).arg(fixtures().join("objects/values.py")).arg("write").arg(directory).ok()?;
    Ok(output.stdout.lines().map(str::to_owned).collect())
}

/// `--object NAME=FILE` for each name.
fn objects(run: Run, names: &[String], directory: &Path) -> Run {
    names
        .iter()
        .fold(run, |run, name| run.arg("--object").arg(format!("{name}={}/{name}.marshal", directory.display())))
}

fn base(image: &Path) -> Result<u64> {
    let report = tools()?.cds_build().args(["inspect", "--json"]).arg(image).ok()?.json()?;
    report["preferred_base"].as_u64().context("no base")
}

/// A value whose parts are shared so often that it has more paths than anybody can walk.
fn shared_parts(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (file, image) = (environment.scratch.join("pairs.marshal"), environment.scratch.join("pairs.so"));
    let dump = "import marshal, sys\nvalue = ('a', 'b c')\nfor _ in range(200): value = (value, value)\n\
                marshal.dump(value, open(sys.argv[1], 'wb'))";
    off(&environment).args(["-c", dump]).arg(&file).ok()?;
    environment.build(&image)?.arg("--object").arg(format!("pairs={}", file.display())).ok()?;
    let read = "import cds_loader, sys\nvalue = cds_loader.load(sys.argv[1])['pairs']\nn = 0\n\
                while value[0] != 'a': assert value[0] is value[1]; value = value[0]; n += 1\nprint(n, value)";
    let output = off(&environment).args(["-c", read]).arg(&image).ok()?.silent()?;
    ensure!(output.stdout == "200 ('a', 'b c')\n", "{output}");
    Ok(())
}

/// Images of one small value, which have few of the parts that an image may have.
fn alone(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (file, image) = (environment.scratch.join("value.marshal"), environment.scratch.join("value.so"));
    let object = format!("--object=value={}", file.display());
    let dump = "import marshal, sys; marshal.dump(eval(sys.argv[1]), open(sys.argv[2], 'wb'))";
    for value in ["None", "1", "10 ** 30", "'a b'", "(1.5,)", "[]", "{'a': [1.5]}"] {
        off(&environment).args(["-c", dump, value]).arg(&file).ok()?;
        for units in ["copied", "in-place"] {
            environment.build(&image)?.args([&object, "--units", units]).ok()?;
            let verify = tools()?.cds_build().arg("verify").arg(&image).arg("--python").arg(&environment.python);
            verify
                .arg("--loader")
                .arg(&tools()?.loader)
                .arg(&object)
                .ok()
                .with_context(|| format!("{value}, {units}"))?;
        }
    }
    Ok(())
}

/// Every type, very deep and very wide values: equal, of the same types, fresh where they are mutable.
fn values(python: &Interpreter) -> Result<()> {
    let both = ["copied", "in-place"].into_iter();
    both.into_iter().try_for_each(|units| values_with(python, units).with_context(|| format!("units {units}")))
}

fn values_with(python: &Interpreter, units: &str) -> Result<()> {
    let environment = Environment::small(python)?;
    let (directory, image) = (environment.scratch.join("values"), environment.scratch.join("values.so"));
    let names = write_values(&environment, &directory)?;
    ensure!(names.len() > 25, "{names:?}");
    let build = |image: &Path| Ok::<_, anyhow::Error>(environment.build(image)?.args(["--units", units]));
    let built = objects(build(&image)?, &names, &directory).ok()?;
    ensure!(built.stderr.contains(&format!(": {} objects, ", names.len())), "{built}");
    let check = |occupied: u64| {
        let run = off(&environment).arg(fixtures().join("objects/check.py")).arg(&image).arg(&directory);
        run.arg(comparison()).arg(occupied.to_string()).ok()?.silent()?.json()
    };
    let base = base(&image)?;
    let (free, taken) = (check(0)?, check(base)?);
    ensure!(free["names"].as_u64() == Some(names.len() as u64) && free["compared"].as_u64() > Some(20), "{free}");
    ensure!(free["base"].as_u64() == Some(base), "not at its preferred base {base:#x}: {free}");
    ensure!(taken["base"].as_u64() != Some(base) && taken["compared"] == free["compared"], "{taken}");
    ensure!(free["mappings"].as_u64() <= Some(4), "mapped more than once: {free}");

    // Without the very large ones, which `verify` would look at for long and `marshal.load` refuses if they are deep.
    let large = |name: &&String| name.starts_with("deep") || name.starts_with("wide");
    let shallow: Vec<String> = names.iter().filter(|name| !large(name)).cloned().collect();
    let small = environment.scratch.join("small.so");
    objects(build(&small)?, &shallow, &directory).ok()?;
    let verify = tools()?.cds_build().arg("verify").arg(&small).arg("--python").arg(&environment.python);
    let verified = objects(verify.arg("--loader").arg(&tools()?.loader), &shallow, &directory).ok()?;
    ensure!(verified.stderr.contains(&format!("{} compared with their files: good", shallow.len())), "{verified}");
    // The same files make the same image.
    let again = environment.scratch.join("again.so");
    objects(build(&again)?, &shallow, &directory).ok()?;
    ensure!(read(&small)? == read(&again)?, "another image of the same files");
    Ok(())
}

/// Modules and objects in one image; objects of another image beside an active one.
fn with_modules(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let scratch = &environment.scratch;
    write(environment.site.join("mine.py"), "VALUE = ('shared', 1.5, (2.5, 'shared'))\n")?;
    let dump = "import marshal, sys; marshal.dump((2.5, 'shared'), open(sys.argv[1], 'wb')); \
                marshal.dump([(2.5, 'shared')], open(sys.argv[2], 'wb'))";
    let (a, b) = (scratch.join("a.marshal"), scratch.join("b.marshal"));
    off(&environment).args(["-c", dump]).arg(&a).arg(&b).ok()?;
    let objects = [format!("--object=a={}", a.display()), format!("--object=b={}", b.display())];
    let built = environment.build(&environment.image())?.args(&objects).args(["mine", "json"]).ok()?;
    ensure!(built.stderr.contains("with code") && built.stderr.contains("2 objects"), "{built}");
    let other = scratch.join("other.so");
    environment.build(&other)?.args(&objects[..1]).ok()?;
    let verified = tools()?.cds_build().arg("verify").arg(environment.image()).arg("--python").arg(&environment.python);
    verified.arg("--loader").arg(&tools()?.loader).args(&objects).ok()?;

    let program = "\
import sys, os, cds_loader
usual, other = sys.argv[1:]
def own_starts(path):
    with open('/proc/self/maps') as maps:
        return [line for line in maps if line.rstrip().endswith(path)]
first = cds_loader.status()
if 'early' in os.environ: early = cds_loader.load(usual)['b']
import mine, json
status = cds_loader.status()
assert status['state'] == os.environ['state'], status
assert cds_loader.owns(json.dumps.__code__) == (status['state'] == 'active')
o, u = cds_loader.load(other), cds_loader.load(usual)
assert o['a'] == u['a'] == mine.VALUE[2] and u['b'] == [u['a']] and u['b'] is not u['b']
# Whether they share it depends on how units are used.
assert u['a'] is not mine.VALUE[2] or status['state'] == 'active'
assert u['a'] is u['a'] and o['a'] is not u['a']
assert cds_loader.owns(o['a']) and cds_loader.owns(u['a']) and not cds_loader.owns(u) and not cds_loader.owns(object())
assert o != u and list(o) == ['a'] and list(u) == ['a', 'b']
assert len(own_starts(usual)) <= 4 and len(own_starts(other)) <= 4
# The environment is followed after objects were loaded, too.
cds_loader.activate()
cds_loader._open(usual)
import email.message, colorsys
assert cds_loader.status()['state'] == 'active' and cds_loader.load(usual)['a'] is u['a']
import json.tool
assert cds_loader.owns(json.tool.main.__code__)
print('good')
";
    let run = |run: Run| -> Result<()> {
        let output = run.args(["-W", "error", "-c", program]).arg(environment.image()).arg(&other).ok()?.silent()?;
        ensure!(output.stdout == "good\n", "{output}");
        Ok(())
    };
    run(environment.python().env("state", "active"))?;
    run(environment.python().env("state", "active").env("early", "1"))?;
    run(environment.python().env("PYCDSMODE", "OFF").env("state", "off"))?;
    // Objects do not depend on how sources are compiled and checked.
    let text = "import sys, cds_loader; print(cds_loader.load(sys.argv[1])['b'], cds_loader.status()['state'])";
    let optimised = environment.python().args(["-O", "-X", "no_debug_ranges", "-c", text]).arg(environment.image());
    ensure!(optimised.ok()?.stdout == "[(2.5, 'shared')] rejected\n", "not loaded under -O");
    // With the objects alone the modules are left out.
    let inspected = tools()?.cds_build().args(["inspect", "--json"]).arg(&other).ok()?.json()?;
    ensure!(inspected["modules"].as_array().is_some_and(Vec::is_empty), "{inspected}");
    ensure!(inspected["objects"][0]["name"] == "a" && inspected["objects"][0]["type"] == "tuple", "{inspected}");
    Ok(())
}

/// The builder's error for a value, without the first line.
fn refusal(environment: &Environment, name: &str, data: &[u8]) -> Result<String> {
    let file = environment.scratch.join("bad.marshal");
    write(&file, data)?;
    let image = environment.scratch.join("bad.so");
    let output = environment.build(&image)?.arg("--object").arg(format!("{name}={}", file.display())).status(2)?;
    ensure!(!image.exists(), "an image was written: {output}");
    let first = format!("error: cannot read the object `{name}` from `{}`\n  Caused by: ", file.display());
    let rest = output.stderr.strip_prefix(&first).with_context(|| format!("another first line: {output}"))?;
    Ok(rest.lines().next().unwrap_or_default().to_owned())
}

/// NaNs of the same bits are different members of a set: those that marshal has twice stay two, those that it has once stay one.
fn several_nans(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (file, image) = (environment.scratch.join("nans.marshal"), environment.scratch.join("nans.so"));
    // By hand: `marshal.dump` sorts sets and cannot sort these.
    let nan = [b"g".as_slice(), &f64::NAN.to_le_bytes()].concat();
    let complex = [b"y".as_slice(), &0f64.to_le_bytes(), &f64::NAN.to_le_bytes()].concat();
    let numbered = [b"\xe7".as_slice(), &f64::NAN.to_le_bytes(), b"r\0\0\0\0"].concat();
    let parts: [&[u8]; 15] = [
        b")\x05{",
        &nan,
        b"i\x01\0\0\0",
        &nan,
        b"i\x02\0\0\x000", // {nan: 1, nan: 2}
        b"<\x03\0\0\0",
        &nan,
        &nan,
        &nan,
        b">\x02\0\0\0",
        &[nan.clone(), nan.clone()].concat(),
        b")\x03",
        &numbered,
        &nan,
        &[b">\x02\0\0\0".as_slice(), &complex, &complex].concat(),
    ];
    write(&file, parts.concat())?;
    let named = format!("nans={}", file.display());
    tools()?
        .cds_build()
        .arg("--out")
        .arg(&image)
        .arg("--python")
        .arg(&environment.python)
        .args(["--object", &named])
        .ok()?;
    let look = "import cds_loader, sys\nd, s, f, (a, b, c), z = cds_loader.load(sys.argv[1])['nans']\n\
                print(len(d), sorted(d.values()), len(s), len(f), len(z), a is b, a is c, a != a)";
    let shown = off(&environment).args(["-c", look]).arg(&image).ok()?.stdout;
    ensure!(shown == "2 [1, 2] 3 2 2 True False True\n", "{shown}");

    // Constants of code, too: `in` looks for identity first.
    fs::write(environment.site.join("nans.py"), "def f(x):\n    return x in {1e999 - 1e999, 1e999 * 0}\n")?;
    environment.build(&image)?.arg("nans").ok()?;
    let count = "import nans, cds_loader\nassert cds_loader.owns(nans.f.__code__) == (cds_loader.status()['state'] == 'active')\n\
                 print([len(c) for c in nans.f.__code__.co_consts if isinstance(c, frozenset)])";
    let run =
        |mode: &str| environment.python().env("PYCDSMODE", mode).env("PYCDSARCHIVE", &image).args(["-c", count]).ok();
    let (with, without) = (run("REQUIRE")?.stdout, run("OFF")?.stdout);
    ensure!(with == without, "{with} instead of {without}");
    Ok(())
}

/// Errors lead to the value at fault.
fn bad_values(python: &Interpreter) -> Result<()> {
    let environment = Environment::bare(python)?;
    let deep = |bottom: &[u8]| [b")\x01".repeat(1_000_000), bottom.to_vec()].concat();
    let texts: &[(&[u8], &str)] = &[
        (b"S", "`x` is a `StopIteration`, which has no place in an image"),
        (
            b"[\x02\0\0\0i\x01\0\0\0{z\x01a)\x02NSN0",
            "`x`[1]['a'][1] is a `StopIteration`, which has no place in an image",
        ),
        (b"{i\x07\0\0\0[\x01\0\0\0S0", "`x`[7][0] is a `StopIteration`, which has no place in an image"),
        (b"{)\x01SN0", "`x`{key 0}[0] is a `StopIteration`, which has no place in an image"),
        (b"<\x03\0\0\0NT)\x01S", "`x`{2}[0] is a `StopIteration`, which has no place in an image"),
        (b"{N{s\x02\0\0\0b'S00", "`x`[None][b'b\\''] is a `StopIteration`, which has no place in an image"),
        (b"<\x02\0\0\0N[\0\0\0\0", "`x`{1} is a `list` that cannot be hashed: it is or holds something mutable"),
        (b">\x01\0\0\0)\x01{0", "`x`{0} is a `tuple` that cannot be hashed: it is or holds something mutable"),
        (b"{NN<\0\0\0\0N0", "`x`{key 1} is a `set` that cannot be hashed: it is or holds something mutable"),
        (b"\xdb\x01\0\0\0r\0\0\0\0", "`x`[0] is `x` again: a value that contains itself has no place in an image"),
        (
            b")\x01\xdb\x01\0\0\0{Nr\0\0\0\x000",
            "`x`[0][0][None] is `x`[0] again: a value that contains itself has no place in an image",
        ),
        (b"NN", "marshal data at byte 1: 1 more bytes follow the value"),
        (b"", "marshal data at byte 0: 1 more bytes expected, 0 left"),
        (b"[\x02\0\0\0N", "marshal data at byte 5: 2 more bytes expected, 1 left"),
        (b"(\x02\0\0\0N[\x01\0\0\0", "marshal data at byte 11: 1 more bytes expected, 0 left (in `x`[1])"),
        (b")\x02NQ", "marshal data at byte 3: unknown type code 0x51 (in `x`[1])"),
        (b"{N0", "marshal data at byte 2: no object where one is expected (in `x`[None])"),
        (
            &deep(b"S"),
            "`x`[0][0][0][0][0][0]…(999988 more)…[0][0][0][0][0][0] is a `StopIteration`, which has no place in an image",
        ),
        (
            &[b"<\x01\0\0\0".to_vec(), deep(b"N")].concat(),
            "`x`{0} is nested deeper than 2000 levels, too deep to be hashed",
        ),
    ];
    for (data, expected) in texts {
        let found = refusal(&environment, "x", data)?;
        let shown = &data[..data.len().min(20)];
        ensure!(found == *expected, "{shown:?}: {found}");
    }
    Ok(())
}

/// What `cds_loader.load` raises.
fn refused_images(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let scratch = &environment.scratch;
    let (file, image) = (scratch.join("a.marshal"), scratch.join("a.so"));
    write(&file, b"[\x01\0\0\0N")?;
    environment.build(&image)?.arg("--object").arg(format!("a={}", file.display())).ok()?;
    let good = read(&image)?;
    write(scratch.join("short.so"), &good[..good.len() - 1])?;
    write(scratch.join("text.so"), "somebody's notes")?;
    let mut other = good.clone();
    // The note's header: magic, format version.
    let note = good.windows(8).position(|w| w == b"CDSIMAGE").context("no note")?;
    other[note + 8] += 1;
    write(scratch.join("version.so"), &other)?;
    other[note + 8] -= 1;
    other[note + 16] ^= 1;
    write(scratch.join("header.so"), &other)?;
    write(scratch.join("nobody.so"), &good)?;
    let text = "import sys, cds_loader\n\
                try: cds_loader.load(sys.argv[1])\n\
                except Exception as e: print(type(e).__name__, e)\n\
                else: print('loaded')";
    let version = format!(
        "RuntimeError image @ cannot be used: built with format version {}, this loader reads version {FORMAT_VERSION}",
        FORMAT_VERSION + 1
    );
    let cases = [
        ("nowhere.so", "FileNotFoundError [Errno 2] No such file or directory: '@'"),
        ("", "IsADirectoryError [Errno 21] Is a directory: '@'"),
        ("text.so", "RuntimeError image @ cannot be used: not an ELF file"),
        ("header.so", "RuntimeError image @ cannot be used: damaged: header checksum"),
        ("version.so", &version),
        ("a.so", "loaded"),
    ];
    for (name, expected) in cases {
        let path = scratch.join(name);
        let output = off(&environment).args(["-c", text]).arg(&path).ok()?.silent()?;
        ensure!(output.stdout.trim_end() == expected.replace('@', &path.to_string_lossy()), "{name}: {output}");
    }
    let output = off(&environment).args(["-c", text]).arg(scratch.join("short.so")).ok()?;
    ensure!(output.stdout.contains("built with a size of"), "{output}");
    for (argument, error) in [("", "TypeError"), ("5", "TypeError"), ("'a\\0b'", "ValueError"), ("1, 2", "TypeError")] {
        let call = format!("import cds_loader\ntry: cds_loader.load({argument})\nexcept {error}: print('right')");
        let output = off(&environment).arg("-c").arg(call).ok()?;
        ensure!(output.stdout == "right\n", "load({argument}): {output}");
    }
    Ok(())
}

/// A file that is replaced is another image; what was loaded before stays.
fn replaced_image(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (file, image) = (environment.scratch.join("a.marshal"), environment.scratch.join("a.so"));
    let mut copies: Vec<PathBuf> = Vec::new();
    for number in 1..=3u8 {
        write(&file, [b'[', 1, 0, 0, 0, b')', 1, b'i', 0, number, 0, 0])?;
        environment.build(&image)?.arg("--object").arg(format!("a={}", file.display())).ok()?;
        copies.push(environment.scratch.join(format!("{number}.so")));
        fs::copy(&image, &copies[copies.len() - 1])?;
    }
    let text = "\
import os, sys, cds_loader
path, *copies = sys.argv[1:]
loaded = []
for number, copy in enumerate(copies, 1):
    os.replace(copy, path)
    loaded.append(cds_loader.load(path))
    again = cds_loader.load(path)
    assert again == loaded[-1] and again['a'][0] is loaded[-1]['a'][0], number
for number, objects in enumerate(loaded, 1):
    assert objects['a'] == [(256 * number,)] and cds_loader.owns(objects['a'][0]), number
assert loaded[0] != loaded[1]
print('good')
";
    let output = off(&environment).args(["-c", text]).arg(&image).args(&copies).ok()?.silent()?;
    ensure!(output.stdout == "good\n", "{output}");
    Ok(())
}

/// Whatever is changed in the tables: an exception or the right value.
fn changed_bytes(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (directory, image) = (environment.scratch.join("values"), environment.scratch.join("good.so"));
    let names: Vec<String> = write_values(&environment, &directory)?;
    let few = ["strings", "interned", "frozen", "code", "list", "dict", "set", "shared", "empties", "tuples"];
    let names: Vec<String> = names.into_iter().filter(|name| few.contains(&name.as_str())).collect();
    objects(environment.build(&image)?, &names, &directory).ok()?;
    let run = off(&environment).arg(fixtures().join("objects/changed_bytes.py")).arg(&image).arg("400");
    let report = run.arg(&directory).arg(comparison()).ok()?.json()?;
    let wrong = report["wrong"].as_array().context("no list")?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    let number = |key: &str| report[key].as_u64().unwrap_or(0);
    ensure!(number("changes") == 400 && number("rejected") > 40 && number("refused") > 40, "{report}");
    Ok(())
}

/// Processes share what they read, where the interpreter does not write into what is read.
fn memory(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (file, image) = (environment.scratch.join("floats.marshal"), environment.scratch.join("floats.so"));
    let dump = "import marshal, sys; marshal.dump(tuple(i / 7 for i in range(1_000_000)), open(sys.argv[1], 'wb'))";
    off(&environment).args(["-c", dump]).arg(&file).ok()?;
    environment.build(&image)?.arg("--object").arg(format!("floats={}", file.display())).ok()?;
    let measure = |count: usize| {
        let run = off(&environment).arg(fixtures().join("objects/memory.py")).arg(&image).arg("floats");
        run.arg(count.to_string()).ok()?.silent()?.json()
    };
    let (one, four) = (measure(1)?, measure(4)?);
    let kilobytes = |process: &serde_json::Value, key: &str| process[key].as_u64().context("no number");
    let all = four.as_array().context("no list")?;
    ensure!(all.len() == 4 && all.iter().all(|process| process["sum"] == one[0]["sum"]), "{four}");
    let size = kilobytes(&one[0], "Size")?;
    ensure!(size > 31_000, "{one}");
    let dirty = all.iter().map(|process| kilobytes(process, "Private_Dirty")).collect::<Result<Vec<_>>>()?;
    println!(
        "memory of {size} kB of floats, {}: Pss {} kB in one process, {} kB in each of four, dirty {dirty:?} kB",
        python.label, one[0]["Pss"], all[0]["Pss"]
    );
    if python.writes_nothing_or_skips("shared memory") {
        ensure!(dirty.iter().all(|&dirty| dirty < size / 50), "written to: {four}");
        ensure!(all.iter().map(|p| kilobytes(p, "Pss")).sum::<Result<u64>>()? < size * 3 / 2, "not shared: {four}");
    }
    Ok(())
}

/// Without memory an object cannot be had, which is a `MemoryError` as ever; it can be had again when there is some.
fn no_memory(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (file, image) = (environment.scratch.join("large.marshal"), environment.scratch.join("large.so"));
    // A list is made anew at each access: of 200 000 floats, and of a string that is interned by whoever has it first.
    let dump = "import marshal, sys; value = [*(i / 7 for i in range(200_000)), sys.intern('text of no_memory')]\n\
                marshal.dump([value, value, [value]], open(sys.argv[1], 'wb'))";
    off(&environment).args(["-c", dump]).arg(&file).ok()?;
    for units in ["copied", "in-place"] {
        let build = environment.build(&image)?.args(["--units", units, "--object"]);
        build.arg(format!("large={}", file.display())).ok()?;
        let run = off(&environment).arg(fixtures().join("objects/no_memory.py")).arg(&image).arg("large");
        let report = run.ok().with_context(|| format!("units {units}"))?.silent()?.json()?;
        let number = |key: &str| report[key].as_u64().unwrap_or(0);
        // The objects are copied once. Later there is too little for the list, or for a part of it.
        ensure!(number("first failed") > 0 || units == "in-place", "units {units}: {report}");
        ensure!(number("later failed") > 3 && number("had") > 5, "units {units}: {report}");
        ensure!(report["wrong"].as_array().is_some_and(Vec::is_empty), "units {units}: {report}");
    }
    Ok(())
}

/// Interpreters beside the main one, and a runtime that was initialised again, get an error.
fn other_interpreters(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let (file, image) = (environment.scratch.join("a.marshal"), environment.scratch.join("a.so"));
    write(&file, b")\x02i\x01\x02\x03\0z\x02ab")?;
    environment.build(&image)?.arg("--object").arg(format!("a={}", file.display())).ok()?;
    let text = "\
import sys
try: import _interpreters as api
except ImportError: import _xxsubinterpreters as api
import cds_loader
path = sys.argv[1]
load = f'''
import cds_loader
try: cds_loader.load({path!r})
except RuntimeError as error: assert 'subinterpreters' in str(error), error
else: raise AssertionError('loaded')
'''
def check():
    made = api.create()
    failed = api.run_string(made, load)
    assert failed is None, failed
    api.destroy(made)
check()
value = cds_loader.load(path)['a']
check()
assert value == (0x30201, 'ab') and cds_loader.owns(value) and cds_loader.load(path)['a'] is value
print('good')
";
    let output: Output = off(&environment).args(["-W", "ignore", "-c", text]).arg(&image).ok()?;
    ensure!(output.stdout == "good\n", "{output}");
    Ok(())
}
