//! The records of an image: text, roots, directories, modules, index, externs, named objects and notes.

use crate::code::ModuleCode;
use crate::discover::{Discovery, FoundKind, Root};
use crate::fixups::{self, Statics};
use crate::named::NamedObject;
use crate::objects::Placement;
use crate::share::{Constants, Node, NodeId};
use crate::target::{Role, Target};
use crate::text::Text;
use crate::window::Externs;
use cds_layout::format::{
    DirectoryRecord, Extern, ExternRecord, ModuleKind, ModuleRecord, NONE, NamedRecord, Range, RootKind, RootRecord,
    SectionKind, Stamp, StaticRecord, StaticText, UnitTables, ValueKind, Writer, build_index, checksum32,
    encode_numbered, tables_checksum,
};
use std::collections::HashMap;
use std::path::PathBuf;

/// The records of an image.
#[derive(Debug)]
pub struct Tables {
    text: Text,
    roots: Vec<RootRecord>,
    directories: Vec<DirectoryRecord>,
    index: Vec<u8>,
    modules: Vec<u8>,
    module_count: u32,
    externs: Vec<ExternRecord>,
    statics: Vec<StaticRecord>,
    units: Vec<u8>,
    numbered: Vec<u8>,
    notes: String,
    objects: Vec<NamedRecord>,
    built: Vec<BuiltObject>,
    recipes: Vec<u8>,
}

/// A named object of a finished image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltObject {
    /// Its name.
    pub name: String,
    /// Type of its value.
    pub kind: ValueKind,
    /// Number of objects of the image that it is made of.
    pub count: u32,
    /// Bytes that belong to it alone.
    pub size: u32,
}

/// What the records are about.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The target.
    pub target: &'a Target,
    /// What was found.
    pub discovery: &'a Discovery,
    /// Modules with code: the first units.
    pub codes: &'a [ModuleCode],
    /// Named objects: the other units.
    pub objects: &'a [NamedObject],
    /// All constants.
    pub constants: &'a Constants,
    /// Where they lie.
    pub placement: &'a Placement,
    /// Fixups by unit.
    pub units: &'a [UnitTables<'a>],
    /// Externs with their link-time addresses.
    pub externs: &'a [(Extern, u64)],
    /// Interned strings of the interpreter.
    pub statics: &'a Statics,
    /// What stands for link-time addresses.
    pub window: &'a Externs,
}

/// Assembles the records.
pub fn assemble(plan: &Plan<'_>, notes: String) -> Result<Tables, NoRoom> {
    let Plan { target, discovery, codes, constants, placement, window, .. } = *plan;
    let (units, places) = fixups::encode(plan.units, placement);
    let with_code: HashMap<usize, u32> = codes.iter().enumerate().map(|(i, c)| (c.module, i as u32)).collect();
    let order = in_order(discovery, placement, &with_code);

    let directories = directories_in_order(discovery, &order);
    let relative: Vec<_> = discovery.roots.iter().map(|root| relative_root(target, &root.path, root.role)).collect();
    let of_roots = discovery.roots.iter().zip(&relative).flat_map(|(root, (_, relative))| [&**relative, &root.path]);
    let of_objects = plan.objects.iter().map(|object| &*object.name);
    let of_directories = directories.iter().map(|(_, relative)| *relative);
    let text = Text::new(of_roots.chain(of_directories).chain(of_objects));

    let root = |(root, (kind, relative)): (&Root, &(RootKind, String))| RootRecord {
        kind: *kind,
        relative: text.at(relative),
        predicted: text.at(&root.path),
    };
    let roots = discovery.roots.iter().zip(&relative).map(root).collect();

    // The likely ones last: behind them come their texts.
    let numbers: HashMap<_, u32> = directories.iter().rev().copied().zip(0..).collect();
    let directory = |&(root, relative): &(usize, &str)| {
        // Roots change whenever something is installed, this image for one: they are listed at run time.
        let mtime_ns = if relative.is_empty() { 0 } else { discovery.directories[&(root, relative.to_owned())] };
        let record = DirectoryRecord { root: root as u32, relative: text.at(relative), mtime_ns, checksum: 0 };
        DirectoryRecord { checksum: record.sum(relative), ..record }
    };
    let directories = directories.iter().rev().map(directory).collect();
    let Modules { index, records: modules, count: module_count } =
        modules(plan, &order, &with_code, |directory| numbers.get(&directory).copied(), |unit| places[unit as usize])?;
    let externs =
        plan.externs.iter().map(|&(object, link)| ExternRecord { object, predicted: window.word(link) }).collect();
    let statics = plan.statics.list.iter().map(|&(id, link)| StaticRecord {
        predicted: window.word(link),
        text: match constants.node(id) {
            Node::Extern(Extern::InternedLatin1(character)) => StaticText::Latin1(*character),
            _ => StaticText::Own(placement.offset_of_static(id)),
        },
    });
    let statics = statics.collect();
    let text_of = |id: &NodeId| &*constants.node(*id).as_str().expect("only strings have numbers").data;
    let numbered = encode_numbered(placement.numbers.strings().iter().map(text_of));
    let (objects, built, recipes) = Default::default();
    let mut tables = Tables {
        text,
        roots,
        directories,
        index,
        modules,
        module_count,
        externs,
        statics,
        units,
        numbered,
        notes,
        objects,
        built,
        recipes,
    };
    tables.add_objects(plan, &places);
    Ok(tables)
}

