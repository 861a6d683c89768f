//! Images: what a program hands to be loaded, and the PTX in it that is used.
//!
//! An image is a fat binary's wrapper or header, an ELF object, or PTX text. Only
//! its table of contents is read here; a fat binary that the program preserves is
//! not even unpacked before the first kernel is asked for.

use std::sync::{Once, OnceLock};

use abi::persona::{self, Persona};
use abi::{CUerror, trace};
use compiler::ModuleSource;
use compiler::fatbin::{self, Fatbin, Image as Form, Wrapper};
use compiler::front;

use crate::core::host_memory;
use crate::handles::HostPtr;

/// Whether the program keeps an image's memory unchanged while it is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preserved {
    Yes,
    No,
}

/// A loaded image.
pub struct Image {
    packed: Option<&'static [u8]>,
    source: OnceLock<Result<ModuleSource, Failure>>,
    digest: OnceLock<blake3::Hash>,
    reported: Once,
}

/// Why an image cannot be used, as a status and in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub status: CUerror,
    pub message: String,
}

impl Failure {
    pub fn new(status: CUerror, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl From<CUerror> for Failure {
    fn from(status: CUerror) -> Self {
        Self::new(status, format!("the image cannot be read: {status}"))
    }
}

impl From<fatbin::Error> for Failure {
    fn from(error: fatbin::Error) -> Self {
        Self::new(CUerror::INVALID_IMAGE, error.to_string())
    }
}

impl From<front::Error> for Failure {
    fn from(error: front::Error) -> Self {
        let status = match error.reason {
            front::Reason::Version(_) => CUerror::UNSUPPORTED_PTX_VERSION,
            front::Reason::Unsupported(_) => CUerror::NOT_SUPPORTED,
            _ => CUerror::INVALID_PTX,
        };
        Self::new(status, error.to_string())
    }
}

impl From<compiler::Error> for Failure {
    fn from(error: compiler::Error) -> Self {
        let message = error.to_string();
        match error {
            compiler::Error::Ptx { error, .. } => Self {
                message,
                ..error.into()
            },
            compiler::Error::Structure { .. } | compiler::Error::Target { .. } => {
                Self::new(CUerror::NOT_SUPPORTED, message)
            }
            compiler::Error::Internal(_) => Self::new(CUerror::UNKNOWN, message),
        }
    }
}

impl Image {
    /// Loads the image at an address of the program.
    ///
    /// # Errors
    /// `INVALID_IMAGE`, `INVALID_PTX`, `UNSUPPORTED_PTX_VERSION`, or
    /// `NO_BINARY_FOR_GPU` if there is no PTX that the device can run.
    pub fn load(image: HostPtr, preserved: Preserved) -> Result<Self, Failure> {
        match Form::detect(host_memory::head(image)?) {
            Form::Wrapper => Self::of_wrapper(image, preserved),
            Form::Fatbin => Self::of_fatbin(image, preserved),
            Form::Elf => Err(machine_code()),
            Form::Text => Self::of_text(host_memory::text(image)?.to_owned()),
        }
    }

    /// As [`Self::load`], but a fat binary without code for the device fails when
    /// one of its kernels is asked for: a program may hold many that it never uses.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_lazily(image: HostPtr, preserved: Preserved) -> Result<Self, Failure> {
        let form = Form::detect(host_memory::head(image)?);
        Self::load(image, preserved).or_else(|failure| {
            let holds_entries = matches!(form, Form::Wrapper | Form::Fatbin);
            if holds_entries && failure.status == CUerror::NO_BINARY_FOR_GPU {
                Ok(Self::new(None, OnceLock::from(Err(failure))))
            } else {
                Err(failure)
            }
        })
    }

    fn new(packed: Option<&'static [u8]>, source: OnceLock<Result<ModuleSource, Failure>>) -> Self {
        Self {
            packed,
            source,
            digest: OnceLock::new(),
            reported: Once::new(),
        }
    }

    /// Loads an image from a file's contents.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of_file(contents: Vec<u8>) -> Result<Self, Failure> {
        let first = contents.first_chunk::<4>().copied().unwrap_or_default();
        match Form::detect(first) {
            Form::Fatbin => Self::unpacked(&contents),
            Form::Elf => Err(machine_code()),
            Form::Wrapper => Err(Failure::new(
                CUerror::INVALID_IMAGE,
                "the file holds a fat binary's wrapper, whose addresses mean nothing in a file",
            )),
            Form::Text => {
                let text = String::from_utf8(contents).map_err(|error| {
                    Failure::new(
                        CUerror::INVALID_PTX,
                        format!("the file is not text: {error}"),
                    )
                })?;
                Self::of_text(text)
            }
        }
    }

    fn of_wrapper(image: HostPtr, preserved: Preserved) -> Result<Self, Failure> {
        let wrapper = Wrapper::parse(&host_memory::head(image)?)?;
        let headers = match wrapper {
            Wrapper::Single { header } => vec![HostPtr(header as *mut _)],
            Wrapper::List { headers } => host_memory::null_terminated(HostPtr(headers as *mut _)),
        };
        match headers.as_slice() {
            [] => Err(Failure::new(
                CUerror::INVALID_IMAGE,
                "the fat binary's wrapper is empty",
            )),
            [header] => Self::of_fatbin(*header, preserved),
            [_, ..] => Self::linked(&headers),
        }
    }

