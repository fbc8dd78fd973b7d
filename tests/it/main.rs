//! Integration tests by boundary, one binary.

mod api;
mod boards;
mod commands;
mod content;
mod conversations;
mod durability;
mod gateway;
mod http;
mod input;
mod layers;
mod month;
mod page;
mod prices;
mod probes;
mod program;
mod reading;
mod readme;
mod relay;
mod reload;
mod schema;
mod series;
mod sessions;
