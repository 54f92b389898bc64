//! The keyboard: what is pressed, as what it asks for.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::view::Key;

/// Keys pressed and not followed yet, at most; a person types ten a second.
const AHEAD: usize = 16;
/// How often the thread looks whether anybody still listens.
const LOOK: Duration = Duration::from_millis(250);

/// What comes from the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A key that means something.
    Key(Key),
    /// The screen must be drawn anew.
    Redraw,
}

/// Reads the keyboard on a thread of its own, since reading blocks, until the receiver is dropped.
pub fn listen() -> Receiver<Input> {
    let (sender, receiver) = channel(AHEAD);
    std::thread::spawn(move || {
        // Without a keyboard the thread just ends.
        let _ = forward(&sender);
    });
    receiver
}

fn forward(inputs: &Sender<Input>) -> std::io::Result<()> {
    while !inputs.is_closed() {
        if poll(LOOK)?
            && let Some(input) = meant(&read()?)
            && inputs.blocking_send(input).is_err()
        {
            break;
        }
    }
    Ok(())
}

fn meant(event: &Event) -> Option<Input> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => pressed(*key),
        Event::Resize(..) => Some(Input::Redraw),
        _ => None,
    }
}

fn pressed(key: KeyEvent) -> Option<Input> {
    // In raw mode the terminal sends no signals for these.
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c' | 'd') => Some(Input::Key(Key::Quit)),
            KeyCode::Char('l') => Some(Input::Redraw),
            _ => None,
        };
    }
    let key = match key.code {
        KeyCode::Char('q' | 'Q') => Key::Quit,
        KeyCode::Char('p' | ' ') => Key::Pause,
        KeyCode::Tab | KeyCode::Right => Key::NextPanel,
        KeyCode::BackTab | KeyCode::Left => Key::PreviousPanel,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::Enter => Key::Zoom,
        KeyCode::Esc | KeyCode::Home => Key::Home,
        _ => return None,
    };
    Some(Input::Key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_something() {
        let press = |code, modifiers| meant(&Event::Key(KeyEvent::new(code, modifiers)));
        let (none, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
        assert_eq!(press(KeyCode::Char('q'), none), Some(Input::Key(Key::Quit)));
        assert_eq!(press(KeyCode::Char('c'), control), Some(Input::Key(Key::Quit)));
        assert_eq!(press(KeyCode::Char('c'), none), None);
        assert_eq!(press(KeyCode::Char('l'), control), Some(Input::Redraw));
        assert_eq!(press(KeyCode::Tab, none), Some(Input::Key(Key::NextPanel)));
        assert_eq!(meant(&Event::Resize(80, 24)), Some(Input::Redraw));
    }
}
