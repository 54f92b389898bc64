//! The file that all read: JSON lines, kept between runs, whole and as two parts by question.
//!
//! The whole file is what batch systems split among their threads. Streaming systems take one
//! partition a core, as they would from a log: there the same lines stand in two files by their
//! question, each in the order of arrival.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use schemas::codec::Event;

use super::bets::Bets;

/// The layout's version: files of another are made anew.
const FORMAT: u32 = 1;
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
            let mut file = File::open(path).unwrap();
            while file.read(&mut buffer).unwrap() > 0 {}
        }
    }

    fn generate(&self, seed: u64) {
        let unfinished = self.whole.with_extension("tmp");
        let create = |path: &Path| BufWriter::with_capacity(BUFFER, File::create(path).unwrap());
        let mut whole = create(&unfinished);
        let mut parts = [create(&self.parts[0]), create(&self.parts[1])];
        for bet in Bets::new(self.count, seed) {
            let mut line = bet.to_json();
            line.push(b'\n');
            whole.write_all(&line).unwrap();
            parts[usize::from(bet.question_uuid.as_bytes()[0] & 1)].write_all(&line).unwrap();
        }
        for file in parts.into_iter().chain([whole]) {
            file.into_inner().unwrap().sync_all().unwrap();
        }
        fs::rename(unfinished, &self.whole).unwrap();
    }
}
