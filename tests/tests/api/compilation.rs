//! When kernels are compiled, and what is kept of it between processes.

mod on_pumice {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::ptr::null_mut;
    use std::time::Duration;

    use abi::cuda::{CUfunction, CUstream};
    use tests::context::Context;
    use tests::image::{LAUNCHED, terminated};
    use tests::process::{Answer, in_child, in_child_of, is_child};
    use tests::target::require_pumice;

    /// What the trace says of a kernel that was compiled before it was launched.
    const AHEAD: &str = "ahead of its launch";

    fn launch_without_parameters(context: &Context, function: CUfunction) {
        let stream = CUstream::NULL;
        context
            .cuLaunchKernel(
                function,
                1,
                1,
                1,
                1,
                1,
                1,
                0,
                stream,
                null_mut(),
                null_mut(),
            )
            .unwrap();
        context.cuCtxSynchronize().unwrap();
    }

    #[test]
    fn kernels_are_compiled_when_asked_for_unless_too_many_are() {
        require_pumice();
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().to_str().unwrap();
        let answer = in_child(&[("CUDA_CACHE_PATH", path), ("PUMICE_TRACE", "1")], || {
            let context = Context::primary();
            let kernels = (0..300)
                .map(|index| format!(".visible .entry kernel_{index}() {{ ret; }}\n"))
                .collect::<String>();
            let text = format!(".version 6.0\n.target sm_50\n.address_size 64\n{kernels}");
            let module = context.module(&terminated(&text));
            let first = context.function(module, "kernel_0");
            std::thread::sleep(Duration::from_secs(1));
            launch_without_parameters(&context, first);
            let functions = (1..300)
                .map(|index| context.function(module, &format!("kernel_{index}")))
                .collect::<Vec<_>>();
            let last = functions[functions.len() - 1];
            std::thread::sleep(Duration::from_secs(1));
            launch_without_parameters(&context, last);
            String::new()
        });
        let ahead = |kernel: &str| {
            let line = format!("kernel {kernel}: ");
            let mut lines = answer.stderr.lines();
            lines.any(|text| text.contains(&line) && text.contains(AHEAD))
        };
        assert!(ahead("kernel_0"), "{}", answer.stderr);
        assert!(!ahead("kernel_299"));
        let count = answer.stderr.matches(AHEAD).count();
        assert!((1..=33).contains(&count), "{count} of 300");
    }

    /// Launches a kernel in a process whose cache lies at `path`.
    fn run(path: &Path, disabled: &str) -> Answer {
        run_by(&[], path, disabled)
    }

    fn run_by(launcher: &[&str], path: &Path, disabled: &str) -> Answer {
        let variables = [
            ("CUDA_CACHE_PATH", path.to_str().unwrap()),
            ("CUDA_CACHE_DISABLE", disabled),
            ("PUMICE_TRACE", "1"),
        ];
        in_child_of(launcher, &variables, || {
            let context = Context::primary();
            let module = context.module(&terminated(LAUNCHED));
            let target = context.upload(&[0; 256]);
            let (function, mut place) = (context.function(module, "enumerate"), target.base);
            let mut parameters = [(&raw mut place).cast()];
            let stream = CUstream::NULL;
            let array = parameters.as_mut_ptr();
            context
                .cuLaunchKernel(function, 1, 1, 1, 4, 1, 1, 0, stream, array, null_mut())
                .unwrap();
            context.cuCtxSynchronize().unwrap();
            format!("{:?}", &target.read()[..16])
        })
    }

    const WRITTEN: &str = "[0, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, 9, 0, 0, 0]";

