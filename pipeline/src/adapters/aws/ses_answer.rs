//! What SES' answer to a mail means: to the mail, to its reader, or to all mails.
//!
//! Codes and texts: "SendEmail" of the SES API v2, "Amazon SES email sending errors" and "Throttling -
//! Maximum sending rate exceeded" of the developer guide.

use super::error::{is_denial, is_throttle, is_trouble};
use crate::error::Error;
use crate::mailer::{Mail, Sent};

/// What became of a mail, or what is wrong with the account.
#[derive(Debug)]
pub(super) enum Answer {
    /// This mail has its answer.
    Sent(Sent),
    /// No other mail would fare better: `Retry` where it passes, `Fatal` where a person must mend it.
    Trouble(Error),
}

/// Texts with which SES refuses an address that is none. Whatever else is wrong with a request is held
/// against the mail alone: giving up a good address is worse than one lost mail.
const NO_ADDRESS: [&str; 8] = [
    "domain contains control or whitespace",
    "domain ends with dot",
    "domain starts with dot",
    "illegal address",
    "local address contains control or whitespace",
    "local address starts with dot",
    "missing final '@domain'",
    "user name is missing",
];

/// The meaning of a code and its message, for a mail sent with this configuration set.
pub(super) fn answer(code: &str, message: &str, mail: &Mail, configuration_set: Option<&str>) -> Answer {
    let said = format!("{code}: {message}");
    let mend = |way_out: String| Answer::Trouble(Error::Fatal(format!("SES sends no mails ({said}); {way_out}")));
    let lower = message.to_lowercase();
    if is_throttle(Some(code)) {
        return match lower.contains("daily") {
            true => Answer::Trouble(daily(&said)),
            false => Answer::Sent(Sent::Later(said)),
        };
    }
    match code {
        "SendingPausedException" => mend(
            "resume it with `aws sesv2 put-account-sending-attributes --sending-enabled`, or for the configuration set, \
             once bounces and complaints are looked into"
                .into(),
        ),
        "AccountSuspendedException" => {
            mend("AWS stopped the account's mails for good: write to AWS Support, and set mail.server to SMTP till then".into())
        }
        "MailFromDomainNotVerifiedException" => {
            let domain = mail.from.rsplit('@').next().unwrap_or_default();
            mend(format!("publish the MX record of the custom MAIL FROM domain of {domain} that the SES console shows"))
        }
        "NotFoundException" => mend(match configuration_set {
            Some(set) => format!("create the configuration set {set:?} in this region, or leave it out of mail.server"),
            None => "check AWS_REGION: SES' identities and sets belong to a region".into(),
        }),
        "MessageRejected" if lower.contains("not verified") => unverified(message, mail),
        code if is_denial(Some(code)) => mend(format!(
            "allow ses:SendEmail (SendRawEmail too, as the message is ready made) for {}, and check that this address \
             or its domain is verified in this region",
            mail.from
        )),
        code if is_trouble(Some(code)) => Answer::Sent(Sent::Later(said)),
        "BadRequestException" | "InvalidParameterValue" if NO_ADDRESS.iter().any(|text| lower.contains(text)) => {
            Answer::Sent(Sent::Bounced(said))
        }
        _ => Answer::Sent(Sent::Refused(said)),
    }
}

/// The day's mails are sent.
pub(super) fn daily(why: &str) -> Error {
    Error::Retry(format!(
        "SES has sent as many mails in 24 hours as this account may ({why}); they wait until the oldest are a day old. \
         Ask for a higher sending quota in the SES console"
    ))
}

