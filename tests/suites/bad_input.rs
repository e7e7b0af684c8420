//! Bad input of the builder: an error or a listed skip that names the file, and never half an image.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::{modified, read, set_modified, snapshot, specials, write};
use cds_tests::interpreters::{Interpreter, Interpreters, Unsuitable};
use cds_tests::process::{Output, Run};
use cds_tests::suite::{self, on_each, on_newest, trial};
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = on_each(
        interpreters,
        "bad_input",
        &[
            ("damaged_pyc", damaged_pyc),
            ("foreign_pyc", foreign_pyc),
            ("sources_that_do_not_compile", sources_that_do_not_compile),
            ("sourceless", sourceless),
            ("outputs", outputs),
        ],
    );
    trials.extend(on_newest(interpreters, "bad_input", ("interpreters", interpreter_arguments)));
    trials.extend(on_newest(interpreters, "bad_input", ("lists", lists)));
    trials.extend(on_newest(interpreters, "bad_input", ("special_outputs", special_outputs)));
    trials.extend(on_newest(interpreters, "bad_input", ("linked_outputs", linked_outputs)));
    trials.extend(on_newest(interpreters, "bad_input", ("special_inputs", special_inputs)));
    trials.extend(on_newest(interpreters, "bad_input", ("special_caches", special_caches)));
    // Debug and free-threaded builds: see `variants.rs`.
    let other = |reason: Unsuitable| matches!(reason, Unsuitable::NotCPython | Unsuitable::NoLayout);
    let others: Vec<_> =
        interpreters.others.iter().filter(|(_, reason)| other(*reason)).map(|(p, _)| p.clone()).collect();
    let none = others.is_empty();
    if none {
        suite::skipped("bad_input::unsupported_interpreters", "no such interpreter");
    }
    let title = "bad_input::unsupported_interpreters";
    trials.push(trial(title, move || unsupported(&others)).with_ignored_flag(none));
    trials
}

/// An environment with a package `pack`: modules `m0`, `m1`, …, each with its `.pyc`.
fn environment(python: &Interpreter, modules: usize) -> Result<(Environment, Vec<PathBuf>)> {
    let environment = Environment::small(python)?;
    write(environment.site.join("pack/__init__.py"), "def f(): return 'pack'\n")?;
    for i in 0..modules {
        write(
            environment.site.join(format!("pack/m{i}.py")),
            format!("def f(): return ({i}, 'm{i}', 2.5, b'bytes')\n"),
        )?;
    }
    let site = environment.site.join("pack");
    environment.python().unset("PYTHONDONTWRITEBYTECODE").args(["-m", "compileall", "-q"]).arg(&site).ok()?;
    let pyc = (0..modules).map(|i| site.join(format!("__pycache__/m{i}.cpython-3{}.pyc", python.minor))).collect();
    Ok((environment, pyc))
}

/// Builds an image of `pack`, checks that all of it works from the image, and returns what the builder said.
fn build_and_use(environment: &Environment, modules: usize) -> Result<Output> {
    let output = environment.build(&environment.image())?.arg("pack").ok()?;
    ensure!(!output.stderr.contains("panicked"), "{output}");
    let text = format!(
        "import cds_loader, importlib\n\
         for i in range({modules}):\n\
         \x20   m = importlib.import_module(f'pack.m{{i}}')\n\
         \x20   assert m.f() == (i, f'm{{i}}', 2.5, b'bytes') and cds_loader.owns(m.f.__code__), i\n"
    );
    environment.script(&text)?.silent()?;
    Ok(output)
}

/// Damaged caches are no harm: there are sources.
fn damaged_pyc(python: &Interpreter) -> Result<()> {
    let (environment, pyc) = environment(python, 40)?;
    let (first, others) = pyc.split_first().context("no modules")?;
    let good = read(first)?;
    write(first, b"")?;
    for (i, path) in others.iter().enumerate() {
        let mut bytes = read(path)?;
        match i % 4 {
            0 => bytes.truncate(i),
            1 => bytes.truncate(bytes.len() - i),
            2 => bytes[16..].fill(0xff),
            // Type, counts, flags, and type and length of the bytecode of the module's code object. Not the bytecode
            // itself: the interpreter runs whatever that is, and so would an image.
            _ => bytes[[16, 20, 24, 28, 32, 36, 37, 40, 41][i / 4 % 9]] ^= 0xff,
        }
        write(path, bytes)?;
    }
    build_and_use(&environment, 40)?;
    ensure!(read(first)?.is_empty() && !good.is_empty(), "the builder wrote into the tree");
    Ok(())
}

