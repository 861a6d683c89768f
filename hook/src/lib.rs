//! The host side of pumice: what a container needs to find a CUDA device, and
//! the routes by which it gets there.
//!
//! Data flows one way. [`discover`] and [`icd`] read the host, [`image`] reads
//! the image, [`edits`] turns both into plain data, and the routes
//! ([`precreate`], [`runtime`], [`cdi`], [`live`]) are the only writers.
//! `README.md` in this room is the code map.
#![deny(unsafe_code)]

pub mod arch;
pub mod assemble;
pub mod cdi;
pub mod cli;
pub mod closure;
pub mod configuration;
pub mod discover;
pub mod doctor;
pub mod edits;
pub mod elf;
pub mod error;
pub mod icd;
pub mod image;
pub mod inject;
pub mod layout;
pub mod ldcache;
pub mod live;
pub mod log;
pub mod manifest;
pub mod policy;
pub mod precreate;
pub mod probe;
pub mod render;
pub mod request;
pub mod root;
pub mod runtime;
pub mod spec;
mod sys;
pub mod trace;

pub use error::Error;
