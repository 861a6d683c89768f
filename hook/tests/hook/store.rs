//! The store of assembled drivers where its file system is unusual.

use std::fs;
use std::process::Command;

use crate::host::Host;

#[test]
fn a_driver_of_a_lower_layer_of_an_overlay_is_replaced() {
    let host = Host::new("");
    assert!(host.run(&["assemble"], b"").status.success());
    // The same library in another file: what is assembled is out of date.
    let library = host.path("usr/lib/libvulkan_lvp.so");
    fs::copy(&library, host.path("copy")).unwrap();
    fs::rename(host.path("copy"), &library).unwrap();
    for name in ["upper", "work"] {
        fs::create_dir(host.path(name)).unwrap();
    }
    let script = "mount -t overlay overlay -o lowerdir=$STORE,upperdir=$AT/upper,workdir=$AT/work $STORE && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-ec", script])
        .args(["sh", env!("CARGO_BIN_EXE_pumice")])
        .args(host.options())
        .arg("assemble")
        .env("STORE", host.path("var/lib/pumice"))
        .env("AT", host.path(""));
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let assembled = host.path("upper/drivers/lvp/libvulkan_lvp.so");
    assert!(assembled.exists(), "the new driver is in the upper layer");
}
