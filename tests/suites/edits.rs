//! Trees that have changed since the image was built: what is on disk is what is imported.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::{copy_tree, modified, set_modified, write};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::Run;
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "edits",
        &[
            ("source_edited", source_edited),
            ("same_size_same_second", same_size_same_second),
            ("older_source", older_source),
            ("source_touched", source_touched),
            ("shadowed_by_script_directory", shadowed_by_script_directory),
            ("shadowed_by_pythonpath", shadowed_by_pythonpath),
            ("shadowed_by_working_directory", shadowed_by_working_directory),
            ("not_shadowed_by_other_files", not_shadowed_by_other_files),
            ("shadowed_at_run_time", shadowed_at_run_time),
            ("shadowed_standard_library", shadowed_standard_library),
            ("new_file_in_package", new_file_in_package),
            ("package_over_module", package_over_module),
            ("extension_over_module", extension_over_module),
            ("init_removed", init_removed),
            ("init_added", init_added),
            ("file_deleted", file_deleted),
            ("package_deleted", package_deleted),
            ("package_replaced_by_link", package_replaced_by_link),
            ("package_path_changed", package_path_changed),
            ("earlier_namespace_portion", earlier_namespace_portion),
            ("environment_moved", environment_moved),
            ("environment_linked", environment_linked),
        ],
    )
}

/// An environment with a few modules and an image of them.
struct Tree {
    environment: Environment,
}

impl Tree {
    fn new(python: &Interpreter) -> Result<Tree> {
        let environment = Environment::small(python)?;
        let site = &environment.site;
        write(site.join("single.py"), "VALUE = 'old'\ndef f(): return VALUE\n")?;
        write(site.join("pack/__init__.py"), "VALUE = 'old'\ndef f(): return VALUE\n")?;
        write(site.join("pack/leaf.py"), "VALUE = 'old leaf'\ndef f(): return VALUE\n")?;
        write(site.join("pack/inner/__init__.py"), "def f(): return 'inner'\n")?;
        write(site.join("pack/inner/deep.py"), "def f(): return 'deep'\n")?;
        write(site.join("spread/portion.py"), "def f(): return 'portion'\n")?;
        // Mention of a time in the past: nothing here may depend on a clock that ticks coarsely.
        for file in ["single.py", "pack/leaf.py", "pack/__init__.py"] {
            set_modified(&site.join(file), modified(&site.join(file))? - Duration::from_secs(1000))?;
        }
        let what = ["single", "pack", "spread", "colorsys", "xml"];
        environment.build(&environment.image())?.args(what).ok()?;
        let tree = Tree { environment };
        for module in ["single", "pack", "pack.leaf", "pack.inner", "pack.inner.deep", "spread.portion", "colorsys"] {
            ensure!(tree.owned(module)?, "`{module}` does not come from the image");
        }
        Ok(tree)
    }

    fn site(&self, name: &str) -> PathBuf {
        self.environment.site.join(name)
    }

    fn python(&self) -> Run {
        self.environment.python().cwd(&self.environment.scratch)
    }

    /// Whether the functions of `module` are objects of the image.
    fn owned(&self, module: &str) -> Result<bool> {
        let text = format!(
            "import cds_loader, types, {module} as m\n\
             print(all(cds_loader.owns(f.__code__) for f in vars(m).values() if isinstance(f, types.FunctionType)))"
        );
        Ok(self.python().arg("-c").arg(text).ok()?.stdout == "True\n")
    }

    /// What a program prints, which must not depend on whether there is an image.
    fn prints(&self, expected: &str, run: impl Fn(Run) -> Run) -> Result<()> {
        let with = run(self.python()).output()?;
        let without = run(self.python()).env("PYCDSMODE", "OFF").output()?;
        ensure!(without.stdout.trim_end() == expected, "without an image, expected {expected:?}: {without}");
        ensure!(
            with.stdout == without.stdout && with.stderr == without.stderr && with.status == without.status,
            "expected {expected:?}:\nwith image: {with}\nwithout: {without}"
        );
        Ok(())
    }

    fn evaluates(&self, expected: &str, text: &str) -> Result<()> {
        self.prints(expected, |run| run.arg("-c").arg(text))
    }
}

const SINGLE: &str = "import single; print(single.f(), single.VALUE)";
const NEW: &str = "VALUE = 'new'\ndef f(): return VALUE\n";

fn source_edited(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    write(tree.site("single.py"), "VALUE = 'edited'\n\ndef f(): return VALUE\n")?;
    tree.evaluates("edited edited", SINGLE)?;
    write(tree.site("pack/leaf.py"), "def f(): return 'edited leaf'\n")?;
    tree.evaluates("edited leaf old", "import pack.leaf; print(pack.leaf.f(), pack.f())")?;
    ensure!(tree.owned("pack")? && !tree.owned("pack.leaf")?, "only the edited module leaves the image");
    Ok(())
}

