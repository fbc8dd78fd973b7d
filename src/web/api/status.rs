//! What the instance itself is doing: its logs, sinks, jobs, ledger and targets.

use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::endpoint::Endpoint;
use super::instance::SourceStatus;
use super::problem::Problem;
use super::shape;
use crate::ledger::Extent;

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get(
        "/api/v1/status",
        "the instance itself: logs with lag, sinks, jobs, ledger, probes",
        &[],
        "Status",
        status,
    ),
    Endpoint::get("/api/v1/me", "who asks, with which role, and whose content is captured", &[], "Me", me),
];

fn me(asked: &Asked<'_>) -> Result<Value, Problem> {
    let (caller, capture) = (&asked.caller, &asked.instance.capture);
    let says = json!({
        "user": caller.user, "role": caller.role.label(),
        "capture": {"gateways": capture.gateways, "consumers": capture.consumers},
    });
    Ok(shape::answer(asked, says))
}

fn status(asked: &Asked<'_>) -> Result<Value, Problem> {
    let status = asked.app.status();
    let moment = asked.instance.folder.is_some().then(|| asked.open()).transpose()?;
    let extent = moment.as_ref().map(Extent::read).transpose()?;
    let sinks: Vec<Value> = status
        .sinks
        .iter()
        .map(|(name, sink)| {
            let failed: Map<String, Value> =
                sink.failed.iter().map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect();
            json!({
                "name": name, "pending": sink.pending, "exported": sink.exported, "rejected": sink.rejected,
                "expired": sink.expired, "failed": failed,
            })
        })
        .collect();
    let jobs: Vec<Value> =
        status.jobs.iter().map(|(name, at)| json!({"name": name, "last_success": shape::time(*at)})).collect();
    let probes: Vec<Value> = status
        .targets
        .iter()
        .map(|target| {
            json!({
                "target": target.target, "state": target.state, "availability": target.availability,
                "coverage": target.coverage, "objective": target.objective,
                "budget_left_seconds": target.budget.map(|(_, left)| left), "url": asked.page("/sla", ""),
            })
        })
        .collect();
    let open: u64 = status.sessions_open.values().sum();
    let says = json!({
        "version": status.version, "started": shape::time(status.started), "ready": status.failure.is_none(),
        "failure": status.failure, "open_sessions": open,
        "sources": status.sources.iter().map(source).collect::<Vec<_>>(), "sinks": sinks, "jobs": jobs,
        "ledger": extent.map(|extent| json!({
            "size_bytes": status.size, "requests": extent.requests, "rows_written": status.rows,
            "first": extent.first_start.map(shape::time), "last": extent.last_start.map(shape::time),
            "last_commit": status.last_commit.map(shape::time),
        })),
        "probes": probes,
        "config": {"last_reload": shape::time(status.reload_time), "successful": status.reload_successful},
    });
    Ok(shape::answer(asked, says))
}

fn source(source: &SourceStatus) -> Value {
    let counts = &source.counts;
    let by_reason = |reasons: &mut dyn Iterator<Item = (&'static str, u64)>| -> Map<String, Value> {
        reasons.map(|(reason, count)| (reason.to_owned(), json!(count))).collect()
    };
    json!({
        "name": source.name, "path": source.path, "files": source.files, "error": source.error,
        "lag_bytes": source.lag_bytes, "catching_up": source.catching_up,
        "last_record": (counts.last_record > 0).then(|| shape::time(counts.last_record)), "lines": counts.lines,
        "bytes": counts.bytes, "requests": counts.requests, "duplicates": counts.duplicates,
        "skipped": by_reason(&mut counts.skipped_by_reason()),
        "rejected": by_reason(&mut counts.rejected_by_reason()), "rotations": counts.rotations,
        "lost_bytes": counts.lost_bytes,
    })
}
