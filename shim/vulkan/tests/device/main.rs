//! This crate on a real device: lavapipe where there is nothing better.

mod closure;
mod commands;
mod import;
mod memory;
mod pipelines;
mod rig;
mod timelines;