/// Caches of other versions of the source or of the interpreter are not used.
fn foreign_pyc(python: &Interpreter) -> Result<()> {
    let (environment, pyc) = environment(python, 4)?;
    let mut magic = read(&pyc[0])?;
    magic[0] ^= 1;
    write(&pyc[0], magic)?;
    // The source of m1 says m1; its cache is that of an older source.
    write(&pyc[1], {
        let mut bytes = read(&pyc[2])?;
        bytes[8..16].fill(0);
        bytes
    })?;
    // An unchecked hash-based cache is trusted by the interpreter, not by the builder.
    write(&pyc[3], {
        let mut bytes = read(&pyc[2])?;
        bytes[4] = 1;
        bytes
    })?;
    build_and_use(&environment, 4)?;
    Ok(())
}

fn skipped(output: &Output, path: &Path) -> Result<()> {
    let start = format!("skipped: {}: ", path.display());
    let line =
        output.stderr.lines().find(|l| l.starts_with(&start)).with_context(|| format!("no `{start}…`: {output}"))?;
    ensure!(line.len() > start.len(), "no reason: {line}");
    Ok(())
}

fn sources_that_do_not_compile(python: &Interpreter) -> Result<()> {
    let (environment, _) = environment(python, 1)?;
    let deep = format!("x = {}1{}\n", "(".repeat(500), ")".repeat(500));
    let sources: &[(&str, &[u8])] = &[
        ("syntax", b"def broken(:\n"),
        ("python2", b"print 'hello'\n"),
        ("template", b"class {{ cookiecutter.name }}: pass\n"),
        ("nul", b"x = 1\0\n"),
        ("encoding", b"# -*- coding: latin-1 -*-\nx = 1\n# \xff\n"),
        ("utf8", b"x = '\xff\xfe'\n"),
        ("unknown_encoding", b"# -*- coding: klingon -*-\n"),
        ("deep", deep.as_bytes()),
        ("indented", b"if 1:\n\tx\n        y\n"),
        ("future", b"from __future__ import flying_cars\n"),
        ("stray_return", b"return 1\n"),
    ];
    let site = environment.site.join("pack");
    for (name, source) in sources {
        write(site.join(format!("{name}.py")), source)?;
    }
    let output = build_and_use(&environment, 1)?;
    for (name, _) in sources.iter().filter(|(name, _)| *name != "encoding") {
        skipped(&output, &site.join(format!("{name}.py")))?;
    }
    let text = "import cds_loader, pack.encoding as e\nprint(e.x)\ntry: import pack.syntax\nexcept SyntaxError as e: print(e.lineno)";
    let used = environment.script(text)?;
    ensure!(used.stdout == "1\n1\n", "{used}");
    Ok(())
}

/// A `.pyc` without a source is a module too, and a damaged one is the same error as ever when it is imported.
fn sourceless(python: &Interpreter) -> Result<()> {
    let (environment, pyc) = environment(python, 3)?;
    let site = environment.site.join("pack");
    for (i, path) in pyc.iter().enumerate().skip(1) {
        fs::copy(path, site.join(format!("only{i}.pyc")))?;
    }
    let damaged = site.join("only2.pyc");
    let bytes = read(&damaged)?;
    write(&damaged, &bytes[..bytes.len() - 7])?;
    environment.build(&environment.image())?.arg("pack").ok()?;
    let text = "import pack.only1 as m\nprint(m.f(), m.__file__.endswith('only1.pyc'))\n\
                try: import pack.only2\nexcept Exception as e: print(type(e).__name__)";
    let with = environment.script(text)?;
    let without = environment.python().env("PYCDSMODE", "OFF").arg("-c").arg(text).ok()?;
    ensure!(
        with.stdout == without.stdout && with.stdout.starts_with("(1, 'm1', 2.5, b'bytes') True"),
        "{with}\n{without}"
    );
    Ok(())
}

/// Status 2, `error:`, and nothing in the directory of the output that was not there before.
fn fails(environment: &Environment, arguments: &[&str], out: &Path, mention: &str) -> Result<Output> {
    let before = snapshot(&environment.scratch)?;
    let output =
        Run::bounded(&tools()?.builder).arg("--out").arg(out).args(arguments).cwd(&environment.scratch).status(2)?;
    ensure!(output.stderr.lines().any(|l| l.starts_with("error: ")), "no `error: …`: {output}");
    ensure!(output.stderr.contains(mention), "`{mention}` is not named: {output}");
    ensure!(!output.stderr.contains("panicked") && output.stdout.is_empty(), "{output}");
    ensure!(snapshot(&environment.scratch)? == before, "left something behind: {output}");
    Ok(output)
}

