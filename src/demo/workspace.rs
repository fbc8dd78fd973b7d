//! The folder that the demo lives in: a gateway's log with its rotated predecessors, growing and rotating.
//!
//! Turns made-up lines into files as Envoy and logrotate leave them: `access.log` is the newest, `access.log.1` the one
//! before, older ones are compressed. Everything is in a temporary folder that goes when the [`Workspace`] goes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::traffic::{Line, Traffic};
use crate::record::Micros;

/// Lines that are appended between two rotations.
const ROTATE_EVERY: usize = 5_000;
/// Rotated files that are kept; the oldest goes first.
const MAX_ROTATED: u32 = 12;
/// Rotated files of the history, oldest first: suffix and percentage of the lines. The rest is the live file.
const HISTORY: [(&str, usize); 3] = [(".3.gz", 45), (".2.gz", 30), (".1", 20)];
/// Size of the buffer before each file.
const BUFFER: usize = 1 << 18;

/// A file or folder of the workspace could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write the demo's files at {}", path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

/// Names the path in an I/O error.
fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error { path, source }
}

/// A temporary folder with a gateway's log in it.
#[derive(Debug)]
pub struct Workspace {
    folder: TempDir,
    log: PathBuf,
    live: File,
    since_rotation: usize,
}

impl Workspace {
    /// Makes the folder with an empty `log/access.log` in it.
    ///
    /// # Errors
    /// When the folder for temporary files cannot be written.
    pub fn create() -> Result<Workspace, Error> {
        let folder = tempfile::Builder::new()
            .prefix("tokentail-demo-")
            .tempdir()
            .map_err(at(Path::new("the folder for temporary files")))?;
        let log_folder = folder.path().join("log");
        fs::create_dir(&log_folder).map_err(at(&log_folder))?;
        let log = log_folder.join("access.log");
        let live = append_to(&log)?;
        Ok(Workspace { folder, log, live, since_rotation: 0 })
    }

    /// The folder itself; a place for the data directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The live log, `log/access.log`.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Writes a history as a month of rotation would have left it: three rotated files, of which the two older are
    /// compressed, and the newest lines in the live file. Each file was last written when its last line was.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_history(&mut self, mut traffic: Traffic) -> Result<(), Error> {
        let total = traffic.len();
        for (suffix, percentage) in HISTORY {
            let path = self.sibling(suffix);
            let lines = traffic.by_ref().take(total * percentage / 100);
            let file = File::create(&path).map_err(at(&path))?;
            write_file(file, suffix.ends_with(".gz"), lines).map_err(at(&path))?;
        }
        let live = self.live.try_clone().map_err(at(&self.log))?;
        write_file(live, false, traffic).map_err(at(&self.log))
    }

    /// Appends lines to the live log, and rotates it first where its time has come: the live file becomes
    /// `access.log.1`, the one before is compressed (which takes a fraction of a second), older ones move on.
    ///
    /// # Errors
    /// When a file cannot be written or moved. Lines may have been written in part.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), Error> {
        if self.since_rotation >= ROTATE_EVERY {
            self.rotate()?;
        }
        let mut text = String::with_capacity(lines.iter().map(|line| line.text.len() + 1).sum());
        for line in lines {
            text.push_str(&line.text);
            text.push('\n');
        }
        self.live.write_all(text.as_bytes()).map_err(at(&self.log))?;
        self.since_rotation += lines.len();
        Ok(())
    }

    /// `access.log` with a suffix.
    fn sibling(&self, suffix: &str) -> PathBuf {
        self.log.with_file_name(format!("access.log{suffix}"))
    }

    fn rotate(&mut self) -> Result<(), Error> {
        for number in (2..=MAX_ROTATED).rev() {
            let path = self.sibling(&format!(".{number}.gz"));
            if !path.exists() {
                continue;
            }
            if number == MAX_ROTATED {
                fs::remove_file(&path).map_err(at(&path))?;
            } else {
                fs::rename(&path, self.sibling(&format!(".{}.gz", number + 1))).map_err(at(&path))?;
            }
        }
        let previous = self.sibling(".1");
        if previous.exists() {
            // Under its last name only once it is whole: nobody may take half of it for the whole.
            let unfinished = self.folder.path().join("compressing.gz");
            compress(&previous, &unfinished).map_err(at(&unfinished))?;
            fs::rename(&unfinished, self.sibling(".2.gz")).map_err(at(&unfinished))?;
            fs::remove_file(&previous).map_err(at(&previous))?;
        }
        fs::rename(&self.log, &previous).map_err(at(&self.log))?;
        self.live = append_to(&self.log)?;
        self.since_rotation = 0;
        Ok(())
    }
}

