//! The pictures that are meant: of files, folders, patterns and, with ffmpeg, videos.

use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use schemas::frame::FrameEncoding;

use crate::cli::exit::Failure;

/// Endings of pictures, and of videos.
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];
const VIDEOS: [&str; 8] = ["mp4", "mkv", "mov", "webm", "ts", "flv", "avi", "mjpeg"];
/// Frames a second of a video, where nobody says otherwise.
const VIDEO_FPS: f64 = 5.0;
/// What begins and ends a JPEG file. Within its data an `FF` is followed by a zero.
const BEGIN: [u8; 2] = [0xFF, 0xD8];
const END: [u8; 2] = [0xFF, 0xD9];
/// Bytes of a video's picture, at most.
const MAX_PICTURE: usize = 64 << 20;

/// A picture as it is stored.
pub struct Picture {
    /// What it is called.
    pub name: String,
    /// By its first bytes, whatever it is called.
    pub encoding: FrameEncoding,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Pictures one after another, or why one is none.
pub type Pictures = Box<dyn Iterator<Item = Result<Picture, String>> + Send>;

/// What is meant by paths, in their order, and how many they are where that is known.
pub fn pictures(from: &[PathBuf], fps: Option<f64>) -> Result<(Pictures, Option<u64>), Failure> {
    let mut files = Vec::new();
    for path in from {
        files.extend(expand(path)?);
    }
    let many = files.iter().all(|path| !is_video(path)).then_some(files.len() as u64);
    let each = move |path: PathBuf| -> Pictures {
        if is_video(&path) {
            match Video::open(&path, fps.unwrap_or(VIDEO_FPS)) {
                Ok(video) => Box::new(video),
                Err(why) => Box::new(std::iter::once(Err(why))),
            }
        } else {
            Box::new(std::iter::once(read(&path)))
        }
    };
    Ok((Box::new(files.into_iter().flat_map(each)), many))
}

/// The files that a path means.
pub fn expand(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let none = |what: &str| Err(Failure::Failed(format!("{}: {what}", path.display())));
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = if path.is_dir() {
        let entries = fs::read_dir(path).map_err(|cause| Failure::Failed(format!("{}: {cause}", path.display())))?;
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| ends(path, &PICTURES)).collect()
    } else {
        let pattern = glob::glob(&path.to_string_lossy());
        let pattern = pattern.map_err(|cause| Failure::Usage(format!("{}: {cause}", path.display())))?;
        pattern.filter_map(|found| found.ok()).filter(|path| path.is_file()).collect()
    };
    files.sort();
    match files.is_empty() {
        true if path.is_dir() => none("no .jpg, .jpeg or .png files in this folder"),
        true => none("no such file or folder, and nothing matches it as a pattern"),
        false => Ok(files),
    }
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| endings.contains(&&ending[..]))
}

fn is_video(path: &Path) -> bool {
    ends(path, &VIDEOS)
}

fn read(path: &Path) -> Result<Picture, String> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|cause| format!("{name}: {cause}"))?;
    let Some(encoding) = FrameEncoding::of(&bytes) else {
        return Err(format!("{name}: neither JPEG nor PNG, whatever it is called"));
    };
    Ok(Picture { name, encoding, bytes })
}

/// A video's pictures, as ffmpeg writes them: one JPEG after another.
struct Video {
    name: String,
    ffmpeg: Child,
    out: std::io::Bytes<BufReader<ChildStdout>>,
    ended: bool,
}

impl Video {
    fn open(path: &Path, fps: f64) -> Result<Video, String> {
        let name = path.display().to_string();
        let begun = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(path)
            .args(["-vf", &format!("fps={fps}"), "-f", "image2pipe", "-c:v", "mjpeg", "-q:v", "3", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut ffmpeg = begun.map_err(|cause| {
            format!("{name}: videos need ffmpeg, which does not start ({cause}); install it, or push pictures")
        })?;
        let out = ffmpeg.stdout.take().ok_or_else(|| format!("{name}: ffmpeg gives nothing"))?;
        Ok(Video { name, ffmpeg, out: BufReader::with_capacity(1 << 20, out).bytes(), ended: false })
    }

    /// The next picture's bytes; nothing at the end.
    fn next_bytes(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut bytes = Vec::new();
        for byte in self.out.by_ref() {
            bytes.push(byte.map_err(|cause| format!("{}: {cause}", self.name))?);
            if bytes.ends_with(&END) && bytes.starts_with(&BEGIN) {
                return Ok(Some(bytes));
            }
            if bytes.len() > MAX_PICTURE {
                return Err(format!("{}: a picture without an end", self.name));
            }
        }
        let status = self.ffmpeg.wait().map_err(|cause| format!("{}: {cause}", self.name))?;
        if status.success() { Ok(None) } else { Err(format!("{}: ffmpeg cannot read it ({status})", self.name)) }
    }
}

impl Iterator for Video {
    type Item = Result<Picture, String>;

    fn next(&mut self) -> Option<Result<Picture, String>> {
        if self.ended {
            return None;
        }
        let next = self.next_bytes().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        let name = self.name.clone();
        next.map(|bytes| bytes.map(|bytes| Picture { name, encoding: FrameEncoding::Jpeg, bytes }))
    }
}

impl Drop for Video {
    fn drop(&mut self) {
        // Where it has ended there is nothing to stop.
        let _ = self.ffmpeg.kill();
        let _ = self.ffmpeg.wait();
    }
}
