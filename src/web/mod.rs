//! HTTP: the routes, who may use them, and the landing page.

mod config;

pub use config::{Config, Role};
