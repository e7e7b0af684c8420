//! The records of an image: text, roots, directories, modules, index, externs, named objects and notes.

use crate::build::BuiltObject;
use crate::code::ModuleCode;
use crate::discover::{Discovery, FoundKind};
use crate::fixups::Fixups;
use crate::named::NamedObject;
use crate::objects::Placement;
use crate::share::{Constants, NodeId};
use crate::target::{Role, Target};
use cds_layout::format::{
    DirectoryRecord, ExternRecord, ModuleKind, ModuleRecord, NONE, NamedRecord, RootKind, RootRecord, SectionKind,
    Stamp, TextRef, Writer, build_index, checksum32, tables_checksum,
};
use std::collections::{BTreeMap, HashMap};

/// The tables whose size does not depend on where the objects lie, and the parts of the others.
#[derive(Debug)]
pub struct Tables {
    text: Text,
    roots: Vec<RootRecord>,
    directories: Vec<DirectoryRecord>,
    /// With offsets from the start of the objects.
    modules: Vec<ModuleRecord>,
    names: Vec<String>,
    externs: Vec<ExternRecord>,
    static_strings: Vec<u64>,
    notes: String,
    /// With offsets from the start of the objects.
    objects: Vec<NamedRecord>,
    recipes: Vec<u8>,
}

/// The text section in the making; equal texts are stored once.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    known: HashMap<String, TextRef>,
}

impl Text {
    fn add(&mut self, text: &str) -> TextRef {
        if let Some(&known) = self.known.get(text) {
            return known;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text.as_bytes());
        let added = TextRef { start, len: text.len() as u32 };
        self.known.insert(text.to_owned(), added);
        added
    }
}

/// Assembles the records.
pub fn assemble(
    target: &Target,
    discovery: &Discovery,
    codes: &[ModuleCode],
    constants: &Constants,
    placement: &Placement,
    fixups: &Fixups,
    notes: String,
) -> Tables {
    let mut text = Text::default();
    let roots = discovery
        .roots
        .iter()
        .map(|root| {
            let (kind, relative) = relative_root(target, &root.path, root.role);
            RootRecord { kind, relative: text.add(&relative), predicted: text.add(&root.path) }
        })
        .collect();

    let mut directories = Vec::new();
    let mut numbers: BTreeMap<(usize, String), u32> = BTreeMap::new();
    for ((root, relative), &mtime_ns) in &discovery.directories {
        numbers.insert((*root, relative.clone()), directories.len() as u32);
        // Roots change whenever something is installed, this image for one: they are listed at run time.
        let mtime_ns = if relative.is_empty() { 0 } else { mtime_ns };
        let record = DirectoryRecord { root: *root as u32, relative: text.add(relative), mtime_ns, checksum: 0 };
        directories.push(DirectoryRecord { checksum: record.sum(relative), ..record });
    }

    let with_code: HashMap<usize, u32> = codes.iter().enumerate().map(|(i, c)| (c.module, i as u32)).collect();
    let mut modules = Vec::new();
    let mut names = Vec::new();
    for (number, found) in discovery.modules.iter().enumerate() {
        let unit = with_code.get(&number).copied();
        let kind = match found.kind {
            FoundKind::Source if unit.is_none() => continue,
            FoundKind::Source => ModuleKind::Source,
            FoundKind::Sourceless => ModuleKind::Sourceless,
            FoundKind::Extension => ModuleKind::Extension,
            FoundKind::Namespace => ModuleKind::Namespace,
        };
        let Some(&directory) = numbers.get(&(found.root, found.directory.clone())) else { continue };
        let package = found.package_directory().and_then(|p| numbers.get(&(found.root, p)).copied());
        let (code, start, size) = match unit {
            Some(unit) => {
                let region = placement.regions[unit as usize];
                let root = constants.modules[unit as usize].root.expect("every module has a root");
                (placement.offset(root), region.start, region.size)
            }
            None => (NONE, NONE, 0),
        };
        let hash = unit.map_or(0, |unit| codes[unit as usize].hash);
        names.push(found.name.clone());
        modules.push(ModuleRecord {
            name: text.add(&found.name),
            file: text.add(&found.file),
            directory,
            package: package.unwrap_or(NONE),
            kind,
            code,
            unit: unit.unwrap_or(NONE),
            start,
            size,
            checksum: 0,
            stamp: Stamp { mtime_ns: found.mtime_ns, size: found.size, hash },
        });
    }
    let static_strings = fixups.static_strings.clone();
    let externs = fixups
        .externs
        .iter()
        .map(|&object| ExternRecord { object, predicted: target.predict(object).unwrap_or(0) })
        .collect();
    let (objects, recipes) = (Vec::new(), Vec::new());
    Tables { text, roots, directories, modules, names, externs, static_strings, notes, objects, recipes }
}

