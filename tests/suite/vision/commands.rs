//! `oddsmill frames` and `oddsmill models`, as somebody at a terminal runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tests::fixture::{binary, project_dir};

const STREAM: &str = "5bd6e5a8-6f0a-4f0c-9a53-0d3c1e9f7c21";

fn run(dir: &Path, args: &[&str]) -> Output {
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    Command::new(binary()).current_dir(dir).args(args).env("PATH", path).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn round() -> String {
    project_dir().join("models/rounds/round-2").display().to_string()
}

#[test]
fn frames_are_pushed_seen_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let push =
        |from: &str, more: &[&str]| run(dir.path(), &[&["frames", "push", from, "--stream", STREAM], more].concat());
    for (from, expected) in [
        ("nowhere", "nothing matches it"),
        ("*.gif", "nothing matches it"),
        (".", "no .jpg, .jpeg or .png files in this folder"),
    ] {
        let output = push(from, &[]);
        assert!(output.status.code() == Some(1) && said(&output).contains(expected), "{from}: {}", said(&output));
    }
    fs::write(dir.path().join("text.jpg"), "no picture").unwrap();
    let output = push("text.jpg", &[]);
    assert!(output.status.code() == Some(3) && said(&output).contains("neither JPEG nor PNG"), "{}", said(&output));
    let output = push("clip.mp4", &[]);
    assert!(output.status.code() == Some(1), "{}", said(&output));
    fs::write(dir.path().join("clip.mp4"), "no video").unwrap();
    // Without ffmpeg a video says what it needs; with one (here a script that writes two pictures) it is its pictures.
    let alone = Command::new(binary())
        .current_dir(dir.path())
        .args(["frames", "push", "clip.mp4", "--stream", STREAM])
        .env("PATH", "")
        .output()
        .unwrap();
    assert!(alone.status.code() == Some(3) && said(&alone).contains("videos need ffmpeg"), "{}", said(&alone));
    let ffmpeg = dir.path().join("bin/ffmpeg");
    fs::create_dir(dir.path().join("bin")).unwrap();
    fs::write(&ffmpeg, format!("#!/bin/sh\ncat {0}/000.jpg {0}/001.jpg\n", round())).unwrap();
    make_executable(&ffmpeg);
    let output = push("clip.mp4", &[]);
    assert!(output.status.success() && said(&output).contains("2 frames appended"), "{}", said(&output));
    // A picture that no record holds is put beside the log, if there is a place for it.
    let mut large = fs::read(format!("{}/000.jpg", round())).unwrap();
    large.splice(2..2, (0..20).flat_map(|_| [&[0xFF, 0xFE, 0xFF, 0xFF][..], &[0x20; 0xFFFD]].concat()));
    fs::write(dir.path().join("large.jpg"), large).unwrap();
    let output = push("large.jpg", &[]);
    assert!(output.status.code() == Some(3) && said(&output).contains("set vision.objects"), "{}", said(&output));
    fs::create_dir(dir.path().join("pictures")).unwrap();
    assert!(push("large.jpg", &["--set", "vision.objects=pictures"]).status.success());

    let output = push(&round(), &[]);
    assert!(output.status.success() && said(&output).contains("46 frames appended"), "{}", said(&output));
    let settings = ["--set", "vision.objects=pictures", "--set", "vision.latency=0s"];
    let output = run(dir.path(), &[&["run", "--drain"][..], &settings].concat());
    assert!(output.status.success(), "{}", said(&output));
    let told = run(dir.path(), &["tap", "game-events", "--filter", "type=state_changed"]);
    let told: Vec<Value> =
        told.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let states: Vec<&str> = told.iter().map(|event| event["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["playing", "breached"], "{told:#?}");
    assert!(told[0]["detections"]["zombie"].as_u64() > Some(0), "{told:#?}");
    let letters = run(dir.path(), &["sql", "-o", "csv", "SELECT count(*) FROM dead_letters"]);
    assert_eq!(String::from_utf8_lossy(&letters.stdout).lines().last(), Some("0"));
}

#[cfg(unix)]
fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn models_say_what_they_are_and_see() {
    let dir = tempfile::tempdir().unwrap();
    let info = run(dir.path(), &["models", "info"]);
    for part in [
        "classifier of playing, cleared, breached, dead at 128 × 128",
        "detector of archer, knight",
        "1,443,412 parameters",
    ] {
        assert!(said(&info).contains(part), "{}", said(&info));
    }
    let check = run(dir.path(), &["models", "check"]);
    assert!(
        check.status.success() && said(&check).matches("computes as burn's graph does").count() == 2,
        "{}",
        said(&check)
    );
    let frame = format!("{}/010.jpg", round());
    let infer = run(dir.path(), &["models", "infer", &frame, "-o", "jsonl", "--draw", "seen.jpg"]);
    let seen: Value = serde_json::from_slice(&infer.stdout).unwrap();
    assert!(seen["seen"][0]["classes"]["playing"].as_f64() > Some(0.9), "{seen:#}");
    assert!(seen["seen"][1]["detections"].as_array().unwrap().len() > 2, "{seen:#}");
    let drawn = fs::read(dir.path().join("seen.jpg")).unwrap();
    assert!(drawn.starts_with(&[0xFF, 0xD8]) && drawn != fs::read(&frame).unwrap());
    fs::write(dir.path().join("bad.jpg"), "no picture").unwrap();
    let some = run(dir.path(), &["models", "infer", "bad.jpg", &frame]);
    assert!(some.status.code() == Some(3) && said(&some).contains("bad.jpg: begins with"), "{}", said(&some));
    let none = run(dir.path(), &["models", "infer", "bad.jpg"]);
    assert_eq!(none.status.code(), Some(1), "{}", said(&none));
    for (args, expected) in [
        (&["models", "info", "bad.jpg"][..], ".safetensors or .pt"),
        (&["models", "check", "--device", "tpu"], "devices are cpu, flex, cuda"),
        (&["models", "check", "--device", "wgpu"], "build with --features wgpu"),
        (&["run", "--drain", "--set", "vision.models=nowhere"], "there is no folder nowhere"),
        (&["run", "--drain", "--set", "vision.smoothing=1/5"], "write two numbers such as 3/5"),
    ] {
        let output = run(dir.path(), args);
        assert!(!output.status.success() && said(&output).contains(expected), "{args:?}: {}", said(&output));
    }
}
