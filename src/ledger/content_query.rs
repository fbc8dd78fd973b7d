//! What a filter of names means to the captured conversations, which know the ledger's ids only.

use super::moment::Moment;
use super::open::Error;
use super::request_filter::Matcher;
use super::request_view::RequestFilter;
use crate::content;

impl Moment {
    /// The filter of conversations that fit a filter of requests by period, attributes, users and sessions, with rows of this
    /// moment only. `None` where nothing can fit.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn content_filter(&self, filter: &RequestFilter) -> Result<Option<content::Filter>, Error> {
        let Some(matcher) = Matcher::resolve(self, filter)? else { return Ok(None) };
        Ok(Some(content::Filter {
            since: filter.since,
            until: filter.until,
            attributes: matcher.attributes.map(|ids| ids.iter().collect()),
            sessions: matcher.sessions.map(|ids| ids.into_iter().collect()),
            users: matcher.users.map(|ids| ids.into_iter().collect()),
            through: Some(self.last),
            text: String::new(),
        }))
    }
}
