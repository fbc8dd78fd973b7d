//! Data flows one way: a module names only those above it in the reading order of `src/lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

/// The table of `src/lib.rs`, in its order.
fn reading_order() -> Vec<String> {
    let text = fs::read_to_string("src/lib.rs").expect("read src/lib.rs");
    text.lines()
        .filter_map(|line| line.strip_prefix("//! | [`"))
        .filter_map(|rest| rest.split_once("`]"))
        .map(|(module, _)| module.trim_start_matches("mod@").to_owned())
        .collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("list the folder") {
        let path = entry.expect("read the folder").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_reading_order_names_every_module() {
    let text = fs::read_to_string("src/lib.rs").expect("read src/lib.rs");
    let mut declared: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect();
    let mut listed = reading_order();
    declared.sort();
    listed.sort();
    assert_eq!(declared, listed);
}

#[test]
fn no_module_names_one_that_comes_after_it() {
    let order = reading_order();
    let rank = |module: &str| order.iter().position(|known| known == module);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for module in &order {
        let mut paths = Vec::new();
        let folder = Path::new("src").join(module);
        if folder.is_dir() {
            files(&folder, &mut paths);
        } else {
            paths.push(folder.with_extension("rs"));
        }
        for path in paths {
            let text = fs::read_to_string(&path).unwrap();
            // What a test needs does not flow.
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            if path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains("test")) {
                continue;
            }
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                for rest in line.split("crate::").skip(1) {
                    let named: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    checked += 1;
                    if rank(&named).is_some_and(|named| Some(named) > rank(module)) {
                        wrong.push(format!("{}:{}: {module} names {named}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(checked > 50, "only {checked} uses were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
