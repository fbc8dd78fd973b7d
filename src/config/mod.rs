//! YAML becomes a checked configuration; every problem at once.
