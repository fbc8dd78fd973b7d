//! A file name becomes the names of the logs it may be a rotated file of, with its place among them (`access.log.2.gz`
//! → `access.log`, second newest). Only names: whether the content belongs there is judged by its identity.

/// How a file is packed, told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Age among the rotated files of one log: the smaller one is older.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    /// By date, and by the number behind it.
    Dated(Vec<u64>),
    /// By number, counted down from the largest: `.9` is older than `.1`.
    Numbered(u64),
    /// The name says nothing.
    Unknown,
    /// The file that is written now.
    Live,
}

/// Splits a name into what remains without `.gz` or `.zst`, and the packing.
pub(super) fn unpacked(name: &str) -> (&str, Packing) {
    if let Some(inner) = name.strip_suffix(".gz") {
        (inner, Packing::Gzip)
    } else if let Some(inner) = name.strip_suffix(".zst") {
        (inner, Packing::Zstd)
    } else {
        (name, Packing::Plain)
    }
}

/// Every log name that `name` may be a rotated file of: `base[.-_]tail`, `stem[.-_]tail.ext`, each also packed, where
/// `tail` is a number or a date. Temporary names (`.tmp`, `~`, `.swp`) have no such form.
pub(super) fn bases(name: &str) -> Vec<(String, Age)> {
    let (inner, packing) = unpacked(name);
    let mut found = Vec::new();
    if packing != Packing::Plain && !inner.is_empty() {
        found.push((inner.to_owned(), Age::Unknown));
    }
    let mut split = |stem: &str, extension: &str| {
        for (at, _) in stem.match_indices(['.', '-', '_']) {
            if let (Some(base), Some(tail)) = (stem.get(..at), stem.get(at + 1..))
                && !base.is_empty()
                && let Some(age) = age(tail)
            {
                found.push((format!("{base}{extension}"), age));
            }
        }
    };
    split(inner, "");
    if let Some(dot) = inner.rfind('.')
        && let (Some(stem), Some(extension)) = (inner.get(..dot), inner.get(dot..))
    {
        split(stem, extension);
    }
    found
}

fn age(tail: &str) -> Option<Age> {
    let allowed = |byte: u8| byte.is_ascii_digit() || b"TtZz:+._-".contains(&byte);
    if !tail.starts_with(|first: char| first.is_ascii_digit()) || !tail.bytes().all(allowed) {
        return None;
    }
    let groups: Vec<u64> = tail
        .split(|c: char| !c.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .map(|group| group.parse().unwrap_or(u64::MAX))
        .collect();
    match groups.as_slice() {
        [number] if tail.len() <= 5 => Some(Age::Numbered(u64::MAX - number)),
        _ => Some(Age::Dated(groups)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_lead_to_their_log() {
        let rotated = [
            ("access.log.1", "access.log"),
            ("access.log.12.gz", "access.log"),
            ("access.log-20260201", "access.log"),
            ("access.log_2026-02-01.zst", "access.log"),
            ("access.log.gz", "access.log"),
            ("access-2026-02-01.log", "access.log"),
            ("access-2026-02-01.3.log.gz", "access.log"),
            ("access-20260201T00-00-00.000.log.gz", "access.log"),
            ("0.log.20260201-093015", "0.log"),
            ("0.log.20260201-093015.gz", "0.log"),
            ("access.1", "access"),
            ("abc-json.log.2", "abc-json.log"),
        ];
        for (name, base) in rotated {
            assert!(bases(name).iter().any(|(found, _)| found == base), "{name}: {:?}", bases(name));
        }
        for name in [
            "access.log",
            "access.log.tmp",
            "access.log.1.gz.tmp",
            "access.log~",
            ".access.log.swp",
            "error.log.old",
            ".1",
        ] {
            assert_eq!(bases(name), [], "{name}");
        }
    }

    #[test]
    fn older_files_come_first() {
        let place = |name: &str, base: &str| bases(name).into_iter().find(|(found, _)| found == base).unwrap().1;
        for (base, names) in [
            ("a.log", &["a.log.10.gz", "a.log.9", "a.log.2.gz", "a.log.1"][..]),
            ("a.log", &["a-2026-01-31.log.gz", "a-2026-02-01.1.log", "a-2026-02-01.10.log", "a-2026-02-02.log"][..]),
            ("0.log", &["0.log.20260201-093015.gz", "0.log.20260201-103015"][..]),
        ] {
            let places: Vec<Age> = names.iter().map(|name| place(name, base)).collect();
            assert!(places.is_sorted(), "{places:?}");
            assert!(places.iter().all(|place| *place < Age::Live));
        }
    }
}
