//! How a request or a line ended: closed lists of reasons, each with its label.

/// Declares a closed list: an enum, `ALL` in declaration order, and the label and meaning that users see.
macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal, $meaning:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $(#[doc = $meaning] $variant,)+ }
        impl $name {
            /// The whole list, in the order of the stored codes: append only.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];
            /// The label value that users see.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $($name::$variant => $label,)+ }
            }
            /// One sentence for the catalogue.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $($name::$variant => $meaning,)+ }
            }
            /// Position in [`Self::ALL`], which is also the stored code.
            #[must_use]
            pub fn index(self) -> usize { self as usize }
        }
    };
}

pub(super) use reasons;

reasons! {
    /// Why a request failed.
    ErrorReason {
        RateLimited = "rate_limited", "A limit of the gateway or the provider refused the request.";
        Client = "client", "The request itself was wrong (4xx).";
        Upstream = "upstream", "The provider failed or could not be reached.";
        Timeout = "timeout", "The provider did not answer in time.";
        Disconnect = "disconnect", "The client went away before the answer was complete.";
        Gateway = "gateway", "The gateway itself failed or had no route.";
    }
}

reasons! {
    /// Why a record is fine but no request.
    Skip {
        NoAi = "no_ai", "A line without AI data.";
        NotARequest = "not_a_request", "An operational or MCP line.";
        Empty = "empty", "A line without content.";
    }
}

reasons! {
    /// Why a record cannot be used.
    Reject {
        Malformed = "malformed", "The line is not in its format and could not be salvaged.";
        NoTime = "no_time", "The line has no time.";
        BadTime = "bad_time", "The line's time cannot be read or lies outside the years 2000 to 2100.";
        TooLong = "too_long", "The line is longer than `max_line`.";
        TooDeep = "too_deep", "The line's JSON is nested deeper than 128 levels.";
        UnknownFormat = "unknown_format", "No known format fits the line.";
    }
}

reasons! {
    /// What was odd about a record that counts all the same.
    Anomaly {
        Salvaged = "salvaged", "The line was broken JSON; its fields were found by search.";
        SubsetExceedsTotal = "subset_exceeds_total", "A token subset was larger than its whole and was cut to it.";
        BadNumber = "bad_number", "A number could not be used and was taken as missing.";
        TimeInFuture = "time_in_future", "The request starts more than 5 minutes in the future.";
        NegativeDuration = "negative_duration", "A duration was negative and was taken as missing.";
        TotalMismatch = "total_mismatch", "The logged total is not the sum of its parts.";
        AmbiguousSession = "ambiguous_session", "More than one derived session fitted the request.";
        VersionShrank = "version_shrank", "A later version of the same record counted less.";
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was answered.
    #[default]
    Success,
    /// It failed.
    Error(ErrorReason),
}

impl Outcome {
    /// The reason of the failure, if it failed.
    #[must_use]
    pub fn error(self) -> Option<ErrorReason> {
        match self {
            Outcome::Success => None,
            Outcome::Error(reason) => Some(reason),
        }
    }
}

/// A set of [`Anomaly`], one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u16);

impl Anomalies {
    /// The set with these bits; unknown bits are kept.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Anomalies(bits)
    }

    /// The bits: bit `i` is `Anomaly::ALL[i]`.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Adds one.
    pub fn insert(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly.index();
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly.index()) != 0
    }

    /// Whether nothing was odd.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set, in the list's order.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.iter().copied().filter(move |a| self.contains(*a))
    }
}
