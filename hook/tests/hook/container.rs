//! Containers to try the live route on: a stand-in, which is a process in its
//! own mount namespace with a root filesystem, and the two real runtimes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::elf;
use crate::host::{DEBIAN, Host, fill, run};

/// A process that looks like a container's first one just before it changes
/// into its root filesystem.
pub struct StandIn {
    process: Child,
    pub bundle: PathBuf,
    rootfs: PathBuf,
    has_users: bool,
}

impl StandIn {
    /// Starts one. `prepare` is a shell script that runs in its namespaces, with
    /// the root filesystem in `$ROOT`; `namespaces` are options of unshare(1).
    pub fn start(host: &Host, config: &Value, namespaces: &[&str], prepare: &str) -> StandIn {
        let bundle = host.path("bundle");
        fs::create_dir_all(&bundle).unwrap();
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        let script = format!(
            "set -e; mount --bind $ROOT $ROOT; mount --make-private $ROOT; cd $ROOT; cd $PWD; {prepare}\necho ready; exec sleep 60"
        );
        let mut process = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(namespaces)
            .args(["sh", "-c", &script])
            .env("ROOT", host.rootfs())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n", "the stand-in did not start");
        StandIn {
            process,
            bundle,
            rootfs: host.rootfs(),
            has_users: namespaces.contains(&"--user"),
        }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The state as runc gives it, or crun, which adds the root.
    pub fn state(&self) -> Value {
        json!({"ociVersion": "1.0", "id": "stand-in", "status": "created", "pid": self.pid(), "root": self.rootfs, "bundle": self.bundle})
    }

    /// Runs the hook on it.
    pub fn hook(&self, host: &Host) -> Output {
        host.run(
            &["hook", "createRuntime"],
            self.state().to_string().as_bytes(),
        )
    }

    /// What the program `view` sees at `paths` inside.
    pub fn view(&self, paths: &[&str]) -> String {
        let rootfs = self.rootfs.display().to_string();
        let output = self.inside(&[&["chroot", &rootfs, "/view"], paths].concat());
        String::from_utf8(output.stdout).unwrap()
    }

    /// A path in its root filesystem, as its processes see it by now.
    pub fn in_root(&self, inside: &str) -> String {
        self.rootfs.join(inside).display().to_string()
    }

    /// Runs a command in its namespaces.
    pub fn inside(&self, command: &[&str]) -> Output {
        let mut enter = Command::new("nsenter");
        enter.args(["--mount", "--target", &self.pid().to_string()]);
        // A process cannot join the user namespace that it is in.
        if self.has_users {
            enter.args(["--user", "--preserve-credentials"]);
        }
        enter.args(command).output().unwrap()
    }

    /// Its mount table.
    pub fn mounts(&self) -> String {
        fs::read_to_string(format!("/proc/{}/mountinfo", self.pid())).unwrap()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A Debian-like root filesystem with the static program `/view`.
pub fn debian(host: &Host) {
    fill(&host.rootfs(), DEBIAN);
    let view = host.rootfs().join("view");
    fs::copy(elf::view(), &view).unwrap();
    fs::set_permissions(view, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A configuration that asks for software rendering, with `mounts` besides /dev.
pub fn asks(host: &Host, device: &str, mounts: &[Value]) -> Value {
    let mut all = vec![json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs"})];
    all.extend_from_slice(mounts);
    json!({
        "ociVersion": "1.0.2", "annotations": {"pumice/gpu": device}, "root": {"path": host.rootfs()}, "mounts": all,
        "process": {"args": ["/usr/bin/app"], "env": ["PATH=/usr/bin"], "cwd": "/", "user": {"uid": 0, "gid": 0}}
    })
}

/// An OCI runtime of the system.
#[derive(Debug, Clone, Copy)]
pub enum Runtime {
    Runc,
    Crun,
}

impl Runtime {
    pub const ALL: [Runtime; 2] = [Runtime::Runc, Runtime::Crun];

    /// A shell line that runs the container of the bundle in `$BUNDLE`, in
    /// whatever mount namespace the shell is in. crun refuses a mixture of both
    /// cgroup versions, so the newer one is hidden from it.
    fn script(self, program: &str) -> String {
        match self {
            Runtime::Runc => {
                format!("exec {program} --root $BUNDLE/state run --bundle $BUNDLE $NAME")
            }
            Runtime::Crun => format!(
                "if mountpoint -q /sys/fs/cgroup/unified; then umount -R /sys/fs/cgroup/unified; fi; exec {program} --root $BUNDLE/state run --bundle $BUNDLE $NAME"
            ),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
        }
    }

    /// Runs a container of `config` to its end, with the runtime or a wrapper.
    pub fn run(self, host: &Host, config: &Value, wrapper: Option<&str>, prepare: &str) -> Output {
        let bundle = host.path("bundle");
        fs::create_dir_all(&bundle).unwrap();
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        let unique = host
            .rootfs()
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace('.', "");
        let script = format!(
            "set -e; {prepare}\n{}",
            self.script(wrapper.unwrap_or(self.name()))
        );
        let mut command = Command::new("timeout");
        command.args([
            "30",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
        ]);
        command
            .env("BUNDLE", &bundle)
            .env("NAME", format!("pumice-test-{unique}-{}", self.name()))
            .env("ROOT", host.rootfs());
        run(&mut command, b"")
    }
}

/// A whole configuration for the real runtimes, which runs `/view PATHS`.
pub fn viewing(host: &Host, paths: &[&str]) -> Value {
    let mut args = vec!["/view"];
    args.extend(paths);
    json!({
        "ociVersion": "1.0.2",
        "process": {"terminal": false, "user": {"uid": 0, "gid": 0}, "args": args, "env": ["PATH=/"], "cwd": "/", "noNewPrivileges": true},
        "root": {"path": host.rootfs(), "readonly": false},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}]
        }
    })
}

/// The hook's entry for a configuration.
pub fn hook_entry(host: &Host, stage: &str) -> Value {
    let mut args = vec!["pumice".to_owned()];
    args.extend(host.options());
    args.extend(["hook".to_owned(), stage.to_owned()]);
    json!({"path": env!("CARGO_BIN_EXE_pumice"), "args": args, "env": ["PUMICE_HOOK=test"]})
}

/// The whole tree below `dir`, with types, sizes and link targets: what must be
/// the same before and after.
pub fn listing(dir: &Path) -> String {
    let output = Command::new("find")
        .arg(dir)
        .args(["-printf", "%p %y %m %s %l\n"])
        .output()
        .unwrap();
    let mut lines: Vec<&str> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// This process's mount table.
pub fn host_mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}