/// The records of modules, and the index that leads to them.
struct Modules {
    index: Vec<u8>,
    records: Vec<u8>,
    count: u32,
}

/// Makes them of the modules `order`. `with_code` has the units of modules, `number_of` gives the number of a directory's record, `place_of` where a unit lies.
fn modules(
    plan: &Plan<'_>,
    order: &[usize],
    with_code: &HashMap<usize, u32>,
    number_of: impl Fn((usize, &str)) -> Option<u32>,
    place_of: impl Fn(u32) -> Range,
) -> Result<Modules, NoRoom> {
    let Plan { discovery, codes, constants, placement, .. } = *plan;
    let mut records = Writer::new();
    let mut names = Vec::with_capacity(order.len());
    // The likely ones last: behind them come the likely texts of units.
    for module in order.iter().rev() {
        let found = &discovery.modules[*module];
        let unit = with_code.get(module).copied();
        let kind = match found.kind {
            FoundKind::Source => ModuleKind::Source,
            FoundKind::Sourceless => ModuleKind::Sourceless,
            FoundKind::Extension => ModuleKind::Extension,
            FoundKind::Namespace => ModuleKind::Namespace,
        };
        let package = found.package_directory();
        let record = ModuleRecord {
            name: &found.name,
            suffix: &found.suffix,
            directory: number_of((found.root, &found.directory))
                .expect("only modules in such directories have records"),
            package: package.and_then(|package| number_of((found.root, &package))).unwrap_or(NONE),
            kind,
            code: unit.map_or(NONE, |unit| {
                placement.offset(unit, constants.modules[unit as usize].root.expect("every module has a root"))
            }),
            unit: unit.map_or(Range::default(), &place_of),
            stamp: Stamp {
                mtime_ns: found.mtime_ns,
                size: found.size,
                hash: unit.map_or(0, |unit| codes[unit as usize].hash),
            },
        };
        let number = record.encode(&mut records).ok_or_else(|| NoRoom::Name(found.path.clone()))?;
        names.push((&*found.name, number));
    }
    let index = build_index(&names).ok_or(NoRoom::Modules(names.len()))?;
    Ok(Modules { index, records: records.bytes, count: names.len() as u32 })
}

impl Tables {
    /// Adds the records of named objects.
    fn add_objects(&mut self, plan: &Plan<'_>, places: &[Range]) {
        let Plan { constants, placement, .. } = *plan;
        for (unit, object) in (plan.codes.len() as u32..).zip(plan.objects) {
            let nodes = &constants.modules[unit as usize];
            let placed = |id: &NodeId| constants.node(*id).is_placed();
            let name = self.text.at(&object.name);
            let record = NamedRecord {
                name,
                kind: object.kind,
                unit: places[unit as usize],
                leaves: nodes.root.filter(placed).map_or(NONE, |root| placement.offset(unit, root)),
                recipe: self.recipes.len() as u32,
                recipe_size: object.recipe.len() as u32,
                count: nodes.used.iter().filter(|id| placed(id)).count() as u32,
                recipe_checksum: checksum32(&[&object.recipe]),
                checksum: 0,
            };
            let (name, size) = (object.name.clone(), placement.unit_size(unit as usize));
            self.built.push(BuiltObject { name, kind: object.kind, count: record.count, size });
            self.objects.push(NamedRecord { checksum: record.sum(&object.name), ..record });
            self.recipes.extend_from_slice(&object.recipe);
        }
    }

    /// What there is to say about the named objects.
    pub fn built_objects(&self) -> &[BuiltObject] {
        &self.built
    }

    /// Number of module records.
    pub fn module_count(&self) -> u32 {
        self.module_count
    }

    /// What the header says about the tables that are used as soon as an image is mapped.
    pub fn checksum(&self) -> u32 {
        let addresses = [&self.encode_externs()[..], &self.encode_statics()];
        tables_checksum(&self.roots, addresses, |text| text.get(&self.text.bytes).unwrap_or_default())
    }

    fn encode_externs(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.externs.iter().for_each(|e| e.encode(&mut w));
        w.bytes
    }

    fn encode_statics(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.statics.iter().for_each(|s| s.encode(&mut w));
        w.bytes
    }

