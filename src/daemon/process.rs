//! What Linux says of this process. Elsewhere, and where `/proc` is closed, everything is 0.

use std::fs;

/// Clock ticks of `/proc/*/stat` per second: fixed by Linux's user ABI on every architecture that it is built for here.
const TICKS_PER_SECOND: u64 = 100;

/// Figures of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// User and system time in microseconds.
    pub(super) cpu_micros: u64,
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
    pub(super) virtual_bytes: u64,
    pub(super) resident_bytes: u64,
}

impl Process {
    /// Reads them.
    pub(super) fn read() -> Process {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name in brackets may hold anything, so fields are counted from its closing bracket.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kibibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|value| value.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let max_fds = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
        Process {
            cpu_micros: (number(11) + number(12)) * (1_000_000 / TICKS_PER_SECOND),
            open_fds: fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            max_fds: max_fds.split_whitespace().next().and_then(|value| value.parse().ok()).unwrap_or(0),
            virtual_bytes: kibibytes("VmSize:"),
            resident_bytes: kibibytes("VmRSS:"),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_has_memory_and_descriptors() {
        let process = Process::read();
        assert!(process.resident_bytes > 1 << 20 && process.virtual_bytes >= process.resident_bytes, "{process:?}");
        assert!(process.open_fds >= 3 && process.max_fds >= process.open_fds, "{process:?}");
    }
}
