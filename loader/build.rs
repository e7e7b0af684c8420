//! Has the linker put the loader's functions in the order of `order.ld`, if it understands that: lld and GNU ld do.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

fn main() {
    println!("cargo:rerun-if-changed=order.ld");
    // Asked for now: a tree may be moved together with what was built in it.
    let [Some(root), Some(out)] = ["CARGO_MANIFEST_DIR", "OUT_DIR"].map(env::var_os) else { return };
    let order = Path::new(&root).join("order.ld");
    let Some(argument) = order.to_str().map(|order| format!("-T{order}")) else { return };
    if links(Path::new(&out), &argument) {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    } else {
        println!("cargo:warning=this linker does not understand `order.ld`: the loader takes 0.15 MB more memory");
    }
}

/// Whether a library can be linked with this argument, by the linker that the loader is linked by.
fn links(out: &Path, argument: &str) -> bool {
    let source = out.join("tried.rs");
    if std::fs::write(&source, "pub extern \"C\" fn tried() {}\n").is_err() {
        return false;
    }
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let mut rustc = Command::new(variable("RUSTC").unwrap_or_else(|| OsString::from("rustc")));
    rustc
        .args(["--crate-type", "cdylib", "--crate-name", "tried", "-C", "opt-level=1"])
        .arg("-C")
        .arg(format!("link-arg={argument}"));
    if let Some(target) = variable("TARGET") {
        rustc.arg("--target").arg(target);
    }
    if let Some(linker) = variable("RUSTC_LINKER") {
        let mut option = OsString::from("linker=");
        option.push(linker);
        rustc.arg("-C").arg(option);
    }
    if let Ok(flags) = env::var("CARGO_ENCODED_RUSTFLAGS") {
        rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    }
    rustc.arg("-o").arg(out.join("libtried.so")).arg(&source);
    let status = rustc.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
