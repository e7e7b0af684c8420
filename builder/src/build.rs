//! The build: one flat list of passes, each a function of the results before it.

use crate::base::preferred_base;
use crate::code::{self, CodeError, ModuleCode};
use crate::discover::{self, DiscoverError, DiscoverOptions, Discovery, Skip};
use crate::elf::{self, CheckError, Contents, EmitError, Machine, Symbol};
use crate::fixups;
use crate::named::{self, NamedObject, ObjectError, ObjectSource};
use crate::objects::{self, Placement, Predictions, TooLarge, TooManyCodes};
use crate::share::{self, Constants, ModuleGraph};
use crate::stats::{self, Notes};
use crate::tables;
use crate::target::Target;
use cds_layout::format::{AbiFlags, FORMAT_VERSION, Header, InvalidationMode, SectionKind, ValueKind};
use sha2::{Digest, Sha256};

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
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    TooManyCodes(#[from] TooManyCodes),
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
    let placement = objects::place(&constants, layout)?;

    // Which slots to rewrite when a prediction fails.
    progress.pass("collecting fixups", None);
    let fixups = fixups::collect(&constants, &placement, layout, |text| target.predict_string(text));

    // The objects' bytes, with a prediction in every slot.
    progress.pass("writing objects", None);
    let predictions = Predictions {
        externs: fixups.externs.iter().map(|&e| (e, target.predict(e).unwrap_or(0))).collect(),
        strings: fixups.strings.iter().copied().zip(fixups.static_strings.iter().copied()).collect(),
    };
    let mut written = objects::write(&constants, &placement, layout, &predictions)?;

    // The records, once the sizes agree with the place where the objects start.
    progress.pass("writing tables", None);
    let notes = notes(target, &codes, &objects, &constants, &placement);
    let notes_text = serde_json::to_string(&notes).expect("plain data serialises");
    let mut tables = tables::assemble(target, &discovery, &codes, &constants, &placement, &fixups, notes_text);
    tables.add_objects(&objects, codes.len() as u32, &constants, &placement);
    let (frame, encoded) = settle(&tables, &fixups, &placement, written.bytes.len())?;

    // The base follows from the contents.
    let mut hash = Sha256::new();
    hash.update(&target.identity.bytes);
    hash.update(&written.bytes);
    encoded.iter().for_each(|(_, bytes)| hash.update(bytes));
    let digest: [u8; 32] = hash.finalize().into();
    let base = preferred_base(&digest, u64::from(frame.span));
    written.rebase(base + u64::from(frame.objects));

    // The ELF file, read back and compared.
    progress.pass("writing the image", None);
    let contents = Contents {
        machine,
        header: header(target, options, base, &tables),
        tables: encoded,
        objects: written.bytes,
        symbols: symbols(&discovery, &codes, &objects, &placement),
        build_id: digest[..20].try_into().expect("a digest has more than twenty bytes"),
    };
    let image = elf::emit(&contents)?;
    progress.pass("checking the image", None);
    elf::check(&image, &contents, &frame)?;

    let from_pyc = codes.iter().filter(|c| matches!(c.origin, code::CodeOrigin::Pyc(_))).count();
    let skipped = discovery.skipped.into_iter().chain(unusable).collect();
    let modules = tables.module_count() as usize;
    let objects = tables.built_objects();
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

/// Tables by kind, as bytes.
type Encoded = Vec<(SectionKind, Vec<u8>)>;

/// Tables name positions of objects, and objects start where tables end: try until both agree.
fn settle(
    tables: &tables::Tables,
    fixups: &fixups::Fixups,
    placement: &Placement,
    objects: usize,
) -> Result<(elf::Frame, Encoded), EmitError> {
    let mut start = 0;
    loop {
        let encoded = tables.encode(fixups, placement, start);
        let sizes: Vec<usize> = encoded.iter().map(|(_, bytes)| bytes.len()).collect();
        let frame = elf::frame(&sizes, objects)?;
        if frame.objects == start {
            return Ok((frame, encoded));
        }
        start = frame.objects;
    }
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
    Notes {
        builder: env!("CARGO_PKG_VERSION").to_owned(),
        python: target.version.clone(),
        python_text: target.version_text.clone(),
        soabi: target.soabi.clone(),
        fixed_addresses: !target.pie,
        objects: stats::by_kind(constants, placement, target.layout()),
        pool_bytes: u64::from(placement.pool.size),
        marshal_bytes: of_modules + of_objects,
    }
}

fn header(target: &Target, options: &BuildOptions, preferred_base: u64, tables: &tables::Tables) -> Header {
    Header {
        format_version: FORMAT_VERSION,
        machine: target.machine,
        hexversion: target.hexversion,
        abi: AbiFlags { debug: target.debug, free_threaded: target.free_threaded },
        optimize: options.optimize,
        invalidation: options.invalidation,
        identity_kind: target.identity.kind,
        identity: target.identity.bytes.clone(),
        preferred_base,
        span: 0,
        file_size: 0,
        sections: 0,
        section_count: 0,
        module_count: tables.module_count(),
        dynamic_checksum: 0,
        tables_checksum: tables.checksum(),
        digest: [0; 32],
    }
}

fn symbols(discovery: &Discovery, codes: &[ModuleCode], objects: &[NamedObject], placement: &Placement) -> Vec<Symbol> {
    // No module has a name like those of objects and of the pool: they are no identifiers.
    let modules = codes.iter().map(|code| discovery.modules[code.module].name.clone());
    let names = modules.chain(objects.iter().map(|object| format!("cds.object.{}", object.name)));
    let regions = names.zip(&placement.regions);
    let mut symbols: Vec<Symbol> =
        regions.map(|(name, region)| Symbol { name, start: region.start, size: region.size }).collect();
    symbols.push(Symbol { name: "cds.pool".to_owned(), start: placement.pool.start, size: placement.pool.size });
    symbols
}