fn outputs(python: &Interpreter) -> Result<()> {
    let (environment, _) = environment(python, 1)?;
    let scratch = &environment.scratch;
    let python = environment.python.to_string_lossy().into_owned();
    let arguments = ["--python", &python, "pack"];
    write(scratch.join("a file"), "content")?;
    fs::create_dir(scratch.join("a directory"))?;
    for name in ["nowhere/image.so", "a file/image.so", "a directory"] {
        fails(&environment, &arguments, &scratch.join(name), name)?;
    }
    // Not even root may create files there.
    fails(&environment, &arguments, Path::new("/proc/image.so"), "/proc/image.so")?;
    // A file that is no image is somebody's: it is never replaced.
    let image = scratch.join("image.so");
    write(&image, "somebody's notes")?;
    fails(&environment, &arguments, &image, "is not an image")?;
    ensure!(read(&image)? == b"somebody's notes", "a foreign file was overwritten");
    fs::remove_file(&image)?;
    // An image stays as it was when a build fails, and is replaced as a whole when one succeeds.
    environment.build(&image)?.arg("pack").ok()?;
    let previous = read(&image)?;
    fails(&environment, &["--python", "/nowhere/python3", "pack"], &image, "/nowhere/python3")?;
    ensure!(read(&image)? == previous, "the previous image is gone");
    let names = |directory: &Path| -> Result<Vec<PathBuf>> { Ok(snapshot(directory)?.into_keys().collect()) };
    let before = names(scratch)?;
    let open = fs::File::open(&image)?;
    environment.build(&image)?.args(["-O", "pack"]).ok()?;
    ensure!(names(scratch)? == before, "another file appeared");
    let mut kept = Vec::new();
    std::io::Read::read_to_end(&mut &open, &mut kept)?;
    ensure!(kept == previous && read(&image)? != previous, "overwritten in place");
    Ok(())
}

/// Pipes and devices are neither replaced nor waited for.
fn special_outputs(python: &Interpreter) -> Result<()> {
    let (environment, _) = environment(python, 1)?;
    let scratch = &environment.scratch;
    let python = environment.python.to_string_lossy().into_owned();
    for path in specials(scratch)? {
        let kind = fs::symlink_metadata(&path)?.file_type();
        fails(&environment, &["--python", &python, "pack"], &path, "not a regular file")?;
        let profile = path.to_string_lossy();
        let arguments = ["--python", &python, "--save-target-profile", &profile, "pack"];
        fails(&environment, &arguments, &scratch.join("image.so"), "not a regular file")?;
        ensure!(fs::symlink_metadata(&path)?.file_type() == kind, "`{}` was replaced", path.display());
    }
    Ok(())
}

/// What a symbolic link leads to is replaced, and an empty file is as good as none.
fn linked_outputs(python: &Interpreter) -> Result<()> {
    let (environment, _) = environment(python, 1)?;
    let scratch = &environment.scratch;
    let [image, profile, to_image, to_profile, nowhere] =
        ["image.so", "profile.json", "to an image", "to a profile", "to nothing"].map(|name| scratch.join(name));
    for (link, target) in [(&to_image, &image), (&to_profile, &profile), (&nowhere, &scratch.join("nothing"))] {
        std::os::unix::fs::symlink(target, link)?;
    }
    let python = environment.python.to_string_lossy().into_owned();
    fails(&environment, &["--python", &python, "pack"], &nowhere, "leads nowhere")?;
    write(&image, "")?;
    write(&profile, "")?;
    environment.build(&to_image)?.arg("--save-target-profile").arg(&to_profile).arg("pack").ok()?;
    ensure!(to_image.is_symlink() && read(&image)?.starts_with(b"\x7fELF"), "the link was replaced");
    ensure!(to_profile.is_symlink() && read(&profile)?.starts_with(b"{"), "the link was replaced");
    write(&image, "somebody's notes")?;
    fails(&environment, &["--python", &python, "pack"], &to_image, "is not an image")?;
    Ok(())
}

/// What is no regular file is not read: nobody knows when it ends.
fn special_inputs(python: &Interpreter) -> Result<()> {
    let (environment, _) = environment(python, 1)?;
    let scratch = &environment.scratch;
    let image = scratch.join("image.so");
    let marshalled = scratch.join("value.marshal");
    environment
        .python()
        .args(["-c", "import marshal, sys; marshal.dump(1, open(sys.argv[1], 'wb'))"])
        .arg(&marshalled)
        .ok()?;
    let values = scratch.join("values.so");
    environment.build(&values)?.arg(format!("--object=value={}", marshalled.display())).ok()?;
    let python = environment.python.to_string_lossy().into_owned();
    let paths = specials(scratch)?.into_iter().map(|path| (path, "not a regular file"));
    for (path, reason) in paths.chain([(scratch.clone(), "it is a directory")]) {
        let (text, object) = (path.to_string_lossy(), format!("value={}", path.display()));
        fails(&environment, &["--target-profile", &text], &image, reason)?;
        fails(&environment, &["--python", &python, "--modules-from", &text], &image, reason)?;
        fails(&environment, &["--python", &python, "--object", &object], &image, reason)?;
        for command in ["inspect", "verify"] {
            let output = Run::bounded(&tools()?.builder).args([command, &text]).status(2)?;
            ensure!(output.stderr.contains(reason), "{output}");
        }
        let verify = Run::bounded(&tools()?.builder).arg("verify").arg(&values).args(["--python", &python]);
        let output = verify.arg("--loader").arg(&tools()?.loader).args(["--object", &object]).status(1)?;
        ensure!(output.stderr.contains("not a regular file"), "{output}");
    }
    Ok(())
}

