//! Units that are copied: what happens when a part of the image, or its file, is not what it was.

use anyhow::{Context, Result, ensure};
use cds_layout::format::{ModuleRecord, Range, Reader, SLOT, Section, SectionKind, UnitRecord, Writer};
use cds_tests::elf::header;
use cds_tests::environments::Environment;
use cds_tests::files::{read, write};
use cds_tests::fixtures;
use cds_tests::interpreters::{Interpreter, Interpreters, Linking};
use cds_tests::suite::on_each;
use cds_tests::tools::tools;
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(
        interpreters,
        "copies",
        &[
            ("verified", verified),
            ("bodies", bodies),
            ("tables_verified", tables_verified),
            ("one_unit_for_two", one_unit_for_two),
            ("more_names_than_words", more_names_than_words),
            ("one_damaged", one_damaged),
            ("damaged_backs", damaged_backs),
            ("overwritten", overwritten),
            ("replaced", replaced),
            ("surrogates", surrogates),
            ("renamed_code", renamed_code),
            ("forked", forked),
        ],
    )
}

const MODULES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// Six modules with a package's worth of functions each, and an image of them with copied units at the usual place.
fn environment(python: &Interpreter) -> Result<Environment> {
    let environment = Environment::small(python)?;
    for (number, name) in MODULES.iter().enumerate() {
        let functions: String =
            (0..40).map(|n| format!("def f{n}(x):\n    return [x, {number}.{n}5, 'text {number} {n}']\n")).collect();
        write(environment.site.join(format!("{name}.py")), functions)?;
    }
    environment.build(&environment.image())?.args(["--units", "copied"]).args(MODULES).ok()?;
    Ok(environment)
}

/// Where things are in an image.
struct Places {
    base: u64,
    objects: Section,
    units: Section,
    modules: Section,
    index: Section,
    strings: Section,
}

impl Places {
    fn of(image: &[u8]) -> Result<Places> {
        let (header, _) = header(image)?;
        let mut reader = Reader::new(&image[header.sections as usize..]);
        let sections: Vec<Section> = (0..header.section_count).map_while(|_| Section::decode(&mut reader)).collect();
        let section = |kind: SectionKind| {
            sections.iter().find(|section| section.kind == kind as u32).copied().context("no such section")
        };
        Ok(Places {
            base: header.preferred_base,
            objects: section(SectionKind::Objects)?,
            units: section(SectionKind::Units)?,
            modules: section(SectionKind::Modules)?,
            index: section(SectionKind::ModuleIndex)?,
            strings: section(SectionKind::Numbered)?,
        })
    }

    /// Where the units lie in the file, in their order.
    fn units(&self, image: &[u8]) -> Vec<std::ops::Range<usize>> {
        let mut reader = Reader::new(&image[self.modules.position as usize..][..self.modules.size as usize]);
        let modules = std::iter::from_fn(|| ModuleRecord::decode(&mut reader));
        let mut units: Vec<Range> = modules.map(|module| module.unit).filter(|unit| unit.size != 0).collect();
        units.sort_by_key(|unit| unit.start);
        let place = |unit: Range| {
            let start = (self.units.position + unit.start) as usize;
            start..start + unit.size as usize
        };
        units.into_iter().map(place).collect()
    }

    fn records(&self, image: &[u8]) -> Vec<UnitRecord> {
        let record = |unit| UnitRecord::decode(&mut Reader::new(&image[unit])).expect("a unit begins with its record");
        self.units(image).into_iter().map(record).collect()
    }

    fn ranges(&self, image: &[u8]) -> Vec<Range> {
        self.records(image).iter().filter_map(UnitRecord::whole).filter(|own| own.size != 0).collect()
    }

    /// What slots hold that point to the object at an offset.
    fn address(&self, offset: u32) -> u64 {
        self.base + u64::from(self.objects.position) + u64::from(offset)
    }

    /// The word at an offset of the objects.
    fn word<'a>(&self, image: &'a mut [u8], offset: u32) -> Result<&'a mut [u8; 8]> {
        let position = (self.objects.position + offset) as usize;
        Ok(image.get_mut(position..position + 8).context("no such word")?.try_into()?)
    }
}

