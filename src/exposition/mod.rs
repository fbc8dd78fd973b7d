//! A metrics page in the form that the scraper asked for.