fn append_to(path: &Path) -> Result<File, Error> {
    File::options().create(true).append(true).open(path).map_err(at(path))
}

/// Writes lines to a new file, which then looks as old as its last line.
fn write_file(file: File, compressed: bool, lines: impl Iterator<Item = Line>) -> io::Result<()> {
    let mut last: Option<Micros> = None;
    let copy = |out: &mut dyn Write| -> io::Result<()> {
        for line in lines {
            out.write_all(line.text.as_bytes())?;
            out.write_all(b"\n")?;
            last = Some(line.at);
        }
        Ok(())
    };
    let mut buffered = BufWriter::with_capacity(BUFFER, file);
    if compressed {
        let mut encoder = BufWriter::with_capacity(BUFFER, GzEncoder::new(&mut buffered, Compression::fast()));
        copy(&mut encoder)?;
        encoder.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
    } else {
        copy(&mut buffered)?;
    }
    let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    match last.and_then(|at| u64::try_from(at).ok()) {
        Some(at) => file.set_modified(UNIX_EPOCH + Duration::from_micros(at)),
        None => Ok(()),
    }
}

fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut encoder = GzEncoder::new(BufWriter::new(File::create(to)?), Compression::fast());
    io::copy(&mut source, &mut encoder)?;
    let file = encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.set_modified(source.metadata()?.modified()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::demo::traffic::Live;

    /// 2026-11-20T00:00:00Z.
    const END: Micros = 1_795_132_800_000_000;

    /// All lines of the log and its predecessors, oldest file first.
    fn read_all(workspace: &Workspace) -> Vec<String> {
        let mut text = String::new();
        for number in (2..=MAX_ROTATED).rev() {
            if let Ok(file) = File::open(workspace.sibling(&format!(".{number}.gz"))) {
                GzDecoder::new(file).read_to_string(&mut text).unwrap();
            }
        }
        text += &fs::read_to_string(workspace.sibling(".1")).unwrap_or_default();
        text += &fs::read_to_string(workspace.log()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_history_is_spread_over_rotated_files_oldest_first() {
        let mut workspace = Workspace::create().unwrap();
        workspace.write_history(Traffic::new(1, END, 30, 1_000)).unwrap();
        let expected: Vec<String> = Traffic::new(1, END, 30, 1_000).map(|line| line.text).collect();
        assert_eq!(read_all(&workspace), expected);
        let written = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        let ages: Vec<_> =
            [".3.gz", ".2.gz", ".1", ""].iter().map(|suffix| written(&workspace.sibling(suffix))).collect();
        assert!(ages.is_sorted());
        assert_eq!(fs::read_dir(workspace.log().parent().unwrap()).unwrap().count(), 4);
    }

    #[test]
    fn appended_lines_follow_and_nothing_is_lost_by_rotation() {
        let mut workspace = Workspace::create().unwrap();
        workspace.write_history(Traffic::new(1, END, 30, 100)).unwrap();
        let mut expected: Vec<String> = Traffic::new(1, END, 30, 100).map(|line| line.text).collect();
        let mut live = Live::new(1);
        live.due(END);
        let lines = live.due(END + 300_000_000);
        for _ in 0..3 {
            workspace.append(&lines).unwrap();
            expected.extend(lines.iter().map(|line| line.text.clone()));
            workspace.since_rotation = ROTATE_EVERY;
        }
        assert!(workspace.sibling(".5.gz").exists() && workspace.sibling(".1").exists());
        assert_eq!(read_all(&workspace), expected);
        for _ in 0..20 {
            workspace.rotate().unwrap();
        }
        assert!(workspace.sibling(".12.gz").exists() && !workspace.sibling(".13.gz").exists());
    }

    #[test]
    fn the_folder_goes_with_the_workspace() {
        let workspace = Workspace::create().unwrap();
        let path = workspace.path().to_owned();
        assert!(path.join("log/access.log").exists());
        drop(workspace);
        assert!(!path.exists());
    }
}