/// `verify` proves that nothing points to what is gone when it has run; and what bodies cannot be made of, the loader leaves to the
/// ordinary import, alone.
fn bodies(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let image = read(environment.image())?;
    let places = Places::of(&image)?;
    let unit = *places.records(&image).first().context("no unit")?;
    let staying = unit.staying().context("a unit in place")?;
    ensure!(unit.bodies.size != 0 && unit.bodies.start + unit.bodies.size == staying.start, "{unit:?}");
    let copy = environment.scratch.join("stray.so");
    let verified = |image: &[u8], what: &str| {
        write(&copy, image)?;
        let output = tools()?.cds_build().arg("verify").arg(&copy).output()?;
        ensure!(output.status == 1 && output.stderr.contains(what), "{what}: {output}");
        Ok::<_, anyhow::Error>(())
    };
    // A slot of a function points to the module's code.
    let mut wrong = image.clone();
    let inside =
        |word: [u8; 8]| u64::from_le_bytes(word).wrapping_sub(places.address(staying.start)) < u64::from(staying.size);
    let mut slots = (staying.start..staying.start + staying.size).step_by(SLOT as usize);
    let slot = slots.find(|&slot| places.word(&mut wrong, slot).is_ok_and(|word| inside(*word)));
    let slot = slot.context("no object that stays points to another")?;
    *places.word(&mut wrong, slot)? = places.address(unit.bodies.start).to_le_bytes();
    verified(&wrong, &format!("the word at {slot:#x} points to code that is gone when it has run"))?;
    // The module's code has the type of what its first pointer leads to, a tuple.
    let mut wrong = image.clone();
    let mut slots = (unit.bodies.start + 16..unit.bodies.start + unit.bodies.size).step_by(SLOT as usize);
    let own = |word: [u8; 8]| {
        u64::from_le_bytes(word)
            .checked_sub(places.address(unit.bodies.start))
            .filter(|at| *at < u64::from(unit.bodies.size))
    };
    let tuple = slots.find_map(|slot| own(*places.word(&mut wrong, slot).ok()?)).context("no constants")?;
    let type_ = *places.word(&mut wrong, unit.bodies.start + tuple as u32 + 8)?;
    *places.word(&mut wrong, unit.bodies.start + 8)? = type_;
    verified(&wrong, "are not as the loader needs them")?;
    std::fs::remove_file(environment.image())?;
    write(environment.image(), &wrong)?;
    let text = format!("import {}, cds_loader\nprint(cds_loader.status()['served'])", MODULES.join(", "));
    let output = environment.script(&text)?.silent()?;
    ensure!(output.stdout == format!("{}\n", MODULES.len() - 1), "{output}");
    Ok(())
}

/// `verify` proves that what is copied points to itself, to its strings and to the pool.
fn verified(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let mut image = read(environment.image())?;
    let places = Places::of(&image)?;
    let ranges = places.ranges(&image);
    ensure!(ranges.len() == MODULES.len(), "units: {ranges:?}");
    let (one, other) = (ranges[0], ranges[1]);
    let address = |offset: u32| places.base + u64::from(places.objects.position) + u64::from(offset);
    let position = |offset: u32| (places.objects.position + offset) as usize;
    let word =
        |image: &[u8], offset: u32| u64::from_le_bytes(image[position(offset)..][..8].try_into().expect("eight bytes"));
    let mut slots = (one.start..one.start + one.size).step_by(8);
    let slot = slots.find(|&slot| word(&image, slot).wrapping_sub(address(one.start)) < u64::from(one.size));
    let slot = slot.context("a unit that does not point to itself")?;
    let copy = environment.scratch.join("stray.so");
    let verify = || Ok::<_, anyhow::Error>(tools()?.cds_build().arg("verify").arg(&copy));
    write(&copy, &image)?;
    verify()?.ok()?;
    let wrong = [
        (address(other.start), "points into another unit"),
        (address(places.objects.size) + 4, "stands for a string that the unit does not have"),
    ];
    for (word, what) in wrong {
        image[position(slot)..][..8].copy_from_slice(&word.to_le_bytes());
        write(&copy, &image)?;
        let output = verify()?.output()?;
        let text = format!("the word at {slot:#x} {what}");
        ensure!(output.status == 1 && output.stderr.contains(&text), "{text}: {output}");
    }
    Ok(())
}

