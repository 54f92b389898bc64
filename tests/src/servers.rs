//! Third-party servers that speak AWS' APIs: fetched by pip and npm into the target folder, pinned, started
//! on free loopback ports, stopped with the value that holds them.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use pipeline::adapters::aws::Aws;

use crate::fixture::target_dir;
use crate::random::Random;

/// DynamoDB, Kinesis, SNS, SQS, SES, S3; and faults in front of any server.
const PYTHON: [&str; 3] = ["ministack==1.5.33", "cbor2==6.2.1", "microburst==0.10.0"];
/// The judge of the vision models, with what `models/training/judge.py` needs.
const ONNXRUNTIME: [&str; 4] = ["onnxruntime==1.32.0", "onnx==1.23.2", "numpy==1.26.4", "safetensors==0.8.0"];
/// Kinesis with faithful resharding.
const KINESIS_LOCAL: &str = "kinesis-local@0.6.2";
/// Keeps a server of Node from listening anywhere but on loopback.
const LOOPBACK_ONLY: &str = "const net = require('net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  if (args[0] && typeof args[0] === 'object') args[0] = { ...args[0], host: '127.0.0.1' };
  else if (typeof args[0] === 'number') args = [args[0], '127.0.0.1', ...args.slice(1).filter((arg) => typeof arg === 'function')];
  return listen.apply(this, args);
};
";
/// How long a server may take to answer.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A server that runs for as long as this value lives.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An account of its own on it, whose number follows from `seed`.
    pub fn account(&self, seed: u64) -> Aws {
        Aws::at(&self.endpoint(), &account_number(seed))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of an account, which follows from `seed`; servers take it for the access key.
pub fn account_number(seed: u64) -> String {
    (100_000_000_000 + Random::new(seed).below(800_000_000_000)).to_string()
}

/// DynamoDB, SNS, SQS, SES, S3, CloudWatch, and Kinesis without resharding.
pub fn ministack() -> Server {
    let program = python().join("bin/ministack");
    start("ministack", |port| {
        let mut command = Command::new(&program);
        command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string()).env("IOT_MTLS_PORT", "0");
        command
    })
}

/// Kinesis, resharding as the real one does.
pub fn kinesis_local() -> Server {
    let dir = node();
    start("kinesis-local", |port| {
        let mut command = Command::new("node");
        // Its certificate is in its folder.
        command.current_dir(dir.join("node_modules/kinesis-local"));
        command.arg("-r").arg(dir.join("loopback.js")).arg(dir.join("node_modules/kinesis-local/main.js"));
        command.env("KINESIS_MOCK_PLAIN_PORT", port.to_string()).env("KINESIS_MOCK_TLS_PORT", free_port().to_string());
        command.env("LOG_LEVEL", "ERROR").env("SHARD_LIMIT", "1000");
        command
    })
}

/// A proxy in front of another server that does what rules say: throttle, delay, reset, lose answers.
pub fn microburst(upstream: &Server) -> Server {
    let (program, upstream) = (python().join("bin/microburst"), upstream.endpoint());
    start("microburst", |port| {
        let mut command = Command::new(&program);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--upstream", &upstream]);
        command
    })
}

fn start(name: &str, command: impl Fn(u16) -> Command) -> Server {
    let port = free_port();
    let log = fs::File::create(servers_dir().join(format!("{name}-{port}.log"))).expect("a file for what it says");
    let mut command = command(port);
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a handle")).stderr(log);
    // Credentials and profiles of whoever runs the tests have no place here.
    std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")).for_each(|(name, _)| {
        command.env_remove(name);
    });
    let child = command.spawn().unwrap_or_else(|cause| panic!("{name} cannot be started: {cause}"));
    let mut server = Server { child, port };
    let mut waited = Duration::ZERO;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let ended = server.child.try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "{name} ended at once; see {name}-{port}.log in {}", servers_dir().display());
        assert!(waited < READY_WITHIN, "{name} does not listen after {} s", READY_WITHIN.as_secs());
        pause();
        waited += Duration::from_millis(20);
    }
    server
}

#[expect(clippy::disallowed_methods, reason = "a condition outside of this process is waited for, with a limit")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn servers_dir() -> PathBuf {
    let dir = target_dir().join("servers");
    fs::create_dir_all(&dir).expect("a folder for servers");
    dir
}

/// The virtual environment with the servers of Python, made on first use.
fn python() -> PathBuf {
    venv("python", &PYTHON)
}

/// A python3 that has onnxruntime, made on first use.
pub fn onnxruntime() -> PathBuf {
    venv("onnxruntime", &ONNXRUNTIME).join("bin/python3")
}

fn venv(name: &str, packages: &[&str]) -> PathBuf {
    let dir = servers_dir().join(name);
    installed(&dir, &packages.join(" "), || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&dir), "install python3 with venv")?;
        run(Command::new(dir.join("bin/pip")).args(["install", "-q"]).args(packages), "check pip's package index")
    });
    dir
}

/// The folder with the servers of Node, made on first use.
fn node() -> PathBuf {
    let dir = servers_dir().join("node");
    installed(&dir, KINESIS_LOCAL, || {
        fs::create_dir_all(&dir).map_err(|cause| cause.to_string())?;
        fs::write(dir.join("loopback.js"), LOOPBACK_ONLY).map_err(|cause| cause.to_string())?;
        let install = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
        run(
            Command::new("npm").args(install).arg(&dir).arg(KINESIS_LOCAL),
            "install Node.js with npm, or check its registry",
        )
    });
    dir
}

/// Installs once: a file in the folder says what is there.
fn installed(dir: &Path, what: &str, install: impl FnOnce() -> Result<(), String>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mark = dir.join("installed.txt");
    if fs::read_to_string(&mark).is_ok_and(|found| found == what) {
        return;
    }
    let _ = fs::remove_dir_all(dir);
    install().unwrap_or_else(|problem| panic!("{what} cannot be installed: {problem}"));
    fs::write(&mark, what).expect("the folder can be written");
}

fn run(command: &mut Command, advice: &str) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|cause| format!("{advice} ({cause})"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{advice}: {}", text.lines().last().unwrap_or("no output")))
}
