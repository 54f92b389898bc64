//! Tests of [`Smtp`] against a small server whose answers the recipient's name asks for.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::Smtp;
use crate::clock::Arrival;
use crate::error::Error;
use crate::mailer::{Mail, Mailer, Sent};

/// What the server took, as (recipient, message), and how often somebody connected.
#[derive(Default)]
struct Taken {
    mails: Vec<(String, String)>,
    connections: usize,
}

/// A recipient's name asks for an answer: `rcpt-450`, `data-552`, `drop` (closes after the
/// message), `421` (closes at RCPT); a sender `mail-553` likewise; all else is taken.
async fn serve(greeting: &'static str) -> (String, Arc<Mutex<Taken>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(Taken::default()));
    let seen = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.lock().unwrap().connections += 1;
            let seen = seen.clone();
            tokio::spawn(async move { converse(stream, greeting, &seen).await });
        }
    });
    (url, taken)
}

async fn converse(stream: TcpStream, greeting: &str, taken: &Mutex<Taken>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (mut to, mut line) = (String::new(), greeting.to_owned());
    loop {
        stream.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
        let mut said = String::new();
        if stream.read_line(&mut said).await.ok()? == 0 || line.starts_with("421") {
            return None;
        }
        let argument = said.split(['<', '>']).nth(1).unwrap_or_default();
        let name = argument.split('@').next().unwrap_or_default().to_owned();
        line = match said.get(..4)? {
            "EHLO" => "250-test\r\n250 AUTH PLAIN".to_owned(),
            "AUTH" => "535 5.7.8 wrong password".to_owned(),
            "MAIL" => name.strip_prefix("mail-").map_or("250 ok".to_owned(), |code| format!("{code} no")),
            "RCPT" => {
                to = argument.to_owned();
                match name.strip_prefix("rcpt-") {
                    Some(code) => format!("{code} no"),
                    None if name == "421" => "421 going down".to_owned(),
                    None => "250 ok".to_owned(),
                }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let mut message = String::new();
                while !message.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut message).await.ok()?;
                }
                match to.split('@').next()? {
                    "drop" => return None,
                    name if name.starts_with("data-") => format!("{} no", &name[5..]),
                    _ => {
                        taken.lock().unwrap().mails.push((to.clone(), message));
                        "250 2.0.0 taken".to_owned()
                    }
                }
            }
            _ => "250 ok".to_owned(),
        };
    }
}

fn mail(to: &str) -> Mail {
    let message = "Subject: hi\r\n\r\nfirst\r\n.dot\r\n".into();
    let from = "bets@example.com".into();
    Mail { id: to.into(), from, to: format!("{to}@example.com"), at: Arrival(0), message, notice: None }
}

fn later(text: &str) -> Sent {
    Sent::Later(text.into())
}

#[tokio::test]
async fn each_mail_has_its_own_answer() {
    let (url, taken) = serve("220 test").await;
    let mailer = Mailer::Smtp(Smtp::open(&url).unwrap());
    let names = ["ada", "rcpt-450", "rcpt-550", "rcpt-552", "data-552", "data-451", "no address", "bob"];
    let mut mails: Vec<Mail> = names.into_iter().map(mail).collect();
    mails.push(Mail { message: "ä\r\n".into(), ..mail("eve") });
    let sent = mailer.send(&mails).await.unwrap();
    let expected = [
        Sent::Delivered,
        later("450 no"),
        Sent::Bounced("550 no".into()),
        Sent::Refused("552 no".into()),
        Sent::Refused("552 no".into()),
        later("451 no"),
    ];
    assert_eq!(sent[..6], expected);
    assert!(matches!(&sent[6], Sent::Bounced(why) if why.contains("is no address")), "{:?}", sent[6]);
    assert_eq!(sent[7], Sent::Delivered);
    assert!(matches!(&sent[8], Sent::Refused(why) if why.contains("8BITMIME")), "{:?}", sent[8]);
    // The same connections serve the next batch; the message arrives as it was given.
    let connections = taken.lock().unwrap().connections;
    assert_eq!(mailer.send(&mails[..1]).await.unwrap(), [Sent::Delivered]);
    assert_eq!(mailer.send(&[]).await.unwrap(), []);
    let taken = taken.lock().unwrap();
    assert_eq!((taken.connections, taken.mails.len()), (connections, 3));
    assert!(taken.mails.iter().all(|(_, message)| message.contains("Subject: hi\r\n\r\nfirst\r\n..dot\r\n")));
}

#[tokio::test]
async fn a_lost_connection_takes_one_mail_with_it() {
    let (url, taken) = serve("220 test").await;
    let smtp = Smtp::open(&url).unwrap();
    // Nine mails in eight lanes: the first and the ninth share one.
    let names = ["drop", "a", "b", "c", "d", "e", "f", "421", "g"];
    let mails: Vec<Mail> = names.into_iter().map(mail).collect();
    let sent = smtp.send(&mails).await.unwrap();
    for (name, sent) in names.into_iter().zip(&sent) {
        match name {
            "drop" | "421" => assert!(matches!(sent, Sent::Later(why) if why.contains("closed")), "{sent:?}"),
            _ => assert_eq!(sent, &Sent::Delivered, "{name}"),
        }
    }
    assert_eq!(taken.lock().unwrap().mails.len(), 7);
}

#[tokio::test]
async fn a_server_that_answers_for_no_mail_is_out_of_reach() {
    let retry = async |url: &str, mails: &[Mail], says: &str| {
        let error = Smtp::open(url).unwrap().send(mails).await.unwrap_err();
        assert!(matches!(&error, Error::Retry(text) if text.contains(says)), "{error}");
    };
    let (url, _) = serve("220 test").await;
    retry(&url, &[mail("drop"), mail("421")], "closed the connection").await;
    let (busy, _) = serve("421 too busy").await;
    retry(&busy, &[mail("ada")], "too busy").await;
    let (blocked, _) = serve("554 no service for you").await;
    retry(&blocked, &[mail("ada")], "no service").await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    retry(&format!("smtp://{nobody}"), &[mail("ada")], "refused").await;
}

#[tokio::test]
async fn what_a_person_must_mend_is_fatal() {
    let (url, _) = serve("220 test").await;
    let fatal = async |url: &str, mail: Mail, says: &str| {
        let error = Smtp::open(url).unwrap().send(&[mail]).await.unwrap_err();
        assert!(matches!(&error, Error::Fatal(text) if text.contains(says) && !text.contains("secret")), "{error}");
    };
    fatal(&url.replace("//", "//user:secret@"), mail("ada"), "5.7.8 wrong password").await;
    fatal(&url, Mail { from: "mail-553@example.com".into(), ..mail("ada") }, "mail-553").await;
    // The server has no TLS to offer. 0.0.0.0 leads to it and is no loopback address.
    fatal(&url.replace("127.0.0.1", "0.0.0.0"), mail("ada"), "STARTTLS").await;
}
