//! The whole way of a frame: from its bytes to what is seen, and from the log to states.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jobs::node::{Node, NodeOptions};
use jobs::vision::VisionOptions;
use models::{Device, Frame, Kind, Limits, shipped};
use pipeline::Clock;
use pipeline::metrics::Metric;
use pipeline::record::Append;
use schemas::codec::Event;
use schemas::frame::{self, FrameBytes, FrameEncoding};
use schemas::ids::StreamId;
use schemas::time::Timestamp;

use super::pictures;
use crate::median;
use crate::usage::Meter;

/// Frames a second, decoding included, a thread a core.
pub fn frames(kind: Kind, runs: usize) {
    let model = shipped::model(kind, Device::Cpu).unwrap();
    let all: Vec<&[u8]> = pictures().collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (model, all) = (&model, &all);
    let mut rates: Vec<f64> = (0..runs)
        .map(|_| {
            let (next, began) = (AtomicUsize::new(0), Instant::now());
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        while let Some(bytes) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                            let frame = Frame::decode(bytes, &Limits::default()).unwrap();
                            model.infer(&[frame]).unwrap();
                        }
                    });
                }
            });
            all.len() as f64 / began.elapsed().as_secs_f64()
        })
        .collect();
    let (rate, asked) = (median(&mut rates), if kind == Kind::Detector { 30.0 } else { 250.0 });
    println!("\n{kind} with decoding, {} frames of 640 × 360, {threads} threads: {rate:.0} frames a second", all.len());
    println!("asked: {asked} a second: {}", if rate >= asked { "reached" } else { "MISSED" });
}

/// Broadcasts in real time.
pub fn streams(streams: usize, fps: usize, seconds: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(live(streams, fps, seconds));
}

async fn live(streams: usize, fps: usize, seconds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let options = NodeOptions { data_dir: Some(folder.path().into()), ..NodeOptions::default() };
    let node = Node::open(options, Clock::System).unwrap();
    let running = node.start_all(false, None, Some(&VisionOptions::default())).unwrap();
    let all: Vec<&[u8]> = pictures().collect();
    let (meter, began) = (Meter::start(), Instant::now());
    let mut waits = Vec::new();
    for tick in 0..fps * seconds {
        tokio::time::sleep_until((began + Duration::from_secs_f64(tick as f64 / fps as f64)).into()).await;
        let now = node.clock.now().0;
        let frame = |stream: usize| {
            // Each broadcast is at another place of the rounds.
            let bytes = all[(tick * 3 + stream * 7) % all.len()].to_vec();
            let frame = frame::Frame {
                stream_uuid: StreamId::from_bytes([stream as u8; 16]),
                sequence: tick as u64,
                captured_at: Timestamp::from_millis_clamped(now),
                encoding: FrameEncoding::Jpeg,
                bytes: Some(FrameBytes(bytes)),
                reference: None,
            };
            Append::new(frame.stream_uuid.to_string(), frame.to_cbor())
        };
        let batch: Vec<Append> = (0..streams).map(frame).collect();
        let log = node.log.clone();
        tokio::task::spawn_blocking(move || log.append("frames", &batch)).await.unwrap().unwrap();
        let put = Instant::now();
        let all = ((tick + 1) * streams) as u64;
        let done = || node.metrics.get(Metric::VisionSeen) + node.metrics.get(Metric::VisionSkipped);
        while done() < all && put.elapsed() < Duration::from_millis(900 / fps as u64) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        waits.push(put.elapsed().as_secs_f64() * 1e3);
    }
    let used = meter.stop(0);
    running.stop.when_drained();
    running.task.await.unwrap().unwrap();
    let count = |metric| node.metrics.get(metric);
    let (seen, skipped) = (count(Metric::VisionSeen), count(Metric::VisionSkipped));
    println!(
        "\n{streams} broadcasts at {fps} frames a second for {seconds} s: {seen} looked at, {skipped} passed over"
    );
    println!(
        "{} by the detector as well; {:.2} cores busy; a frame waits {:.0} ms (median)",
        count(Metric::VisionDetected),
        used.cpu_s / used.wall_s,
        median(&mut waits)
    );
    println!("asked: none passed over: {}", if skipped == 0 { "reached" } else { "MISSED" });
}
