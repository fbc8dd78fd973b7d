//! Our own words of a message, in each language.
//!
//! Texts of alerts stay as the rule's author wrote them.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::alert::Status;
use super::config::Language;

/// The fixed words.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) group: &'static str,
    pub(super) labels: &'static str,
    pub(super) since: &'static str,
    pub(super) lasted: &'static str,
    pub(super) board: &'static str,
    pub(super) runbook: &'static str,
    pub(super) silence: &'static str,
    pub(super) colon: &'static str,
}

const ENGLISH: Words = Words {
    group: "Group",
    labels: "Labels",
    since: "Since",
    lasted: "Lasted",
    board: "Board",
    runbook: "Runbook",
    silence: "Silence",
    colon: ": ",
};

const CHINESE: Words = Words {
    group: "分组",
    labels: "标签",
    since: "开始时间",
    lasted: "持续时间",
    board: "看板",
    runbook: "处理手册",
    silence: "静默",
    colon: "：",
};

impl Language {
    pub(super) fn words(self) -> &'static Words {
        match self {
            Language::English => &ENGLISH,
            Language::Chinese => &CHINESE,
        }
    }

    pub(super) fn status(self, status: Status) -> &'static str {
        match (self, status) {
            (Language::English, Status::Firing) => "FIRING",
            (Language::English, Status::Resolved) => "RESOLVED",
            (Language::Chinese, Status::Firing) => "告警",
            (Language::Chinese, Status::Resolved) => "已恢复",
        }
    }

    /// A severity that rules commonly use; `None` for others, which are shown as they are.
    pub(super) fn severity(self, severity: &str) -> Option<&'static str> {
        let (english, chinese) = match severity {
            "critical" => ("critical", "严重"),
            "page" => ("page", "紧急"),
            "error" => ("error", "错误"),
            "warning" => ("warning", "警告"),
            "ticket" => ("ticket", "工单"),
            "info" => ("info", "提示"),
            _ => return None,
        };
        Some(if self == Language::Chinese { chinese } else { english })
    }

    /// What a merged message is about.
    pub(super) fn groups(self, count: usize) -> String {
        match self {
            Language::English => format!("{count} groups"),
            Language::Chinese => format!("{count} 个分组"),
        }
    }

    /// What is said instead of the alerts that did not fit.
    pub(super) fn more(self, count: u64) -> String {
        match self {
            Language::English if count == 1 => "… and 1 more alert".to_owned(),
            Language::English => format!("… and {count} more alerts"),
            Language::Chinese => format!("……另有 {count} 条告警"),
        }
    }

    /// A duration by its two largest units, cut to seconds; never negative.
    pub(super) fn duration(self, duration: SignedDuration) -> String {
        let units: [(i64, &str, &str); 4] =
            [(86_400, "d", "天"), (3_600, "h", "小时"), (60, "min", "分"), (1, "s", "秒")];
        let mut rest = duration.as_secs().max(0);
        let mut parts = Vec::new();
        for (seconds, english, chinese) in units {
            let count = rest / seconds;
            rest %= seconds;
            if count > 0 {
                parts.push(format!("{count} {}", if self == Language::Chinese { chinese } else { english }));
            } else if !parts.is_empty() {
                break;
            }
            if parts.len() == 2 {
                break;
            }
        }
        if parts.is_empty() {
            return self.duration_zero().to_owned();
        }
        parts.join(" ")
    }

    fn duration_zero(self) -> &'static str {
        match self {
            Language::English => "0 s",
            Language::Chinese => "0 秒",
        }
    }
}

/// `2026-11-21 13:00:05 +08:00`.
pub(super) fn time(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        for (seconds, english, chinese) in [
            (-5, "0 s", "0 秒"),
            (0, "0 s", "0 秒"),
            (59, "59 s", "59 秒"),
            (725, "12 min 5 s", "12 分 5 秒"),
            (3_600, "1 h", "1 小时"),
            (3_605, "1 h", "1 小时"),
            (90_061, "1 d 1 h", "1 天 1 小时"),
        ] {
            let duration = SignedDuration::from_secs(seconds);
            assert_eq!(Language::English.duration(duration), english);
            assert_eq!(Language::Chinese.duration(duration), chinese);
        }
    }

    #[test]
    fn a_time_is_shown_in_its_zone() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let at = Timestamp::from_second(1_795_222_923).expect("in range");
        assert_eq!(time(at, &zone), "2026-11-21 09:02:03 +08:00");
        assert_eq!(time(at, &TimeZone::UTC), "2026-11-21 01:02:03 +00:00");
    }
}
