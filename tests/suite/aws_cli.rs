//! The program as README's page for AWS has it, from nothing to decided bets, against a server that
//! speaks AWS' protocols: created, checked, fed, worked on, mailed, looked at, stopped.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use futures::TryStreamExt;
use jobs::betting::bets_table;
use pipeline::adapters::aws::tables::DynamoTables;
use pipeline::adapters::aws::{Aws, storage};
use schemas::bet_row::BetStatus;
use schemas::columns::bet_block::BetBlock;
use schemas::outbox::{OutboxRow, OutboxState};
use schemas::row::Row;
use tests::cluster::until;
use tests::{fixture, http, servers};

const STATES: &str = "aws.states=s3://states/oddsmill";
const MAIL: [&str; 2] = ["mail.server=ses", "mail.from=bets@example.com"];
const BETS: usize = 300;

struct Shell {
    endpoint: String,
    account: String,
    dir: tempfile::TempDir,
}

impl Shell {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(fixture::binary());
        let told = |name: &str| name.starts_with("AWS_") || name.starts_with("ODDSMILL_");
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(told)).for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", &self.account).env("AWS_SECRET_ACCESS_KEY", "x");
        command.env("ODDSMILL_LOG_ADAPTER", "kinesis").env("ODDSMILL_AWS_SHARDS", "2");
        command.current_dir(self.dir.path()).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// What a command prints, which must go well.
    fn told(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{args:?}: {out}{err}");
        out
    }

    fn worker(&self) -> Child {
        let log = std::fs::File::create(self.dir.path().join("worker.log")).unwrap();
        let mut command = self.command(&["run", "--set", STATES, "--set", MAIL[0], "--set", MAIL[1]]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    /// Makes a bucket; the server takes the account from the signature's key, and checks no signature.
    fn create_bucket(&self, name: &str) {
        let host = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        let key = format!("Credential={}/20260101/us-east-1/s3/aws4_request", self.account);
        let signed = format!("Authorization: AWS4-HMAC-SHA256 {key}, SignedHeaders=host, Signature=0");
        write!(stream, "PUT /{name} HTTP/1.0\r\nHost: {host}\r\n{signed}\r\nContent-Length: 0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }
}

fn terminate(child: &Child) {
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_decided_bets() {
    let server = servers::ministack();
    let (endpoint, account) = (server.endpoint(), servers::account_number(11));
    let shell = Shell { endpoint: endpoint.clone(), account: account.clone(), dir: tempfile::tempdir().unwrap() };
    let aws = Aws::at(&endpoint, &account);

    let dry = shell.told(&["aws", "init", "--dry-run"]);
    let would: Vec<&str> = dry.lines().filter(|line| line.starts_with("would create ")).collect();
    assert!(would.len() > 15 && would.iter().any(|line| line.contains("oddsmill-bets")), "{dry}");
    let checked = shell.run(&["aws", "check"]);
    let problems = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(1), "{problems}");
    for fix in ["run `oddsmill aws init`", "set aws.states=s3://BUCKET/FOLDER"] {
        assert!(problems.contains(fix), "{problems}");
    }
    let refused = shell.run(&["run"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("`oddsmill aws init` creates it"));

    let made = shell.told(&["aws", "init"]);
    assert_eq!(made.lines().filter(|line| line.starts_with("created ")).count(), would.len(), "{made}");
    assert_eq!(shell.told(&["aws", "init"]), "", "everything is there");
    let without_bucket = shell.run(&["aws", "check", "--set", STATES]);
    assert!(String::from_utf8(without_bucket.stdout).unwrap().contains("create the bucket"));
    shell.create_bucket("states");
    let good = shell.told(&["aws", "check", "--set", STATES]);
    assert!(good.lines().all(|line| line.starts_with("good ")), "{good}");

    let count = BETS.to_string();
    shell.told(&["generate", "bets", "--start", "now", "--count", &count, "--questions", "10", "--into-log"]);
    let tapped = shell.told(&["tap", "bets", "--from", "earliest", "--no-follow"]);
    assert_eq!(tapped.lines().count(), BETS, "{tapped}");
    // A line by hand, and a bad one.
    let again = shell.told(&["generate", "bets", "--start", "now", "--count", "1", "--stream", "bets"]);
    std::fs::write(shell.dir.path().join("again.jsonl"), again + "no bet\n").unwrap();
    let produced = shell.run(&["produce", "bets", "again.jsonl"]);
    assert_eq!(produced.status.code(), Some(3), "the second line is bad");
    assert!(String::from_utf8(produced.stderr).unwrap().contains("line 2"));

    let ses = aws_sdk_sesv2::Client::new(&aws.config);
    ses.create_email_identity().email_identity("bets@example.com").send().await.unwrap();
    let mut worker = shell.worker();
    let tables = DynamoTables::new(aws.clone(), "oddsmill-", &["outbox"]);
    until("every bet is decided", 120, async || {
        let block = tables.scan_facts(&bets_table()).await.unwrap();
        let block = BetBlock::new(&block).unwrap();
        let accepted = (0..block.len()).filter(|row| block.row(*row).unwrap().status == BetStatus::Accepted);
        assert!(worker.try_wait().unwrap().is_none(), "{}", worker_log(&shell));
        accepted.count() >= BETS
    })
    .await;
    // Once every change is in the outbox, who has a confirmed address has its mails, each once.
    until("every mail is sent", 120, async || {
        let rows = tables.scan(OutboxRow::TABLE).await.unwrap();
        let rows: Vec<OutboxRow> = rows.iter().map(|(_, row)| OutboxRow::from_bytes(&row.bytes).unwrap()).collect();
        let sent = rows.iter().filter(|row| row.state == OutboxState::Sent && row.digest.is_none()).count();
        let pending = rows.iter().any(|row| row.state == OutboxState::Pending && row.digest.is_none());
        let page = http::get(&endpoint, "/_ministack/ses/messages").await;
        let arrived = page["messages"][&account].as_array().map_or(0, Vec::len);
        assert!(arrived <= BETS + 1, "more mails than changes");
        rows.len() >= BETS && !pending && sent > 10 && arrived == sent
    })
    .await;
    terminate(&worker);
    assert!(worker.wait().unwrap().success(), "{}", worker_log(&shell));
    let told = shell.told(&["tap", "notifications", "--from", "earliest", "--no-follow", "--limit", "5"]);
    assert_eq!(told.lines().filter(|line| line.contains("accepted")).count(), 5, "{told}");

    let bucket = storage::bucket(&aws, "states").unwrap();
    let objects: Vec<_> = object_store::ObjectStore::list(&bucket, None).try_collect().await.unwrap();
    assert!(objects.iter().any(|object| object.location.as_ref().starts_with("oddsmill/")), "{objects:?}");
    let directory = shell.run(&["sql", "SELECT 1"]);
    assert_eq!(directory.status.code(), Some(2));
    assert!(String::from_utf8(directory.stderr).unwrap().contains("works on a data directory"));
}

fn worker_log(shell: &Shell) -> String {
    std::fs::read_to_string(shell.dir.path().join("worker.log")).unwrap_or_default()
}