    /// The tables' bytes in file order.
    pub fn encode(&self) -> Vec<(SectionKind, Vec<u8>)> {
        let mut roots = Writer::new();
        self.roots.iter().for_each(|r| r.encode(&mut roots));
        let mut directories = Writer::new();
        self.directories.iter().for_each(|d| d.encode(&mut directories));
        let mut objects = Writer::new();
        self.objects.iter().for_each(|o| o.encode(&mut objects));
        let mut tables = vec![
            // What every start reads lies beside the header.
            (SectionKind::Roots, roots.bytes),
            (SectionKind::Externs, self.encode_externs()),
            (SectionKind::StaticStrings, self.encode_statics()),
            (SectionKind::Directories, directories.bytes),
            (SectionKind::Text, self.text.bytes.clone()),
            // Every part of it is as likely to be read as any other.
            (SectionKind::ModuleIndex, self.index.clone()),
            // What is read brings its neighbours into memory: the likely ends of two sections lie together (`elf::windows`).
            (SectionKind::Modules, self.modules.clone()),
            (SectionKind::Numbered, self.numbered.clone()),
            (SectionKind::Notes, self.notes.clone().into_bytes()),
            (SectionKind::Units, self.units.clone()),
        ];
        if !self.objects.is_empty() {
            tables.push((SectionKind::Named, objects.bytes));
            tables.push((SectionKind::Recipes, self.recipes.clone()));
        }
        tables
    }
}

/// Records have no room for something.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum NoRoom {
    #[error("{0} modules are too many for one image; build several or exclude modules with `--exclude`")]
    Modules(usize),
    #[error("the name of `{0}` is too long; exclude the module with `--exclude`")]
    Name(PathBuf),
}

/// The modules that have records, the likely ones first and those without code last, but for the standard library's extension modules,
/// of which every program needs some: those are first. `with_code` has the units of modules.
fn in_order(discovery: &Discovery, placement: &Placement, with_code: &HashMap<usize, u32>) -> Vec<usize> {
    let mut ranks = vec![0; placement.likely.len()];
    (0u32..).zip(&placement.likely).for_each(|(rank, &unit)| ranks[unit as usize] = rank);
    let has_record = |&module: &usize| {
        let found = &discovery.modules[module];
        (found.kind != FoundKind::Source || with_code.contains_key(&module))
            && discovery.directories.contains_key(&(found.root, found.directory.clone()))
    };
    let mut order: Vec<usize> = (0..discovery.modules.len()).filter(has_record).collect();
    order.sort_by_key(|module| match with_code.get(module) {
        Some(&unit) => (1, ranks[unit as usize]),
        None if discovery.roots[discovery.modules[*module].root].role == Role::StdlibDynload => (0, 0),
        None => (2, 0),
    });
    order
}

/// The directories, those first that the first of the modules `order` lie in: their roots and paths below these.
fn directories_in_order<'a>(discovery: &'a Discovery, order: &[usize]) -> Vec<(usize, &'a str)> {
    let mut ranks: HashMap<(usize, &str), usize> = HashMap::new();
    for (rank, &module) in order.iter().enumerate() {
        let found = &discovery.modules[module];
        // The loader looks at a package's own directory as well.
        let own = found.package_directory().and_then(|own| discovery.directories.get_key_value(&(found.root, own)));
        let own = own.map(|((root, below), _)| (*root, &**below));
        for directory in [(found.root, &*found.directory)].into_iter().chain(own) {
            ranks.entry(directory).or_insert(rank);
        }
    }
    let mut directories: Vec<_> = discovery.directories.keys().map(|(root, below)| (*root, &**below)).collect();
    directories.sort_by_key(|directory| ranks.get(directory).copied().unwrap_or(usize::MAX));
    directories
}

/// What a root is relative to, so that the tree may move: the longest prefix that holds it.
fn relative_root(target: &Target, path: &str, role: Role) -> (RootKind, String) {
    let stdlib = matches!(role, Role::Stdlib | Role::StdlibDynload);
    let mut prefixes = [
        (RootKind::Prefix, &target.prefix),
        (RootKind::BasePrefix, &target.base_prefix),
        (RootKind::ExecPrefix, &target.exec_prefix),
        (RootKind::BaseExecPrefix, &target.base_exec_prefix),
    ];
    if stdlib {
        prefixes.swap(0, 1);
    }
    let mut best: Option<(RootKind, &str, &str)> = None;
    for (kind, prefix) in prefixes {
        let prefix = prefix.trim_end_matches('/');
        let below = path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        // A system's own prefix says nothing about where somebody's tree may move to.
        let Some(below) = below.filter(|_| !prefix.is_empty() && role != Role::Other) else { continue };
        if best.is_none_or(|(_, longest, _)| prefix.len() > longest.len()) {
            best = Some((kind, prefix, below));
        }
    }
    match best {
        Some((kind, _, below)) => (kind, below.to_owned()),
        None => (RootKind::Absolute, path.to_owned()),
    }
}
