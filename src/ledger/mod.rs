//! The truth on disk: rows in log order, positions, counts and folds in one SQLite database with one writer.

mod config;

pub use config::Retention;
