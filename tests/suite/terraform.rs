//! The infrastructure, without an account: formatted as Terraform does it, everything that is named is
//! there, policies allow what they name, and names are those of the program.

mod access;
mod format;
mod hcl;
mod modules;
mod provider;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hcl::{Token, texts};
use jobs::cluster::{Cluster, ClusterOptions};
use jobs::config::settings::{ENV_PREFIX, OTHER_VARIABLES, SETTINGS, Setting};
use jobs::node::NodeOptions;
use modules::Module;
use pipeline::Clock;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::setup::{KeyKind, Needed};
use pipeline::metrics::Metric;
use tests::fixture::project_dir;

fn infra() -> PathBuf {
    project_dir().join("infra")
}

/// Every folder below one that has Terraform files in it.
fn folders(dir: &Path, out: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != ".terraform") {
            folders(&path, out);
        }
    }
    if dir.join("versions.tf").is_file() {
        out.push(dir.to_owned());
    }
}

fn all() -> Vec<Module> {
    let mut dirs = Vec::new();
    folders(&infra().join("terraform"), &mut dirs);
    assert!(dirs.len() >= 10, "the modules were not found: {dirs:?}");
    dirs.iter().map(|dir| Module::read(dir)).collect()
}

fn module(name: &str) -> Module {
    Module::read(&infra().join("terraform/modules").join(name))
}

/// A local value's expression.
fn local(module: &Module, name: &str) -> Vec<Token> {
    let found = module.all("locals").find_map(|block| block.argument(name)).map(<[Token]>::to_vec);
    found.unwrap_or_else(|| panic!("{} has no local {name}", module.dir.display()))
}

#[test]
fn files_are_formatted() {
    let unformatted = format::unformatted(&infra().join("terraform")).unwrap();
    assert!(unformatted.is_empty(), "run `terraform fmt -recursive infra/terraform`: {unformatted:#?}");
}

