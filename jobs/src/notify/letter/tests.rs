//! Letters as files: `golden/letters/*.eml` open in any mail program.
//!
//! `UPDATE_GOLDEN=1 cargo test -p jobs letter` rewrites them. A mail sent again must be the same
//! mail, so a change here means that mails on their way in an upgrade may come twice, differently.

use std::path::PathBuf;

use schemas::bet_row::{BetStatus, RejectReason};
use schemas::ids::QuestionId;
use schemas::notification::Notification;
use schemas::question::QuestionSpec;

use super::{Item, Letter, Recipient, Sender, digest, letter};

/// The bet, as every test changes it.
fn told(status: BetStatus, version: u32) -> Notification {
    let bet = "6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9".parse().unwrap();
    Notification {
        notification_id: Notification::id_of(bet, version),
        address: "0x00112233445566778899aabbccddeeff00112233".parse().unwrap(),
        event: status.into(),
        bet_uuid: bet,
        question_uuid: "0b7a4c52-9f1d-4e36-a1c8-5d2e7f8091ab".parse().unwrap(),
        outcome_index: 1,
        status_version: version,
        status,
        reason: None,
        buy_amount: "1250.5".parse().unwrap(),
        odds: "2.35".parse().unwrap(),
        payout: None,
        at: "2022-07-11T14:47:27.332Z".parse().unwrap(),
    }
}

fn paying(status: BetStatus, version: u32, payout: &str) -> Notification {
    Notification { payout: Some(payout.parse().unwrap()), ..told(status, version) }
}

fn asked(question: &str, outcomes: &[&str]) -> QuestionSpec {
    let json = serde_json::json!({
        "question_uuid": "0b7a4c52-9f1d-4e36-a1c8-5d2e7f8091ab", "game": "cricket", "question": question,
        "outcomes": outcomes, "chain_id": 137, "betting_end_time": 1657550847332_i64,
    });
    serde_json::from_value(json).unwrap()
}

fn sender() -> Sender {
    let sender = Sender::new("Oddsmill <bets@example.com>", "Oddsmill", "USDC").unwrap();
    sender.with_links("https://bets.example.com", &[7; 32]).unwrap()
}

fn reader(username: Option<&str>, zone: Option<&str>) -> Recipient {
    let address = "0x00112233445566778899aabbccddeeff00112233".parse().unwrap();
    Recipient::new(address, username, "ada@example.org", zone).unwrap()
}

/// Compares with the golden file, and looks at what must hold of every message.
fn check(name: &str, letter: &Letter, to: &Recipient, sender: &Sender) -> String {
    let bytes = letter.to_bytes(to, sender);
    assert_eq!(bytes, letter.to_bytes(to, sender));
    assert!(bytes.is_ascii(), "{name}");
    let message = String::from_utf8(bytes).unwrap();
    assert!(!message.replace("\r\n", "").contains(['\r', '\n']), "{name}: a line ends without CRLF");
    assert!(message.lines().all(|line| line.len() <= 998), "{name}");
    let head = message.split("\r\n\r\n").next().unwrap();
    let names: Vec<&str> =
        head.lines().filter(|line| !line.starts_with(' ')).map(|line| line.split(':').next().unwrap()).collect();
    let unsubscribe: &[&str] = match letter.unsubscribe {
        Some(_) => &["List-Unsubscribe", "List-Unsubscribe-Post"],
        None => &[],
    };
    let first = ["From", "To", "Subject", "Date", "Message-ID"];
    let expected = [&first, unsubscribe, &["Auto-Submitted", "MIME-Version", "Content-Type"]].concat();
    assert_eq!(names, expected, "{name}");
    // As it is now: a test compiled in another clone may be run here from a shared target folder.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let path = PathBuf::from(package).join("golden/letters").join(format!("{name}.eml"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &message).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == message, "{name} differs from its golden file:\n{message}");
    message
}

#[test]
fn every_status_has_its_letter() {
    let question = asked("Who wins the match?", &["England", "India"]);
    let (to, sender) = (reader(Some("Ada"), Some("Europe/Madrid")), sender());
    for (name, notification) in [
        ("accepted", told(BetStatus::Accepted, 1)),
        ("accepted-after-all", told(BetStatus::Accepted, 2)),
        ("won", paying(BetStatus::Won, 2, "2938.675")),
        ("lost", told(BetStatus::Lost, 2)),
        ("void", paying(BetStatus::Void, 2, "1250.5")),
        ("paid", paying(BetStatus::Paid, 3, "2938.675")),
    ] {
        let item = Item { notification: &notification, question: Some(&question) };
        let message = check(name, &letter(item, &to, &sender), &to, &sender);
        assert!(message.contains("Mon 11 Jul 2022, 16:47 CEST"), "{name}");
    }
    for reason in RejectReason::ALL {
        let notification = Notification { reason: Some(*reason), ..told(BetStatus::Rejected, 1) };
        let item = Item { notification: &notification, question: Some(&question) };
        check(&format!("rejected-{}", reason.as_str().replace('_', "-")), &letter(item, &to, &sender), &to, &sender);
    }
}

