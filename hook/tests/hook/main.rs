//! Tests of the `pumice` program as an engine starts it. They run as root: they
//! make device nodes, mounts and namespaces, all in temporary directories and
//! in namespaces of their own. `BLESS=1` rewrites the golden files.

mod cases;
mod container;
mod doctor;
mod elf;
mod host;
mod live;
mod privileges;
mod properties;
mod rootless;
mod runtimes;
mod store;
mod trace;