/// Size and whole second are the same: only the nanoseconds tell.
fn same_size_same_second(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let file = tree.site("single.py");
    let before = modified(&file)?;
    write(&file, NEW)?;
    let nanos = before.duration_since(std::time::UNIX_EPOCH)?.subsec_nanos();
    let shifted = if nanos > 500_000_000 { before - Duration::from_nanos(1) } else { before + Duration::from_nanos(1) };
    set_modified(&file, shifted)?;
    tree.evaluates("new new", SINGLE)
}

/// A file with an older time is another file too.
fn older_source(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let file = tree.site("single.py");
    let before = modified(&file)?;
    write(&file, NEW)?;
    set_modified(&file, before - Duration::from_secs(100_000))?;
    tree.evaluates("new new", SINGLE)
}

fn source_touched(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let file = tree.site("single.py");
    set_modified(&file, modified(&file)? + Duration::from_secs(10))?;
    tree.evaluates("old old", SINGLE)
}

/// Other modules beside the program: `single`, and `pack` as a whole.
fn local_modules(directory: &Path) -> Result<()> {
    write(directory.join("single.py"), NEW)?;
    write(directory.join("pack/__init__.py"), "def f(): return 'local'\n")
}

const BOTH: &str = "import single, pack\nprint(single.f(), pack.f())\ntry:\n    import pack.leaf\nexcept ImportError as e:\n    print(e)\n";
const LOCAL: &str = "new local\nNo module named 'pack.leaf'";

fn shadowed_by_script_directory(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let directory = tree.environment.scratch.join("program");
    local_modules(&directory)?;
    write(directory.join("main.py"), BOTH)?;
    tree.prints(LOCAL, |run| run.arg(directory.join("main.py")))
}

fn shadowed_by_pythonpath(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let directory = tree.environment.scratch.join("elsewhere");
    local_modules(&directory)?;
    tree.prints(LOCAL, |run| run.env("PYTHONPATH", &directory).arg("-c").arg(BOTH))
}

fn shadowed_by_working_directory(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    local_modules(&tree.environment.scratch)?;
    tree.evaluates(LOCAL, BOTH)
}

/// Data that is named like a module is none: the image still serves what the search finds further on.
fn not_shadowed_by_other_files(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let here = &tree.environment.scratch;
    write(here.join("single.txt"), "data")?;
    write(here.join("single.log.gz"), "data")?;
    write(here.join("pack/readme.md"), "a checkout directory that is named like the package in it")?;
    let ask = "import single, pack, cds_loader\n\
               used = cds_loader.status()['state'] == 'active'\n\
               assert cds_loader.owns(single.f.__code__) == cds_loader.owns(pack.f.__code__) == used\n\
               print(single.f(), pack.f())";
    tree.evaluates("old old", ask)
}

fn shadowed_at_run_time(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let directory = tree.environment.scratch.join("later");
    local_modules(&directory)?;
    let insert = format!("import sys, pack.inner; del sys.modules['pack']; sys.path.insert(0, {directory:?})\n");
    tree.evaluates(LOCAL, &(insert + BOTH))?;
    let append = format!("import sys; sys.path.append({directory:?})\nimport pack.leaf\n");
    tree.evaluates("old old", &(append + "import single, pack\nprint(single.f(), pack.f())"))
}

fn shadowed_standard_library(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    write(tree.environment.scratch.join("colorsys.py"), "VALUE = 'mine'\n")?;
    write(tree.environment.scratch.join("xml/__init__.py"), "VALUE = 'my xml'\n")?;
    tree.evaluates("mine my xml", "import colorsys, xml; print(colorsys.VALUE, xml.VALUE)")
}

fn new_file_in_package(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    write(tree.site("pack/brand_new.py"), "VALUE = 'brand new'\n")?;
    write(tree.site("pack/inner/fresh/__init__.py"), "VALUE = 'fresh'\n")?;
    write(tree.site("top.py"), "VALUE = 'top'\n")?;
    let text =
        "import top, pack.brand_new, pack.inner.fresh as f; print(top.VALUE, pack.brand_new.VALUE, f.VALUE, pack.f())";
    tree.evaluates("top brand new fresh old", text)
}

/// A package directory beats a module of the same name in the same directory.
fn package_over_module(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    write(tree.site("single/__init__.py"), "VALUE = 'package'\ndef f(): return VALUE\n")?;
    write(tree.site("pack/leaf/__init__.py"), "def f(): return 'package leaf'\n")?;
    tree.evaluates("package package", SINGLE)?;
    tree.evaluates("package leaf", "import pack.leaf; print(pack.leaf.f())")
}

/// So does an extension module; one that cannot be loaded is an error with and without the image.
fn extension_over_module(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    write(tree.site(&format!("single.{}.so", python.soabi)), "no ELF file")?;
    write(tree.site("pack/leaf.abi3.so"), "no ELF file")?;
    let text = "for name in 'single', 'pack.leaf':\n  try: __import__(name)\n  except ImportError as e: print(type(e).__name__, e.name)";
    tree.evaluates("ImportError single\nImportError leaf", text)
}

fn init_removed(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    fs::remove_file(tree.site("pack/__init__.py"))?;
    tree.evaluates(
        "False old leaf None",
        "import pack.leaf as l, pack; print(hasattr(pack, 'f'), l.f(), getattr(pack, '__file__', None))",
    )
}

