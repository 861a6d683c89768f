//! `ptxc`: the compiler from the command line. It lists and extracts the PTX
//! inside a library and shows what each stage of the compiler makes of it.

#![forbid(unsafe_code)]

mod census;
mod library;
mod text;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use compiler::Target;

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
        /// What to compile for.
        #[arg(long, value_enum, default_value = "wide")]
        target: TargetName,
        /// With results to the last bit, as `PUMICE_EXACT=1` asks for them.
        #[arg(long)]
        exact: bool,
        /// Writes the SPIR-V of every kernel here.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Checks every module with spirv-val; needs --out.
        #[arg(long, requires = "out")]
        validate: bool,
        /// Takes only every n-th kernel.
        #[arg(long, default_value = "1")]
        stride: NonZeroUsize,
    },
    /// Compiles one kernel and writes its SPIR-V.
    Compile {
        file: PathBuf,
        kernel: String,
        /// What to compile for.
        #[arg(long, value_enum, default_value = "wide")]
        target: TargetName,
        /// With results to the last bit, as `PUMICE_EXACT=1` asks for them.
        #[arg(long)]
        exact: bool,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Prints the IR of one kernel, lowered and structured with --lowered.
    Ir {
        file: PathBuf,
        kernel: String,
        #[arg(long)]
        lowered: bool,
    },
    /// Parses every body of every file and reports errors and speed.
    Parse { files: Vec<PathBuf> },
}

/// The targets that need no device to describe them.
#[derive(Clone, Copy, ValueEnum)]
enum TargetName {
    /// A desktop GPU with 32-wide subgroups.
    Wide,
    /// Mesa's software driver.
    Lavapipe,
}

impl TargetName {
    const fn target(self, exact: bool) -> Target {
        let target = match self {
            Self::Wide => Target::wide(),
            Self::Lavapipe => Target::lavapipe(),
        };
        Target { exact, ..target }
    }
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::List { library } => library::list(&library),
        Command::Extract { library, sm, out } => library::extract(&library, sm, &out),
        Command::Index { file } => text::index(&file),
        Command::Census {
            files,
            sm,
            target,
            exact,
            out,
            validate,
            stride,
        } => census::run(
            &files,
            census::Options {
                sm,
                target: target.target(exact),
                out,
                validate,
                stride: stride.get(),
            },
        ),
        Command::Compile {
            file,
            kernel,
            target,
            exact,
            out,
        } => text::compile(&file, &kernel, &target.target(exact), &out),
        Command::Ir {
            file,
            kernel,
            lowered,
        } => text::ir(&file, &kernel, lowered),
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
