//! Which requests a report counts: for each column any of some values.

use super::by::By;
use crate::record::{Attributes, Currency};

/// Columns with the values that count; a request has to fit each of them. Empty counts all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    wanted: Vec<(By, Vec<String>)>,
}

impl Filter {
    /// Also wants any of these values in a column; users are pseudonyms. Values for the same column add up. A column of time
    /// says nothing.
    pub fn want(&mut self, by: By, values: impl IntoIterator<Item = String>) {
        if by.is_time() {
            return;
        }
        match self.wanted.iter_mut().find(|(known, _)| *known == by) {
            Some((_, known)) => known.extend(values),
            None => self.wanted.push((by, values.into_iter().collect())),
        }
    }

    /// Whether all requests count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether it asks for users, which only the requests themselves know.
    #[must_use]
    pub fn wants_user(&self) -> bool {
        self.wanted.iter().any(|(by, _)| *by == By::User)
    }

    fn wants(&self, found: impl Fn(&By) -> bool, value: &str) -> bool {
        let mut columns = self.wanted.iter().filter(|(by, _)| found(by));
        columns.all(|(_, values)| values.iter().any(|wanted| wanted == value))
    }

    /// Whether a set of attributes fits.
    #[must_use]
    pub fn fits_attributes(&self, attributes: &Attributes) -> bool {
        self.wanted.iter().filter(|(by, _)| !matches!(by, By::User | By::Currency)).all(|(by, values)| {
            let value = by.of_attributes(attributes);
            values.iter().any(|wanted| wanted == value)
        })
    }

    /// Whether a pseudonym fits.
    #[must_use]
    pub fn fits_user(&self, user: &str) -> bool {
        self.wants(|by| *by == By::User, user)
    }

    /// Whether a currency fits; `None` for what has no cost.
    #[must_use]
    pub fn fits_currency(&self, currency: Option<Currency>) -> bool {
        self.wants(|by| *by == By::Currency, currency.as_ref().map_or("", Currency::as_str))
    }
}