#[test]
fn what_is_named_is_there() {
    let problems: Vec<String> = all().iter().flat_map(Module::problems).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn resources_have_the_arguments_that_the_provider_takes() {
    let problems = provider::problems(&all());
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn variables_and_outputs_are_described_and_versions_pinned() {
    let mut problems = Vec::new();
    for module in all() {
        let place = module.dir.display();
        for (kind, needed) in [("variable", &["description", "type"][..]), ("output", &["description", "value"])] {
            for block in module.all(kind) {
                let missing = needed.iter().filter(|name| block.argument(name).is_none());
                problems
                    .extend(missing.map(|name| format!("{place}: {kind} {} has no {name}", block.labels.join("."))));
            }
        }
        let pins = module.all("terraform").any(|block| block.argument("required_version").is_some());
        let providers = module.all("terraform").flat_map(|block| block.all("required_providers"));
        if !pins || !providers.flat_map(|block| &block.arguments).any(|provider| texts(&provider.value).len() == 2) {
            problems.push(format!("{place}: versions.tf pins Terraform and the provider"));
        }
        if !module.dir.join("README.md").is_file() {
            problems.push(format!("{place}: no README.md says what it is"));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_example_wires_every_module() {
    let example = Module::read(&infra().join("terraform/examples/complete"));
    let used: BTreeSet<String> =
        example.all("module").flat_map(|block| texts(block.argument("source").unwrap_or_default())).collect();
    let there = std::fs::read_dir(infra().join("terraform/modules")).unwrap().flatten();
    let there: BTreeSet<String> =
        there.map(|entry| format!("../../modules/{}", entry.file_name().to_string_lossy())).collect();
    assert_eq!(used, there);
}

#[test]
fn policies_allow_what_they_name() {
    let modules = all();
    let problems: Vec<String> = modules.iter().flat_map(access::problems).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(access::idle_exceptions(&modules), Vec::<&str>::new());
}

/// What the program expects to find in an account.
fn needed() -> Needed {
    let states = tests::fixture::memory_dir();
    let options = ClusterOptions {
        prefix: String::new(),
        shards: None,
        states: states.path().display().to_string(),
        secret: None,
        aggregate: false,
        fan_out: false,
        idle_clock: true,
        failover: Duration::from_secs(10),
        mail: None,
        inbox: states.path().join("inbox"),
        node: NodeOptions::default(),
    };
    // Nobody is asked.
    Cluster::open(Aws::at("http://127.0.0.1:9", "1"), options, Clock::System).unwrap().needed()
}

/// IAM's names for the calls of Kinesis and DynamoDB in the program's adapters, but for those that only
/// `oddsmill aws init` makes.
fn calls() -> BTreeSet<String> {
    let init = ["kinesis:CreateStream", "dynamodb:CreateTable", "dynamodb:UpdateTimeToLive"];
    let mut calls = BTreeSet::new();
    for path in std::fs::read_dir(project_dir().join("pipeline/src/adapters/aws")).unwrap().flatten() {
        let text: String = std::fs::read_to_string(path.path()).unwrap().split_whitespace().collect();
        for service in ["kinesis", "dynamodb"] {
            for rest in text.split(&format!(".{service}.")).skip(1) {
                let words = rest.split('(').next().unwrap_or_default().split('_');
                let camel = words.map(|word| word[..1].to_uppercase() + &word[1..]).collect::<String>();
                match &camel[..] {
                    // The rights to its writes are asked for.
                    "TransactWriteItems" => {
                        calls.extend(["dynamodb:DeleteItem", "dynamodb:PutItem"].map(str::to_owned))
                    }
                    _ => _ = calls.insert(format!("{service}:{camel}")),
                }
            }
        }
    }
    calls.retain(|call| !init.contains(&&call[..]));
    calls
}

#[test]
fn workers_may_do_what_the_program_does_and_nothing_else() {
    let access = module("access");
    let of_workers = access
        .files
        .iter()
        .filter(|file| ["betting.tf", "common.tf", "mail.tf"].iter().any(|name| file.path.ends_with(name)));
    let mut allowed = BTreeSet::new();
    for line in of_workers.flat_map(|file| file.text.lines()) {
        let words = line.split('"').filter(|word| word.starts_with("kinesis:") || word.starts_with("dynamodb:"));
        allowed.extend(words.map(str::to_owned));
    }
    assert_eq!(allowed, calls());
}

#[test]
fn streams_are_those_of_the_program() {
    let named: BTreeSet<String> = texts(&local(&module("streams"), "names")).into_iter().collect();
    let needed: BTreeSet<String> = needed().streams.into_iter().map(|stream| stream.name).collect();
    assert_eq!(named, needed);
}

#[test]
fn tables_are_those_of_the_program() {
    let needed = needed();
    let mut expected = BTreeMap::new();
    for table in needed.tables {
        let (range, kind) = match table.range {
            Some((name, KeyKind::Text)) => (name, "S"),
            Some((name, KeyKind::Bytes)) => (name, "B"),
            None => ("", ""),
        };
        let indexes = table.indexes.iter().flat_map(|column| [format!("{column}-index"), (*column).to_owned()]);
        let fixed = [table.hash, range, kind, table.ttl.unwrap_or_default()].map(str::to_owned);
        let texts: Vec<String> = fixed.into_iter().filter(|text| !text.is_empty()).chain(indexes).collect();
        expected.insert(table.name, texts);
    }
    // As the Kinesis Client Library has it.
    expected.insert(needed.leases, ["leaseKey", "LeaseOwnerToLeaseKeyIndex", "leaseOwner"].map(str::to_owned).into());
    assert_eq!(entries(&local(&module("tables"), "tables")), expected);
}

/// An object of objects: the texts of each, and the names of indexes, in the order they are written.
fn entries(tokens: &[Token]) -> BTreeMap<String, Vec<String>> {
    let (mut out, mut depth, mut entry) = (BTreeMap::<String, Vec<String>>::new(), 0, String::new());
    for token in tokens {
        match token {
            Token::Sign(sign) if sign == "{" => depth += 1,
            Token::Sign(sign) if sign == "}" => depth -= 1,
            Token::Word(name) if depth == 1 => {
                entry.clone_from(name);
                out.insert(entry.clone(), Vec::new());
            }
            Token::Word(name) if depth == 3 => out.entry(entry.clone()).or_default().push(name.clone()),
            Token::Text(_) => out.entry(entry.clone()).or_default().extend(texts(std::slice::from_ref(token))),
            _ => {}
        }
    }
    out
}

#[test]
fn settings_are_those_of_the_program() {
    let known: BTreeSet<String> =
        SETTINGS.iter().map(Setting::variable).chain(OTHER_VARIABLES.iter().map(|name| (*name).to_owned())).collect();
    let text = std::fs::read_to_string(infra().join("terraform/examples/complete/main.tf")).unwrap();
    let words =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with(ENV_PREFIX));
    let unknown: BTreeSet<&str> = words.filter(|word| !known.contains(*word)).collect();
    assert!(unknown.is_empty(), "the program has no such settings: {unknown:?}");
}

#[test]
fn metrics_and_log_lines_are_those_of_the_program() {
    // Counted from log lines, and not in the program's registry.
    let counted = ["lease.taken.leases", "log.error.lines"];
    let known: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).chain(counted).collect();
    let mut named = BTreeSet::new();
    for file in module("observability").files {
        let words = file.text.split('"').filter(|word| word.contains('.') && !word.contains(char::is_uppercase));
        let dotted = words.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_')));
        named.extend(dotted.map(str::to_owned));
    }
    let unknown: Vec<&String> = named.iter().filter(|name| !known.contains(&name[..])).collect();
    assert!(named.len() >= 10 && unknown.is_empty(), "the program has no such metrics: {unknown:?}");

    let coordinator = std::fs::read_to_string(project_dir().join("pipeline/src/lease/coordinator.rs")).unwrap();
    assert!(coordinator.contains("\"lease taken\""), "the filter of lease moves looks for a line that nobody writes");
}
