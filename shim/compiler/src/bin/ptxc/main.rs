//! `ptxc`: the compiler from the command line. It lists and extracts the PTX
//! inside a library and shows what each stage of the compiler makes of it.

#![forbid(unsafe_code)]

mod census;
mod library;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The errors of a command line tool end as one line of text.
type Outcome = Result<(), Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(about = "Compiles PTX to SPIR-V and looks into CUDA libraries")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the fat binary entries of a library: kind, architecture, sizes.
    List { library: PathBuf },
    /// Writes the PTX of one architecture, one file a translation unit.
    Extract {
        library: PathBuf,
        /// The architecture: 61 for sm_61.
        #[arg(long)]
        sm: u32,
        /// Where the files go; created if absent.
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
    /// Prints a module's table of contents: kernels, parameters, sizes, limits.
    Index { file: PathBuf },
    /// Compiles every kernel of PTX files or libraries and groups failures.
    Census {
        files: Vec<PathBuf>,
        /// The architecture to take from libraries: 61 for sm_61.
        #[arg(long)]
        sm: Option<u32>,
    },
    /// Prints the IR of one kernel.
    Ir { file: PathBuf, kernel: String },
    /// Parses every body of every file and reports errors and speed.
    Parse { files: Vec<PathBuf> },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::List { library } => library::list(&library),
        Command::Extract { library, sm, out } => library::extract(&library, sm, &out),
        Command::Index { file } => text::index(&file),
        Command::Census { files, sm } => census::run(&files, sm),
        Command::Ir { file, kernel } => text::ir(&file, &kernel),
        Command::Parse { files } => text::parse(&files),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ptxc: {error}");
            ExitCode::FAILURE
        }
    }
}
