//! The `oddsmill` binary: everything is in [`jobs::cli`].

/// Batches are built on one thread and dropped on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    jobs::cli::main()
}
