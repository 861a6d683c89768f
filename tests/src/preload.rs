//! The preload library, built as it is installed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

macro_rules! names {
    (
        implemented { $(mod $module:ident { $(fn $function:ident $arguments:tt;)* })* }
        status { $($status:ident;)* }
        value { $($ty:ty { $($value:ident;)* })* }
        text { $($text:ident;)* }
    ) => {
        /// Every symbol of cuBLAS.
        pub const NAMES: &[&str] = &[
            $($(stringify!($function),)*)* $(stringify!($status),)* $($(stringify!($value),)*)* $(stringify!($text),)*
        ];
        /// The stubs that return a status.
        pub const STUBS: &[&str] = &[$(stringify!($status),)*];
    };
}

abi::cublas_api!(names);

/// Builds the library in the profile in which it is installed: that is another
/// one than the tests', and the differences are what the tests are about.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let target = target_directory();
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--profile",
                "preload",
                "-p",
                "libcublas",
            ])
            .args(["--manifest-path", manifest, "--target-dir"])
            .arg(&target)
            .status();
        assert!(
            status.as_ref().is_ok_and(std::process::ExitStatus::success),
            "cargo build --profile preload -p libcublas: {status:?}"
        );
        target.join("preload/libpumice_preload.so")
    })
}

/// The directory of `<profile>/deps/<executable>`.
fn target_directory() -> PathBuf {
    let executable = std::env::current_exe().expect("a process knows its executable");
    let directory = executable.ancestors().nth(3);
    directory
        .expect("a test lies in Cargo's target directory")
        .to_owned()
}
