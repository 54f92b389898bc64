//! `oddsmill completions`: scripts for shells.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::exit::Failure;
use super::output::stdout;

const EXAMPLES: &str = "\
Examples:
  oddsmill completions bash \\
      > ~/.local/share/bash-completion/completions/oddsmill
  oddsmill completions zsh > ~/.zfunc/_oddsmill
  oddsmill completions fish > ~/.config/fish/completions/oddsmill.fish
";

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the verb.
    pub fn run(self) -> Result<(), Failure> {
        // Into memory first: the generator panics where a pipe is closed.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "oddsmill", &mut script);
        let mut out = stdout();
        out.write_all(&script)?;
        Ok(out.flush()?)
    }
}