/// `verify` sees what is wrong with a table even where its checksums were made to agree: it says so beside the checksums.
fn tables_verified(python: &Interpreter) -> Result<()> {
    // So many that what all have is in the pool.
    let names: Vec<String> = (0..12).map(|number| format!("same{number}")).collect();
    let environment = Environment::small(python)?;
    for name in &names {
        let functions: String = (0..40).map(|n| format!("def f{n}(x):\n    return [x, (1.5, {n}.25)]\n")).collect();
        write(environment.site.join(format!("{name}.py")), functions)?;
    }
    environment.build(&environment.image())?.args(&names).ok()?;
    let image = read(environment.image())?;
    let places = Places::of(&image)?;
    let bytes = |section: Section| section.position as usize..(section.position + section.size) as usize;
    let copy = environment.scratch.join("wrong.so");
    let see = |at: usize, value: u8, what: &str| {
        let mut wrong = image.clone();
        ensure!(wrong[at] != value, "{what}: no change");
        wrong[at] = value;
        write(&copy, &wrong)?;
        let output = tools()?.cds_build().arg("verify").arg(&copy).output()?;
        ensure!(output.status == 1 && output.stderr.contains(what), "{what}: {output}");
        Ok(())
    };
    // An empty bucket that leads to a module.
    let mut buckets = bytes(places.index).step_by(4);
    let empty = buckets.find(|&at| image[at..at + 4] == [0; 4]).context("no empty bucket")?;
    see(empty, 1, "it is not that of the modules")?;
    let last = bytes(places.strings).end - 1;
    see(last, image[last] ^ 1, "is damaged")?;
    let at = places.units(&image).first().context("no unit")?.start;
    let unit = UnitRecord::decode(&mut Reader::new(&image[at..])).context("no record")?;
    let table = at + UnitRecord::SIZE;
    let mut front = Reader::new(&image[table..]);
    front.block().context("static strings")?;
    front.block().context("strings")?;
    let texts = front.varint().context("texts")? as usize;
    // The room of the strings, smaller by what the lowest bits of its varint say, or the next ones.
    let room = image.len() - front.rest().len();
    let room = if image[room] == 0x80 { room + 1 } else { room };
    ensure!(texts > 0 && image[room] & 0x7f != 0, "no room for strings, or none to take away");
    see(room, image[room] & 0x80, "has no room for its strings")?;
    // How many slots hold the file name: those of the functions, and not that of the module's code.
    let names_of_file = table + unit.front as usize - 1;
    ensure!(image[names_of_file] == 40, "{} slots with the file name", image[names_of_file]);
    see(names_of_file, 41, "unit 0 says that 41 slots hold its file name, and 40 do")?;
    // The size of the unit, in the record of a module, and a letter of its name.
    let module = bytes(places.modules).start;
    see(module + 27, 0x7f, "has no fixup unit")?;
    see(module + 52, 0xff, "record 0 is damaged")?;
    if python.linking() == Linking::Static {
        println!("skipped on {}: chunks of the pool, because there is nothing to do to them", python.label);
        return Ok(());
    }
    let back = table + unit.front as usize;
    ensure!(image[back] > 0 && image[back] < 0x80, "a unit without chunks of the pool, or with too many for this test");
    see(back + 1, image[back + 1] + 1, "does not list its chunk")
}

