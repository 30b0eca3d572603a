//! One target under libFuzzer: the one that `FUZZ_TARGET` names. The function `main` is libFuzzer's own.

#![no_main]

use std::sync::LazyLock;

use fuzz::Target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = fuzz::target(&name) else {
        eprintln!("there is no target `{name}`; start this as `cargo xtask fuzz`");
        std::process::exit(2);
    };
    target
});

/// What libFuzzer calls with each input. A panic does not leave it: it ends the process, which libFuzzer reports.
///
/// # Safety
/// So many bytes can be read there.
#[allow(non_snake_case, reason = "libFuzzer's name")]
// SAFETY: nothing else has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LLVMFuzzerTestOneInput(bytes: *const u8, length: usize) -> i32 {
    let bytes = if length == 0 {
        &[]
    } else {
        // SAFETY: the caller says so, and changes nothing before this returns.
        unsafe { std::slice::from_raw_parts(bytes, length) }
    };
    (TARGET.run)(bytes);
    0
}
