//! Everything a node holds, as text that is equal when the contents are: whatever the batches,
//! the blocks and the partials were.

use std::fmt::Write;
use std::path::Path;

use arrow::util::pretty::pretty_format_batches;
use jobs::node::Node;
use pipeline::Result;
use pipeline::record::Position;
use pipeline::tables::system;
use xxhash_rust::xxh3::xxh3_64;

/// Tables whose bytes must be equal.
const ROWS: [&str; 10] = [
    "users",
    "questions",
    "question_totals",
    "streamers",
    "streams",
    "transactions",
    "settlements",
    "audit",
    system::DEAD_LETTERS,
    system::RESULTS,
];
/// Streams whose records must be equal, positions and arrivals included.
const STREAMS: [&str; 8] =
    ["bets", "game-events", "odds", "windows", "late-bets", "settlements", "notifications", "dead-letters"];

/// A node's contents.
pub fn dump(node: &Node) -> Result<String> {
    let mut out = String::new();
    for table in ROWS {
        for (key, value) in node.tables.scan(table, &[])? {
            let _ = writeln!(out, "{table} {} {}", hex(&key), hex(&value));
        }
    }
    bets(node, &mut out)?;
    for stream in STREAMS {
        records(node, stream, &mut out)?;
    }
    files(&node.dir().join("parquet"), &mut out)?;
    files(&node.dir().join("inbox"), &mut out)?;
    Ok(out)
}

/// The rows of `bets` in the order decided; blocks depend on batches and are left out.
fn bets(node: &Node, out: &mut String) -> Result<()> {
    let view = node.tables.view();
    let facts = node.tables.facts(node.bets.name)?;
    for block in facts.blocks(&view, &node.bets) {
        let (_, rows) = block?;
        let text = pretty_format_batches(&[rows])?.to_string();
        for line in text.lines().skip(3).filter(|line| line.starts_with('|')) {
            // Column widths depend on the block's other rows.
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let _ = writeln!(out, "bet {}", cells.join(" "));
        }
    }
    Ok(())
}

fn records(node: &Node, stream: &str, out: &mut String) -> Result<()> {
    for shard in node.log.shards(stream)? {
        let mut after = Position::START;
        loop {
            let chunk = node.log.read(stream, shard.id, after, 1 << 20)?;
            let Some(last) = chunk.records.last() else { break };
            after = last.position;
            for record in &chunk.records {
                let (key, data) = (xxh3_64(&record.partition_key), xxh3_64(&record.data));
                let _ =
                    writeln!(out, "{stream} {} {} {} {key:x} {data:x}", shard.id, record.position, record.arrived_at.0);
            }
        }
    }
    Ok(())
}

fn files(dir: &Path, out: &mut String) -> Result<()> {
    for (path, hash) in hashes(dir)? {
        let _ = writeln!(out, "file {} {hash:x}", path.rsplit('/').next().unwrap_or_default());
    }
    Ok(())
}

/// Every file under a folder that may be there: its path from that folder, and the hash of its bytes.
pub fn hashes(dir: &Path) -> Result<Vec<(String, u64)>> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(Vec::new()) };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(hashes(&path)?.into_iter().map(|(rest, hash)| (format!("{name}/{rest}"), hash)));
        } else {
            found.push((name, xxh3_64(&std::fs::read(&path)?)));
        }
    }
    Ok(found)
}

/// Where two dumps differ first, for a message that a person can read.
pub fn difference(expected: &str, got: &str) -> Option<String> {
    let pairs = expected.lines().zip(got.lines()).enumerate();
    for (number, (left, right)) in pairs {
        if left != right {
            return Some(format!("line {number}:\n  expected {left}\n  got      {right}"));
        }
    }
    let (left, right) = (expected.lines().count(), got.lines().count());
    (left != right).then(|| format!("{left} lines expected, got {right}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
