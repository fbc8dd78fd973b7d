//! Price files that were imported: dated copies in the data directory, which every price table of it takes in.
//!
//! A copy is named by its moment and the file's own name, `20261121T093000Z-prices.yaml`, so that what counts does not
//! depend on times that a backup may lose. Of one name the newest copy counts, and of `LiteLLM`'s maps the newest of all: an
//! older one is there only where a crash kept it from being removed. Files that begin with a dot are being written.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, civil};

use super::{Error, data_dir};
use crate::config::Config;
use crate::file::read_text;
use crate::ledger::DataDir;
use crate::pricing::{self, Problem, Table};
use crate::record::Micros;
use crate::yaml;

/// Name of the folder in the data directory.
const FOLDER: &str = "prices";
/// How the moment of an import is written in the copy's name, in UTC.
const STAMP: &str = "%Y%m%dT%H%M%SZ";
/// Longest name of a file that is imported, in bytes: with its moment it has to be a name for any filesystem.
const MAX_NAME: usize = 200;

/// A price file in force because it was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its moment, to the second.
    pub at: Timestamp,
    /// The name that the file had.
    pub name: String,
    /// The copy in the data directory.
    pub path: PathBuf,
}

impl Imported {
    fn parse(path: PathBuf) -> Option<Imported> {
        let (stamp, name) = path.file_name()?.to_str()?.split_once('-')?;
        let at = civil::DateTime::strptime(STAMP, stamp).ok()?.in_tz("UTC").ok()?.timestamp();
        let name = name.to_owned();
        (!name.is_empty()).then_some(Imported { at, name, path })
    }

    /// Whether it is `LiteLLM`'s map rather than a price file of the user's.
    #[must_use]
    pub fn is_map(&self) -> bool {
        is_map(&self.path)
    }

    /// Whether a copy counts no more once there is this one.
    fn supersedes(&self, other: &Imported) -> bool {
        self.name == other.name || (self.is_map() && other.is_map())
    }
}

/// What came of an import.
#[derive(Debug)]
pub struct Import {
    /// The copy; `None` where the file was only checked.
    pub stored: Option<Imported>,
    /// Rows of the file.
    pub rows: usize,
    /// Entries of the file that tell no price.
    pub skipped: usize,
    /// What it takes the place of.
    pub replaced: Vec<Imported>,
}