/// `Email address is not verified. The following identities failed the check in region R: A, B`. Where
/// the sender is among them no mail goes out; otherwise it is the reader, which only the sandbox asks.
fn unverified(message: &str, mail: &Mail) -> Answer {
    let failed = message.rsplit_once(": ").map_or("", |(_, list)| list);
    let domain = mail.from.rsplit('@').next().unwrap_or_default();
    let is_sender = |name: &str| name.eq_ignore_ascii_case(&mail.from) || name.eq_ignore_ascii_case(domain);
    if failed.split(", ").any(|name| is_sender(name.trim())) {
        return Answer::Trouble(Error::Fatal(format!(
            "SES does not know the sender {} ({message}); verify the domain {domain} in this region (`aws sesv2 \
             create-email-identity --email-identity {domain}`, then publish the DKIM records), or set mail.from to an \
             address that is verified",
            mail.from
        )));
    }
    Answer::Sent(Sent::Refused(format!(
        "{message} The account is in SES' sandbox, which writes to verified addresses only: ask for production access in \
         the SES console (`aws sesv2 put-account-details --production-access-enabled …`), or verify {} as well",
        mail.to
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Arrival;

    #[test]
    fn each_answer_says_whom_it_is_about_and_the_way_out() {
        let mail = Mail {
            id: "a".into(),
            from: "bets@example.com".into(),
            to: "ada@mail.test".into(),
            at: Arrival(0),
            message: Vec::new(),
            notice: None,
        };
        let failed = |who: &str| {
            format!(
                "Email address is not verified. The following identities failed the check in region US-EAST-1: {who}"
            )
        };
        for (code, message, kind, says) in [
            ("TooManyRequestsException", "Maximum sending rate exceeded.", "later", "Maximum sending rate"),
            ("Throttling", "Maximum sending rate exceeded.", "later", "Throttling"),
            ("TooManyRequestsException", "Daily message quota exceeded.", "retry", "higher sending quota"),
            ("ThrottlingException", "Daily sending quota exceeded.", "retry", "24 hours"),
            ("InternalServiceErrorException", "", "later", "Internal"),
            ("ServiceUnavailable", "busy", "later", "busy"),
            ("SendingPausedException", "paused", "fatal", "put-account-sending-attributes"),
            ("AccountSuspendedException", "", "fatal", "AWS Support"),
            (
                "MailFromDomainNotVerifiedException",
                "",
                "fatal",
                "MX record of the custom MAIL FROM domain of example.com",
            ),
            ("NotFoundException", "no set", "fatal", "configuration set \"bets\""),
            ("AccessDeniedException", "not authorized", "fatal", "allow ses:SendEmail"),
            (
                "MessageRejected",
                &failed("bets@example.com"),
                "fatal",
                "create-email-identity --email-identity example.com",
            ),
            ("MessageRejected", &failed("ada@mail.test, Example.com"), "fatal", "DKIM"),
            ("MessageRejected", &failed("ada@mail.test"), "refused", "sandbox"),
            ("MessageRejected", "Email address is not verified.", "refused", "verify ada@mail.test"),
            ("MessageRejected", "Virus found", "refused", "Virus"),
            ("BadRequestException", "Illegal address", "bounced", "Illegal"),
            ("BadRequestException", "Missing final '@domain'", "bounced", "domain"),
            ("BadRequestException", "Invalid MIME", "refused", "MIME"),
            ("SomethingNew", "what", "refused", "SomethingNew: what"),
        ] {
            let (found, text) = match answer(code, message, &mail, Some("bets")) {
                Answer::Sent(Sent::Delivered) => ("delivered", String::new()),
                Answer::Sent(Sent::Later(text)) => ("later", text),
                Answer::Sent(Sent::Bounced(text)) => ("bounced", text),
                Answer::Sent(Sent::Refused(text)) => ("refused", text),
                Answer::Trouble(Error::Retry(text)) => ("retry", text),
                Answer::Trouble(Error::Fatal(text)) => ("fatal", text),
                Answer::Trouble(other) => panic!("{code}: {other:?}"),
            };
            assert_eq!(found, kind, "{code}: {text}");
            assert!(text.contains(says), "{code}: {text}");
        }
    }
}
