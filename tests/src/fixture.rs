//! Files that tests fetch through the ordinary package clients, pinned by hash; and folders of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The source distribution that carries the recorded market.
const FLUMINE: &str = "flumine==3.3.2";
const MARKET: &str = "tests/resources/1.200806927";
const INCIDENTS: &str = "tests/resources/sportsdata/1.200806927";
/// Of the archive.
const SHA256: &str = "9fc64f726c70ab0cd79d22123070ee62e0b4a3d74b01b5c3067d4b3758cfb540";

/// The recorded cricket match: its market file and its ball-by-ball incidents.
#[derive(Debug, Clone)]
pub struct Cricket {
    /// Betfair exchange stream, newline-delimited JSON.
    pub market: PathBuf,
    /// Sports data of the same match.
    pub incidents: PathBuf,
}

/// Fetches the match with pip into the target folder, once.
///
/// # Panics
/// With one line that says what to install when pip is missing or cannot fetch.
pub fn cricket() -> Cricket {
    let dir = target_dir().join("fixtures").join("flumine-3.3.2");
    let cricket = Cricket { market: dir.join(MARKET), incidents: dir.join(INCIDENTS) };
    if !(cricket.market.is_file() && cricket.incidents.is_file()) {
        fetch(&dir).unwrap_or_else(|problem| panic!("the recorded market is missing: {problem}"));
    }
    cricket
}

/// A folder that is gone with the test, in memory where the system has a memory file system: for tests
/// that write many files and of no disk.
pub fn memory_dir() -> TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    dir.expect("a folder for temporary files")
}

/// Downloads into a folder of its own and renames it: two tests at once do no harm.
fn fetch(dir: &Path) -> Result<(), String> {
    let parent = dir.parent().ok_or("no folder for fixtures")?;
    std::fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
    let work = tempfile::tempdir_in(parent).map_err(|e| e.to_string())?;
    let script = format!(
        "import sys,hashlib,subprocess,tarfile,glob\n\
         d=sys.argv[1]\n\
         subprocess.run([sys.executable,'-m','pip','download','-q','--no-deps','--no-binary',':all:','-d',d,'{FLUMINE}'],check=False,stdout=subprocess.DEVNULL)\n\
         f=glob.glob(d+'/flumine-*.tar.gz')\n\
         assert f, 'pip could not download {FLUMINE}'\n\
         h=hashlib.sha256(open(f[0],'rb').read()).hexdigest()\n\
         assert h=='{SHA256}', 'unexpected sha256 '+h\n\
         tarfile.open(f[0]).extractall(d+'/out')\n"
    );
    let output = Command::new("python3").arg("-c").arg(script).arg(work.path()).output();
    let output = output.map_err(|e| format!("install python3 with pip ({e})"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("install pip, or check its package index: {}", text.lines().last().unwrap_or("no output")));
    }
    match std::fs::rename(work.path().join("out").join("flumine-3.3.2"), dir) {
        Err(_) if dir.is_dir() => Ok(()),
        other => other.map_err(|e| e.to_string()),
    }
}

/// The project's folder: of this run, since a test compiled in another clone may be run here from a
/// shared target folder.
///
/// # Panics
/// Outside `cargo test`.
pub fn project_dir() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    Path::new(&package).join("..")
}

/// The folder that this build writes to: a program is in a folder of its profile's there, a test in one more.
pub fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let is_test = exe.parent().is_some_and(|dir| dir.ends_with("deps"));
    exe.ancestors().nth(if is_test { 3 } else { 2 }).map(Path::to_path_buf).unwrap_or_else(std::env::temp_dir)
}

/// The `oddsmill` binary of this build. Cargo does not build another package's binary for a test,
/// so the first caller asks it to.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let target = target_dir();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--release", "--workspace", "--bin", "oddsmill", "--quiet", "--target-dir"]).arg(&target);
        // Cargo told this test which package it is of. A dependency's build script asks to be run again
        // when that changes, and half of the workspace is compiled once more, here and by the next build.
        let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(told)).for_each(|(name, _)| {
            build.env_remove(name);
        });
        let built = build.current_dir(project_dir()).status();
        assert!(built.is_ok_and(|status| status.success()), "cargo could not build the oddsmill binary");
        target.join("release").join(format!("oddsmill{}", std::env::consts::EXE_SUFFIX))
    })
}
