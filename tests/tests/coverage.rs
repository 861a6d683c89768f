//! `shim/COVERAGE.md`: which entry points do something, from the same tables that
//! make the exports. `BLESS=1` writes the page anew.

use std::fmt::Write;
use std::path::Path;

/// One chapter of an interface: its name and its entry points.
type Chapter = (&'static str, &'static [&'static str]);

macro_rules! driver_rows {
    (
        $(mod $module:ident {$(
            [$since:literal] fn $name:ident $args:tt
            $(also [$also_since:literal] $also:ident)?
            $(per_thread [$per_thread_since:literal] $per_thread:ident)?;
        )*})*
        unsupported { $([$stub_since:literal] $stub:ident;)* }
        debugger { functions { $($function:ident;)* } data { $($datum:ident;)* } }
    ) => {
        const DRIVER: &[Chapter] = &[$((
            stringify!($module),
            &[$(
                stringify!($name),
                $(stringify!($also),)?
                $(stringify!($per_thread),)?
            )*],
        )),*];
        const DRIVER_STUBS: &[&str] = &[$(stringify!($stub),)* $(stringify!($function),)*];
    };
}

macro_rules! nvml_rows {
    (
        $(mod $module:ident: $when:ident {$( fn $name:ident $args:tt $(also $also:ident)?; )*})*
        text { $text:ident }
        unsupported { $($stub:ident;)* }
    ) => {
        const NVML: &[Chapter] = &[
            $((stringify!($module), &[$(stringify!($name), $(stringify!($also),)?)*]),)*
            ("text", &[stringify!($text)]),
        ];
        const NVML_STUBS: &[&str] = &[$(stringify!($stub)),*];
    };
}

abi::driver_api!(driver_rows);
abi::nvml_api!(nvml_rows);

fn count(chapters: &[Chapter]) -> usize {
    chapters.iter().map(|(_, names)| names.len()).sum()
}

fn page() -> String {
    let mut page = String::from(
        "# Which entry points do something\n\n\
         Made from the tables in `abi` (`BLESS=1 cargo nextest run -p tests coverage`). An entry point\n\
         that is not implemented is exported all the same: it logs its name and returns\n\
         `NOT_SUPPORTED`.\n",
    );
    section(&mut page, "libcuda.so.1", DRIVER, DRIVER_STUBS);
    section(&mut page, "libnvidia-ml.so.1", NVML, NVML_STUBS);
    page
}

fn section(page: &mut String, library: &str, chapters: &[Chapter], stubs: &[&str]) {
    let implemented = count(chapters);
    let all = implemented + stubs.len();
    let _ = write!(page, "\n## {library}: {implemented} of {all} functions\n\n");
    for (module, names) in chapters {
        let _ = writeln!(
            page,
            "* **{}** {}",
            module.replace('_', " "),
            names.join(", ")
        );
    }
    let _ = writeln!(page, "\nNot implemented: {}.", stubs.join(", "));
}

#[test]
fn the_coverage_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shim/COVERAGE.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, page()).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "shim/COVERAGE.md is stale: BLESS=1 cargo nextest run -p tests coverage"
    );
}
