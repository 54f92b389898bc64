//! The screen as text, compared with files.
//!
//! `UPDATE_GOLDEN=1 cargo test -p jobs top` rewrites them; read the difference before keeping it.

use std::path::PathBuf;

use ratatui_core::backend::TestBackend;
use ratatui_core::style::Color;
use ratatui_core::terminal::Terminal;

use super::canvas::Canvas;
use super::draw::draw;
use super::look::Look;
use super::model::Snapshot;
use super::sample::snapshot;
use super::view::{Key, Panel, View};

const LOOK: Look = Look { colour: true, unicode: true };

fn terminal(size: (u16, u16), snapshot: Option<&Snapshot>, view: &View, look: Look) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal
        .draw(|frame| {
            let area = frame.area();
            draw(&mut Canvas::new(frame.buffer_mut(), area, look), snapshot, view);
        })
        .unwrap();
    terminal
}

/// The rows of the screen, without the blanks at their ends.
fn screen(size: (u16, u16), snapshot: Option<&Snapshot>, view: &View, look: Look) -> String {
    let terminal = terminal(size, snapshot, view, look);
    let cells = terminal.backend().buffer().content();
    let rows = cells.chunks(size.0.into()).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    rows.map(|row| row.trim_end().to_owned() + "\n").collect()
}

fn check(name: &str, got: &str) {
    // As it is now: a test compiled in another clone may be run here from a shared target folder.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let path = PathBuf::from(package).join("golden/top").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, got).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == got, "{name} differs from its golden file:\n{got}");
}

fn pressed(keys: &[Key]) -> View {
    let (snapshot, mut view) = (snapshot(), View::default());
    for key in keys {
        view.press(*key, Some(&snapshot));
    }
    view
}

#[test]
fn screens_look_as_they_did() {
    let (snapshot, view) = (snapshot(), View::default());
    let check_at = |name: &str, size, view: &View| check(name, &screen(size, Some(&snapshot), view, LOOK));
    check_at("80x24", (80, 24), &view);
    check_at("130x40", (130, 40), &view);
    check_at("60x24", (60, 24), &view);
    check_at("80x24.zoomed", (80, 24), &pressed(&[Key::Down, Key::Zoom]));
    check_at("80x24.streams", (80, 24), &pressed(&[Key::NextPanel, Key::NextPanel, Key::NextPanel, Key::Zoom]));
    check("80x24.ascii", &screen((80, 24), Some(&snapshot), &view, Look { colour: false, unicode: false }));
    check("80x24.waiting", &screen((80, 24), None, &view, LOOK));
}

#[test]
fn an_empty_pipeline_says_so() {
    let mut empty = snapshot();
    (empty.pipeline_time, empty.rates, empty.markets_known, empty.markets_open) = (None, Default::default(), 0, 0);
    (empty.shards, empty.markets, empty.settled) = Default::default();
    (empty.mails, empty.dead_letters) = Default::default();
    check("80x24.empty", &screen((80, 24), Some(&empty), &View::default(), LOOK));
}

#[test]
fn any_size_can_be_drawn() {
    let snapshot = snapshot();
    let views = [View::default(), pressed(&[Key::Zoom]), pressed(&[Key::NextPanel, Key::Down, Key::Zoom])];
    for (width, height) in (1..150).step_by(7).flat_map(|width| (1..60).step_by(3).map(move |height| (width, height))) {
        for view in &views {
            screen((width, height), Some(&snapshot), view, LOOK);
        }
    }
}

#[test]
fn the_chosen_market_is_always_seen() {
    let snapshot = snapshot();
    for down in 0..9 {
        let view = pressed(&vec![Key::Down; down]);
        let chosen = &snapshot.markets[down.min(7)];
        assert_eq!(view.chosen(&snapshot), down.min(7));
        for size in [(60, 20), (80, 24), (130, 24)] {
            let shown = screen(size, Some(&snapshot), &view, LOOK);
            let line = shown.lines().find(|line| line.starts_with('▸')).unwrap();
            assert!(line.contains(&chosen.question[..10]), "{shown}");
        }
    }
    assert_eq!(pressed(&[Key::PreviousPanel]).panel, Panel::DeadLetters);
    assert_eq!(pressed(&[Key::PreviousPanel, Key::Zoom, Key::Home]), View::default());
}

#[test]
fn no_colour_means_none() {
    let coloured = |look| {
        let terminal = terminal((130, 40), Some(&snapshot()), &View::default(), look);
        terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(coloured(LOOK));
    assert!(!coloured(Look { colour: false, ..LOOK }));
}

#[test]
fn texts_from_outside_cannot_steer_the_terminal() {
    let view = pressed(&[Key::PreviousPanel, Key::Zoom]);
    let shown = screen((130, 40), Some(&snapshot()), &view, LOOK);
    assert!(shown.contains("no CBOR map:  [2J") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn snapshots_are_json() {
    let json = serde_json::to_string(&snapshot()).unwrap();
    assert!(
        json.starts_with(r#"{"at":1657569663000,"pipeline_time":1657569660000,"up_ms":192000,"lag_ms":3,"#),
        "{json}"
    );
    assert!(json.contains(r#""stake":"1352154","#), "{json}");
}
