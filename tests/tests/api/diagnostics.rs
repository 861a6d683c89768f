//! What pumice says to those who look for a fault.

mod on_pumice {
    use std::fs;

    use abi::CUerror;
    use abi::cuda::CUdeviceptr;
    use tests::context::Context;
    use tests::driver::driver;
    use tests::process::in_child;
    use tests::target::require_pumice;

    /// A few calls, one of them refused.
    fn traced_calls() -> String {
        let context = Context::primary();
        let mut address = CUdeviceptr::NULL;
        assert!(context.cuMemAlloc_v2(&raw mut address, 0).is_err());
        let mut function = std::ptr::null_mut();
        let name = c"cuMemAlloc".as_ptr();
        let _ =
            context.cuGetProcAddress_v2(name, &raw mut function, 12000, 0, std::ptr::null_mut());
        String::new()
    }

    fn assert_trace(trace: &str) {
        for expected in [
            "cuInit(Flags=0) = CUDA_SUCCESS",
            "bytesize=0) = CUDA_ERROR_INVALID_VALUE",
            "cuGetProcAddress_v2(symbol=\"cuMemAlloc\"",
            "cuDevicePrimaryCtxRelease_v2(dev=0) = CUDA_SUCCESS",
        ] {
            assert!(trace.contains(expected), "{expected} is not in\n{trace}");
        }
        let calls = trace.lines().filter(|line| line.contains(") = CUDA_"));
        for call in calls {
            assert!(
                call.starts_with("pumice: [") && call.ends_with(" us"),
                "{call}"
            );
        }
    }

    #[test]
    fn a_trace_has_a_line_for_every_call() {
        require_pumice();
        let answer = in_child(&[("PUMICE_TRACE", "1")], traced_calls);
        assert_trace(&answer.stderr);
    }

    #[test]
    fn a_trace_goes_to_a_file_and_is_appended() {
        require_pumice();
        let path = std::env::temp_dir().join(format!("pumice-trace-{}", std::process::id()));
        let name = path.to_str().unwrap();
        let first = in_child(&[("PUMICE_TRACE", name)], traced_calls);
        assert!(!first.stderr.contains("cuInit("), "{}", first.stderr);
        let once = fs::read_to_string(&path).unwrap();
        in_child(&[("PUMICE_TRACE", name)], traced_calls);
        let twice = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_trace(&once);
        assert!(twice.starts_with(&once) && twice.len() > once.len());
    }

    #[test]
    fn the_switch_of_its_container_traces_a_process_that_no_variable_tells() {
        require_pumice();
        let drivers = std::env::temp_dir().join(format!("pumice-switch-{}", std::process::id()));
        fs::create_dir_all(drivers.join("one")).unwrap();
        let namespace = fs::read_link("/proc/self/ns/mnt").unwrap();
        let line = |value: &str| format!("{} {value}\n", namespace.display());
        fs::write(drivers.join("one/trace"), line("1")).unwrap();
        let directory = ("PUMICE_DRIVERS", drivers.to_str().unwrap());
        let traced = in_child(&[directory], traced_calls);
        let told = in_child(&[directory, ("PUMICE_TRACE", "0")], traced_calls);
        fs::write(drivers.join("one/trace"), "mnt:[1] 1\n").unwrap();
        let of_another = in_child(&[directory], traced_calls);
        fs::remove_dir_all(&drivers).unwrap();
        assert_trace(&traced.stderr);
        for untraced in [told, of_another] {
            assert!(!untraced.stderr.contains("cuInit("), "{}", untraced.stderr);
        }
    }

    #[test]
    fn without_a_trace_working_calls_say_nothing() {
        require_pumice();
        let answer = in_child(&[], || {
            Context::primary().assert_works();
            String::new()
        });
        assert!(!answer.stderr.contains("pumice: "), "{}", answer.stderr);
    }

    #[test]
    fn without_a_vulkan_driver_there_is_no_device_and_a_line_says_why() {
        require_pumice();
        let nothing = "/nonexistent/icd.json";
        let variables = [("VK_DRIVER_FILES", nothing), ("VK_ICD_FILENAMES", nothing)];
        let answer = in_child(&variables, || {
            let mut count = 9;
            let init = driver().cuInit(0);
            assert!(driver().cuDeviceGetCount(&raw mut count).is_err() || count == 0);
            format!("{init:?}")
        });
        assert_eq!(
            answer.value,
            format!("{:?}", Err::<(), _>(CUerror::NO_DEVICE))
        );
        assert!(answer.stderr.contains("pumice: "), "{}", answer.stderr);
    }

    #[test]
    fn an_unknown_debug_flag_is_reported() {
        require_pumice();
        let answer = in_child(&[("PUMICE_DEBUG", "banana,vk")], || {
            Context::primary().assert_works();
            String::new()
        });
        assert!(answer.stderr.contains("banana"), "{}", answer.stderr);
    }
}
