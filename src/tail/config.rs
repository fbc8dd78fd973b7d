//! What to follow.

/// Where to begin in a file that was never seen before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// At its first byte, rotated predecessors included, oldest first.
    #[default]
    Start,
    /// At its present end; files that appear later are read from their first byte.
    End,
}

/// Whether files still grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// They grow and rotate: a last line without newline waits for its rest.
    #[default]
    Growing,
    /// They are finished: read once to the end, a last line without newline counts.
    Finished,
}

/// One configured log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Configured name: the `gateway` label and the `source` of log metrics.
    pub name: String,
    /// A path or a glob. Missing files and missing parent folders are waited for.
    pub path: String,
    /// Where to begin.
    pub from: From,
    /// Longest logical line in bytes; a longer one is skipped and counted as `too_long`.
    pub max_line: usize,
    /// Growing or finished.
    pub follow: Follow,
}

impl Source {
    /// Default of [`Source::max_line`]: 16 MiB.
    pub const MAX_LINE: usize = 16 << 20;
}
