//! Builds the binary anew when what it carries changes.

fn main() {
    println!("cargo::rerun-if-changed=../plugin-sdk");
    println!("cargo::rerun-if-changed=../wit");
}
