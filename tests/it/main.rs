//! Integration tests by boundary, one binary.

mod layers;
mod readme;
