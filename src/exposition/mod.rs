//! A metrics page in the form that the scraper asked for: OpenMetrics 1.0 as it was rendered, or text 0.0.4 made from
//! it, gzip-compressed where the scraper takes that.
//!
//! The text 0.0.4 page is made from the finished OpenMetrics page and not rendered a second time: there is one encoder
//! and one truth. Deliberately knows nothing of which metrics there are, and speaks no HTTP.

mod compress;
mod downgrade;
mod negotiate;

pub use compress::{accepts_gzip, gzip};
pub use downgrade::downgrade;
pub use negotiate::{Form, negotiate};
