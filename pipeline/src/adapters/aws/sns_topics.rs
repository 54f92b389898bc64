//! The topics of an account: `PREFIXmail-0`, `PREFIXmail-1` and so on, without a gap.

use std::collections::BTreeMap;

use aws_sdk_sns::Client;

use super::Aws;
use super::error::explain;
use crate::error::{Error, Result};

/// A topic's name.
pub fn name(prefix: &str, number: usize) -> String {
    format!("{prefix}mail-{number}")
}

/// The topics that there are under a prefix, by number, as AWS names them.
///
/// # Errors
/// `Reject` when there is none, or one is missing between others: people who are subscribed to it are not
/// reached any more.
pub async fn find(aws: &Aws, prefix: &str) -> Result<Vec<String>> {
    let client = Client::new(&aws.config);
    let (mut arns, mut token) = (Vec::new(), None);
    loop {
        let page = client.list_topics().set_next_token(token.take()).send().await;
        let page = page.map_err(|error| explain("listing the topics of this account", error))?;
        arns.extend(page.topics().iter().filter_map(|topic| topic.topic_arn().map(str::to_owned)));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    in_order(prefix, arns)
}

/// Creates the first so many topics of a prefix; those that are there stay as they are.
pub async fn create(aws: &Aws, prefix: &str, count: usize) -> Result<Vec<String>> {
    let (client, mut arns) = (Client::new(&aws.config), Vec::new());
    for number in 0..count {
        let name = name(prefix, number);
        let created = client.create_topic().name(&name).send().await;
        let created = created.map_err(|error| explain(format!("creating topic {name}"), error))?;
        arns.push(created.topic_arn.unwrap_or_default());
    }
    Ok(arns)
}

/// Those of the prefix, sorted by number: `arn:aws:sns:REGION:ACCOUNT:NAME`.
fn in_order(prefix: &str, arns: Vec<String>) -> Result<Vec<String>> {
    let number = |arn: &str| {
        let digits = arn.rsplit(':').next()?.strip_prefix(prefix)?.strip_prefix("mail-")?;
        let number: usize = digits.parse().ok()?;
        // Neither `01` nor `+1`.
        (number.to_string() == digits).then_some(number)
    };
    let found: BTreeMap<usize, String> = arns.into_iter().filter_map(|arn| Some((number(&arn)?, arn))).collect();
    if found.is_empty() {
        let name = name(prefix, 0);
        return Err(Error::Reject(format!(
            "there is no topic {name} in this account and region; `oddsmill aws init` creates it, or \
             `aws sns create-topic --name {name}`"
        )));
    }
    if let Some((gap, (number, _))) = found.iter().enumerate().find(|(place, (number, _))| place != *number) {
        let (missing, there) = (name(prefix, gap), name(prefix, *number));
        return Err(Error::Reject(format!(
            "topic {missing} is missing and {there} is there; create {missing} again (`aws sns create-topic --name \
             {missing}`): its subscribers must confirm anew"
        )));
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_sorted_by_number_and_gaps_are_said() {
        let arn = |name: &str| format!("arn:aws:sns:us-east-1:111111111111:{name}");
        let check = |names: &[&str]| {
            in_order("o-", names.iter().map(|name| arn(name)).collect()).map_err(|error| error.to_string())
        };
        let many: Vec<String> = (0..12).rev().map(|number| name("o-", number)).collect();
        let many: Vec<&str> = many
            .iter()
            .map(String::as_str)
            .chain(["other", "o-mail-", "o-mail-x", "o-mail-01", "p-o-mail-50"])
            .collect();
        let found = check(&many).unwrap();
        assert_eq!((found.len(), &found[2], &found[11]), (12, &arn("o-mail-2"), &arn("o-mail-11")));
        assert!(check(&["o-bounces"]).unwrap_err().contains("no topic o-mail-0"));
        let gap = check(&["o-mail-0", "o-mail-2"]).unwrap_err();
        assert!(gap.contains("topic o-mail-1 is missing and o-mail-2 is there"), "{gap}");
    }
}
