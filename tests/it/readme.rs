//! The README and the program agree: commands, flags, metrics, examples and links are what it says they are.

use std::path::Path;
use std::process::Command;

use regex::Regex;
use tokentail::format::Decoder;
use tokentail::ledger::SqlFile;
use tokentail::meter::CATALOGUE;
use tokentail::record::Parsed;
use tokentail::{cli, config, meter, pricing, web};

use crate::program::run;
use crate::{arguments, boards};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
const BEGIN: &str = "<!-- metrics: begin -->\n";
const END: &str = "<!-- metrics: end -->\n";

/// With this set the table of metrics is written anew.
const BLESS: &str = "TOKENTAIL_BLESS";

fn readme() -> String {
    std::fs::read_to_string(PATH).expect("read README.md")
}

/// A fenced block: the word after the fence, and the text.
struct Block {
    language: String,
    text: String,
}

/// The fenced blocks, and everything else with its line breaks.
fn split(text: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose, mut open) = (Vec::new(), String::new(), None::<Block>);
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some(Block { language: language.to_owned(), text: String::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {
                prose.push_str(line);
                prose.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    (blocks, prose)
}

/// Everything that is written as code: the lines of blocks, and what stands between backticks.
fn code() -> Vec<String> {
    let (blocks, prose) = split(&readme());
    let spans = Regex::new("`([^`]+)`").expect("a regex");
    let spans = spans.captures_iter(&prose).map(|found| found.extract::<1>().1.concat()).collect::<Vec<_>>();
    blocks.iter().flat_map(|block| block.text.lines()).map(str::to_owned).chain(spans).collect()
}

/// Blocks whose first line is the comment `# name`.
fn blocks_of(name: &str) -> Vec<Block> {
    let marker = format!("# {name}");
    split(&readme()).0.into_iter().filter(|block| block.text.lines().next() == Some(&marker)).collect()
}

/// The command that a line of code calls, as far as there are words that name one; `None` where it calls none.
fn called(line: &str) -> Option<(clap::Command, String)> {
    let call = Regex::new(r"(?:\btokentail|cargo run --release --) +([a-z].*)").expect("a regex");
    let rest = call.captures(line)?.extract::<1>().1.concat();
    let mut words = rest.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    let mut path = words.next()?.to_owned();
    let mut command = cli::command().find_subcommand(&path).unwrap_or_else(|| panic_at(line, &path)).clone();
    if command.has_subcommands() {
        let word = words.next().unwrap_or_default();
        command = command.find_subcommand(word).unwrap_or_else(|| panic_at(line, word)).clone();
        path = format!("{path} {word}");
    }
    Some((command, path))
}

#[expect(clippy::panic, reason = "the test fails here")]
fn panic_at(line: &str, word: &str) -> ! {
    panic!("`{line}` calls `{word}`, which is no command")
}

fn has_flag(command: &clap::Command, name: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(name))
}

/// Every command that does something, by its words.
fn leaves() -> Vec<(String, clap::Command)> {
    let mut leaves = Vec::new();
    for command in cli::command().get_subcommands() {
        if command.has_subcommands() {
            let name = command.get_name().to_owned();
            leaves.extend(command.get_subcommands().map(|leaf| (format!("{name} {}", leaf.get_name()), leaf.clone())));
        } else {
            leaves.push((command.get_name().to_owned(), command.clone()));
        }
    }
    leaves
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests asks for the rewrite")]
fn blesses() -> bool {
    std::env::var_os(BLESS).is_some()
}

#[test]
fn the_table_of_metrics_is_the_catalogue() {
    let text = readme();
    let (before, rest) = text.split_once(BEGIN).expect("the begin of the table");
    let (table, after) = rest.split_once(END).expect("the end of the table");
    if blesses() {
        std::fs::write(PATH, format!("{before}{BEGIN}{}{END}{after}", meter::markdown())).expect("write README.md");
    } else {
        assert_eq!(table, meter::markdown(), "run the tests once with {BLESS}=1");
    }
}

#[test]
fn the_table_of_endpoints_is_that_of_the_router_and_no_other_endpoint_is_named() {
    let (begin, end) = ("<!-- endpoints: begin -->\n", "<!-- endpoints: end -->\n");
    let text = readme();
    let (before, rest) = text.split_once(begin).expect("the begin of the table");
    let (table, after) = rest.split_once(end).expect("the end of the table");
    let wanted = web::api::markdown();
    if blesses() {
        std::fs::write(PATH, format!("{before}{begin}{wanted}{end}{after}")).expect("write README.md");
        return;
    }
    assert_eq!(table, wanted, "run the tests once with {BLESS}=1");
    let path = Regex::new("/api/v1/[a-z]+(?:[/.][a-z{}]+)*").expect("a regex");
    let mut seen = 0;
    for found in path.find_iter(&format!("{before}{after}")) {
        let named = found.as_str().trim_end_matches('.');
        // The chat service has an address of its own that looks alike.
        let foreign = named == "/api/v1/health" || named.starts_with("/api/v1/sessions/");
        let known = wanted.contains(&format!(" {named}`")) || foreign;
        assert!(known, "{named} is no endpoint");
        seen += 1;
    }
    assert!(seen > 20, "the text names {seen} endpoints");
}

#[test]
fn the_tables_of_the_sql_views_are_their_columns() {
    let (begin, end) = ("<!-- views -->\n", "<!-- views end -->\n");
    let views = tokentail::report::export::sql::markdown();
    let text = readme();
    let (before, rest) = text.split_once(begin).expect("the begin of the tables");
    let (tables, after) = rest.split_once(end).expect("the end of the tables");
    if blesses() {
        std::fs::write(PATH, format!("{before}{begin}{views}{end}{after}")).expect("write README.md");
    } else {
        assert_eq!(tables, views, "run the tests once with {BLESS}=1");
    }
}

#[test]
fn every_metric_that_is_named_exists() {
    let name = Regex::new(r"\b(?:tokentail|process)_[a-z0-9_]+").expect("a regex");
    let text = readme();
    let mut seen = 0;
    for found in name.find_iter(&text) {
        let name = found.as_str();
        assert!(boards::labels_of(name).is_some(), "{name} is not in the catalogue");
        seen += 1;
    }
    assert!(seen > CATALOGUE.len(), "the text names {seen} metrics");
}

#[test]
fn every_command_that_is_called_exists_and_takes_the_flags_that_it_is_given() {
    let flag = Regex::new("(?:^|[^-a-z])--([a-z][a-z-]*)").expect("a regex");
    let commands = leaves();
    let anywhere =
        |name: &str| has_flag(&cli::command(), name) || commands.iter().any(|(_, command)| has_flag(command, name));
    let (mut calls, mut flags) = (0, 0);
    for line in code() {
        let called = called(&line);
        calls += usize::from(called.is_some());
        // What stands before ` -- ` is cargo's.
        let own = match line.strip_prefix("cargo ") {
            Some(rest) => rest.split_once(" -- ").map_or("", |(_, own)| own),
            None => &line,
        };
        for found in flag.captures_iter(own) {
            let name = found.extract::<1>().1.concat();
            let known = match &called {
                Some((command, _)) => has_flag(command, &name) || has_flag(&cli::command(), &name),
                None => anywhere(&name),
            };
            assert!(known, "`{line}`: there is no flag --{name}");
            flags += 1;
        }
    }
    assert!(calls > 20 && flags > 20, "{calls} calls and {flags} flags were found");
}

#[test]
fn every_command_is_named() {
    let named: Vec<String> = code().iter().filter_map(|line| called(line)).map(|(_, path)| path).collect();
    for (path, _) in leaves() {
        assert!(named.contains(&path), "the README does not name `tokentail {path}`");
    }
}

#[test]
fn every_flag_of_run_is_in_the_table_with_its_variable() {
    let text = readme();
    let command = cli::command();
    let run = command.find_subcommand("run").expect("run");
    for argument in run.get_arguments().chain(command.get_arguments()).filter(|argument| argument.get_env().is_some()) {
        let name = argument.get_long().expect("a long flag");
        let variable = argument.get_env().expect("a variable").to_string_lossy();
        let row = text.lines().find(|line| line.starts_with(&format!("| `--{name} ")));
        assert!(row.is_some_and(|row| row.contains(&format!("`{variable}`"))), "--{name}, {variable}");
    }
}

#[test]
fn every_path_of_the_server_is_in_its_table() {
    let text = readme();
    for route in &web::ROUTES {
        assert!(text.contains(&format!("\n| `{}` |", route.path)), "{}", route.path);
    }
}

#[test]
fn configurations_and_price_files_are_valid() {
    let configurations = blocks_of("tokentail.yaml");
    assert!(configurations.len() >= 3, "{} were found", configurations.len());
    for block in &configurations {
        assert_eq!(block.language, "yaml");
        if let Err(problems) = config::parse(Path::new("tokentail.yaml"), &block.text) {
            assert_eq!(problems.to_string(), "", "{}", block.text);
        }
    }
    let files = blocks_of("prices.yaml");
    assert!(!files.is_empty());
    for block in &files {
        assert_eq!(block.language, "yaml");
        if let Err(problems) = pricing::parse_file("prices.yaml", &block.text) {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(problems, Vec::<String>::new(), "{}", block.text);
        }
    }
}

#[test]
fn the_field_map_reads_the_line_below_it() {
    let (blocks, _) = split(&readme());
    let line = blocks.iter().find(|block| block.language == "json").expect("a line");
    let config = blocks_of("tokentail.yaml")
        .into_iter()
        .find(|block| block.text.contains("format: fields"))
        .map(|block| config::parse(Path::new("tokentail.yaml"), &block.text).expect("a valid configuration"))
        .expect("a field map");
    let source = config.sources.first().expect("a source");
    let mut decoder = Decoder::build(&source.format).expect("a decoder");
    let mut read = Vec::new();
    decoder.parse(line.text.trim_end().as_bytes(), 1_795_000_000_000_000, &mut |parsed| {
        if let Parsed::Request(record) = parsed {
            let tokens = record.usage.tokens();
            let counts = (tokens.input(), tokens.output());
            read.push((record.model.to_string(), record.consumer.to_string(), record.status, record.duration, counts));
        }
    });
    let expected = ("gpt-4o".to_owned(), "search".to_owned(), Some(200), Some(1_250_000), (650, 450));
    assert_eq!(read, [expected]);
}

#[test]
fn what_prices_show_prints_is_shown_as_it_is() {
    let (blocks, _) = split(&readme());
    let mut shown = 0;
    for block in blocks {
        let Some((line, expected)) = block.text.split_once('\n') else { continue };
        let Some(arguments) = line.strip_prefix("$ tokentail prices ") else { continue };
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokentail"));
        command.arg("prices").args(arguments.split_whitespace()).env_remove("TOKENTAIL_CONFIG");
        let output = command.output().expect("run the program");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{line}");
        shown += 1;
    }
    assert!(shown > 0);
}

#[test]
fn every_link_into_the_repository_leads_somewhere() {
    let text = readme();
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a regex");
    let headings: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-"))
        .map(|line| line.replace(|letter: char| !letter.is_alphanumeric() && !"-_".contains(letter), ""))
        .collect();
    let mut seen = 0;
    for found in link.captures_iter(&text) {
        let target = found.extract::<1>().1.concat();
        if target.contains("://") {
            continue;
        }
        match target.strip_prefix('#') {
            Some(heading) => assert!(headings.iter().any(|known| known == heading), "{target}"),
            None => assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&target).exists(), "{target}"),
        }
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn the_command_for_the_tests_is_a_line_of_its_own() {
    assert!(readme().lines().any(|line| line == "cargo test --locked"));
}

#[test]
fn the_queries_for_other_tools_run_on_the_file_that_is_exported() {
    let folder = tempfile::tempdir().expect("make a folder");
    let (log, data, file) = (folder.path().join("a.log"), folder.path().join("data"), folder.path().join("views.db"));
    let lines: String = (0..5).map(|index| crate::gateway::Line::numbered(index).text()).collect();
    std::fs::write(&log, lines).expect("write the log");
    run(arguments!["ingest", "--format", "higress", "--data-dir", data, log]).expect_code(0);
    run(arguments!["export", "sqlite", "--data-dir", data, "-o", file]).expect_code(0);
    let (views, _) = SqlFile::open(&file, 1, "").expect("the file");
    assert_eq!(views.number("SELECT count(*) FROM v_requests", &[]).expect("a query"), Some(5));
    let (blocks, _) = split(&readme());
    let queries: String = blocks.into_iter().filter(|block| block.language == "sql").map(|block| block.text).collect();
    assert!(queries.lines().count() > 2, "{queries}");
    for query in queries.lines() {
        let query = query.trim_end_matches(';');
        views
            .number(&format!("SELECT count(*) FROM ({query})"), &[])
            .unwrap_or_else(|error| panic!("{query}: {error}"));
    }
}
