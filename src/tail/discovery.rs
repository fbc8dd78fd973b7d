//! A configured path or glob becomes the files on disk that belong to it: the logs themselves and their rotated
//! siblings in the same folder, each with what `stat` says. Deliberately no look inside: names and inodes only.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::name::{self, Age};

/// Folders deeper below the first wildcard are not entered, and no more entries than these are looked at in one go.
const MAX_DEPTH: usize = 16;
const MAX_ENTRIES: usize = 200_000;

/// Which file on disk, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inode {
    pub(super) device: u64,
    pub(super) number: u64,
}

/// What tells whether a file was written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) modified: i64,
}

/// Inode and stamp out of `stat`.
pub(super) fn identity(meta: &Metadata) -> (Inode, Stamp) {
    let modified = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    (Inode { device: meta.dev(), number: meta.ino() }, Stamp { size: meta.len(), modified })
}

/// A file that belongs to a source.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// The log that it is, or is a rotated file of.
    pub(super) base: PathBuf,
    pub(super) age: Age,
    pub(super) inode: Inode,
    pub(super) stamp: Stamp,
}

/// A checked path or glob.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// The path, or the folder above the first wildcard.
    root: PathBuf,
    glob: Option<Glob>,
}

#[derive(Clone, Debug)]
struct Glob {
    matcher: GlobMatcher,
    /// Folder levels below the root that can hold a match.
    depth: usize,
    recursive: bool,
    /// Names that begin with a dot are meant.
    hidden: bool,
}

/// What one look at the disk found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<Candidate>,
    pub(super) error: Option<String>,
}

impl Pattern {
    /// Checks a path; only one with wildcards (`*`, `?`, `[`, `{`) is a glob, in which `*` stays within a folder.
    pub(super) fn new(path: &str) -> Result<Pattern, globset::Error> {
        let is_wild = |part: &str| part.contains(['*', '?', '[', '{']);
        if !is_wild(path) {
            return Ok(Pattern::literal(path));
        }
        let matcher = GlobBuilder::new(path).literal_separator(true).build()?.compile_matcher();
        let (mut root, mut below) = (PathBuf::new(), Vec::new());
        for component in Path::new(path).components() {
            let text = component.as_os_str().to_string_lossy().into_owned();
            if below.is_empty() && (!is_wild(&text) || matches!(component, Component::RootDir)) {
                root.push(component);
            } else {
                below.push(text);
            }
        }
        let recursive = path.contains("**");
        let hidden = below.last().is_some_and(|name| name.starts_with('.'));
        let depth = if recursive { MAX_DEPTH } else { below.len().saturating_sub(1).min(MAX_DEPTH) };
        Ok(Pattern { root, glob: Some(Glob { matcher, depth, recursive, hidden }) })
    }

    /// One file whose name is taken as it is.
    pub(super) fn literal(path: &str) -> Pattern {
        Pattern { root: PathBuf::from(path), glob: None }
    }

    /// What a watcher should watch: the file, or the folder above the first wildcard.
    pub(super) fn watch_path(&self) -> &Path {
        &self.root
    }

    /// Lists the one file, without siblings.
    pub(super) fn list_one(&self) -> Listing {
        let mut listing = Listing::default();
        add(&mut listing, self.root.clone(), self.root.clone(), Age::Live, true);
        listing
    }

    /// Lists logs and rotated siblings. `bases` are logs that are known from before: while one of them is missing for a
    /// moment its rotated files are found all the same.
    pub(super) fn list<'a>(&self, bases: impl Iterator<Item = &'a Path>) -> Listing {
        let mut look = Look { names: HashMap::new(), entries: 0, error: None };
        let mut listing = Listing::default();
        let matched = match &self.glob {
            None => vec![self.root.clone()],
            Some(glob) => {
                let mut matched = Vec::new();
                look.walk(&self.root, glob, glob.depth, &mut matched);
                matched
            }
        };
        // A matched name that is a rotated form of another log here is no log of its own.
        let mut logs: BTreeSet<PathBuf> = matched.iter().cloned().collect();
        logs.extend(bases.map(Path::to_path_buf));
        for path in &matched {
            let (base, age) = base_of(path, &logs).unwrap_or_else(|| (path.clone(), Age::Live));
            add(&mut listing, path.clone(), base, age, self.glob.is_none());
        }
        let mut folders: BTreeSet<PathBuf> = logs.iter().map(|log| parent(log).to_path_buf()).collect();
        // Rotated files of a log behind a link lie beside the link's target.
        let mut targets = HashMap::new();
        for log in &logs {
            if fs::symlink_metadata(log).is_ok_and(|meta| meta.is_symlink())
                && let Ok(target) = fs::canonicalize(log)
            {
                folders.insert(parent(&target).to_path_buf());
                targets.insert(target, log.clone());
            }
        }
        let known: BTreeSet<PathBuf> = logs.iter().cloned().chain(targets.keys().cloned()).collect();
        for folder in folders {
            for name in look.names(&folder).to_vec() {
                let path = folder.join(&name);
                if let Some((base, age)) = base_of(&path, &known) {
                    let base = targets.get(&base).cloned().unwrap_or(base);
                    add(&mut listing, path, base, age, false);
                }
            }
        }
        let mut seen = HashSet::new();
        // One file under several names counts once, preferably as the log itself.
        listing.files.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.path.cmp(&b.path)));
        listing.files.retain(|file| seen.insert(file.inode));
        listing.error = listing.error.or(look.error);
        listing
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn base_of(path: &Path, logs: &BTreeSet<PathBuf>) -> Option<(PathBuf, Age)> {
    let name = path.file_name()?.to_string_lossy();
    name::bases(&name).into_iter().find_map(|(base, age)| {
        let base = path.with_file_name(base);
        (base != path && logs.contains(&base)).then_some((base, age))
    })
}