    fn of_fatbin(header: HostPtr, preserved: Preserved) -> Result<Self, Failure> {
        let len = fatbin::total_len(&host_memory::head(header)?)?;
        let bytes: &'static [u8] = host_memory::bytes(header, len)?;
        if preserved == Preserved::No {
            return Self::unpacked(bytes);
        }
        choose(&Fatbin::parse(bytes)?)?;
        Ok(Self::new(Some(bytes), OnceLock::new()))
    }

    /// Device linking leaves one fat binary for each object, and the linked code
    /// as machine code only; an object that needs no other can still be used.
    fn linked(headers: &[HostPtr]) -> Result<Self, Failure> {
        let mut last = machine_code();
        for header in headers {
            match Self::of_fatbin(*header, Preserved::No) {
                Ok(image) => return Ok(image),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    fn unpacked(bytes: &[u8]) -> Result<Self, Failure> {
        Self::of_text(choose(&Fatbin::parse(bytes)?)?.text()?)
    }

    fn of_text(text: String) -> Result<Self, Failure> {
        let source = read(text)?;
        check_bodies(&source)?;
        Ok(Self::new(None, OnceLock::from(Ok(source))))
    }

    /// The PTX, unpacked and indexed at the first call.
    ///
    /// # Errors
    /// As [`Self::load`], for an image that was left packed or has no code; the log
    /// gives the reason once.
    pub fn source(&self) -> Result<&ModuleSource, CUerror> {
        self.readable().map_err(|failure| {
            self.reported
                .call_once(|| trace::log(format_args!("{failure}")));
            failure.status
        })
    }

    /// As [`Self::source`], with the reason for the caller to tell.
    ///
    /// # Errors
    /// As [`Self::source`].
    pub fn readable(&self) -> Result<&ModuleSource, &Failure> {
        let source = self.source.get_or_init(|| {
            let bytes = self.packed.unwrap_or_default();
            read(choose(&Fatbin::parse(bytes)?)?.text()?)
        });
        source.as_ref()
    }
}

impl Image {
    /// Whether the text was read and checked when it was loaded; of a preserved fat
    /// binary it is not.
    pub fn is_checked(&self) -> bool {
        let source = self.source.get();
        source.is_some_and(|source| match source {
            Ok(source) => source.text.len() <= CHECKED_BYTES,
            Err(_) => true,
        })
    }

    /// A digest of the PTX, for the cache.
    ///
    /// # Errors
    /// As [`Self::source`].
    pub fn digest(&self) -> Result<&blake3::Hash, CUerror> {
        let source = self.source()?;
        Ok(self
            .digest
            .get_or_init(|| blake3::hash(source.text.as_bytes())))
    }
}

/// Indexes PTX, and refuses what is for a device with more than ours claims.
fn read(text: String) -> Result<ModuleSource, Failure> {
    if !text.contains(".version") {
        let message = "the image is neither a fat binary nor PTX, which states its .version";
        return Err(Failure::new(CUerror::INVALID_IMAGE, message));
    }
    let source = ModuleSource::new(text)?;
    let persona = Persona::of_process();
    if source.index.sm > sm(persona) {
        let newer = format!(
            "the PTX is for sm_{}, the device reports compute capability {persona}; \
             {} chooses another",
            source.index.sm,
            persona::VARIABLE
        );
        return Err(Failure::new(CUerror::NO_BINARY_FOR_GPU, newer));
    }
    Ok(source)
}

/// Text up to this many bytes is parsed when it is loaded: a module of thousands of
/// kernels must load at once.
const CHECKED_BYTES: usize = 1 << 20;

/// Refuses text whose bodies do not follow PTX's grammar, as NVIDIA's driver does
/// when it loads it. An instruction that only this compiler lacks fails its kernel
/// alone, at its launch.
fn check_bodies(source: &ModuleSource) -> Result<(), Failure> {
    if source.text.len() > CHECKED_BYTES {
        return Ok(());
    }
    for function in &source.index.functions {
        let Err(error) = front::body(&source.text, &source.index, function) else {
            continue;
        };
        if error.reason.is_malformed() {
            let kernel = function.name.clone();
            return Err(compiler::Error::Ptx { kernel, error }.into());
        }
    }
    Ok(())
}

fn sm(persona: Persona) -> u32 {
    persona.major * 10 + persona.minor
}

/// The PTX of the highest architecture that is not above the device's: host code
/// chooses kernels by the capability that the device reports.
fn choose<'a>(fatbin: &Fatbin<'a>) -> Result<fatbin::Entry<'a>, Failure> {
    let persona = Persona::of_process();
    fatbin
        .best_ptx(sm(persona))?
        .ok_or_else(|| no_ptx(fatbin, persona))
}

fn no_ptx(fatbin: &Fatbin<'_>, persona: Persona) -> Failure {
    let entries = fatbin.entries().filter_map(Result::ok);
    let listed = entries.map(|entry| format!("{:?} sm_{}", entry.kind, entry.sm));
    let message = format!(
        "the module holds no PTX for compute capability {persona} or below (it holds: {}); \
         {} chooses another capability",
        listed.collect::<Vec<_>>().join(", "),
        persona::VARIABLE
    );
    Failure::new(CUerror::NO_BINARY_FOR_GPU, message)
}

fn machine_code() -> Failure {
    Failure::new(
        CUerror::NO_BINARY_FOR_GPU,
        "the image is machine code for NVIDIA devices; pumice needs the PTX it was made from \
         (nvcc keeps it with -gencode arch=compute_XX,code=compute_XX)",
    )
}
