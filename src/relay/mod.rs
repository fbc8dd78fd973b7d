//! Alertmanager's notifications become messages of chat robots: DingTalk, WeCom, Feishu.
//!
//! ```text
//! POST /alerts/NAME ─route─▶ Notification ─lane─▶ merged ─message─▶ Message ─robot─▶ signed request ─client─▶ robot
//!                     ▲                                                                                        │
//!                     └── 200, 502 or 503: Alertmanager tries again ◀──────────── what the robot's answer says ┘
//! ```
//!
//! Nothing is stored: a notification counts as delivered once the robot has accepted it, and until then it is
//! Alertmanager's, which tries again after every 5xx. So a message may arrive twice and is never lost in silence. In
//! reading order: `alert` (what comes in), `language`, `dialect` and `message` (text), `sign` and `robot` (what goes
//! out), `client`, `secret`, `budget`, `lane` (one per receiver), `counter`, `route`, `service`. Deliberately knows
//! neither ledger nor alert rules.

mod alert;
mod budget;
mod client;
mod config;
mod counter;
mod dialect;
mod lane;
mod language;
mod message;
mod robot;
mod route;
mod secret;
mod service;
mod sign;
#[cfg(test)]
mod tests;

pub use alert::{Alert, Notification, Status};
pub use config::{Config, Kind, Language, Receiver};
pub use counter::Outcome;
pub use service::{Error, Handle, Relay, check, send_sample};
