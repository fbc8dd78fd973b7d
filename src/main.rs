//! The `tokentail` binary: everything is in the library.

fn main() -> std::process::ExitCode {
    tokentail::cli::main()
}