fn is_map(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// Everything in the folder of the copies, in the order of their moments.
fn all(data_dir: &Path) -> Result<Vec<Imported>, Vec<Problem>> {
    let folder = data_dir.join(FOLDER);
    let problem = |path: &Path, message: String, remedy: &str| Problem {
        file: path.display().to_string(),
        line: 0,
        key: String::new(),
        message,
        remedy: remedy.to_owned(),
    };
    let unreadable = |error: io::Error| {
        vec![problem(&folder, format!("the imported prices cannot be listed: {error}"), "correct the permissions")]
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        match Imported::parse(path.clone()) {
            Some(imported) => found.push(imported),
            None => problems.push(problem(
                &path,
                "this file was not imported and would be ignored".to_owned(),
                "move it away, and import it by `tokentail prices import FILE`",
            )),
        }
    }
    found.sort_by(|one, other| (one.at, &one.name).cmp(&(other.at, &other.name)));
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// The imported files that count, the earliest import first.
///
/// # Errors
/// The folder cannot be listed, or holds what was not imported.
pub fn list(data_dir: &Path) -> Result<Vec<Imported>, Error> {
    let all = all(data_dir).map_err(Error::Prices)?;
    let is_last = |(index, one): &(usize, &Imported)| !all.iter().skip(index + 1).any(|later| later.supersedes(one));
    Ok(all.iter().enumerate().filter(is_last).map(|(_, one)| one.clone()).collect())
}

/// Loads the price table of a configuration and of what was imported into its data directory. Rows of the configuration win
/// over imported ones, later imports over earlier ones, all of them over the built-in table.
///
/// # Errors
/// Every problem of every price file, or the data directory is none.
pub fn load_prices(config: &Config) -> Result<Table, Error> {
    let folder = data_dir(config);
    folder.check()?;
    let imported = match &folder {
        DataDir::Path(folder) => list(folder)?,
        DataDir::None => Vec::new(),
    };
    pricing::load(&with(&config.pricing, &imported), read_text).map_err(Error::Prices)
}

/// A configuration with the imported files in their place.
fn with(config: &pricing::Config, imported: &[Imported]) -> pricing::Config {
    let (maps, files): (Vec<_>, Vec<_>) = imported.iter().map(|one| one.path.clone()).partition(|path| is_map(path));
    pricing::Config {
        prices: files.into_iter().chain(config.prices.iter().cloned()).collect(),
        litellm_map: config.litellm_map.clone().or_else(|| maps.into_iter().next_back()),
        ..config.clone()
    }
}

/// Checks a price file whole, alone and beside everything else that the table is made of; then, unless it is a dry run, keeps
/// a copy in the data directory in place of an earlier one of its name. After a crash the copy is there whole or not at all.
///
/// # Errors
/// Every problem of the file, or that the copy cannot be written. Nothing is changed then.
pub fn import(config: &Config, data_dir: &Path, file: &Path, now: Micros, dry_run: bool) -> Result<Import, Error> {
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if name.is_empty() || name.len() > MAX_NAME || name.starts_with('.') || name.chars().any(char::is_control) {
        return Err(Error::ImportName(file.to_owned()));
    }
    // Read once: what is checked is what is kept, also where the path names a pipe.
    let most = if is_map(file) { pricing::MAX_MAP_BYTES } else { yaml::MAX_BYTES };
    let text = read_text(file, most).map_err(|error| error.to_string());
    let read = |path: &Path, most: usize| match &text {
        _ if path != file => read_text(path, most),
        Ok(text) => Ok(text.clone()),
        Err(_) => read_text(file, most),
    };
    let new = |at, path| Imported { at, name: name.to_owned(), path };
    let mut moment = Timestamp::from_microsecond(now).unwrap_or_default();
    let candidate = new(moment, file.to_owned());
    let load = |config: &pricing::Config, imported: &[Imported]| {
        pricing::load(&with(config, imported), read).map_err(Error::Prices)
    };
    let alone = load(&pricing::Config::default(), std::slice::from_ref(&candidate))?;
    let all = all(data_dir).map_err(Error::Prices)?;
    let (replaced, kept): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|old| candidate.supersedes(old));
    load(&config.pricing, &kept.into_iter().chain([candidate]).collect::<Vec<_>>())?;
    let rows = alone.rows().len().saturating_sub(Table::builtin().rows().len());
    let skipped = alone.skipped();
    if dry_run {
        return Ok(Import { stored: None, rows, skipped, replaced });
    }
    // Later than every other, also where the clock went back or two come within a second.
    if let Some(last) = all.last()
        && last.at.as_second() >= moment.as_second()
    {
        moment = Timestamp::from_second(last.at.as_second().saturating_add(1)).unwrap_or(moment);
    }
    let folder = data_dir.join(FOLDER);
    let path = folder.join(format!("{}-{name}", moment.strftime(STAMP)));
    let failed = |source| Error::Import { action: "write", path: path.clone(), source };
    keep(&folder, &path, text.unwrap_or_default().as_bytes()).map_err(failed)?;
    for old in &replaced {
        // One that stays does not count any more.
        let _ = fs::remove_file(&old.path);
    }
    Ok(Import { stored: Some(new(moment, path)), rows, skipped, replaced })
}

/// Written aside and moved into place, all of it synced.
fn keep(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // Whoever imports need not be the user that the sidecar runs as.
    let readable = fs::Permissions::from_mode(0o644);
    let mut aside = tempfile::Builder::new().prefix(".").permissions(readable).tempfile_in(folder)?;
    aside.write_all(bytes)?;
    aside.as_file().sync_all()?;
    aside.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Takes an imported file out again, by the name that it was imported under; what was removed, empty where there is none.
///
/// # Errors
/// The folder cannot be listed or the copy cannot be removed.
pub fn remove(data_dir: &Path, name: &str) -> Result<Vec<Imported>, Error> {
    let found: Vec<_> = all(data_dir).map_err(Error::Prices)?.into_iter().filter(|one| one.name == name).collect();
    for one in &found {
        let failed = |source| Error::Import { action: "remove", path: one.path.clone(), source };
        fs::remove_file(&one.path).map_err(failed)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_795_000_000_000_000;

    fn rows(price: u32) -> String {
        format!("currency: USD\nprices: [{{model: gpt-4o, input: {price}, output: 1}}]")
    }

    fn map(model: &str) -> String {
        format!(
            r#"{{"{model}": {{"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 4e-06, "output_cost_per_token": 0}}}}"#
        )
    }

    struct Site {
        folder: tempfile::TempDir,
        config: Config,
    }

    impl Site {
        fn create() -> Site {
            let folder = tempfile::tempdir().unwrap();
            let config =
                Config { data_dir: crate::config::DataDir::Path(folder.path().join("data")), ..Config::default() };
            Site { folder, config }
        }

        fn data(&self) -> PathBuf {
            self.folder.path().join("data")
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        }

        fn import(&self, name: &str, text: &str) -> Result<Import, Error> {
            import(&self.config, &self.data(), &self.file(name, text), NOW, false)
        }

        /// Input price of a model, a million tokens, as the table has it; `None` where the row is the built-in one's.
        fn price(&self, model: &str) -> Option<String> {
            let table = load_prices(&self.config).unwrap();
            let row = table.row(table.find("openai", model).row_at(NOW)?)?;
            let price = row.base.prices.get(pricing::Kind::Input)?.to_string();
            (row.source != pricing::Source::Builtin).then_some(price)
        }

        fn names(&self) -> Vec<String> {
            list(&self.data()).unwrap().into_iter().map(|one| one.name).collect()
        }
    }

    #[test]
    fn imported_rows_win_over_the_built_in_ones_later_ones_over_earlier_ones_and_the_configuration_over_all() {
        let mut site = Site::create();
        assert_eq!(site.price("gpt-4o"), None);
        let first = site.import("z.yaml", &rows(11)).unwrap();
        assert_eq!((first.rows, first.skipped, first.replaced.len()), (1, 0, 0));
        assert_eq!(site.price("gpt-4o").as_deref(), Some("11"));
        // Within the same second, and before it by its name.
        site.import("a.yaml", &rows(12)).unwrap();
        assert_eq!(site.price("gpt-4o").as_deref(), Some("12"));
        assert_eq!(site.names(), ["z.yaml", "a.yaml"]);
        let own = site.file("own.yaml", &rows(13));
        site.config.pricing.prices.push(own);
        assert_eq!(site.price("gpt-4o").as_deref(), Some("13"));
    }

    #[test]
    fn a_map_takes_the_place_of_an_earlier_one_and_a_configured_one_counts_instead() {
        let mut site = Site::create();
        site.import("one.json", &map("o3")).unwrap();
        assert_eq!(site.price("o3").as_deref(), Some("4"));
        let second = site.import("two.json", &map("own-model")).unwrap();
        assert_eq!(second.replaced.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["one.json"]);
        assert_eq!(
            (site.names(), site.price("o3"), site.price("own-model")),
            (vec!["two.json".into()], None, Some("4".into()))
        );
        site.config.pricing.litellm_map = Some(site.file("configured.json", &map("o3")));
        assert_eq!((site.price("o3").as_deref(), site.price("own-model")), (Some("4"), None));
    }

    #[test]
    fn a_second_import_of_a_name_takes_the_place_of_the_first_and_removing_takes_it_out() {
        let site = Site::create();
        site.import("p.yaml", &rows(11)).unwrap();
        let again = site.import("p.yaml", &rows(12)).unwrap();
        assert_eq!(again.replaced.len(), 1);
        assert_eq!((site.names(), site.price("gpt-4o").as_deref()), (vec!["p.yaml".to_owned()], Some("12")));
        assert_eq!(fs::read_dir(site.data().join(FOLDER)).unwrap().count(), 1);
        // What a crash between the two steps leaves behind.
        let left = site.data().join(FOLDER).join("20200101T000000Z-p.yaml");
        fs::write(&left, rows(9)).unwrap();
        fs::write(site.data().join(FOLDER).join(".torn"), "half").unwrap();
        assert_eq!((site.names(), site.price("gpt-4o").as_deref()), (vec!["p.yaml".to_owned()], Some("12")));
        assert_eq!(remove(&site.data(), "other.yaml").unwrap(), []);
        assert_eq!(remove(&site.data(), "p.yaml").unwrap().len(), 2);
        assert_eq!((site.names(), site.price("gpt-4o")), (Vec::new(), None));
    }

    #[test]
    fn a_file_with_a_problem_changes_nothing() {
        let mut site = Site::create();
        site.import("p.yaml", &rows(11)).unwrap();
        let refused = |site: &Site, name: &str, text: &str| site.import(name, text).unwrap_err().to_string();
        assert!(refused(&site, "p.yaml", "prices: [{model: m}]").contains("p.yaml:1: prices[0]"));
        assert!(refused(&site, "m.json", "[]").contains("m.json"));
        assert!(refused(&site, ".p.yaml", &rows(1)).contains("begin with a dot"));
        assert!(
            refused(&site, "large.yaml", &" ".repeat(yaml::MAX_BYTES + 1)).contains("larger than 1 MiB; shorten it")
        );
        // Good alone, but an alias of the configuration leads into the file that it takes the place of.
        let provided = format!("providers: {{acme: {{}}}}\n{}", rows(1));
        site.import("p.yaml", &provided).unwrap();
        site.config.pricing.aliases.insert("in-house".into(), "acme".into());
        assert!(refused(&site, "p.yaml", &rows(2)).contains("cost.aliases.in-house"));
        let dry = import(&site.config, &site.data(), &site.file("d.yaml", &rows(3)), NOW, true).unwrap();
        assert!(dry.stored.is_none() && dry.rows == 1);
        assert_eq!((site.names(), site.price("gpt-4o").as_deref()), (vec!["p.yaml".to_owned()], Some("1")));
    }

    #[test]
    fn what_was_not_imported_is_named_and_never_ignored() {
        let site = Site::create();
        site.import("p.yaml", &rows(11)).unwrap();
        fs::write(site.data().join(FOLDER).join("mine.yaml"), rows(1)).unwrap();
        let error = load_prices(&site.config).unwrap_err().to_string();
        assert!(error.contains("mine.yaml") && error.contains("tokentail prices import FILE"), "{error}");
    }
}
