//! The build: one flat list of passes, each a function of the results before it.

use crate::code::{self, CodeError, ModuleCode};
use crate::discover::{self, DiscoverError, DiscoverOptions, Discovery, Skip};
use crate::elf::{self, CheckError, Contents, EmitError, Machine, Symbol};
use crate::fixups::{self, Statics};
use crate::named::{self, NamedObject, ObjectError, ObjectSource};
use crate::objects::{self, Objects, Placement, Predictions, TooLarge, TooManyCodes, Use};
use crate::share::{self, Constants, ModuleGraph, Node};
use crate::stats::{self, Notes};
use crate::tables::{self, BuiltObject, NoRoom, Plan, Tables};
use crate::target::Target;
use crate::window::{Externs, NoWindow, preferred_base};
use cds_layout::cpython::Layout;
use cds_layout::format::{
    AbiFlags, Extern, FORMAT_VERSION, Header, InvalidationMode, Range, SLOT, TypeId, UnitTables, UnitUse,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Which modules; none if only objects are asked for.
    pub discover: Option<DiscoverOptions>,
    /// Named objects.
    pub objects: Vec<ObjectSource>,
    /// Optimisation level: 0, 1 (`-O`) or 2 (`-OO`).
    pub optimize: u8,
    /// How the loader checks sources.
    pub invalidation: InvalidationMode,
    /// How it uses units.
    pub units: UnitUse,
}

/// Told about the progress of a build.
pub trait Progress: Sync {
    /// A pass begins; `total` is the number of steps if it is known.
    fn pass(&self, name: &str, total: Option<usize>);
    /// So many steps of the pass were done.
    fn step(&self, steps: usize);
}