#[test]
fn what_is_not_known_is_named_by_its_id() {
    let sender = Sender::new("bets@example.com", "Oddsmill", "USDC").unwrap();
    let notification = told(BetStatus::Accepted, 1);
    let to = reader(None, None);
    let message =
        check("bare", &letter(Item { notification: &notification, question: None }, &to, &sender), &to, &sender);
    assert!(message.contains("Question 0b7a4c52-9f1d-4e36-a1c8-5d2e7f8091ab") && message.contains("Outcome 1"));
    // An outcome that the question has not.
    let short = asked("Who wins?", &["England"]);
    let item = Item { notification: &notification, question: Some(&short) };
    assert!(letter(item, &to, &sender).subject.contains("Outcome 1"));
}

#[test]
fn strangers_words_stay_words() {
    let name = "Zoë \"Z\"\r\nBcc: eve@example.com\r\n\r\n<b>hi</b>";
    let question = asked(
        "Größer als 5?\r\n--=_x\r\nSubject: no <script>alert('x')</script>\u{202e}",
        &["Nein & nie", "Ja — \"klar\" <img src=x onerror=alert(1)>\nX: y"],
    );
    let (to, sender) = (reader(Some(name), Some("Nowhere/At_all")), sender());
    let notification = paying(BetStatus::Won, 2, "2938.675123");
    let letter = letter(Item { notification: &notification, question: Some(&question) }, &to, &sender);
    check("strangers", &letter, &to, &sender);
    for tag in ["<script", "<img", "<b>"] {
        assert!(!letter.html.contains(tag), "{tag}");
    }
    assert!(!letter.subject.contains(['\r', '\n']) && letter.subject.starts_with("You won 2,938.675123 USDC: Ja"));
    // A name of plain letters that would end the quotation.
    let to = reader(Some("Bob\\\" <eve@example.com>, \""), None);
    let bytes = letter.to_bytes(&to, &sender);
    let quoted = r#"To: "Bob\\\" <eve@example.com>, \"""#;
    assert!(String::from_utf8(bytes).unwrap().contains(&format!("{quoted} <ada@example.org>\r\n")));
}

#[test]
fn many_changes_make_one_letter() {
    let (first, second) =
        (asked("Who wins the match?", &["England", "India"]), asked("Runs in over 12?", &["0-5", "6-11"]));
    let other: QuestionId = "11111111-2222-4333-8444-555555555555".parse().unwrap();
    let rejected = Notification { reason: Some(RejectReason::BettingClosed), ..told(BetStatus::Rejected, 1) };
    let at = "2022-07-11T15:02:00Z".parse().unwrap();
    let all = [
        (told(BetStatus::Accepted, 1), Some(&first)),
        (Notification { question_uuid: other, outcome_index: 0, ..paying(BetStatus::Won, 2, "24.675") }, Some(&second)),
        (paying(BetStatus::Won, 2, "2938.675"), Some(&first)),
        (Notification { question_uuid: other, ..told(BetStatus::Lost, 2) }, Some(&second)),
        (Notification { question_uuid: other, ..rejected }, Some(&second)),
        (Notification { at, outcome_index: 0, ..paying(BetStatus::Void, 2, "1250.5") }, Some(&first)),
    ];
    let items: Vec<Item<'_>> =
        all.iter().map(|(notification, question)| Item { notification, question: *question }).collect();
    let (to, sender) = (reader(Some("Ada"), Some("America/New_York")), sender());
    let many = digest(&items, "digest-2022-07-11", &to, &sender);
    let message = check("digest", &many, &to, &sender);
    assert_eq!(many.message_id, "<digest-2022-07-11@example.com>");
    assert_eq!(many.at, at);
    assert!(message.contains("  Won               2   2,963.35 USDC\r\n"), "the sums");
    let one = digest(&items[..1], "a b\r\n<c>", &to, &sender);
    assert_eq!(
        (one.subject.as_str(), one.message_id.as_str()),
        ("1 update on your bets: 1 accepted", "<abc@example.com>")
    );
    // A hundred changes stay below where mail programs cut off.
    let hundred: Vec<Item<'_>> = items.iter().cycle().take(100).copied().collect();
    let html = digest(&hundred, "x", &to, &sender).html;
    assert!(html.len() < 90_000, "{}", html.len());
}
