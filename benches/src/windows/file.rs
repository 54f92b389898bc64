//! The file that all read: JSON lines, kept between runs, whole and as two parts by question.
//!
//! The whole file is what batch systems split among their threads. Streaming systems take one
//! partition a core, as they would from a log: there the same lines stand in two files by their
//! question, each in the order of arrival. Beside each file stand the same bets as Arrow batches.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use schemas::bet::Bet;
use schemas::codec::Event;

use super::batches;
use super::bets::Bets;

/// The layout's version: files of another are made anew.
const FORMAT: u32 = 2;
const BUFFER: usize = 1 << 20;

/// Where the bets of a count and a seed are.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub count: u64,
    pub whole: PathBuf,
    pub parts: [PathBuf; 2],
}

impl Dataset {
    /// Finds the files in a folder, or makes them.
    pub fn of(folder: &Path, count: u64, seed: u64) -> Dataset {
        let path = |part: &str| folder.join(format!("bets-v{FORMAT}-{count}-{seed}{part}.jsonl"));
        let dataset = Dataset { count, whole: path(""), parts: [path(".0"), path(".1")] };
        // The whole file gets its name last.
        if !dataset.whole.exists() {
            fs::create_dir_all(folder).unwrap();
            dataset.generate(seed);
        }
        dataset
    }

    /// The files for a number of cores: one a core for those who read partitions.
    pub fn partitions(&self, cores: usize) -> Vec<PathBuf> {
        if cores == 1 { vec![self.whole.clone()] } else { self.parts.to_vec() }
    }

    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.whole).unwrap().len()
    }

    /// Reads the files once, so that they are in the page cache.
    pub fn warm(&self, cores: usize) {
        let mut buffer = vec![0; BUFFER];
        for path in self.partitions(cores).iter().chain([&self.whole]) {
            for path in [path, &path.with_extension("arrow")] {
                let mut file = File::open(path).unwrap();
                while file.read(&mut buffer).unwrap() > 0 {}
            }
        }
    }

    fn generate(&self, seed: u64) {
        let unfinished = self.whole.with_extension("tmp");
        let mut whole = Outputs::create(&unfinished, &self.whole);
        let mut parts = self.parts.each_ref().map(|path| Outputs::create(path, path));
        for bet in Bets::new(self.count, seed) {
            let mut line = bet.to_json();
            line.push(b'\n');
            whole.add(&line, &bet);
            parts[usize::from(bet.question_uuid.as_bytes()[0] & 1)].add(&line, &bet);
        }
        parts.into_iter().chain([whole]).for_each(Outputs::finish);
        fs::rename(unfinished, &self.whole).unwrap();
    }
}

/// The lines and the batches of the same bets.
struct Outputs {
    lines: BufWriter<File>,
    batches: batches::Writer,
}

impl Outputs {
    /// Lines into a file, batches beside a file's final name.
    fn create(lines: &Path, name: &Path) -> Outputs {
        let lines = BufWriter::with_capacity(BUFFER, File::create(lines).unwrap());
        Outputs { lines, batches: batches::Writer::create(&name.with_extension("arrow")) }
    }

    fn add(&mut self, line: &[u8], bet: &Bet) {
        self.lines.write_all(line).unwrap();
        self.batches.add(bet);
    }

    fn finish(self) {
        self.lines.into_inner().unwrap().sync_all().unwrap();
        self.batches.finish();
    }
}
