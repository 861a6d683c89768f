//! Every route gives a container the same things in the same places.

use libtest_mimic::Trial;
use tests::container::engine::{Container, Engine, Route, STACKS, Stack};
use tests::container::image::{Image, SID, TRIXIE};

use crate::{assert_same_lines, trial};

const REFERENCE: Stack = Stack {
    engine: Engine::Podman,
    runtime: "crun",
    route: Route::Precreate,
};

pub fn trials() -> Vec<Trial> {
    let others = STACKS.iter().copied().filter(|&stack| stack != REFERENCE);
    let compare = |stack: Stack| {
        [SID, TRIXIE].map(|image| {
            trial(
                format!("{stack}: the same view in {} as by {REFERENCE}", image.name),
                move || {
                    assert_same_lines(&view(REFERENCE, image), &view(stack, image));
                },
            )
        })
    };
    others.flat_map(compare).collect()
}

/// Ours in the container: mounts with their options, contents of the libraries
/// by the names that programs use, and whether the preload library is at work.
fn view(stack: Stack, image: Image) -> String {
    let container = Container::new(image, &["sh", "-c", include_str!("same_view.sh")]);
    let view = stack.start().run(&container).expect_success().stdout;
    assert!(
        view.contains("libcuda.so.1") && view.contains("manifest.json"),
        "{stack} brought nothing: {view}"
    );
    view
}
