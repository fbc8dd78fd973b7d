//! One logical line becomes records: one file per gateway, a table of them, `auto` detection, user formats.

mod config;

pub use config::{Config, Dimension, DimensionSource, Field, FieldSource, Unit};
