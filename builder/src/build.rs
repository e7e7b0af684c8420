//! The build: one flat list of passes, each a function of the results before it.

use crate::base::preferred_base;
use crate::code::{self, CodeError, ModuleCode};
use crate::discover::{self, DiscoverError, DiscoverOptions, Discovery, Skip};
use crate::elf::{self, CheckError, Contents, EmitError, Machine, Symbol};
use crate::fixups;
use crate::objects::{self, Placement, TooLarge, TooManyCodes};
use crate::share::{self, Constants, ModuleGraph};
use crate::stats::{self, Notes};
use crate::tables;
use crate::target::Target;
use cds_layout::format::{AbiFlags, FORMAT_VERSION, Header, InvalidationMode, SectionKind};
use sha2::{Digest, Sha256};

/// What to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Which modules.
    pub discover: DiscoverOptions,
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
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BuildError {
    #[error("cannot find the modules of `{python}`")]
    Discover { python: String, source: DiscoverError },
    #[error("cannot obtain the modules' code")]
    Code(#[from] CodeError),
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

    // Everything that `import` could find.
    progress.pass("finding modules", None);
    let discovery = discover::discover(target, &options.discover)
        .map_err(|source| BuildError::Discover { python: target.executable.display().to_string(), source })?;

    // Code from valid `.pyc` files, otherwise compiled by the target; marshal data read into graphs.
    progress.pass("obtaining code", Some(sources(&discovery)));
    let hashes = options.invalidation == InvalidationMode::CheckedHash;
    let (mut codes, unusable) =
        code::obtain(target, &discovery, options.optimize, hashes, &|steps| progress.step(steps))?;
    if codes.is_empty() {
        let skipped = discovery.skipped.into_iter().chain(unusable).collect();
        return Err(BuildError::Nothing { skipped });
    }

    // Equal constants become one object.
    progress.pass("sharing constants", None);
    let constants = share::share(graphs(&discovery, &mut codes), layout);

    // Every object gets its place.
    progress.pass("placing objects", None);
    let placement = objects::place(&constants, layout)?;

    // Which slots to rewrite when a prediction fails.
    progress.pass("collecting fixups", None);
    let fixups = fixups::collect(&constants, &placement, layout);

    // The objects' bytes, with a prediction in every slot.
    progress.pass("writing objects", None);
    let predictions = fixups.externs.iter().map(|&e| (e, target.predict(e).unwrap_or(0))).collect();
    let mut objects = objects::write(&constants, &placement, layout, &predictions)?;

    // The records, once the sizes agree with the place where the objects start.
    progress.pass("writing tables", None);
    let notes = notes(target, &codes, &constants, &placement);
    let notes_text = serde_json::to_string(&notes).expect("plain data serialises");
    let tables = tables::assemble(target, &discovery, &codes, &constants, &placement, &fixups.externs, notes_text);
    let (frame, encoded) = settle(&tables, &fixups, &placement, objects.bytes.len())?;

    // The base follows from the contents.
    let mut hash = Sha256::new();
    hash.update(&target.identity.bytes);
    hash.update(&objects.bytes);
    encoded.iter().for_each(|(_, bytes)| hash.update(bytes));
    let digest: [u8; 32] = hash.finalize().into();
    let base = preferred_base(&digest, u64::from(frame.span));
    objects.rebase(base + u64::from(frame.objects));

    // The ELF file, read back and compared.
    progress.pass("writing the image", None);
    let contents = Contents {
        machine,
        header: header(target, options, base, &tables),
        tables: encoded,
        objects: objects.bytes,
        symbols: symbols(&discovery, &codes, &placement),
        build_id: digest[..20].try_into().expect("a digest has more than twenty bytes"),
    };
    let image = elf::emit(&contents)?;
    progress.pass("checking the image", None);
    elf::check(&image, &contents, &frame)?;

    let from_pyc = codes.iter().filter(|c| matches!(c.origin, code::CodeOrigin::Pyc(_))).count();
    let skipped = discovery.skipped.into_iter().chain(unusable).collect();
    Ok(Built { image, skipped, with_code: codes.len(), modules: tables.module_count() as usize, notes, from_pyc })
}

fn sources(discovery: &Discovery) -> usize {
    discovery.modules.iter().filter(|m| m.kind == discover::FoundKind::Source).count()
}

/// Hands the graphs over, one after the other, so that each is gone once its constants are merged.
fn graphs<'a>(discovery: &'a Discovery, codes: &'a mut [ModuleCode]) -> impl Iterator<Item = ModuleGraph> + 'a {
    codes.iter_mut().map(|code| {
        let filename = discovery.modules[code.module].path.to_string_lossy().into_owned();
        ModuleGraph { graph: std::mem::take(&mut code.graph), root: code.root, filename }
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

fn notes(target: &Target, codes: &[ModuleCode], constants: &Constants, placement: &Placement) -> Notes {
    Notes {
        builder: env!("CARGO_PKG_VERSION").to_owned(),
        python: target.version.clone(),
        python_text: target.version_text.clone(),
        soabi: target.soabi.clone(),
        fixed_addresses: !target.pie,
        objects: stats::by_kind(constants, placement, target.layout()),
        pool_bytes: u64::from(placement.pool.size),
        marshal_bytes: codes.iter().map(|c| c.marshal.len() as u64).sum(),
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

fn symbols(discovery: &Discovery, codes: &[ModuleCode], placement: &Placement) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = codes
        .iter()
        .zip(&placement.regions)
        .map(|(code, region)| Symbol {
            name: discovery.modules[code.module].name.clone(),
            start: region.start,
            size: region.size,
        })
        .collect();
    // No module has this name: it is not an identifier.
    symbols.push(Symbol { name: "cds.pool".to_owned(), start: placement.pool.start, size: placement.pool.size });
    symbols
}
