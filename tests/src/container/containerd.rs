//! A containerd of our own, with the runtime class of `manifests/containerd`: its
//! storage and socket are apart from the machine's, and it ends with the test.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::output::Output;
use super::repository;

/// Starting took this long at most.
const START: Duration = Duration::from_secs(60);
/// No call of the client's takes longer.
const LIMIT: Duration = Duration::from_secs(120);

/// A running containerd.
pub struct Containerd {
    daemon: Child,
    folder: tempfile::TempDir,
}

impl Containerd {
    /// Starts containerd with a configuration that imports ours.
    pub fn start() -> Containerd {
        let folder = tempfile::tempdir().expect("a folder for containerd");
        let at = folder.path().display();
        let manifest = repository().join("manifests/containerd/pumice.toml");
        let configuration = format!(
            "version = 2\nroot = \"{at}/root\"\nstate = \"{at}/state\"\nimports = [{manifest:?}]\n[grpc]\n  address = \"{at}/socket\"\n"
        );
        fs::write(folder.path().join("config.toml"), configuration).expect("its configuration");
        let log = fs::File::create(folder.path().join("log")).expect("containerd's log");
        let daemon = Command::new("containerd")
            .arg("--config")
            .arg(folder.path().join("config.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("containerd's log"))
            .stderr(log)
            .spawn()
            .expect("containerd can be run");
        let mut containerd = Containerd { daemon, folder };
        containerd.wait_until_ready();
        containerd
    }

    /// What `containerd config dump` says: its whole configuration, as it reads it.
    pub fn configuration(&self) -> String {
        let mut dump = Command::new("containerd");
        dump.arg("--config")
            .arg(self.folder.path().join("config.toml"))
            .args(["config", "dump"]);
        Output::of(&dump, LIMIT).expect_success().stdout
    }

    /// The client's command line.
    pub fn client(&self) -> Command {
        let mut command = Command::new("ctr");
        command
            .arg("--address")
            .arg(self.folder.path().join("socket"));
        command
    }

    /// Runs the client to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.client();
        command.args(arguments);
        Output::of(&command, LIMIT)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) {
        let started = Instant::now();
        while !self.run(&["version"]).success {
            let exited = self.daemon.try_wait().expect("containerd's status");
            assert!(
                exited.is_none() && started.elapsed() < START,
                "containerd did not start ({exited:?}):\n{}",
                self.log()
            );
            sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Both fail where it has ended already. Its containers have: each is run to its end.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
