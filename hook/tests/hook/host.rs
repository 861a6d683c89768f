//! A fake host in a temporary directory: our libraries, Vulkan drivers, devices.
//! What it holds is written down as lines, so that a case is readable as data.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::elf;

/// A fake host and, beside it, a container's root filesystem.
pub struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    /// A host with our libraries and lavapipe; `lines` add to it:
    ///
    /// * `drm renderD128 amdgpu 0000:03:00.0 [mode group]`: a GPU with its kernel driver
    /// * `icd radeon [2.36]`: a Vulkan driver, and the glibc that it needs
    /// * `nvidia 0 0000:41:00.0`: a GPU of nvidia.ko, with its driver
    /// * `uuid 0000:41:00.0 GPU-…`: CUDA's name of a device, as a probe records it
    /// * `without PATH`: one thing less
    /// * `writable PATH`: a file that others than root can change
    pub fn new(lines: &str) -> Host {
        let host = Host {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(host.path("rootfs")).unwrap();
        for name in ["libcuda.so.1", "libnvidia-ml.so.1", "libpumice-preload.so"] {
            host.install(
                &format!("usr/lib/pumice/{name}"),
                &fs::read(elf::library(name, 17, None)).unwrap(),
            );
        }
        host.add("icd lvp 2.31");
        lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .for_each(|line| host.add(line));
        host
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    pub fn rootfs(&self) -> PathBuf {
        self.path("rootfs")
    }

    fn install(&self, path: &str, contents: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn add(&self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["icd", driver, newest] => {
                self.icd(driver, newest.strip_prefix("2.").unwrap().parse().unwrap())
            }
            ["drm", node, kernel_driver, pci] => self.drm(node, kernel_driver, pci, 0o666),
            ["drm", node, kernel_driver, pci, mode, group] => {
                self.drm(
                    node,
                    kernel_driver,
                    pci,
                    u32::from_str_radix(mode, 8).unwrap(),
                );
                chown(
                    self.path(&format!("dev/dri/{node}")),
                    None,
                    Some(group.parse().unwrap()),
                )
                .unwrap();
            }
            ["nvidia", minor, pci] => self.nvidia(minor.parse().unwrap(), pci),
            ["uuid", pci, uuid] => {
                let json = format!("{{{pci:?}: {uuid:?}}}");
                self.install("var/lib/pumice/uuids.json", json.as_bytes());
            }
            ["writable", path] => {
                fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o666)).unwrap();
            }
            ["without", path] => fs::remove_file(self.path(path)).unwrap(),
            _ => panic!("unknown line: {line}"),
        }
    }

    fn icd(&self, driver: &str, needs: u32) {
        let leaf = elf::library("libleaf.so.3", 14, None);
        let library = elf::library(&format!("libvulkan_{driver}.so"), needs, Some(&leaf));
        self.install("usr/lib/libleaf.so.3", &fs::read(leaf).unwrap());
        self.install(
            &format!("usr/lib/libvulkan_{driver}.so"),
            &fs::read(library).unwrap(),
        );
        let json = format!(
            r#"{{"ICD":{{"library_path":"libvulkan_{driver}.so","api_version":"1.4.305"}}}}"#
        );
        self.install(
            &format!("usr/share/vulkan/icd.d/{driver}_icd.json"),
            json.as_bytes(),
        );
    }

    fn drm(&self, node: &str, kernel_driver: &str, pci: &str, mode: u32) {
        let minor: u32 = node.strip_prefix("renderD").unwrap().parse().unwrap();
        let device = self.path(&format!("sys/devices/pci0000:00/{pci}"));
        let driver = self.path(&format!("sys/bus/pci/drivers/{kernel_driver}"));
        for dir in [
            &device,
            &driver,
            &self.path("sys/dev/char"),
            &self.path("sys/class/drm"),
            &self.path("dev/dri"),
        ] {
            fs::create_dir_all(dir).unwrap();
        }
        symlink(driver, device.join("driver")).unwrap();
        fs::write(device.join("vendor"), "0x1002\n").unwrap();
        fs::write(device.join("device"), "0x73bf\n").unwrap();
        let class = self.path(&format!("sys/class/drm/{node}"));
        fs::create_dir_all(&class).unwrap();
        symlink(&device, class.join("device")).unwrap();
        symlink(&class, self.path(&format!("sys/dev/char/226:{minor}"))).unwrap();
        make_device(&self.path(&format!("dev/dri/{node}")), 226, minor, mode);
    }

    /// What nvidia.ko shows of a GPU; its machines may have no render node.
    fn nvidia(&self, minor: u32, pci: &str) {
        let information =
            format!("Model: \t\t NVIDIA H200\nBus Location: \t {pci}\nDevice Minor: \t {minor}\n");
        self.install(
            &format!("proc/driver/nvidia/gpus/{pci}/information"),
            information.as_bytes(),
        );
        fs::create_dir_all(self.path("dev")).unwrap();
        let nodes = [(format!("nvidia{minor}"), minor), ("nvidiactl".into(), 255)];
        for (name, minor) in nodes {
            make_device(&self.path(&format!("dev/{name}")), 195, minor, 0o666);
        }
        let library = elf::library("libGLX_nvidia.so.0", 17, None);
        let versioned = "usr/lib/libGLX_nvidia.so.580.1";
        self.install(versioned, &fs::read(library).unwrap());
        symlink(
            "libGLX_nvidia.so.580.1",
            self.path("usr/lib/libGLX_nvidia.so.0"),
        )
        .unwrap();
        // Opened by the driver when it runs, and mentioned nowhere.
        let companion = elf::library("libnvidia-glvkspirv.so.580.1", 17, None);
        self.install(
            "usr/lib/libnvidia-glvkspirv.so.580.1",
            &fs::read(companion).unwrap(),
        );
        let json = r#"{"ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.4.312"}}"#;
        self.install("etc/vulkan/icd.d/nvidia_icd.json", json.as_bytes());
    }

    /// The program, with this host in the place of the real one.
    pub fn pumice(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .args(self.options());
        command
    }

    pub fn options(&self) -> [String; 2] {
        ["--host-root".into(), self.dir.path().display().to_string()]
    }

    /// Runs `pumice ARGS` with `input` on stdin.
    pub fn run(&self, args: &[&str], input: &[u8]) -> Output {
        run(self.pumice().args(args), input)
    }

    /// `text` with this host's directory in the place of `@HOST@`.
    pub fn localize(&self, text: &str) -> String {
        text.replace("@HOST@", &self.dir.path().display().to_string())
    }

    /// The reverse, for golden files.
    pub fn generalize(&self, text: &str) -> String {
        text.replace(&self.dir.path().display().to_string(), "@HOST@")
    }
}