/// `verify` sees when two modules have one unit, even if the checksums of their records are right; the loader leaves
/// both of them to the ordinary import, or one.
fn one_unit_for_two(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let image = read(environment.image())?;
    let places = Places::of(&image)?;
    let modules = places.modules.position as usize..(places.modules.position + places.modules.size) as usize;
    let mut reader = Reader::new(&image[modules.clone()]);
    let records: Vec<ModuleRecord> = std::iter::from_fn(|| ModuleRecord::decode(&mut reader)).collect();
    ensure!(records.len() == MODULES.len(), "{records:?}");
    let first = records.iter().map(|module| module.unit.start).min();
    let last = records.iter().map(|module| module.unit.start).max();
    for (loser, what) in [(first, "does not lie where the one before it ends"), (last, "some belong to nothing")] {
        let taken = records.iter().find(|module| Some(module.unit.start) != loser).context("one module")?.unit;
        let mut changed = Writer::new();
        for module in &records {
            let unit = if Some(module.unit.start) == loser { taken } else { module.unit };
            ModuleRecord { unit, ..*module }.encode(&mut changed).context("a name that is too long")?;
        }
        let mut wrong = image.clone();
        wrong[modules.clone()].copy_from_slice(&changed.bytes);
        std::fs::remove_file(environment.image())?;
        write(environment.image(), &wrong)?;
        let output = tools()?.cds_build().arg("verify").arg(environment.image()).output()?;
        for text in ["one belongs to two modules or named objects", what] {
            ensure!(output.status == 1 && output.stderr.contains(text), "{text}: {output}");
        }
        ensure!(!output.stderr.contains("checksum"), "{output}");
    }
    // The code of one lies outside the unit that its record leads to: who comes first decides about the other.
    let names = MODULES.join(", ");
    let text = format!(
        "import {names}, cds_loader, json\nprint(json.dumps([[m.f7(1)[1] for m in ({names})], cds_loader.status()]))"
    );
    let result = environment.script(&text)?.silent()?.json()?;
    let values: Vec<f64> = (0..MODULES.len()).map(|number| number as f64 + 0.75).collect();
    ensure!(result[0] == serde_json::json!(values), "{result}");
    let served = result[1]["served"].as_u64().unwrap_or_default() as usize;
    ensure!((MODULES.len() - 2..MODULES.len()).contains(&served), "{result}");
    Ok(())
}

/// A table that says, with a right checksum, that the file name is in more slots than the unit has: the loader would take a
/// reference for each.
fn more_names_than_words(python: &Interpreter) -> Result<()> {
    const MOST: u8 = 0x7f;
    let environment = Environment::small(python)?;
    let names = ["bare", "other"];
    for name in names {
        write(environment.site.join(format!("{name}.py")), "VALUE = 1\n")?;
    }
    environment.build(&environment.image())?.args(["--units", "copied"]).args(names).ok()?;
    let mut image = read(environment.image())?;
    let places = Places::of(&image)?;
    let at = places.units(&image).first().context("no unit")?.start;
    let unit = UnitRecord::decode(&mut Reader::new(&image[at..])).context("no record")?;
    let words = unit.whole().context("no unit that is copied")?.size / SLOT;
    let table = at + UnitRecord::SIZE;
    let front = table..table + unit.front as usize;
    ensure!(image[front.end - 1] == 0 && words < MOST.into(), "{words} words, {} names", image[front.end - 1]);
    image[front.end - 1] = MOST;
    let mut record = Writer::new();
    UnitRecord { front_checksum: unit.front_sum(&image[front]), ..unit }.encode(&mut record);
    image[at..at + UnitRecord::SIZE].copy_from_slice(&record.bytes);
    std::fs::remove_file(environment.image())?;
    write(environment.image(), &image)?;
    let output = tools()?.cds_build().arg("verify").arg(environment.image()).output()?;
    let text = "unit 0 says that 127 slots hold its file name, and 0 do";
    ensure!(output.status == 1 && output.stderr.contains(text), "{output}");
    ensure!(!output.stderr.contains("checksum"), "{output}");
    let text = "import bare, other, cds_loader\nprint(bare.VALUE + other.VALUE, cds_loader.status()['served'])";
    let output = environment.script(text)?.silent()?;
    ensure!(output.stdout == "2 1\n", "{output}");
    Ok(())
}

