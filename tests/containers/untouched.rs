//! A container that did not ask for a GPU is what it would be without pumice.

use libtest_mimic::Trial;
use tests::container::engine::{Container, Engine, Route, Stack};
use tests::container::image::SID;

use crate::{assert_same_lines, trial};

pub fn trials() -> Vec<Trial> {
    let stacks = [
        (Engine::Podman, "crun", Route::Precreate, "crun"),
        (Engine::Podman, "runc", Route::Precreate, "runc"),
        (Engine::Podman, "crun", Route::Live, "crun"),
        (Engine::Podman, "runc", Route::Live, "runc"),
        (Engine::Docker, "pumice", Route::Runtime, "runc"),
        (Engine::Docker, "runc", Route::Gpus, "runc"),
    ];
    let compare = |(engine, runtime, route, plain)| {
        let with = Stack {
            engine,
            runtime,
            route,
        };
        let without = Stack {
            engine,
            runtime: plain,
            route: Route::None,
        };
        trial(
            format!("{with}: a container that did not ask is as without pumice"),
            move || {
                assert_same_lines(&view(without), &view(with));
            },
        )
    };
    stacks.into_iter().map(compare).collect()
}

fn view(stack: Stack) -> String {
    let container = Container::new(SID, &["sh", "-c", include_str!("view.sh")]).that_does_not_ask();
    stack.start().run(&container).expect_success().stdout
}
