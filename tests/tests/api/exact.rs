//! `PUMICE_EXACT`: results as CUDA defines them where the device's own differ.

mod on_pumice {
    use crate::faults::{launch, load, with_body};
    use tests::context::Context;
    use tests::process::in_child;
    use tests::target::require_pumice;

    /// A subnormal times one, flushed; a product and sum that, rounded to f64 first,
    /// lies between two f32 (24929 × 673 is 2^24 + 1).
    const BODY: &str = ".reg .b64 %rd<2>;\n.reg .f32 %f<5>;\n\
         ld.param.u64 %rd1, [place];\ncvta.to.global.u64 %rd1, %rd1;\n\
         ld.global.f32 %f1, [%rd1];\nld.global.f32 %f2, [%rd1+4];\n\
         ld.global.f32 %f3, [%rd1+8];\nld.global.f32 %f4, [%rd1+12];\n\
         mul.ftz.f32 %f1, %f1, 0f3F800000;\nst.global.f32 [%rd1], %f1;\n\
         fma.rn.f32 %f2, %f2, %f3, %f4;\nst.global.f32 [%rd1+4], %f2;\nret;";
    const OPERANDS: [f32; 4] = [1e-40, 24_929.0, 673.0 / 16_777_216.0, 1e-30];
    /// A flushed zero, and the neighbour of 1.
    const EXACT: &str = "[0, 1065353217]";

    #[test]
    fn exact_kernels_are_asked_for_by_name_and_cached_apart() {
        require_pumice();
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().to_str().unwrap();
        let run = |exact: &str| {
            let variables = [
                ("CUDA_CACHE_PATH", path),
                ("PUMICE_EXACT", exact),
                ("PUMICE_TRACE", "1"),
            ];
            in_child(&variables, || {
                let context = Context::primary();
                let bytes: Vec<u8> = OPERANDS.iter().flat_map(|v| v.to_le_bytes()).collect();
                let place = context.upload(&bytes);
                let module = load(&context, &with_body(BODY)).unwrap();
                let function = context.function(module, "other");
                launch(&context, function, place.base.0).unwrap();
                let results = place.read();
                let words = results.chunks(4).take(2);
                let words = words.map(|word| u32::from_le_bytes(word.try_into().unwrap()));
                format!("{:?}", words.collect::<Vec<_>>())
            })
        };
        let cached = |stderr: &str| {
            let mut lines = stderr.lines();
            lines.any(|line| line.contains("kernel other: ") && line.contains("from the cache"))
        };
        let as_computed = run("0").value;
        for (exact, expected, known) in [
            ("1", EXACT, false),
            ("1", EXACT, true),
            ("", as_computed.as_str(), true),
        ] {
            let answer = run(exact);
            assert_eq!(answer.value, expected, "PUMICE_EXACT={exact}");
            assert_eq!(cached(&answer.stderr), known, "{}", answer.stderr);
        }
        let answer = run("perhaps");
        assert_eq!(answer.value, as_computed);
        let told = "PUMICE_EXACT=perhaps is neither 0 nor 1";
        assert!(answer.stderr.contains(told), "{}", answer.stderr);
    }
}