fn init_added(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    write(tree.site("spread/__init__.py"), "VALUE = 'regular now'\n")?;
    tree.evaluates("regular now portion", "import spread.portion as p, spread; print(spread.VALUE, p.f())")
}

fn file_deleted(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    for name in ["single.py", "pack/leaf.py", "spread/portion.py"] {
        fs::remove_file(tree.site(name))?;
    }
    let text = "for name in 'single', 'pack.leaf', 'spread.portion':\n  try: __import__(name)\n  except ModuleNotFoundError as e: print(e)";
    tree.evaluates("No module named 'single'\nNo module named 'pack.leaf'\nNo module named 'spread.portion'", text)?;
    tree.evaluates("None None", "from importlib.util import find_spec as f; print(f('single'), f('pack.leaf'))")
}

fn package_deleted(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    fs::remove_dir_all(tree.site("pack"))?;
    fs::remove_dir_all(tree.site("spread"))?;
    let text = "for name in 'pack', 'pack.leaf', 'spread':\n  try: __import__(name)\n  except ModuleNotFoundError as e: print(e)";
    tree.evaluates("No module named 'pack'\nNo module named 'pack'\nNo module named 'spread'", text)
}

fn package_replaced_by_link(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let other = tree.environment.scratch.join("other");
    copy_tree(&tree.site("pack"), &other)?;
    write(other.join("leaf.py"), "def f(): return 'linked'\n")?;
    fs::remove_dir_all(tree.site("pack"))?;
    std::os::unix::fs::symlink(&other, tree.site("pack"))?;
    tree.evaluates(
        "linked True",
        "import pack.leaf; print(pack.leaf.f(), pack.__file__.endswith('site-packages/pack/__init__.py'))",
    )
}

/// A program may change where a package looks for its submodules.
fn package_path_changed(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let plugins = tree.environment.scratch.join("plugins");
    write(plugins.join("leaf.py"), "def f(): return 'plugin'\n")?;
    let insert = format!("import pack; pack.__path__.insert(0, {plugins:?}); import pack.leaf; print(pack.leaf.f())");
    tree.evaluates("plugin", &insert)?;
    let replace = format!("import pack; pack.__path__ = [{plugins:?}]; import pack.leaf; print(pack.leaf.f())");
    tree.evaluates("plugin", &replace)?;
    let append = format!("import pack; pack.__path__.append({plugins:?}); import pack.leaf; print(pack.leaf.f())");
    tree.evaluates("old leaf", &append)?;
    let remove = "import pack; pack.__path__.clear()\ntry: import pack.leaf\nexcept ImportError as e: print(e)";
    tree.evaluates("No module named 'pack.leaf'", remove)
}

/// Portions of a namespace package are searched in the order of `sys.path`.
fn earlier_namespace_portion(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let early = tree.environment.scratch.join("early");
    write(early.join("spread/portion.py"), "def f(): return 'early'\n")?;
    write(early.join("spread/more.py"), "def f(): return 'more'\n")?;
    let text = "import spread.portion as p, spread.more as m, spread; print(p.f(), m.f(), len(spread.__path__))";
    tree.prints("early more 2", |run| run.env("PYTHONPATH", &early).arg("-c").arg(text))?;
    let late = format!("import sys; sys.path.append({early:?})\n{text}");
    tree.evaluates("portion more 2", &late)
}

/// A whole environment that was copied elsewhere, as container builds do, still uses its image; paths are the new ones.
fn environment_moved(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let moved = tree.environment.root.with_file_name("moved");
    copy_tree(&tree.environment.root, &moved)?;
    fs::remove_dir_all(&tree.environment.root)?;
    let text = "import cds_loader, pack.leaf as l, single as s\n\
                print(l.__file__, l.f.__code__.co_filename, s.__spec__.origin, l.f(), s.f())\n\
                print(cds_loader.owns(l.f.__code__), cds_loader.owns(s.f.__code__))";
    let output = Run::new(moved.join("bin/python3")).arg("-c").arg(text).ok()?;
    let site = moved.join(tree.environment.site.strip_prefix(&tree.environment.root)?);
    let (leaf, single) = (site.join("pack/leaf.py"), site.join("single.py"));
    let expected = format!("{0} {0} {1} old leaf old\nTrue True\n", leaf.display(), single.display());
    ensure!(output.stdout == expected, "expected {expected}, got {output}");
    Ok(())
}

/// The same environment under another name.
fn environment_linked(python: &Interpreter) -> Result<()> {
    let tree = Tree::new(python)?;
    let link = tree.environment.root.with_file_name("link");
    std::os::unix::fs::symlink(&tree.environment.root, &link)?;
    let text = "import pack.leaf as l; print(l.__file__, l.f.__code__.co_filename, l.f())";
    let run = |mode: &str| Run::new(link.join("bin/python3")).env("PYCDSMODE", mode).arg("-c").arg(text).ok();
    let (with, without) = (run("")?, run("OFF")?);
    ensure!(with.stdout == without.stdout, "differs:\n{with}\n{without}");
    ensure!(with.stdout.starts_with(&*link.to_string_lossy()), "another path: {with}");
    Ok(())
}
