//! Code of modules and classes runs once and is gone then, as that of `.pyc` files is; unless somebody keeps it.

use anyhow::{Result, ensure};
use cds_tests::environments::Environment;
use cds_tests::files::write;
use cds_tests::interpreters::{Interpreter, Interpreters, Linking};
use cds_tests::suite::on_each;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "bodies",
        &[("gone", gone), ("kept", kept), ("again", again), ("raised", raised), ("asked_for", asked_for)],
    )
}

const MODULES: [(&str, &str); 3] = [("once", ONCE), ("keeping", KEEPING), ("raising", RAISING)];

const ONCE: &str = "\
import sys, weakref
refs = [weakref.ref(sys._getframe().f_code)]
class Outer:
    'Documented.'
    refs.append(weakref.ref(sys._getframe().f_code))
    found = len(refs) in {1, 2, 3}
    refs += map(weakref.ref, filter(lambda c: type(c) is frozenset, sys._getframe().f_code.co_consts))
    class Inner:
        refs.append(weakref.ref(sys._getframe().f_code))
        size = 2.5
        def method(self, more=('a', 1)):
            return self.size, more
def function():
    class Local:
        code = sys._getframe().f_code
    return Local.code
";

const KEEPING: &str = "\
import sys
codes = [sys._getframe().f_code]
found = len(codes) in {1, 2, 3}
class A:
    'Documented.'
    codes.append(sys._getframe().f_code)
    values = 1.5, 'text', b'bytes', len(codes) in {'x', 'y'}
    class B:
        codes.append(sys._getframe().f_code)
        def f(self, x=('default', 2)):
            return x
";

const RAISING: &str = "\
import sys
class Bad:
    def f(self):
        return 1
    for value in range(3):
        raise ValueError('on purpose')
";

/// What is printed where the code of classes stays, although that of its module is gone.
const STAYING: (&str, &str) = ("[None, None, None, None]", "[None, 'class', 'class', 'class']");

/// What a program on the modules prints: without an image, and the same with copied units and with units in place, from which
/// so many modules are served.
fn same(python: &Interpreter, text: &str, served: u64) -> Result<String> {
    let environment = Environment::small(python)?;
    for (name, content) in MODULES {
        write(environment.site.join(format!("{name}.py")), content)?;
    }
    let text = format!("{text}\nimport cds_loader\nprint(cds_loader.status()['served'] or 0)\n");
    let without = environment.script(&text)?.silent()?.stdout;
    let said = without.strip_suffix("0\n").unwrap_or_default();
    ensure!(!said.is_empty(), "without an image: {without}");
    for units in ["copied", "in-place"] {
        let names = MODULES.map(|(name, _)| name);
        environment.build(&environment.image())?.args(["--units", units]).args(names).ok()?;
        let output = environment.script(&text)?.silent()?;
        let (gone, staying) = STAYING;
        let said = match (units, python.linking()) {
            ("copied", Linking::Static) => said.replace(gone, staying),
            _ => said.to_owned(),
        };
        ensure!(output.stdout == format!("{said}{served}\n"), "{units}: {output}\nwithout: {without}");
        std::fs::remove_file(environment.image())?;
    }
    Ok(said.to_owned())
}

fn gone(python: &Interpreter) -> Result<()> {
    let text = "\
import gc, once
gc.collect()
print([ref() and 'class' for ref in once.refs], once.Outer.found, once.Outer.__doc__, once.Outer.Inner().method())
local = once.function()
del once.function
gc.collect()
print(local.co_name, '_getframe' in local.co_names, eval(local, {'sys': __import__('sys')}, {}))";
    let said = same(python, text, 1)?;
    let wanted = "[None, None, None, None] True Documented. (2.5, ('a', 1))\nLocal True None\n";
    ensure!(said == wanted, "{said}");
    Ok(())
}

