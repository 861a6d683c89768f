//! The images of `tests/images`, in the engines' own storage.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::output::Output;
use super::{cache, repository};

/// Debian sid: llama.cpp and its CUDA back end by apt; holds NVIDIA's own
/// libcuda.so.1 and asks for nothing.
pub const SID: Image = Image { name: "sid" };
/// Debian trixie: node-llama-cpp in both its CUDA builds; asks for a GPU in its
/// environment as images made for NVIDIA's runtime do.
pub const TRIXIE: Image = Image { name: "trixie" };

/// An image, by its folder's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    pub name: &'static str,
}

impl Image {
    /// Its name in the storage of the engine whose command line is `engine`,
    /// where it is imported if it is not there yet.
    pub fn in_storage(self, engine: &dyn Fn() -> Command) -> String {
        let archive = self.archive();
        let version = archive
            .file_stem()
            .and_then(|stem| stem.to_str()?.rsplit_once('-'))
            .expect("NAME-DIGEST.tar")
            .1;
        let reference = format!("localhost/pumice/{}:{version}", self.name);
        let _alone = self.lock();
        let mut inspect = engine();
        inspect.args(["image", "inspect", &reference]);
        if !Output::of(&inspect, Duration::from_secs(60)).success {
            let mut import = engine();
            import
                .arg("import")
                .args(self.changes())
                .arg(&archive)
                .arg(&reference);
            Output::of(&import, Duration::from_secs(600)).expect_success();
            self.remove_other_versions(engine, &reference);
        }
        reference
    }

    /// An image takes gigabytes, and no test will use an earlier version again.
    fn remove_other_versions(self, engine: &dyn Fn() -> Command, reference: &str) {
        let mut list = engine();
        list.args([
            "images",
            "--format={{.Repository}}:{{.Tag}}",
            &format!("localhost/pumice/{}", self.name),
        ]);
        let listed = Output::of(&list, Duration::from_secs(60))
            .expect_success()
            .stdout;
        for other in listed.lines().filter(|line| *line != reference) {
            let mut remove = engine();
            // A run that was ended has left containers behind, which would keep the image.
            remove.args(["rmi", "--force", other]);
            Output::of(&remove, Duration::from_secs(120)).expect_success();
        }
    }

    /// The archive of its files, built if it is missing.
    pub fn archive(self) -> PathBuf {
        let mut build = Command::new(repository().join("tests/images/build"));
        build.arg(self.name);
        PathBuf::from(
            Output::of(&build, Duration::from_secs(1800))
                .expect_success()
                .stdout
                .trim_end(),
        )
    }

    /// The image's configuration as options of `import`.
    pub fn changes(self) -> Vec<String> {
        let path = repository()
            .join("tests/images")
            .join(self.name)
            .join("config");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines()
            .map(|line| format!("--change={line}"))
            .collect()
    }

    /// Tests are processes of their own: one of them imports, the others wait.
    fn lock(self) -> File {
        let file = File::create(cache().join("images").join(format!("{}.lock", self.name)))
            .expect("the cache is writable");
        file.lock().expect("the cache's file system has locks");
        file
    }
}