impl Tables {
    /// Adds the records of named objects, whose units start at `first_unit`.
    pub fn add_objects(
        &mut self,
        objects: &[NamedObject],
        first_unit: u32,
        constants: &Constants,
        placement: &Placement,
    ) {
        for (unit, object) in (first_unit..).zip(objects) {
            let nodes = &constants.modules[unit as usize];
            let placed = |id: &NodeId| constants.node(*id).is_placed();
            let region = placement.regions[unit as usize];
            self.objects.push(NamedRecord {
                name: self.text.add(&object.name),
                kind: object.kind,
                unit,
                leaves: nodes.root.filter(placed).map_or(NONE, |root| placement.offset(root)),
                recipe: self.recipes.len() as u32,
                recipe_size: object.recipe.len() as u32,
                start: region.start,
                size: region.size,
                count: nodes.used.iter().filter(|id| placed(id)).count() as u32,
                recipe_checksum: checksum32(&[&object.recipe]),
                checksum: 0,
            });
            self.recipes.extend_from_slice(&object.recipe);
        }
    }

    /// What there is to say about the named objects.
    pub fn built_objects(&self) -> Vec<BuiltObject> {
        let name = |record: &NamedRecord| record.name.get(&self.text.bytes).unwrap_or_default().to_owned();
        let built = |r: &NamedRecord| BuiltObject { name: name(r), kind: r.kind, count: r.count, size: r.size };
        self.objects.iter().map(built).collect()
    }

    fn encode_objects(&self, objects: u32) -> Vec<u8> {
        let mut w = Writer::new();
        for record in &self.objects {
            let mut record = *record;
            record.start += objects;
            if record.leaves != NONE {
                record.leaves += objects;
            }
            record.checksum = record.sum(record.name.get(&self.text.bytes).unwrap_or_default());
            record.encode(&mut w);
        }
        w.bytes
    }

    /// Number of module records.
    pub fn module_count(&self) -> u32 {
        self.modules.len() as u32
    }

    /// What the header says about the tables that are used as soon as an image is mapped.
    pub fn checksum(&self) -> u32 {
        let addresses = [&self.encode_externs()[..], &self.encode_static_strings()];
        tables_checksum(&self.roots, addresses, |text| text.get(&self.text.bytes).unwrap_or_default())
    }

    fn encode_externs(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.externs.iter().for_each(|e| e.encode(&mut w));
        w.bytes
    }

    fn encode_static_strings(&self) -> Vec<u8> {
        self.static_strings.iter().flat_map(|address| address.to_le_bytes()).collect()
    }

    /// The tables' bytes in file order, for objects that start at `objects`.
    pub fn encode(&self, fixups: &Fixups, placement: &Placement, objects: u32) -> Vec<(SectionKind, Vec<u8>)> {
        let mut roots = Writer::new();
        self.roots.iter().for_each(|r| r.encode(&mut roots));
        let mut directories = Writer::new();
        self.directories.iter().for_each(|d| d.encode(&mut directories));
        let mut modules = Writer::new();
        for module in &self.modules {
            let mut module = *module;
            if module.code != NONE {
                module.code += objects;
                module.start += objects;
            }
            module.checksum = module.sum(module.file.get(&self.text.bytes).unwrap_or_default());
            module.encode(&mut modules);
        }
        let mut strings = Writer::new();
        fixups.strings.iter().for_each(|&id| strings.u32(placement.offset(id) + objects));
        let (units_tables, records) = fixups.encode_units(objects);
        let mut units = Writer::new();
        records.iter().for_each(|r| r.encode(&mut units));
        let mut tables = vec![
            (SectionKind::ModuleIndex, build_index(self.names.iter().map(String::as_str))),
            (SectionKind::Modules, modules.bytes),
            (SectionKind::Text, self.text.bytes.clone()),
            (SectionKind::Roots, roots.bytes),
            (SectionKind::Directories, directories.bytes),
            (SectionKind::Externs, self.encode_externs()),
            (SectionKind::Units, units.bytes),
            (SectionKind::Strings, strings.bytes),
            (SectionKind::EagerBase, fixups.encode_eager(objects)),
            (SectionKind::Notes, self.notes.clone().into_bytes()),
            (SectionKind::Fixups, units_tables),
        ];
        if !self.static_strings.is_empty() {
            tables.push((SectionKind::StaticStrings, self.encode_static_strings()));
        }
        if !self.objects.is_empty() {
            tables.push((SectionKind::Named, self.encode_objects(objects)));
            tables.push((SectionKind::Recipes, self.recipes.clone()));
        }
        tables
    }
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