/// A unit whose record says that it is enormous is left to the ordinary import; all others are served.
fn one_damaged(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let image = read(environment.image())?;
    let places = Places::of(&image)?;
    let units = places.units(&image);
    ensure!(units.len() == MODULES.len(), "units: {units:?}");
    for (unit, place) in units.into_iter().enumerate() {
        // The highest byte but one of the size of its last range.
        let at = place.start + 32 + 2;
        let mut damaged = image.clone();
        damaged[at] ^= 0x10;
        std::fs::remove_file(environment.image())?;
        write(environment.image(), damaged)?;
        let text = format!(
            "import {}, cds_loader, json\nprint(json.dumps([[m.f7(1) for m in ({},)], cds_loader.status()]))",
            MODULES.join(", "),
            MODULES.join(", ")
        );
        let result = environment.script(&text)?.silent()?.json()?;
        ensure!(result[0].as_array().is_some_and(|values| values.len() == MODULES.len()), "{result}");
        ensure!(result[1]["served"] == MODULES.len() - 1, "unit {unit}: {result}");
    }
    Ok(())
}

/// The back of a table is not looked at where every prediction holds: a unit that is used in place is served although it is damaged.
/// Where addresses have to be moved or a string is interned elsewhere it is, and the module is left to the ordinary import. `verify` sees it in any case.
fn damaged_backs(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    // Names that nobody else has.
    let module = "first_of_backs = 7.25\n\
                  def second_of_backs(third_of_backs=1000):\n    return third_of_backs, first_of_backs, 'fourth_of_backs'\n";
    write(environment.site.join("backs.py"), module)?;
    environment.build(&environment.image())?.args(["--units", "in-place", "backs"]).ok()?;
    let import = |first: &str| {
        // The program itself has no name that the module has.
        let said = "print(min(value for value in vars(backs).values() if type(value) is float))";
        let text =
            format!("import sys; {first}; import backs, cds_loader\n{said}\nprint(cds_loader.status()['served'] or 0)");
        Ok::<_, anyhow::Error>(environment.script(&text)?.silent()?.stdout)
    };
    let (own, elsewhere) = ("pass", "kept = sys.intern(''.join(['second', '_of_backs']))");
    for first in [own, elsewhere] {
        let said = import(first)?;
        ensure!(said == "7.25\n1\n", "from an image that is as it was: {said}");
    }
    let mut image = read(environment.image())?;
    let unit = Places::of(&image)?.units(&image).pop().context("no unit")?;
    let record = UnitRecord::decode(&mut Reader::new(&image[unit.clone()])).context("no record")?;
    let back = unit.start + UnitRecord::SIZE + record.front as usize..unit.end;
    ensure!(back.len() > 8, "{} bytes of back", back.len());
    image[back].iter_mut().for_each(|byte| *byte ^= 0x55);
    std::fs::remove_file(environment.image())?;
    write(environment.image(), &image)?;
    let output = tools()?.cds_build().arg("verify").arg(environment.image()).output()?;
    ensure!(output.status == 1 && output.stderr.contains("a checksum of unit 0 does not agree"), "{output}");
    let served = u8::from(python.linking() == Linking::Static);
    for (first, served) in [(own, served), (elsewhere, 0)] {
        let said = import(first)?;
        ensure!(said == format!("7.25\n{served}\n"), "after `{first}` with a damaged back: {said}");
    }
    Ok(())
}

/// A file that is overwritten in place while a process has it mapped is not used any more.
fn overwritten(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let run = environment.python().arg(fixtures().join("programs/overwritten.py")).arg(environment.image());
    let report = run.args(MODULES).ok()?.silent()?.json()?;
    ensure!(report["before"]["served"] == 1 && report["after"]["served"] == 1, "{report}");
    ensure!(report["values"].as_array().is_some_and(|values| values.len() == MODULES.len()), "{report}");
    Ok(())
}

