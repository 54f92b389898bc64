//! What the person at the terminal has chosen to see, and how keys change it.

use super::model::Snapshot;

/// A panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    /// Markets with their odds.
    Odds,
    /// The last settlements.
    Settled,
    /// The last mails.
    Mail,
    /// The log's streams.
    Streams,
    /// What could not be applied.
    DeadLetters,
}

impl Panel {
    const ALL: [Panel; 5] = [Panel::Odds, Panel::Settled, Panel::Mail, Panel::Streams, Panel::DeadLetters];

    fn step(self, by: usize) -> Panel {
        let at = Panel::ALL.iter().position(|panel| *panel == self).unwrap_or(0);
        Panel::ALL[(at + by) % Panel::ALL.len()]
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// End.
    Quit,
    /// Stand still, or go on.
    Pause,
    /// The next panel.
    NextPanel,
    /// The panel before.
    PreviousPanel,
    /// One market or line up.
    Up,
    /// One market or line down.
    Down,
    /// The chosen panel alone, or all of them again.
    Zoom,
    /// All panels again, the first one chosen.
    Home,
}

/// What is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The panel that arrows move in.
    pub panel: Panel,
    /// The chosen market, by its question: places change as markets grow.
    pub market: Option<String>,
    /// Lines of the chosen panel that are above its top.
    pub scroll: usize,
    /// Whether the chosen panel has the screen to itself.
    pub zoomed: bool,
    /// Whether the screen stands still.
    pub paused: bool,
    /// What went wrong with the last reading.
    pub problem: Option<String>,
}

impl Default for View {
    fn default() -> Self {
        View { panel: Panel::Odds, market: None, scroll: 0, zoomed: false, paused: false, problem: None }
    }
}

impl View {
    /// Follows a key; [`Key::Quit`] is for the caller.
    pub fn press(&mut self, key: Key, snapshot: Option<&Snapshot>) {
        match key {
            Key::Quit => {}
            Key::Pause => self.paused = !self.paused,
            Key::Zoom => self.zoomed = !self.zoomed,
            Key::Home => *self = View { paused: self.paused, problem: self.problem.take(), ..View::default() },
            Key::NextPanel => self.turn_to(self.panel.step(1)),
            Key::PreviousPanel => self.turn_to(self.panel.step(Panel::ALL.len() - 1)),
            Key::Up => self.step(snapshot, false),
            Key::Down => self.step(snapshot, true),
        }
    }

    fn turn_to(&mut self, panel: Panel) {
        (self.panel, self.scroll) = (panel, 0);
    }

    fn step(&mut self, snapshot: Option<&Snapshot>, down: bool) {
        let step = |at: usize, end: usize| if down { (at + 1).min(end) } else { at.saturating_sub(1) };
        let Some(snapshot) = snapshot else { return };
        let lines = match self.panel {
            Panel::Odds => {
                let at = step(self.chosen(snapshot), snapshot.markets.len().saturating_sub(1));
                self.market = snapshot.markets.get(at).map(|market| market.question_uuid.clone());
                return;
            }
            Panel::Settled => snapshot.settled.len(),
            Panel::Mail => snapshot.mails.len(),
            Panel::Streams => snapshot.shards.len(),
            Panel::DeadLetters => snapshot.dead_letters.latest.len(),
        };
        self.scroll = step(self.scroll, lines.saturating_sub(1));
    }

    /// The place of the chosen market; the first where it is gone.
    pub fn chosen(&self, snapshot: &Snapshot) -> usize {
        let is_it = |question: &String| Some(question) == self.market.as_ref();
        snapshot.markets.iter().position(|market| is_it(&market.question_uuid)).unwrap_or(0)
    }
}