    /// The file of the driver's pipelines, if there is one.
    fn pipelines(cache: &Path) -> Option<PathBuf> {
        let entries = fs::read_dir(cache.join("pumice")).ok()?;
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.to_str().unwrap().contains("/pipelines-"))
    }

    #[test]
    fn damaged_pipelines_on_disk_are_made_anew() {
        require_pumice();
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(run(cache.path(), "").value, WRITTEN);
        let file = pipelines(cache.path()).expect("the pipelines are stored at exit");
        // The first process has tested the device, too; later ones know that it works.
        fs::remove_file(&file).unwrap();
        assert_eq!(run(cache.path(), "").value, WRITTEN);
        let whole = fs::read(&file).unwrap();
        let cut = whole[..whole.len() - 1].to_vec();
        for damaged in [Vec::new(), cut, vec![0xA5; 100_000]] {
            fs::write(&file, damaged).unwrap();
            let answer = run(cache.path(), "");
            assert_eq!(answer.value, WRITTEN);
            assert!(
                answer.stderr.contains("cache: pipeline cache"),
                "{}",
                answer.stderr
            );
            assert_eq!(fs::read(&file).unwrap().len(), whole.len());
        }
    }

    #[test]
    fn a_cache_that_is_switched_off_or_unwritable_is_no_failure() {
        require_pumice();
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(run(cache.path(), "1").value, WRITTEN);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
        let file = cache.path().join("file");
        fs::write(&file, "no directory").unwrap();
        for place in [file.as_path(), Path::new("/proc/nowhere")] {
            assert_eq!(run(place, "").value, WRITTEN, "{place:?}");
        }
    }

    /// Launches a kernel in a process whose cache is a file system of four kilobytes.
    fn run_on_full_disk(path: &Path) -> Answer {
        const MOUNTED: &str = r#"
            [ "$(id -u)" = 0 ] || mapped=--map-root-user
            exec unshare --mount ${mapped:-} sh -euc '
                mount -t tmpfs -o size=4k,mode=700 full "$CUDA_CACHE_PATH"
                exec "$@"' sh "$@""#;
        run_by(&["sh", "-euc", MOUNTED, "sh"], path, "")
    }

    #[test]
    fn a_full_disk_is_no_failure() {
        require_pumice();
        let cache = tempfile::tempdir().unwrap();
        let answer = run_on_full_disk(cache.path());
        assert_eq!(answer.value, WRITTEN);
        let full = answer.stderr.lines().any(|line| {
            line.contains("cache: ") && line.contains("/kernels/") && line.contains("No space left")
        });
        assert!(full, "{}", answer.stderr);
    }

    /// The files of compiled kernels.
    fn kernels(cache: &Path) -> Vec<PathBuf> {
        let entries = |path: &Path| {
            fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        };
        let folders = entries(&cache.join("pumice/kernels"));
        folders
            .flat_map(|folder| entries(&folder).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn damaged_kernels_on_disk_are_made_anew() {
        require_pumice();
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(run(cache.path(), "").value, WRITTEN);
        let files = kernels(cache.path());
        let [file] = files.as_slice() else {
            panic!("one kernel was compiled: {files:?}");
        };
        let whole = fs::read(file).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        let cut = whole[..whole.len() - 1].to_vec();
        for damaged in [Vec::new(), cut, flipped, vec![0xA5; 100_000]] {
            fs::write(file, damaged).unwrap();
            let answer = run(cache.path(), "");
            assert_eq!(answer.value, WRITTEN);
            assert!(answer.stderr.contains("is not whole"), "{}", answer.stderr);
            assert_eq!(fs::read(file).unwrap(), whole);
        }
        let answer = run(cache.path(), "");
        assert!(!answer.stderr.contains("is not whole"), "{}", answer.stderr);
    }

    #[test]
    fn processes_share_a_cache_that_they_fill_at_once() {
        require_pumice();
        if is_child() {
            run(Path::new("unused"), "");
        }
        let cache = tempfile::tempdir().unwrap();
        let name = std::thread::current().name().unwrap_or("main").to_owned();
        std::thread::scope(|scope| {
            let start = |_| {
                let thread = std::thread::Builder::new().name(name.clone());
                thread
                    .spawn_scoped(scope, || run(cache.path(), ""))
                    .unwrap()
            };
            let processes = (0..4).map(start).collect::<Vec<_>>();
            for process in processes {
                assert_eq!(process.join().unwrap().value, WRITTEN);
            }
        });
        assert_eq!(kernels(cache.path()).len(), 1, "and no unfinished files");
        let later = run(cache.path(), "");
        assert!(later.stderr.contains("from the cache"), "{}", later.stderr);
    }
}