/// What keeps the code of a body has it whole, and may run it again.
fn kept(python: &Interpreter) -> Result<()> {
    let text = "\
import gc, sys, keeping
import once
codes = keeping.codes
count = sys.getrefcount(codes[0])
gc.collect()
rubbish = [[str(n) * (n % 700)] for n in range(5000)]
fresh = compile(open(keeping.__file__).read(), keeping.__file__, 'exec', dont_inherit=True)
def bodies(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, type(code)) and not const.co_flags & 1:
            yield from bodies(const)
print([a == b and list(a.co_lines()) == list(b.co_lines()) for a, b in zip(codes, bodies(fresh))], count)
print([a is b for a, b in zip(codes, bodies(codes[0]))], [code.co_filename == keeping.__file__ for code in codes])
again = {'__name__': 'again'}
exec(codes[0], again)
print([a is b for a, b in zip(codes, again['codes'])], again['A'].values, again['A'].B().f(), again['A'].__doc__)
del keeping.codes[:], again['codes'][:], codes, fresh
gc.collect()
print(keeping.A.values, keeping.A.B().f())";
    let said = same(python, text, 2)?;
    let three = "[True, True, True]";
    let wanted = format!(
        "{three} {three}\n{three} (1.5, 'text', b'bytes', False) ('default', 2) Documented.\n\
         (1.5, 'text', b'bytes', False) ('default', 2)\n"
    );
    let (first, rest) = said.split_once('\n').unwrap_or_default();
    ensure!(first.starts_with(three) && rest == wanted, "{said}");
    Ok(())
}

/// A module that is imported, reloaded, and imported again, while everything looks on.
fn again(python: &Interpreter) -> Result<()> {
    let text = "\
import gc, importlib, os, sys, tracemalloc
tracemalloc.start()
lines = []
def trace(frame, event, argument):
    lines.append((os.path.basename(frame.f_code.co_filename), frame.f_code.co_name, event, frame.f_lineno))
    return trace
sys.settrace(trace)
import keeping
sys.settrace(None)
print([line for line in lines if line[0] == 'keeping.py'])
first = keeping.codes[:]
assert importlib.reload(keeping) is keeping
print([a == b and a is not b for a, b in zip(first, keeping.codes)])
del sys.modules['keeping'], keeping
import keeping
print([a == b and a is not b for a, b in zip(first, keeping.codes)], keeping.A.B().f())
read, write = os.pipe()
if os.fork() == 0:
    import once
    gc.collect()
    os.write(write, repr([ref() and 'class' for ref in once.refs]).encode())
    os._exit(0)
os.wait()
print(os.read(read, 99).decode())";
    let said = same(python, text, 1)?;
    let three = "[True, True, True]";
    let end = format!("\n{three}\n{three} ('default', 2)\n[None, None, None, None]\n");
    ensure!(said.contains("('keeping.py', 'B', 'line', ") && said.ends_with(&end), "{said}");
    Ok(())
}

/// A body that an exception ends: the traceback has its code, and the next import is the ordinary one.
fn raised(python: &Interpreter) -> Result<()> {
    let text = "\
import gc, importlib, sys, traceback
kept = []
for attempt in range(2):
    try:
        import raising
    except ValueError as error:
        kept.append(error)
    gc.collect()
    rubbish = [[str(n) * (n % 700)] for n in range(5000)]
    print('raising' in sys.modules, end=' ')
for error in kept:
    frames = traceback.extract_tb(error.__traceback__)
    print([(frame.name, frame.lineno, frame.line) for frame in frames[-2:]], error)
inner = kept[0].__traceback__
while inner.tb_next:
    inner = inner.tb_next
print(inner.tb_frame.f_locals['value'], inner.tb_frame.f_code.co_names)
del inner, error, kept
gc.collect()
import once
print(once.Outer.found)";
    let said = same(python, text, 2)?;
    let frames = "[('<module>', 2, 'class Bad:'), ('Bad', 6, \"raise ValueError('on purpose')\")] on purpose\n";
    ensure!(said.starts_with(&format!("False False {frames}{frames}0 (")) && said.ends_with(")\nTrue\n"), "{said}");
    Ok(())
}

/// Code that was asked for and not run is the code that runs.
fn asked_for(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    write(environment.site.join("keeping.py"), KEEPING)?;
    environment.build(&environment.image())?.arg("keeping").ok()?;
    let text = "\
import cds_loader
code = cds_loader._code('keeping')
import keeping
try: cds_loader._code('keeping')
except RuntimeError as error: print(error)
print(keeping.codes[0] is code, cds_loader.owns(code))
print(cds_loader.owns(keeping.A.B.f.__code__), cds_loader.status()['served'])";
    let output = environment.script(text)?.silent()?;
    ensure!(output.stdout == "imported a second time\nTrue False\nTrue 1\n", "{output}");
    Ok(())
}