/// Adds a regular file. What cannot be read is an error only where it was named outright.
fn add(listing: &mut Listing, path: PathBuf, base: PathBuf, age: Age, named: bool) {
    match fs::metadata(&path) {
        Ok(meta) if meta.is_file() => {
            let (inode, stamp) = identity(&meta);
            // Behind a link the target is what is read: a link that is pointed elsewhere does not hide it.
            let linked = age == Age::Live && fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
            let path = if linked { fs::canonicalize(&path).unwrap_or(path) } else { path };
            listing.files.push(Candidate { path, base, age, inode, stamp });
        }
        Ok(meta) if named => {
            let what = if meta.is_dir() { "a directory" } else { "not a regular file" };
            listing.error = Some(format!("{}: is {what}, expected a file", path.display()));
        }
        Ok(_) => {}
        Err(error) if named || error.kind() == ErrorKind::PermissionDenied => {
            listing.error = Some(format!("{}: {error}", path.display()));
        }
        Err(_) => {}
    }
}

struct Look {
    names: HashMap<PathBuf, Vec<std::ffi::OsString>>,
    entries: usize,
    error: Option<String>,
}

impl Look {
    fn names(&mut self, folder: &Path) -> &[std::ffi::OsString] {
        if !self.names.contains_key(folder) {
            let mut names = Vec::new();
            match fs::read_dir(folder) {
                Ok(entries) => {
                    for entry in entries.flatten() {
                        if self.entries >= MAX_ENTRIES {
                            self.error = Some(format!("{}: more than {MAX_ENTRIES} entries", folder.display()));
                            break;
                        }
                        self.entries += 1;
                        names.push(entry.file_name());
                    }
                }
                Err(error) => self.error = Some(format!("{}: {error}", folder.display())),
            }
            self.names.insert(folder.to_path_buf(), names);
        }
        self.names.get(folder).map_or(&[], Vec::as_slice)
    }

    fn walk(&mut self, folder: &Path, glob: &Glob, depth: usize, matched: &mut Vec<PathBuf>) {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        for name in self.names(listed).to_vec() {
            let path = folder.join(&name);
            let text = name.to_string_lossy();
            let hidden = text.starts_with('.') && !glob.hidden;
            let temporary = [".tmp", "~", ".swp", ".part"].iter().any(|end| text.ends_with(end));
            if !hidden && !temporary && glob.matcher.is_match(&path) {
                matched.push(path.clone());
            }
            if depth > 0 && !hidden {
                // Links to folders are not followed where the depth is open: they may lead in circles.
                let meta = if glob.recursive { fs::symlink_metadata(&path) } else { fs::metadata(&path) };
                if meta.is_ok_and(|meta| meta.is_dir()) {
                    self.walk(&path, glob, depth - 1, matched);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str) -> Vec<(String, String, bool)> {
        let listing = Pattern::new(pattern).unwrap().list(std::iter::empty());
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let mut files: Vec<_> =
            listing.files.iter().map(|file| (name(&file.path), name(&file.base), file.age == Age::Live)).collect();
        files.sort();
        files
    }

    fn row(path: &str, base: &str, live: bool) -> (String, String, bool) {
        (path.to_owned(), base.to_owned(), live)
    }

    #[test]
    fn a_path_brings_its_rotated_siblings_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.log", "a.log.1", "a.log.2.gz", "a-2026-02-01.log", "a.log.1.tmp", "b.log", "b.log.1"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let expected = [
            row("a-2026-02-01.log", "a.log", false),
            row("a.log", "a.log", true),
            row("a.log.1", "a.log", false),
            row("a.log.2.gz", "a.log", false),
        ];
        assert_eq!(found(&format!("{}/a.log", dir.path().display())), expected);
        assert_eq!(found(&format!("{}/a*.log*", dir.path().display())), expected, "a glob that matches both");
    }

    #[test]
    fn globs_reach_into_folders_and_links() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["pods/x/c", "pods/y/c", "target"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for name in ["pods/x/c/0.log", "pods/x/c/0.log.20260201-093015", "target/id-json.log", "target/id-json.log.1"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(dir.path().join("target/id-json.log"), dir.path().join("pods/y/c/1.log")).unwrap();
        let expected = [
            row("0.log", "0.log", true),
            row("0.log.20260201-093015", "0.log", false),
            row("id-json.log", "1.log", true),
            row("id-json.log.1", "1.log", false),
        ];
        let root = dir.path().display();
        assert_eq!(found(&format!("{root}/pods/*/*/*.log")), expected);
        assert_eq!(found(&format!("{root}/pods/**/*.log")), expected);
        assert_eq!(found(&format!("{root}/pods/*.log")), []);
    }

    #[test]
    fn what_is_no_file_is_said_and_never_fatal() {
        let dir = tempfile::tempdir().unwrap();
        let list = |path: &Path| Pattern::new(path.to_str().unwrap()).unwrap().list(std::iter::empty()).error;
        assert!(list(dir.path()).unwrap().contains("is a directory, expected a file"));
        assert!(list(&dir.path().join("missing/a.log")).unwrap().contains("No such file"));
        assert!(list(&dir.path().join("missing/*.log")).unwrap().contains("No such file"));
        assert_eq!(list(&dir.path().join("*.log")), None);
        assert!(Pattern::new("/var/log/[").is_err());
    }
}
