//! When kernels are compiled, and what is kept of it between processes.

mod on_pumice {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::ptr::null_mut;
    use std::time::Duration;

    use abi::cuda::{CUfunction, CUstream};
    use tests::context::Context;
    use tests::image::{LAUNCHED, terminated};
    use tests::process::{Answer, in_child};
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
        let variables = [
            ("CUDA_CACHE_PATH", path.to_str().unwrap()),
            ("CUDA_CACHE_DISABLE", disabled),
            ("PUMICE_TRACE", "1"),
        ];
        in_child(&variables, || {
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
}
