//! The JSON that Alertmanager posts becomes a notification.
//!
//! Version 4 of the webhook's body, the only one that there is (<https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>).
//! Texts are kept as they came: making them harmless is for the dialect that writes them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::wording::{escaped, quoted};

/// Longest that is told of what is wrong, in characters.
const MAX_ERROR: usize = 300;

/// Whether an alert, or any alert of a group, is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is.
    Firing,
    /// It is over.
    Resolved,
}

/// Names and values.
pub(super) type Labels = BTreeMap<String, String>;

/// One group of alerts, as Alertmanager tells of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// `4`.
    pub version: String,
    /// The group as a whole.
    pub status: Status,
    /// What the group has in common by the routing tree.
    #[serde(default)]
    pub group_labels: Labels,
    /// Where people reach Alertmanager; may be empty.
    #[serde(default, rename = "externalURL")]
    pub external_url: String,
    /// Never empty.
    pub alerts: Vec<Alert>,
    /// Alerts that Alertmanager left out, by its `max_alerts`.
    #[serde(default)]
    pub truncated_alerts: u64,
}

/// One alert.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Whether it is going on.
    pub status: Status,
    /// What names it.
    #[serde(default)]
    pub labels: Labels,
    /// What explains it.
    #[serde(default)]
    pub annotations: Labels,
    /// Since when it fires.
    #[serde(default, deserialize_with = "time")]
    pub starts_at: Option<Timestamp>,
    /// Until when it fired; means something for a resolved one only.
    #[serde(default, deserialize_with = "time")]
    pub ends_at: Option<Timestamp>,
    /// The same for the same labels; may be empty.
    #[serde(default)]
    pub fingerprint: String,
}

/// Go writes a time that it does not know as the year 1.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    Ok(text.parse::<Timestamp>().ok().filter(|time| *time > Timestamp::UNIX_EPOCH))
}

impl Notification {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(body: &[u8]) -> Result<Notification, String> {
        let notification: Notification = serde_json::from_slice(body).map_err(|error| {
            // It repeats what it found, however long and odd.
            let error: String = escaped(&error.to_string()).chars().take(MAX_ERROR).collect();
            format!("expected the JSON of Alertmanager's webhook, version 4: {error}")
        })?;
        if notification.version != "4" {
            let version = quoted(&notification.version);
            return Err(format!("expected version 4 of Alertmanager's webhook, found {version}"));
        }
        if notification.alerts.is_empty() {
            return Err("expected at least one alert, found none".to_owned());
        }
        Ok(notification)
    }
}

impl Alert {
    /// The value of a label, or nothing.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The text of an annotation, or nothing.
    pub(super) fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", |text| text.trim())
    }

    /// How grave it is, from 0; by the words that rules commonly use.
    pub(super) fn gravity(&self) -> u8 {
        match self.label("severity") {
            "critical" | "page" | "emergency" | "error" => 3,
            "warning" | "ticket" => 2,
            "info" | "none" => 0,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_or_says_what_is_wrong() {
        let good = r#"{"version":"4","status":"firing","truncatedAlerts":2,"externalURL":"http://am","unknown":[],
            "alerts":[{"status":"resolved","startsAt":"2026-11-21T01:02:03.5Z","endsAt":"0001-01-01T00:00:00Z"}]}"#;
        let read = Notification::parse(good.as_bytes()).expect("valid");
        assert_eq!((read.truncated_alerts, read.external_url.as_str()), (2, "http://am"));
        let alert = &read.alerts[0];
        assert_eq!(alert.status, Status::Resolved);
        assert_eq!(alert.starts_at.map(|time| time.as_second()), Some(1_795_222_923));
        assert_eq!(alert.ends_at, None, "the year 1 is no time");
        for (bad, want) in [
            ("", "EOF"),
            ("[]", "expected the JSON of Alertmanager's webhook"),
            (r#"{"version":"3","status":"firing","alerts":[]}"#, "found `3`"),
            (r#"{"version":"4","status":"firing","alerts":[]}"#, "at least one alert"),
            (r#"{"version":"4","status":"odd","alerts":[]}"#, "unknown variant `odd`"),
            (r#"{"version":"4","status":"firing"}"#, "missing field `alerts`"),
        ] {
            let error = Notification::parse(bad.as_bytes()).expect_err(bad);
            assert!(error.contains(want), "{bad}: {error}");
        }
    }
}