/// A finished image and what is worth saying about it.
#[derive(Debug)]
pub struct Built {
    /// The file's bytes.
    pub image: Vec<u8>,
    /// Sources and directories that were left out.
    pub skipped: Vec<Skip>,
    /// Modules with code.
    pub with_code: usize,
    /// All module records.
    pub modules: usize,
    /// Numbers.
    pub notes: Notes,
    /// Modules whose code came from a `.pyc`.
    pub from_pyc: usize,
    /// Named objects.
    pub objects: Vec<BuiltObject>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BuildError {
    #[error("cannot find the modules of `{python}`")]
    Discover { python: String, source: DiscoverError },
    #[error("cannot obtain the modules' code")]
    Code(#[from] CodeError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("there is no module with code to put into an image")]
    Nothing { skipped: Vec<Skip> },
    #[error("machine {0} is not supported")]
    Machine(u16),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    TooManyCodes(#[from] TooManyCodes),
    #[error("`{python}` has {object:?} outside its ELF file, where it cannot be predicted")]
    Extern { python: String, object: Extern },
    #[error(transparent)]
    NoWindow(#[from] NoWindow),
    #[error(transparent)]
    Emit(#[from] EmitError),
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// Builds an image for `target`.
pub fn build(target: &Target, options: &BuildOptions, progress: &dyn Progress) -> Result<Built, BuildError> {
    let layout = target.layout();
    let machine = Machine::from_elf(target.machine).ok_or(BuildError::Machine(target.machine))?;

    // The values of named objects: first, because their files are what somebody just wrote.
    let mut objects = read_objects(target, options, progress)?;

    // Everything that `import` could find.
    let discovery = match &options.discover {
        Some(which) => {
            progress.pass("finding modules", None);
            discover::discover(target, which)
                .map_err(|source| BuildError::Discover { python: target.executable.display().to_string(), source })?
        }
        None => Discovery::default(),
    };

    // Code from valid `.pyc` files, otherwise compiled by the target; marshal data read into graphs.
    let (mut codes, unusable) = if discovery.modules.is_empty() {
        (Vec::new(), Vec::new())
    } else {
        progress.pass("obtaining code", Some(sources(&discovery)));
        let hashes = options.invalidation == InvalidationMode::CheckedHash;
        code::obtain(target, &discovery, options.optimize, hashes, &|steps| progress.step(steps))?
    };
    if codes.is_empty() && objects.is_empty() {
        let skipped = discovery.skipped.into_iter().chain(unusable).collect();
        return Err(BuildError::Nothing { skipped });
    }

    // Equal constants become one object.
    progress.pass("sharing constants", None);
    let constants = share::share(graphs(&discovery, &mut codes).chain(values(&mut objects)), layout);

    // Every object gets its place.
    progress.pass("placing objects", None);
    let statics = Statics::find(&constants, |text| target.link_string(text), |object| target.link_address(object));
    let names = unit_names(&discovery, &codes, &objects);
    // Copies have no strings, and what points to them has no addresses that could be of others.
    let (started, native) = match options.units {
        UnitUse::InPlace => (&target.start_strings[..], &target.native_names[..]),
        UnitUse::Copied => Default::default(),
    };
    let known = statics.known(&constants, started, native);
    let used = Use { units: options.units, fixed_addresses: !target.pie, names: &names };
    let placement = objects::place(&constants, layout, used, |id| known[id.0 as usize])?;

    // What is to be done to each unit's objects where a prediction fails.
    progress.pass("collecting fixups", None);
    let units = fixups::collect(&constants, &placement, layout, &statics);

    // The objects' bytes, with a prediction in every slot.
    progress.pass("writing objects", None);
    let externs = linked(target, fixups::externs(&constants))?;
    let (mut written, window) = write_objects(target, layout, &constants, &placement, &externs, &statics)?;

    // The records.
    progress.pass("writing tables", None);
    let notes = notes(target, &codes, &objects, &constants, &placement);
    let notes_text = serde_json::to_string(&notes).expect("plain data serialises");
    let plan = Plan {
        target,
        discovery: &discovery,
        codes: &codes,
        objects: &objects,
        constants: &constants,
        placement: &placement,
        units: &units,
        externs: &externs,
        statics: &statics,
        window: &window,
    };
    let tables = tables::assemble(&plan, notes_text)?;
    let encoded = tables.encode();
    let text_words = units.iter().map(UnitTables::text_words).max().unwrap_or(0);
    // Only bytes from here on: what they were made of makes room for the file.
    drop(units);
    drop(constants);
    let frame = elf::frame(&elf::sizes(&encoded), written.bytes.len())?;

    // The base follows from the contents.
    let mut hash = Sha256::new();
    hash.update(&target.identity.bytes);
    hash.update(&written.bytes);
    encoded.iter().for_each(|(_, bytes)| hash.update(bytes));
    let digest: [u8; 32] = hash.finalize().into();
    // Behind the last object are the words for strings that are none.
    let words = u64::from(frame.objects) + u64::from(placement.size) + u64::from(text_words) * u64::from(SLOT);
    let base = preferred_base(&digest, words.max(frame.span.into()), &written.bytes)?;
    written.rebase(base + u64::from(frame.objects));

    // The ELF file, read back and compared.
    progress.pass("writing the image", None);
    let contents = Contents {
        machine,
        header: header(target, options, base, &tables, &placement, &window),
        tables: encoded,
        objects: written.bytes,
        symbols: symbols(names, &placement),
        build_id: digest[..20].try_into().expect("a digest has more than twenty bytes"),
    };
    let image = elf::emit(&contents)?;
    progress.pass("checking the image", None);
    elf::check(&image, &contents, &frame)?;

    let from_pyc = codes.iter().filter(|c| matches!(c.origin, code::CodeOrigin::Pyc(_))).count();
    let skipped = discovery.skipped.into_iter().chain(unusable).collect();
    let modules = tables.module_count() as usize;
    let objects = tables.built_objects().to_vec();
    Ok(Built { image, skipped, with_code: codes.len(), modules, notes, from_pyc, objects })
}

fn read_objects(
    target: &Target,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<Vec<NamedObject>, ObjectError> {
    if options.objects.is_empty() {
        return Ok(Vec::new());
    }
    progress.pass("reading objects", Some(options.objects.len()));
    let read = |source| {
        let object = named::read(source, target.layout().minor);
        progress.step(1);
        object
    };
    options.objects.iter().map(read).collect()
}

fn sources(discovery: &Discovery) -> usize {
    discovery.modules.iter().filter(|m| m.kind == discover::FoundKind::Source).count()
}

/// Hands the graphs over, one after the other, so that each is gone once its constants are merged.
fn graphs<'a>(discovery: &'a Discovery, codes: &'a mut [ModuleCode]) -> impl Iterator<Item = ModuleGraph> + 'a {
    codes.iter_mut().map(|code| {
        let filename = discovery.modules[code.module].path.to_string_lossy().into_owned();
        ModuleGraph { graph: std::mem::take(&mut code.graph), root: code.root, filename: Some(filename) }
    })
}

/// The same for named objects, whose units follow those of the modules.
fn values(objects: &mut [NamedObject]) -> impl Iterator<Item = ModuleGraph> + '_ {
    objects.iter_mut().map(|object| ModuleGraph {
        graph: std::mem::take(&mut object.graph),
        root: object.leaves,
        filename: None,
    })
}

/// Names of the units. No module has one like those of objects: they are no identifiers.
fn unit_names(discovery: &Discovery, codes: &[ModuleCode], objects: &[NamedObject]) -> Vec<String> {
    let modules = codes.iter().map(|code| discovery.modules[code.module].name.clone());
    modules.chain(objects.iter().map(|object| format!("cds:object:{}", object.name))).collect()
}

/// Externs with their link-time addresses.
fn linked(target: &Target, externs: Vec<Extern>) -> Result<Vec<(Extern, u64)>, BuildError> {
    let python = || target.executable.display().to_string();
    let link = |object| match target.link_address(object) {
        Some(link) => Ok((object, link)),
        None => Err(BuildError::Extern { python: python(), object }),
    };
    externs.into_iter().map(link).collect()
}

/// The objects, with words for the interpreter's addresses that no other word of them looks like.
fn write_objects(
    target: &Target,
    layout: &Layout,
    constants: &Constants,
    placement: &Placement,
    externs: &[(Extern, u64)],
    statics: &Statics,
) -> Result<(Objects, Externs), BuildError> {
    let links = externs.iter().map(|&(_, link)| link).chain(statics.list.iter().map(|&(_, link)| link));
    let write = |window: &Externs| {
        objects::write(constants, placement, layout, &predictions(constants, externs, statics, window))
    };
    let window = Externs::new(links, target.pie);
    let written = write(&window)?;
    if window.is_proven(&written.bytes, written.external) {
        return Ok((written, window));
    }
    let window = window.elsewhere(&written.bytes)?;
    let written = write(&window)?;
    if window.is_proven(&written.bytes, written.external) {
        Ok((written, window))
    } else {
        Err(NoWindow::of_interpreter().into())
    }
}

/// What slots that point to the interpreter's objects are to hold: words of the window.
fn predictions(constants: &Constants, externs: &[(Extern, u64)], statics: &Statics, window: &Externs) -> Predictions {
    let words: BTreeMap<Extern, u64> = externs.iter().map(|&(object, link)| (object, window.word(link))).collect();
    let word = |node: &Node| match node {
        Node::Extern(object) => words.get(object).copied().unwrap_or(0),
        _ => 0,
    };
    let mut nodes: Vec<u64> = constants.nodes.iter().map(word).collect();
    for &(id, link) in &statics.list {
        nodes[id.0 as usize] = window.word(link);
    }
    let types = TypeId::ALL.map(|type_| words.get(&Extern::Type(type_)).copied().unwrap_or(0));
    Predictions { nodes, types }
}

fn notes(
    target: &Target,
    codes: &[ModuleCode],
    objects: &[NamedObject],
    constants: &Constants,
    placement: &Placement,
) -> Notes {
    let of_modules: u64 = codes.iter().map(|c| c.marshal.len() as u64).sum();
    let of_objects: u64 = objects.iter().map(|o| o.marshal_size).sum();
    let [bodies_bytes, written_bytes, read_bytes, cold_bytes] = placement.sizes();
    Notes {
        builder: env!("CARGO_PKG_VERSION").to_owned(),
        python: target.version.clone(),
        python_text: target.version_text.clone(),
        soabi: target.soabi.clone(),
        fixed_addresses: !target.pie,
        objects: stats::by_kind(constants, placement, target.layout()),
        pool_bytes: u64::from(placement.pool.size) - placement.mapped_size(),
        mapped_bytes: placement.mapped_size(),
        bodies_bytes,
        written_bytes,
        read_bytes,
        cold_bytes,
        marshal_bytes: of_modules + of_objects,
    }
}

fn header(
    target: &Target,
    options: &BuildOptions,
    preferred_base: u64,
    tables: &Tables,
    placement: &Placement,
    window: &Externs,
) -> Header {
    Header {
        format_version: FORMAT_VERSION,
        machine: target.machine,
        hexversion: target.hexversion,
        abi: AbiFlags { debug: target.debug, free_threaded: target.free_threaded },
        optimize: options.optimize,
        invalidation: options.invalidation,
        identity_kind: target.identity.kind,
        identity: target.identity.bytes.clone(),
        units: options.units,
        preferred_base,
        span: 0,
        file_size: 0,
        sections: 0,
        section_count: 0,
        module_count: tables.module_count(),
        dynamic_checksum: 0,
        tables_checksum: tables.checksum(),
        pool: placement.pool.size,
        externs_start: window.start,
        externs_size: window.size,
        digest: [0; 32],
    }
}

/// Symbols for the ranges of each unit and for its part of the pool, all with its name (which is stored once), and one for the
/// pool. Ranges that follow on each other are one.
fn symbols(names: Vec<String>, placement: &Placement) -> Vec<Symbol> {
    let symbol = |name, range: &Range| Symbol { name, start: range.start, size: range.size };
    let mut symbols = vec![symbol("cds:pool".to_owned(), &placement.pool)];
    for (unit, name) in names.into_iter().enumerate() {
        let ranges = placement.ranges(unit);
        let ranges = Range::joined(ranges).map_or(ranges.to_vec(), |whole| vec![whole]);
        let ranges = ranges.into_iter().chain([placement.mapped(unit)]);
        symbols.extend(ranges.filter(|range| range.size != 0).map(|range| symbol(name.clone(), &range)));
    }
    symbols
}
