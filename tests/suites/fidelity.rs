//! Programs that look at the import system itself, or change it: the same with and without an image.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cds_tests::environments::{Environment, with_pip};
use cds_tests::files::{copy_tree, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "fidelity",
        &[
            ("without_path_finder", without_path_finder),
            ("finder_before_path_finder", finder_before_path_finder),
            ("replaced_methods", replaced_methods),
            ("replaced_functions", replaced_functions),
            ("dangling_links", dangling_links),
            ("directories_for_sources", directories_for_sources),
            ("frames", frames),
            ("tracebacks", tracebacks),
            ("loaders_and_specs", loaders_and_specs),
            ("specs_used_directly", specs_used_directly),
            ("exact_loader_classes", exact_loader_classes),
        ],
    )
}

/// Says what is in its way to the top of the stack while it is imported.
const FRAMES: &str = "\
import sys
def stack():
    frame, names = sys._getframe(1), []
    while frame:
        names.append((frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return names
FRAMES = stack()
def f(): return 'frames'
";

/// An environment with a few modules and an image of them.
fn environment(python: &Interpreter) -> Result<Environment> {
    environment_for(python, "timestamp")
}

fn environment_for(python: &Interpreter, mode: &str) -> Result<Environment> {
    let environment = Environment::small(python)?;
    let site = &environment.site;
    write(site.join("single.py"), "VALUE = 'single'\ndef f(): return VALUE\n")?;
    write(site.join("pack/__init__.py"), "def f(): return 'pack'\n")?;
    write(site.join("pack/leaf.py"), "def f(): return 'leaf'\n")?;
    write(site.join("pack/fails.py"), "def f(n): return f(n - 1) if n else {}['missing']\n\nf(2)\n")?;
    write(site.join("frames.py"), FRAMES)?;
    // The source behind this one can go without a change of the directory that the link is in.
    let target = environment.scratch.join("real/linked.py");
    write(&target, "def f(): return 'linked'\n")?;
    symlink(&target, site.join("linked.py"))?;
    let build = environment.build(&environment.image())?.args(["single", "pack", "frames", "linked"]);
    build.args(["--invalidation-mode", mode]).ok()?;
    let owned = "import cds_loader as c, single as s, pack.leaf as l, frames as f, linked as k\n\
                 print([c.owns(m.f.__code__) for m in (s, l, f, k)])";
    let output = environment.script(owned)?;
    ensure!(output.stdout == "[True, True, True, True]\n", "not from the image: {output}");
    Ok(environment)
}

/// What a program prints, which must not depend on the image; the image must be in use.
fn same(environment: &Environment, text: &str) -> Result<String> {
    same_for(environment, text, |run| run)
}

fn same_for(environment: &Environment, text: &str, adjust: impl Fn(Run) -> Run) -> Result<String> {
    let program = environment.scratch.join("program/main.py");
    let state = "\nimport cds_loader\nassert cds_loader.status()['state'] in ('active', 'off'), cds_loader.status()\n";
    write(&program, format!("{text}{state}"))?;
    let run = |mode: &str| adjust(environment.python()).env("PYCDSMODE", mode).arg(&program).output();
    let (with, without) = (run("")?, run("OFF")?);
    let equal = with.stdout == without.stdout && with.stderr == without.stderr && with.status == without.status;
    ensure!(equal, "with image: {with}\nwithout: {without}");
    ensure!(with.status == 0 && with.stderr.is_empty(), "{with}");
    Ok(with.stdout.trim_end().to_owned())
}

fn expect(environment: &Environment, expected: &str, text: &str) -> Result<()> {
    let printed = same(environment, text)?;
    ensure!(printed == expected, "expected {expected:?}, got {printed:?}");
    Ok(())
}

/// Who takes `PathFinder` away wants no modules from directories.
fn without_path_finder(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let text = "import sys, importlib.machinery as m
import cds_loader
sys.meta_path.remove(m.PathFinder)
for name in 'single', 'pack.leaf':
    try: print(__import__(name))
    except ImportError as e: print(type(e).__name__, e)
sys.meta_path.append(m.PathFinder)
import single
print(single.f())";
    let expected = "ModuleNotFoundError No module named 'single'\nModuleNotFoundError No module named 'pack'\nsingle";
    expect(&environment, expected, text)?;
    // Neither does a whole list of other finders have anything of an image in it.
    let text = "import sys, importlib.machinery\nimport cds_loader\nsys.meta_path = []\n\
                try: import single\nexcept ImportError as e: print(type(e).__name__)\n\
                sys.meta_path = [importlib.machinery.PathFinder]\nimport single\nprint(single.f())";
    expect(&environment, "ModuleNotFoundError\nsingle", text)
}

/// A finder that is put directly before `PathFinder` is asked first.
fn finder_before_path_finder(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let text = "import sys, importlib.machinery as m, importlib.util
class Loader:
    def create_module(self, spec): return None
    def exec_module(self, module): module.f = lambda: 'theirs'
class Finder:
    asked = []
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.asked.append(name)
        if name in ('single', 'pack.leaf'): return importlib.util.spec_from_loader(name, Loader())
sys.meta_path.insert(sys.meta_path.index(m.PathFinder), Finder)
import single, pack.leaf, linked
print(single.f(), pack.f(), pack.leaf.f(), linked.f(), Finder.asked)";
    expect(&environment, "theirs pack theirs linked ['single', 'pack', 'pack.leaf', 'linked']", text)
}

/// Tools replace methods of the import system to see or change what is imported: each one is called, for the same files.
fn replaced_methods(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let methods = [
        ("PathFinder", "find_spec"),
        ("FileFinder", "find_spec"),
        ("SourceFileLoader", "get_data"),
        ("SourceFileLoader", "path_stats"),
        ("SourceFileLoader", "get_code"),
        ("SourceFileLoader", "source_to_code"),
        ("SourceFileLoader", "exec_module"),
        ("SourceFileLoader", "create_module"),
    ];
    for (class, method) in methods {
        let text = format!(
            "import importlib.machinery as m, os
calls = []
original = vars(m.{class}).get('{method}')
inherited = m.{class}.{method}
if isinstance(original, classmethod):
    def replacement(cls, *args, **named):
        calls.append(args[0])
        return original.__func__(cls, *args, **named)
    m.{class}.{method} = classmethod(replacement)
else:
    def replacement(self, first, *args, **named):
        calls.append(getattr(first, 'name', None) or getattr(first, '__name__', None) or first)
        return inherited(self, first, *args, **named)
    m.{class}.{method} = replacement
import single, pack.leaf
if original is None: del m.{class}.{method}
else: setattr(m.{class}, '{method}', original)
count = len(calls)
import linked
assert len(calls) == count
print(single.f(), pack.leaf.f(), linked.f(), count)
print(calls)"
        );
        let printed = same(&environment, &text).with_context(|| format!("{class}.{method}"))?;
        let count = printed.lines().next().and_then(|l| l.strip_prefix("single leaf linked "));
        let count: u32 = count.with_context(|| printed.clone())?.parse()?;
        ensure!(count >= 3, "{class}.{method} is called {count} times: {printed}");
    }
    Ok(())
}

/// The same for functions; docs/security.md names them.
fn replaced_functions(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let functions = [
        "_find_and_load",
        "_find_and_load_unlocked",
        "_find_spec",
        "_load_unlocked",
        "module_from_spec",
        "_init_module_attrs",
        "_new_module",
        "_call_with_frames_removed",
        "_get_module_lock",
        "_ModuleLock",
        "_ModuleLockManager",
    ];
    let places = functions.iter().map(|name| ("importlib._bootstrap", *name));
    for (module, name) in places.chain([("builtins", "exec"), ("_thread", "get_ident")]) {
        let text = format!(
            "import {module} as m
calls = []
original = m.{name}
def replacement(*args, **named):
    calls.append(args)
    return original(*args, **named)
m.{name} = replacement
import single, pack.leaf
m.{name} = original
print(single.f(), pack.leaf.f(), len(calls) > 1)"
        );
        let printed = same(&environment, &text).with_context(|| format!("{module}.{name}"))?;
        ensure!(printed.trim() == "single leaf True", "{module}.{name}: {printed}");
    }
    Ok(())
}

/// `sys.path` gets a second directory with the module at the end of its name.
fn with_second_copy(environment: &Environment, module: &str) -> Result<String> {
    let second = environment.scratch.join("second");
    write(second.join(format!("{module}.py")), "def f(): return 'second'\n")?;
    Ok(format!("import sys\nsys.path.append({second:?})\nimport {module}\nprint({module}.f())"))
}

/// A link that leads nowhere is no source: the search goes on, as it does without an image.
fn dangling_links(python: &Interpreter) -> Result<()> {
    for mode in ["timestamp", "checked-hash"] {
        dangling_links_for(python, mode).with_context(|| format!("invalidation mode {mode}"))?;
    }
    Ok(())
}

fn dangling_links_for(python: &Interpreter, mode: &str) -> Result<()> {
    let environment = environment_for(python, mode)?;
    fs::remove_file(environment.scratch.join("real/linked.py"))?;
    let missing = "try: import linked\nexcept ImportError as e: print(type(e).__name__, e)";
    expect(&environment, "ModuleNotFoundError No module named 'linked'", missing)?;
    let text = with_second_copy(&environment, "linked")?;
    expect(&environment, "second", &text)?;
    fs::remove_file(environment.site.join("single.py"))?;
    symlink("nowhere.py", environment.site.join("single.py"))?;
    let text = with_second_copy(&environment, "single")?;
    expect(&environment, "second", &text)
}

/// Nor is a directory, whatever its name ends with.
fn directories_for_sources(python: &Interpreter) -> Result<()> {
    for mode in ["timestamp", "checked-hash"] {
        directories_for_sources_for(python, mode).with_context(|| format!("invalidation mode {mode}"))?;
    }
    Ok(())
}

fn directories_for_sources_for(python: &Interpreter, mode: &str) -> Result<()> {
    let environment = environment_for(python, mode)?;
    let replace = |path: &Path| -> Result<()> {
        fs::remove_file(path)?;
        Ok(fs::create_dir(path)?)
    };
    replace(&environment.site.join("pack/leaf.py"))?;
    replace(&environment.scratch.join("real/linked.py"))?;
    let text = "for name in 'pack.leaf', 'linked':\n  try: __import__(name)\n  except ImportError as e: print(type(e).__name__, e)";
    let expected = "ModuleNotFoundError No module named 'pack.leaf'\nModuleNotFoundError No module named 'linked'";
    expect(&environment, expected, text)?;
    replace(&environment.site.join("single.py"))?;
    let text = with_second_copy(&environment, "single")?;
    expect(&environment, "second", &text)
}

/// What a module body sees on the stack below it: everything under `importlib.import_module`, and for a statement all but the
/// functions of importlib, which do not run.
fn frames(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let show = "for line in frames.FRAMES: print(*line)";
    let printed = same(&environment, &format!("import importlib; frames = importlib.import_module('frames')\n{show}"))?;
    ensure!(printed.contains("exec_module <frozen importlib._bootstrap_external>"), "{printed}");
    ensure!(printed.lines().count() >= 7, "{printed}");

    let program = environment.scratch.join("program/statement.py");
    write(&program, format!("def f():\n    import frames\n    return frames\nframes = f()\n{show}"))?;
    let run = |mode: &str| environment.python().env("PYCDSMODE", mode).arg(&program).ok()?.silent();
    let (with, without) = (run("")?.stdout, run("OFF")?.stdout);
    let others: Vec<&str> = without.lines().filter(|line| !line.contains("<frozen importlib.")).collect();
    ensure!(without.lines().count() >= others.len() + 5 && others.len() == 3, "without an image: {without}");
    ensure!(with.lines().eq(others.iter().copied()), "{with} instead of {others:?}");
    Ok(())
}

/// An exception in a module body: text, frames and source lines.
fn tracebacks(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let text = "import traceback
try: import pack.fails
except KeyError as e:
    print(traceback.format_exc())
    tb = e.__traceback__
    while tb:
        print(tb.tb_frame.f_code.co_qualname, tb.tb_lineno, tb.tb_lasti)
        tb = tb.tb_next";
    let printed = same(&environment, text)?;
    ensure!(printed.contains("pack/fails.py\", line 3, in <module>\n    f(2)"), "{printed}");
    Ok(())
}

/// Afterwards modules have the loaders and specs of an ordinary import.
fn loaders_and_specs(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let text = "import single, pack.leaf, frames
from importlib.machinery import PathFinder, SourceFileLoader
for module in single, pack, pack.leaf, frames:
    loader, spec = module.__loader__, module.__spec__
    plain = SourceFileLoader(module.__name__, module.__file__)
    path = pack.__path__ if module is pack.leaf else None
    print(type(loader) is SourceFileLoader, loader == plain, hash(loader) == hash(plain), vars(loader) == vars(plain),
          spec.loader is loader, PathFinder.find_spec(module.__name__, path) == spec, sorted(vars(module)),
          {k: v for k, v in vars(spec).items() if k != 'loader'})";
    let printed = same(&environment, text)?;
    ensure!(printed.lines().count() == 4, "{printed}");
    for line in printed.lines() {
        ensure!(line.starts_with("True True True True True True ["), "{line}");
    }
    Ok(())
}

/// Specs and loaders in the hands of a program: executed twice, lazily, copied, pickled, asked for code and source.
fn specs_used_directly(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let text = "import copy, importlib, importlib.util as util, pickle, runpy, sys
spec = util.find_spec('single')
print(isinstance(spec.loader, importlib.machinery.SourceFileLoader), spec.loader.get_source('single'))
for _ in range(2):
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    print(module.f(), type(module.__loader__).__name__)
import pack
spec = util.find_spec('pack.leaf')
spec.loader = util.LazyLoader(spec.loader)
lazy = sys.modules['pack.leaf'] = util.module_from_spec(spec)
spec.loader.exec_module(lazy)
print(type(lazy).__name__, lazy.f(), type(lazy).__name__, type(lazy.__loader__).__name__, sorted(vars(lazy)))
loader = util.find_spec('linked').loader
for other in copy.copy(loader), pickle.loads(pickle.dumps(loader)):
    print(other.name, other.path == loader.path, other.get_code('linked').co_filename)
print(loader.get_code(None).co_filename, loader.is_package('linked'), loader.get_code('linked').replace(co_name='x').co_name)
try: loader.get_code('other')
except ImportError as e: print(e)
print(sorted(runpy.run_module('linked')), importlib.reload(pack).f())";
    let printed = same(&environment, text)?;
    ensure!(printed.lines().count() >= 10 && printed.contains("single SourceFileLoader"), "{printed}");
    Ok(())
}

/// The directory of the package pip: the interpreter's own, or what `ensurepip` unpacks where it comes without.
fn pip(python: &Interpreter, environment: &Environment) -> Result<PathBuf> {
    let own = Run::new(&python.executable).args(["-c", "import pip; print(pip.__path__[0])"]).output()?;
    if own.status == 0 {
        return Ok(PathBuf::from(own.stdout.trim_end()));
    }
    let other = environment.scratch.join("with-pip");
    let pip = with_pip(python, &other, &environment.scratch)?.site.join("pip");
    ensure!(pip.is_dir(), "no pip in `{}`", other.display());
    Ok(pip)
}

/// pip brings a library that looks loaders up by their exact class.
fn exact_loader_classes(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    copy_tree(&pip(python, &environment)?, &environment.site.join("pip"))?;
    environment.build(&environment.image())?.arg("pip").ok()?;
    let text = "import pip._vendor.distlib.scripts as scripts\nimport pip._vendor.distlib.resources as resources\n\
                print(scripts.ScriptMaker.__name__, type(resources.finder('pip._vendor.distlib')).__name__)\n\
                with open(resources.__file__, 'rb') as file: content = file.read()\n\
                print(resources.finder('pip._vendor.distlib').find('resources.py').bytes == content)";
    expect(&environment, "ScriptMaker ResourceFinder\nTrue", text)?;
    let owned = environment.script(
        "import cds_loader, pip._vendor.distlib.scripts as s; print(cds_loader.owns(s.ScriptMaker.__init__.__code__))",
    )?;
    ensure!(owned.stdout == "True\n", "not from the image: {owned}");
    Ok(())
}
