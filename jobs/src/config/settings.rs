//! Every setting there is: its key, its default, and why somebody would change it.

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key in the file: a section and a name, or a name alone.
    pub key: &'static str,
    /// Its value where nobody says otherwise.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
}

/// All settings, in the order shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "data_dir",
        default: "./oddsmill-data",
        help: "Directory of the log, the tables and the control socket.",
    },
    Setting { key: "log.adapter", default: "embedded", help: "Where streams live: embedded, kinesis or kafka." },
    Setting {
        key: "log.durability",
        default: "fsync",
        help: "When an append is done: fsync survives a power cut, os only a killed process.",
    },
    Setting {
        key: "log.bets_shards",
        default: "2",
        help: "Shards of the stream bets when it is created; later, split and merge.",
    },
    Setting {
        key: "log.retention",
        default: "7d",
        help: "How far the log reaches back from a stream's newest record; applied records older than that are removed.",
    },
    Setting {
        key: "log.frames_retention",
        default: "1h",
        help: "The same for the stream frames, whose records are large.",
    },
    Setting {
        key: "aws.prefix",
        default: "oddsmill-",
        help: "What the names of streams and tables on AWS begin with: one prefix, one pipeline.",
    },
    Setting {
        key: "aws.shards",
        default: "0",
        help: "Shards of each stream that `aws init` creates; 0 for streams on demand, which grow by themselves.",
    },
    Setting {
        key: "aws.states",
        default: "",
        help: "Where workers keep window states and Parquet files: s3://BUCKET/FOLDER, or a folder that all of them see.",
    },
    Setting {
        key: "aws.aggregate",
        default: "false",
        help: "Whether jobs and commands pack records into aggregates of the KPL's format: cheaper; other readers must unpack them.",
    },
    Setting {
        key: "aws.fan_out",
        default: "false",
        help: "Whether workers read by enhanced fan-out (70 ms, at a price) instead of polling (200 ms, shared by all readers).",
    },
    Setting {
        key: "aws.failover",
        default: "10s",
        help: "After so long without a sign of life a worker's shards go to others.",
    },
    Setting {
        key: "aws.idle_clock",
        default: "true",
        help: "Whether time passes for shards without records; false where all records come from a replay with times of its own.",
    },
    Setting {
        key: "aws.envelope_secret",
        default: "",
        help: "What lets replays and redrives set arrival times on Kinesis, 16 bytes or more, the same for workers and replays.",
    },
    Setting {
        key: "bets.max_skew",
        default: "10m",
        help: "How far placed_at may be from the arrival before a bet is rejected as too_skewed.",
    },
    Setting {
        key: "bets.notify",
        default: "true",
        help: "Whether status changes are emitted to the stream notifications.",
    },
    Setting {
        key: "windows.disorder",
        default: "30s",
        help: "How long after its end a window waits for bets that are out of order, then closes.",
    },
    Setting {
        key: "windows.lateness",
        default: "10m",
        help: "How long after its end late bets still revise a window, then it is final.",
    },
    Setting { key: "windows.parquet", default: "true", help: "Whether final windows are written as Parquet files." },
    Setting {
        key: "settle.challenge",
        default: "5m",
        help: "How long a proposed answer can be flagged before it is final and bets are settled.",
    },
    Setting {
        key: "settle.emergency_delay",
        default: "1h",
        help: "How long after a second operator asked for it an emergency answer takes effect.",
    },
    Setting {
        key: "mail.server",
        default: "inbox",
        help: "Where mails go: inbox (files under the data directory), none, smtp://USER:PASSWORD@HOST:PORT, ses (or \
               ses:CONFIGURATION_SET) for Amazon SES, or sns for topics of Amazon SNS.",
    },
    Setting { key: "mail.from", default: "Oddsmill <bets@oddsmill.example>", help: "Who the mails are from." },
    Setting { key: "mail.currency", default: "USDC", help: "What stands behind amounts in mails." },
    Setting {
        key: "mail.link_base",
        default: "",
        help: "Where links in mails lead, such as https://bets.example.com; without it there are none.",
    },
    Setting {
        key: "mail.link_secret",
        default: "",
        help: "What signs the unsubscribe links, 16 bytes or more; keep it, or links of earlier mails stop working.",
    },
    Setting {
        key: "mail.digest_after",
        default: "20",
        help: "Mails of one person in an hour that come one by one; the rest of the hour is one digest.",
    },
    Setting { key: "mail.rate", default: "0", help: "Mails a second, at most; 0 is no limit." },
    Setting {
        key: "vision.models",
        default: "",
        help: "Folder with classifier and detector (.safetensors or .pt) of your own; without it those that are built in.",
    },
    Setting {
        key: "vision.device",
        default: "cpu",
        help: "What the models run on: cpu, flex (burn's plain graph, slower), and where they are built in cuda, cuda:NUMBER, wgpu.",
    },
    Setting {
        key: "vision.threads",
        default: "0",
        help: "Frames looked at at once, each on a thread of its own; 0 for as many as there are cores.",
    },
    Setting {
        key: "vision.latency",
        default: "500ms",
        help: "How long it may take to look at frames that wait together, newest first; older ones are passed over. 0s for no limit.",
    },
    Setting { key: "vision.confidence", default: "0.6", help: "How sure the classifier must be for a frame to count." },
    Setting {
        key: "vision.smoothing",
        default: "3/5",
        help: "A state stands once it was seen in so many of so many frames.",
    },
    Setting {
        key: "vision.objects",
        default: "",
        help: "Folder that references of frames lead into, for pictures over 1 MiB.",
    },
    Setting {
        key: "sql.postgres",
        default: "auto",
        help: "Where psql, Grafana or pandas reach the tables: HOST:PORT, off, or auto (demo only, near 127.0.0.1:5432).",
    },
    Setting {
        key: "sql.timeout",
        default: "30s",
        help: "How long a statement of such a client may take, and how long `oddsmill sql` waits for a query.",
    },
    Setting { key: "sql.max_rows", default: "1000000", help: "Rows that such a client gets for one query, at most." },
    Setting {
        key: "sql.memory",
        default: "512MiB",
        help: "Memory of all queries of such clients, and of one of `oddsmill sql`; what sorts over it goes to disk, joins fail.",
    },
    Setting { key: "sql.connections", default: "32", help: "Sessions of such clients at once." },
    Setting { key: "run.drain_timeout", default: "30s", help: "How long a stop may take to finish what is begun." },
    Setting { key: "engine.batch_records", default: "12288", help: "Records applied and committed together, at most." },
];

/// What the names of variables begin with.
pub const ENV_PREFIX: &str = "ODDSMILL_";

/// Variables with the prefix that are no settings: read elsewhere, before the settings are.
pub const OTHER_VARIABLES: &[&str] = &["ODDSMILL_CONFIG", "ODDSMILL_LOG_LEVEL", "ODDSMILL_OPERATOR"];

impl Setting {
    /// The setting with this key.
    pub fn find(key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The variable that sets it: `ODDSMILL_LOG_DURABILITY` for `log.durability`.
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.key.replace('.', "_").to_uppercase())
    }
}

/// `, did you mean "…"?` with the candidate nearest to `given`, or nothing where none is near.
pub fn suggestion<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let scored = candidates.into_iter().map(|candidate| (strsim::jaro_winkler(given, candidate), candidate));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b));
    match best {
        Some((score, candidate)) if score > 0.8 => format!(", did you mean {candidate:?}?"),
        _ => String::new(),
    }
}
