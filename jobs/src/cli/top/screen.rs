//! The live view on a terminal: from set-up to restoration, and the loop between.
//!
//! Life of a screen: opened (raw mode, the alternate screen, no cursor) → drawn after each snapshot
//! and each key → closed, which gives the terminal back as it was: at the end, on an error, on a
//! signal (the loop ends then), and on a panic of any thread before its message is printed.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stdout};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui_core::terminal::Terminal;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::backend::Crossterm;
use super::canvas::Canvas;
use super::draw::draw;
use super::keys::{self, Input};
use super::look::Look;
use super::model::Snapshot;
use super::view::{Key, View};

/// How often the screen is looked after between snapshots and keys.
const FRAME: Duration = Duration::from_millis(500);
/// A snapshot that takes longer is remarked on.
const SILENT: Duration = Duration::from_secs(3);
/// Readings that may fail one after another: a pipeline that starts anew takes a few seconds.
const FAILURES: u32 = 5;

/// Why a view ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The person at the terminal has seen enough.
    ByKey,
    /// The `stop` that the view was given.
    Stopped,
}

/// Why a view could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ViewError<E> {
    /// The terminal, or who reads the lines.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No snapshot came.
    #[error("{0}")]
    Source(E),
    /// Another thread panicked; the panic's message is on standard error.
    #[error("a part of the program failed; its message is above")]
    Panicked,
}

/// Whether standard output is a terminal that can show the view.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Shows snapshots until a key or `stop` ends it. `next` gives the next snapshot; it is called
/// `every` so long after the last one came, and may take its time: keys are followed meanwhile.
///
/// # Errors
/// The terminal's, the source's after [`FAILURES`] in a row, or that another thread panicked.
pub async fn run<E: Display>(
    look: Look,
    every: Duration,
    mut next: impl AsyncFnMut() -> Result<Snapshot, E>,
    stop: impl Future<Output = ()>,
) -> Result<Ended, ViewError<E>> {
    let mut screen = Screen::open(look)?;
    let mut keys = keys::listen();
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stop = pin!(stop);
    let mut shown = Shown::default();
    let mut due = Instant::now();
    loop {
        let outcome = {
            let mut reading = pin!(async {
                sleep_until(due).await;
                next().await
            });
            loop {
                screen.draw(&mut shown)?;
                tokio::select! {
                    () = &mut stop => return Ok(Ended::Stopped),
                    outcome = &mut reading => break outcome,
                    input = keys.recv() => match input {
                        Some(Input::Key(Key::Quit)) => return Ok(Ended::ByKey),
                        Some(Input::Key(key)) => shown.press(key),
                        Some(Input::Redraw) => screen.redraw(&mut shown)?,
                        // Without a keyboard the view goes on until it is stopped.
                        None => { frames.tick().await; }
                    },
                    _ = frames.tick() => shown.wait(due.elapsed()),
                }
                if screen.was_taken() {
                    return Err(ViewError::Panicked);
                }
            }
        };
        due = Instant::now() + every;
        shown.take(outcome).map_err(ViewError::Source)?;
    }
}

/// What is on the screen, and what will be after a pause.
#[derive(Default)]
struct Shown {
    view: View,
    snapshot: Option<Snapshot>,
    /// The newest one, while the screen stands still.
    held: Option<Snapshot>,
    failures: u32,
    /// Whether the screen shows all this already.
    drawn: bool,
}

impl Shown {
    fn take<E: Display>(&mut self, outcome: Result<Snapshot, E>) -> Result<(), E> {
        match outcome {
            Ok(snapshot) if self.view.paused => self.held = Some(snapshot),
            Ok(snapshot) => self.snapshot = Some(snapshot),
            Err(error) if self.failures + 1 >= FAILURES => return Err(error),
            Err(error) => {
                self.failures += 1;
                self.remark(Some(error.to_string()));
                return Ok(());
            }
        }
        (self.failures, self.drawn) = (0, false);
        self.remark(None);
        Ok(())
    }