/// A cache that is no regular file is no harm: there is a source.
fn special_caches(python: &Interpreter) -> Result<()> {
    let (environment, pyc) = environment(python, 2)?;
    fs::remove_file(&pyc[0])?;
    Run::new("mkfifo").arg(&pyc[0]).ok()?;
    // Threads need addresses.
    let build = Run::bounded(&tools()?.builder).env("RAYON_NUM_THREADS", "2").arg("--out").arg(environment.image());
    let output = build.arg("--python").arg(&environment.python).arg("pack").ok()?;
    ensure!(output.stderr.contains("not a regular file") && output.stderr.contains("1 compiled"), "{output}");
    environment.script("import pack.m0, cds_loader; assert cds_loader.owns(pack.m0.f.__code__)")?.silent()?;
    Ok(())
}

fn interpreter_arguments(python: &Interpreter) -> Result<()> {
    let (environment, _) = environment(python, 1)?;
    let scratch = &environment.scratch;
    let program = |name: &str, text: &str| -> Result<String> {
        let path = scratch.join(name);
        write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path.to_string_lossy().into_owned())
    };
    let image = scratch.join("image.so");
    write(scratch.join("text.txt"), "no program")?;
    let silent = program("silent", "#!/bin/sh\nexit 0\n")?;
    let failing = program("failing", "#!/bin/sh\necho the reason is here >&2\nexit 3\n")?;
    let talkative = program("talkative", "#!/bin/sh\necho '{\"executable\": 1}'\n")?;
    let no_program = scratch.join("text.txt").to_string_lossy().into_owned();
    for name in ["/nowhere/python3", "no-such-python-on-path", &no_program, &silent, &failing, &talkative, "/"] {
        fails(&environment, &["--python", name], &image, name)?;
    }
    let output = fails(&environment, &["--python", &failing], &image, "failing")?;
    ensure!(output.stderr.contains("the reason is here"), "what the interpreter said is lost: {output}");
    let output = fails(&environment, &["--python", &silent], &image, "silent")?;
    ensure!(output.stderr.contains("hint: is it a Python interpreter"), "{output}");
    let profile = scratch.join("profile.json");
    write(&profile, "{\"executable\": ")?;
    let profile = profile.to_string_lossy().into_owned();
    fails(&environment, &["--target-profile", &profile], &image, "profile.json")?;
    fails(&environment, &["--target-profile", "nowhere.json"], &image, "nowhere.json")?;
    Ok(())
}

fn unsupported(others: &[Interpreter]) -> Result<()> {
    let directory = tempfile::tempdir()?;
    for other in others {
        let out = directory.path().join("image.so");
        let output = tools()?.cds_build().arg("--out").arg(&out).arg("--python").arg(&other.executable).status(2)?;
        ensure!(output.stderr.starts_with("error: "), "{output}");
        ensure!(
            output.stderr.contains(&cds_layout::cpython::supported()),
            "the supported versions are not named: {output}"
        );
        ensure!(snapshot(directory.path())?.is_empty(), "left something behind: {output}");
    }
    Ok(())
}

/// Lists of modules: comments, blank lines, unknown names, and no list at all.
fn lists(python: &Interpreter) -> Result<()> {
    let (environment, _) = environment(python, 2)?;
    let scratch = &environment.scratch;
    let image = scratch.join("image.so");
    let path = environment.python.to_string_lossy().into_owned();
    fails(&environment, &["--python", &path, "--modules-from", "nowhere.lst"], &image, "nowhere.lst")?;
    let list = scratch.join("some.lst");
    write(&list, "# a comment\n\npack.m1\nsys\n__main__\nno.such.module\n")?;
    let before = modified(&list)?;
    environment.build(&image)?.arg("--modules-from").arg(&list).ok()?;
    set_modified(&list, before)?;
    let text = format!("import cds_loader; cds_loader._open({image:?}); print(sorted(cds_loader._modules()))");
    let modules = environment.python().env("PYCDSMODE", "OFF").arg("-c").arg(text).ok()?;
    ensure!(modules.stdout.contains("'pack.m1'") && !modules.stdout.contains("'pack.m0'"), "{modules}");
    Ok(())
}
