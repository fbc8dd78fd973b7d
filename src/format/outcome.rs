//! Status, Envoy's response flags and the gateway's own words become the one outcome of a request.
//!
//! Shared by every gateway that is built on Envoy, and by those that only have a status. Says nothing about usage.

use crate::record::{ErrorReason, Outcome};

/// What is known about how a request ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending<'a> {
    /// HTTP status; 0 where the gateway says that no response began, `None` where the log has none.
    pub(crate) status: Option<u16>,
    /// Envoy's `%RESPONSE_FLAGS%`: short names with commas between, `-` or empty for none.
    pub(crate) flags: &'a str,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`, empty for none.
    pub(crate) details: &'a str,
    /// A limit of the gateway's own says that it refused the request.
    pub(crate) limited: bool,
}

/// Classifies an ending. The first row that fits counts:
///
/// | # | fits | outcome | why here |
/// |---|---|---|---|
/// | 1 | limited by a plugin, flag `RL`, status 429 | rate_limited | a refusal is final, whatever the client did then |
/// | 2 | flag `DC` or `DR`, status 499 | disconnect | with status 200 too: the answer was cut short by the client |
/// | 3 | flag `UT`, `SI`, `DT`, `UMSDR`, status 504 | timeout | often comes with `URX` or `UF` of the last attempt |
/// | 4 | flag `UF` `UH` `UC` `URX` `UR` `LR` `UO` `UPE` `LH` `DF` | upstream | with status 200 too: the provider broke off |
/// | 5 | flag `NR` `NC` `NFCF` `OM` `FI` `RLSE`, details `route_not_found`, `cluster_not_found` | gateway | also 404: no route is the operator's fault |
/// | 6 | status 5xx or higher | upstream where the details are `via_upstream` or unknown, else gateway | a filter or direct response made it |
/// | 7 | status 4xx | client | |
/// | 8 | status 0 | disconnect | Envoy: no response began, generally the client left |
/// | 9 | anything else, no status included | success | |
///
/// Flags as in [Envoy's documentation](https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage).
pub(crate) fn classify(ending: &Ending<'_>) -> Outcome {
    use ErrorReason::{Client, Disconnect, Gateway, RateLimited, Timeout, Upstream};
    // By far the most common ending, told without reading a flag.
    if ending.status == Some(200) && matches!(ending.flags, "-" | "") && !ending.limited {
        return Outcome::Success;
    }
    let flagged = |names: &[&str]| ending.flags.split(',').any(|flag| names.contains(&flag.trim()));
    let status = ending.status;
    let reason = if ending.limited || status == Some(429) || flagged(&["RL"]) {
        RateLimited
    } else if status == Some(499) || flagged(&["DC", "DR"]) {
        Disconnect
    } else if status == Some(504) || flagged(&["UT", "SI", "DT", "UMSDR"]) {
        Timeout
    } else if flagged(&["UF", "UH", "UC", "URX", "UR", "LR", "UO", "UPE", "LH", "DF"]) {
        Upstream
    } else if flagged(&["NR", "NC", "NFCF", "OM", "FI", "RLSE"])
        || matches!(ending.details, "route_not_found" | "cluster_not_found")
    {
        Gateway
    } else {
        match status {
            Some(500..) if matches!(ending.details, "via_upstream" | "-" | "") => Upstream,
            Some(500..) => Gateway,
            Some(400..) => Client,
            Some(0) => Disconnect,
            _ => return Outcome::Success,
        }
    };
    Outcome::Error(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_has_the_outcome_of_the_first_row_that_fits() {
        let cases: &[(Option<u16>, &str, &str, bool, &str)] = &[
            (Some(200), "-", "via_upstream", false, "success"),
            (Some(200), "", "", false, "success"),
            (Some(101), "-", "", false, "success"),
            (Some(304), "-", "", false, "success"),
            (None, "-", "", false, "success"),
            (Some(429), "-", "via_upstream", false, "rate_limited"),
            (Some(429), "-", "via_wasm::ai-token-ratelimit", true, "rate_limited"),
            (Some(200), "-", "", true, "rate_limited"),
            (Some(503), "RL", "request_rate_limited", false, "rate_limited"),
            (Some(429), "DC", "", false, "rate_limited"),
            (Some(200), "DC", "downstream_remote_disconnect", false, "disconnect"),
            (Some(0), "DC", "downstream_remote_disconnect", false, "disconnect"),
            (Some(504), "DC", "", false, "disconnect"),
            (Some(200), "DR", "http2.remote_reset", false, "disconnect"),
            (Some(499), "-", "", false, "disconnect"),
            (Some(0), "-", "", false, "disconnect"),
            (Some(504), "UT", "upstream_response_timeout", false, "timeout"),
            (Some(504), "-", "via_upstream", false, "timeout"),
            (Some(200), "UT", "", false, "timeout"),
            (Some(408), "SI", "stream_idle_timeout", false, "timeout"),
            (Some(504), "URX,UT", "", false, "timeout"),
            (Some(503), "UF,URX", "upstream_reset_before_response_started", false, "upstream"),
            (Some(503), "UH", "no_healthy_upstream", false, "upstream"),
            (Some(200), "UC", "", false, "upstream"),
            (Some(0), "UC", "", false, "upstream"),
            (Some(500), "-", "via_upstream", false, "upstream"),
            (Some(529), "-", "via_upstream", false, "upstream"),
            (Some(502), "-", "", false, "upstream"),
            (Some(404), "NR", "route_not_found", false, "gateway"),
            (Some(404), "-", "route_not_found", false, "gateway"),
            (Some(503), "NC", "cluster_not_found", false, "gateway"),
            (Some(503), "-", "direct_response", false, "gateway"),
            (Some(500), "-", "via_wasm::ai-proxy", false, "gateway"),
            (Some(400), "-", "via_upstream", false, "client"),
            (Some(401), "-", "via_wasm::key-auth", false, "client"),
            (Some(403), "UAEX", "ext_authz_denied", false, "client"),
            (Some(404), "-", "via_upstream", false, "client"),
        ];
        for &(status, flags, details, limited, want) in cases {
            let outcome = classify(&Ending { status, flags, details, limited });
            let got = outcome.error().map_or("success", ErrorReason::label);
            assert_eq!(got, want, "{status:?} {flags} {details} {limited}");
        }
    }
}