/// Makes a character device; nothing is opened, so none needs to exist.
pub fn make_device(path: &Path, major: u32, minor: u32, mode: u32) {
    mknodat(
        CWD,
        path,
        FileType::CharacterDevice,
        Mode::empty(),
        makedev(major, minor),
    )
    .expect("tests of the hook run as root");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a command with `input` on stdin.
pub fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, input).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    command.stdin(Stdio::from(file)).output().unwrap()
}

/// Fills a root filesystem from lines:
///
/// * `glibc 2.36 DIR`: libc.so.6 in DIR, with these symbol versions
/// * `musl`: musl's loader
/// * `program PATH LOADER`, `program32 PATH`, `file PATH [text]`, `library PATH`,
///   `dir PATH`, `link PATH TARGET`
pub fn fill(rootfs: &Path, lines: &str) {
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = |path: &str| {
            let path = rootfs.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        match words[..] {
            ["glibc", newest, dir] => {
                let libc = elf::libc(newest.strip_prefix("2.").unwrap().parse().unwrap());
                fs::copy(libc, at(&format!("{dir}/libc.so.6"))).unwrap();
            }
            ["glibc32", dir] => fs::write(
                at(&format!("{dir}/libc.so.6")),
                elf::as_32_bit(&elf::libc(36)),
            )
            .unwrap(),
            ["musl"] => fs::write(at("/lib/ld-musl-x86_64.so.1"), "musl").unwrap(),
            ["program", path, loader] => copy(&elf::program(loader), &at(path)),
            ["program32", path] => fs::write(
                at(path),
                elf::as_32_bit(&elf::program("/lib/ld-linux.so.2")),
            )
            .unwrap(),
            ["library", path] => copy(&elf::library("libcuda.so.1", 14, None), &at(path)),
            ["file", path] => fs::write(at(path), "").unwrap(),
            ["file", path, text] => fs::write(at(path), format!("{text}\n")).unwrap(),
            ["dir", path] => fs::create_dir_all(at(path)).unwrap(),
            ["link", path, target] => symlink(target, at(path)).unwrap(),
            _ => panic!("unknown line: {line}"),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

/// A root filesystem like Debian's.
pub const DEBIAN: &str = "
dir /usr/lib/x86_64-linux-gnu
dir /etc
dir /dev
dir /proc
dir /sys
link /lib usr/lib
link /lib64 usr/lib64
glibc 2.36 /usr/lib/x86_64-linux-gnu
program /usr/bin/app /lib64/ld-linux-x86-64.so.2
";
