//! A dockerd of our own: its storage, socket and configuration are apart from
//! the machine's, and it ends with the test that started it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{cache, repository};

/// Starting took this long at most.
const START: Duration = Duration::from_secs(60);
/// Ending took this long at most; then it is killed.
const END: Duration = Duration::from_secs(30);

/// A running dockerd.
pub struct Dockerd {
    daemon: Child,
    folder: tempfile::TempDir,
}

impl Dockerd {
    /// Starts dockerd with the daemon.json of `manifests`. With `gpus`, pumice is
    /// the program that `--gpus` calls: dockerd looks for it by NVIDIA's name.
    pub fn start(gpus: bool) -> Dockerd {
        let folder = tempfile::tempdir().expect("a folder for dockerd");
        let log = fs::File::create(folder.path().join("log")).expect("dockerd's log");
        let mut command = Command::new("dockerd");
        command
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
            .arg(option("data-root", &cache().join("docker")))
            .arg(option("exec-root", &folder.path().join("exec")))
            .arg(option("pidfile", &folder.path().join("pid")))
            .arg(option(
                "config-file",
                &repository().join("manifests/docker/daemon.json"),
            ))
            .arg(format!("--host={}", address(folder.path())))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("dockerd's log"))
            .stderr(log);
        if gpus {
            command.env("PATH", path_with_gpus_hook(folder.path()));
        }
        let daemon = command.spawn().expect("dockerd can be run");
        let mut dockerd = Dockerd { daemon, folder };
        dockerd.wait_until_ready();
        dockerd
    }

    /// The client's command line.
    pub fn client(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .arg(format!("--host={}", address(self.folder.path())))
            .env("DOCKER_CONFIG", self.folder.path());
        command
    }

    /// What the daemon wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) {
        let started = Instant::now();
        while !self
            .client()
            .arg("version")
            .output()
            .is_ok_and(|output| output.status.success())
        {
            let exited = self.daemon.try_wait().expect("dockerd's status");
            assert!(
                exited.is_none() && started.elapsed() < START,
                "dockerd did not start ({exited:?}):\n{}",
                self.log()
            );
            sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let pid = self.daemon.id().to_string();
        let asked = Command::new("kill")
            .arg(&pid)
            .status()
            .is_ok_and(|status| status.success());
        let deadline = Instant::now() + END;
        while asked && Instant::now() < deadline && matches!(self.daemon.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(50));
        }
        // Both fail where it has ended already.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

fn address(folder: &Path) -> String {
    format!("unix://{}", folder.join("socket").display())
}

/// This process's PATH behind a folder that holds nothing but the hook's name.
fn path_with_gpus_hook(folder: &Path) -> String {
    let bin: PathBuf = folder.join("bin");
    fs::create_dir(&bin).expect("a folder for the hook's name");
    symlink("/usr/bin/pumice", bin.join("nvidia-container-runtime-hook")).expect("the hook's name");
    format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    )
}
