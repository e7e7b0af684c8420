//! Hands the linker the order of the loader's functions.

fn main() {
    let order = concat!(env!("CARGO_MANIFEST_DIR"), "/order.ld");
    println!("cargo:rerun-if-changed={order}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{order}");
}
