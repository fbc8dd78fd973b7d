//! tokentail: a gateway's log becomes exact, priced, durable metrics.

pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod exposition;
pub mod format;
pub mod ledger;
pub mod meter;
pub mod pipeline;
pub mod pricing;
pub mod record;
pub mod tail;
pub mod web;
pub mod wording;
pub mod yaml;
