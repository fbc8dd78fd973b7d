//! The whole product on a made-up gateway and chat service.
//!
//! Turns a seed into the surroundings that tokentail usually finds: [`traffic`] writes what a gateway's log would say,
//! [`Workspace`] puts it into files that grow and rotate, [`chat`] is a service to probe, and [`Looks`] what probes found in the
//! past. It does not run the
//! product itself, and nothing outside this folder depends on it.

pub mod chat;
mod looks;
mod random;
pub mod traffic;
mod workspace;

pub use looks::Looks;
pub use workspace::{Error, Workspace};

/// The configuration file of the demo; its log, probe, address and data directory come on top.
pub const CONFIG: &str = include_str!("demo.yaml");