    fn press(&mut self, key: Key) {
        self.view.press(key, self.snapshot.as_ref());
        if !self.view.paused && self.held.is_some() {
            self.snapshot = self.held.take();
        }
        self.drawn = false;
    }

    /// Says how long no snapshot has come, once that is long.
    fn wait(&mut self, waited: Duration) {
        if waited >= SILENT && self.failures == 0 {
            self.remark(Some(format!("no answer for {} s", waited.as_secs())));
        }
    }

    fn remark(&mut self, problem: Option<String>) {
        self.drawn &= self.view.problem == problem;
        self.view.problem = problem;
    }
}

/// The terminal while the view has it.
struct Screen {
    terminal: Terminal<Crossterm<BufWriter<Stdout>>>,
    hold: Hold,
    look: Look,
}

impl Screen {
    fn open(look: Look) -> io::Result<Screen> {
        let hold = Hold::take()?;
        let terminal = Terminal::new(Crossterm::new(BufWriter::with_capacity(64 << 10, io::stdout())))?;
        Ok(Screen { terminal, hold, look })
    }

    /// Draws what has changed; a frame like the last one costs nothing.
    fn draw(&mut self, shown: &mut Shown) -> io::Result<()> {
        if shown.drawn || self.was_taken() {
            return Ok(());
        }
        let look = self.look;
        self.terminal.draw(|frame| {
            let area = frame.area();
            draw(&mut Canvas::new(frame.buffer_mut(), area, look), shown.snapshot.as_ref(), &shown.view);
        })?;
        shown.drawn = true;
        Ok(())
    }

    /// Forgets what the terminal shows: its size has changed, or others have written to it.
    fn redraw(&mut self, shown: &mut Shown) -> io::Result<()> {
        shown.drawn = false;
        self.terminal.clear()
    }

    fn was_taken(&self) -> bool {
        !self.hold.held.load(Ordering::Acquire)
    }
}

/// The terminal's mode, given back when this is dropped or a thread panics, whichever comes first.
struct Hold {
    held: Arc<AtomicBool>,
}

impl Hold {
    fn take() -> io::Result<Hold> {
        enable_raw_mode()?;
        let hold = Hold { held: Arc::new(AtomicBool::new(true)) };
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        let (held, before) = (hold.held.clone(), std::panic::take_hook());
        // Stays for good: once the terminal is given back it only passes panics on.
        std::panic::set_hook(Box::new(move |panic| {
            give_back(&held);
            before(panic);
        }));
        Ok(hold)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        give_back(&self.held);
    }
}

fn give_back(held: &AtomicBool) {
    if held.swap(false, Ordering::AcqRel) {
        // A terminal that has gone away needs nothing.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::sample::snapshot;

    #[test]
    fn a_pause_holds_the_newest_snapshot_back() {
        let (first, mut second) = (snapshot(), snapshot());
        second.open_windows = 77;
        let mut shown = Shown::default();
        shown.take::<String>(Ok(first)).unwrap();
        shown.press(Key::Pause);
        shown.take::<String>(Ok(second)).unwrap();
        assert_eq!(shown.snapshot.as_ref().unwrap().open_windows, 4);
        shown.press(Key::Pause);
        assert_eq!(shown.snapshot.as_ref().unwrap().open_windows, 77);
    }

    #[test]
    fn a_few_failures_are_borne() {
        let mut shown = Shown::default();
        for _ in 1..FAILURES {
            shown.take(Err("gone")).unwrap();
            assert_eq!(shown.view.problem.as_deref(), Some("gone"));
        }
        assert_eq!(shown.take(Err("gone for good")), Err("gone for good"));
        shown.take::<String>(Ok(snapshot())).unwrap();
        assert_eq!((shown.failures, shown.view.problem), (0, None));
    }
}
