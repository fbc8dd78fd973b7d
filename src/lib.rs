//! tokentail: a gateway's log becomes exact, priced, durable metrics.
//!
//! The ledger is the truth, and everything else is a view of it. A log line becomes a record; rows, the position in the
//! log and the counts of unusable lines are committed together, by one writer, in one transaction. Rollups and metric
//! series are *folds* over committed rows, so what a scrape has shown is on disk; spans are *cursors* over them, so an outage of a
//! receiver is a cursor that waits.
//!
//! ```text
//! bytes ─tail─▶ line ─format─▶ Record ─pricing─▶ Priced ─┐                        ┌─ folds ───▶ meter ─▶ page ─exposition─▶ /metrics
//!                  └ Skipped / Rejected, counted ────────┼─▶ ledger ──────────────┼─ cursors ─▶ otlp ─▶ receivers of traces
//! target ─probe─▶ result ────────────────────────────────┘  (rows, positions,     └─ queries ─▶ sla, report, budgets, checks
//!                                                            sessions, outages)
//! ```
//!
//! In reading order; each folder's front page says how it works:
//!
//! | module | turns | into |
//! |---|---|---|
//! | [`record`] | – | the plain values that pass between the stages |
//! | [`clock`] | the machine's clock | time that tests can set |
//! | [`wording`] | names and texts | what messages quote, list and suggest |
//! | [`mod@file`] | a path | the text of a file that a user wrote, bounded |
//! | [`yaml`] | text | values with lines, for every file that a user writes |
//! | [`mod@format`] | a logical line | records, or the reason why not |
//! | [`pricing`] | tokens | money, and an explanation to the last digit |
//! | [`session`] | rows | sessions and their parts, ids of traces and spans, time of use |
//! | [`sla`] | probe results | outages, availability and a month's verdict |
//! | [`meter`] | committed rows | bounded series and one OpenMetrics page |
//! | [`tail`] | files that grow and rotate | logical lines, each exactly once |
//! | [`content`] | what was said | redacted, compressed, searchable and erasable conversations; off unless configured |
//! | [`ledger`] | batches | rows, positions and folds on disk; names the database, as only `content` does besides |
//! | [`report`] | a question | figures by group and period, for commands and pages alike |
//! | [`pipeline`] | sources | batches: tail, format and pricing on one thread |
//! | [`otlp`] | requests and sessions | spans, delivered at least once |
//! | [`exposition`] | the page | what the scraper asked for |
//! | [`probe`] | a target | what one look at it gave: each phase, and why it failed |
//! | [`web`] | connections | answers, for those who may ask |
//! | [`relay`] | Alertmanager's notifications | messages of DingTalk, WeCom and Feishu robots; a process of its own |
//! | [`config`] | YAML and flags | the sum of the parts' configurations, or every problem at once |
//! | [`daemon`] | a configuration | the running sidecar, and its orderly end |
//! | [`demo`] | a seed | a made-up gateway and chat service |
//! | [`cli`] | the command line | commands |
//!
//! What holds everywhere:
//!
//! 1. `record`, `format`, `pricing`, `session`, `sla` and `meter` do no IO, read no clock and cannot fail: a bad line is a value with a reason.
//! 2. A module names only modules above it in this list, but for configurations, which `config` fills.
//! 3. A position moves in the transaction of the rows that its lines became. Nothing else remembers what was read.
//! 4. counters = rows + adjustments, at every moment; `tokentail ledger check` proves it.
//! 5. Every queue, map and buffer is bounded, whatever a log says.

pub mod cli;
pub mod clock;
pub mod config;
pub mod content;
pub mod daemon;
pub mod demo;
pub mod exposition;
pub mod file;
pub mod format;
pub mod ledger;
pub mod meter;
pub mod otlp;
pub mod pipeline;
pub mod pricing;
pub mod probe;
pub mod record;
pub mod relay;
pub mod report;
pub mod session;
pub mod sla;
pub mod tail;
pub mod web;
pub mod wording;
pub mod yaml;
