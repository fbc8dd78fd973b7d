//! Parameters that many questions share: the time, what requests have in common, and the page of a list.

use super::parameter::{Kind, Parameter};

/// The time that is asked about.
pub(super) const PERIOD: &[Parameter] = &[
    Parameter::new("since", Kind::Time, "from then: a time, a date, or an age such as 24h"),
    Parameter::new("until", Kind::Time, "before then"),
    Parameter::new("month", Kind::Month, "a whole month, such as 2026-11, instead of since and until"),
    ZONE,
];

/// Whose days and hours.
pub(super) const ZONE: Parameter =
    Parameter::new("timezone", Kind::Zone, "whose days, hours and dates; default: the configured one");

/// The page of a list.
pub(super) const LIST: &[Parameter] = &[
    Parameter::new("limit", Kind::Count(1, MOST), "how many are listed at most; default: 50"),
    Parameter::new("cursor", Kind::Cursor, "the `next` of the page before"),
];

/// The page of a list of groups.
pub(super) const GROUPS: &[Parameter] = &[
    Parameter::new("limit", Kind::Count(1, MOST_GROUPS), "how many groups are listed at most; default: 1,000"),
    Parameter::new("cursor", Kind::Cursor, "the `next` of the page before"),
];

/// Things that a list shows if nothing is said.
pub(super) const USUAL: usize = 50;

/// Groups that a list shows if nothing is said.
pub(super) const USUAL_GROUPS: usize = 1_000;

const MOST: u64 = 1_000;
const MOST_GROUPS: u64 = 10_000;
