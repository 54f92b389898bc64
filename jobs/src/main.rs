//! The `oddsmill` binary: everything is in [`jobs::cli`].

fn main() -> std::process::ExitCode {
    jobs::cli::main()
}
