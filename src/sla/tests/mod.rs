//! Probe results in, figures out.