/// Where another image gets the name between imports, the others come from what is mapped.
fn replaced(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let (other, same) = (environment.scratch.join("other.so"), environment.scratch.join("same.so"));
    environment.build(&other)?.args(["--units", "copied", "six", "json"]).ok()?;
    std::fs::copy(environment.image(), &same)?;
    let text = "\
import os, sys, json, one, cds_loader
for name, module in zip(sys.argv[2:], ('two', 'four')):
    os.replace(name, sys.argv[1])
    __import__(module)
import three, five, six
modules = [sys.modules[name] for name in ('one', 'two', 'three', 'four', 'five', 'six')]
print(json.dumps([cds_loader.status(), [m.f7(1) for m in modules], [m.__name__ for m in modules]]))
";
    let run = environment.python().args(["-c", text]).arg(environment.image()).arg(&other).arg(&same);
    let report = run.ok()?.silent()?.json()?;
    ensure!(report[0]["served"] == MODULES.len(), "{report}");
    for (number, value) in report[1].as_array().context("values")?.iter().enumerate() {
        ensure!(value[2] == format!("text {number} 7"), "{report}");
    }
    Ok(())
}

/// No codec of a program makes the strings of an image: it would run in the middle of an import.
fn surrogates(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let module = r"class Strings:
    values = ['\ud800', 'a\udfffb', '\xe9\ud834\udd1e', '\U0001d11e', '\xe4\xf6\xfc', '\u96f6']
";
    write(environment.site.join("odd.py"), module)?;
    environment.build(&environment.image())?.args(["--units", "copied", "odd", "one"]).ok()?;
    let text = "\
import codecs, cds_loader
called = []
def own(error):
    called.append(error)
    import one
    return '?', error.end
codecs.register_error('surrogatepass', own)
import odd
print(ascii(odd.Strings.values), called, cds_loader.status()['served'], cds_loader.owns(odd.Strings.__init__))
";
    let output = environment.script(text)?.silent()?;
    let right = r"['\ud800', 'a\udfffb', '\xe9\ud834\udd1e', '\U0001d11e', '\xe4\xf6\xfc', '\u96f6'] [] 1 False";
    ensure!(output.stdout == format!("{right}\n"), "{output}");
    Ok(())
}

/// The interpreter may give code objects another file name: each of them has a reference to the old one.
fn renamed_code(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let text = "\
import _imp, gc, sys, cds_loader
body = cds_loader._code('one')
import one
name = one.__file__
code = one.f1.__code__
assert cds_loader.owns(code) and code.co_filename == name
before = sys.getrefcount(code.co_filename)
_imp._fix_co_filename(body, '/elsewhere/one.py')
names = {getattr(one, f'f{n}').__code__.co_filename for n in range(40)}
del code, body
gc.collect()
[str(n) * 30 for n in range(10000)]
print(names, name == one.__file__ == one.__spec__.origin, sys.getrefcount(name) >= 3)
";
    let output = environment.script(text)?.silent()?;
    ensure!(output.stdout == "{'/elsewhere/one.py'} True True\n", "{output}");
    Ok(())
}

/// Copies stay right on both sides of a fork, those from before it and those from after it.
fn forked(python: &Interpreter) -> Result<()> {
    let environment = environment(python)?;
    let text = "\
import os, sys, one, two
one.f1.changed = two.f2.changed = 'before'
child = os.fork()
import three, four
one.f1.changed = 'child' if child == 0 else 'parent'
import five, six, cds_loader
modules = one, two, three, four, five, six
values = [[getattr(m, f'f{n}')(0)[1:] for n in range(40)] for m in modules]
right = values == [[[float(f'{i}.{n}5'), f'text {i} {n}'] for n in range(40)] for i in range(6)]
right = right and all(map(cds_loader.owns, (m.f3.__code__ for m in modules))) and cds_loader.status()['served'] == 6
if child == 0:
    os._exit(0 if right and one.f1.changed == 'child' else 1)
print(right and one.f1.changed == 'parent' and two.f2.changed == 'before', os.waitpid(child, 0)[1])
";
    let output = environment.script(text)?.silent()?;
    ensure!(output.stdout == "True 0\n", "{output}");
    Ok(())
}
