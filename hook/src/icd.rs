//! Which Vulkan drivers (ICDs) the host has, and which of them serves a
//! kernel driver's devices.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::layout::Layout;

/// A Vulkan driver that is installed on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icd {
    /// Short name, from the library's: `radeon` for `libvulkan_radeon.so`.
    pub driver: String,
    /// The manifest that announces it.
    pub json: PathBuf,
    /// `library_path` as the manifest gives it, or the absolute path if that is
    /// relative to the manifest; a bare file name is looked up as the loader would.
    pub library: PathBuf,
    /// The Vulkan version that the manifest claims.
    pub api_version: String,
}

#[derive(Deserialize)]
struct Json {
    #[serde(rename = "ICD")]
    icd: JsonIcd,
}

#[derive(Deserialize)]
struct JsonIcd {
    library_path: PathBuf,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    library_arch: Option<String>,
}

/// All drivers of the host, in the Vulkan loader's order. A manifest that
/// cannot be parsed is passed over, as the loader does.
pub fn installed(layout: &Layout) -> Vec<Icd> {
    let mut found = Vec::new();
    for dir in layout.icd_dirs() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        found.extend(
            files
                .iter()
                .filter(|file| file.extension().is_some_and(|ext| ext == "json"))
                .filter_map(|file| read(file)),
        );
    }
    found
}

/// The first installed driver of the name `driver` that is not for a 32-bit system.
pub fn named<'icds>(icds: &'icds [Icd], driver: &str) -> Option<&'icds Icd> {
    icds.iter().find(|icd| icd.driver == driver)
}

fn read(json: &Path) -> Option<Icd> {
    let parsed: Json = serde_json::from_slice(&std::fs::read(json).ok()?).ok()?;
    let foreign = parsed
        .icd
        .library_arch
        .as_deref()
        .is_some_and(|arch| arch != "64");
    let other_machine = json.to_string_lossy().contains(".i686.");
    if foreign || other_machine {
        return None;
    }
    let library = parsed.icd.library_path;
    let relative = library.is_relative() && library.components().count() > 1;
    Some(Icd {
        driver: driver_name(&library)?,
        json: json.to_owned(),
        library: if relative {
            json.parent()?.join(library)
        } else {
            library
        },
        api_version: parsed.icd.api_version,
    })
}

fn driver_name(library: &Path) -> Option<String> {
    let stem = library.file_name()?.to_str()?.split(".so").next()?;
    if stem == "libGLX_nvidia" || stem == "libEGL_nvidia" {
        return Some("nvidia".into());
    }
    let name = stem
        .strip_prefix("libvulkan_")
        .or_else(|| stem.strip_prefix("lib"))
        .unwrap_or(stem);
    let safe = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !name.starts_with('.');
    (safe && !name.is_empty()).then(|| name.to_owned())
}

/// What Vulkan offers for the devices of one kernel driver.
#[derive(Debug, PartialEq, Eq)]
pub enum Support {
    /// Names of the drivers that serve it; every one that is installed is given
    /// to the container and enumerates the devices that it knows.
    Drivers(&'static [&'static str]),
    /// No Vulkan driver exists, for this reason.
    None(&'static str),
    /// A kernel driver that this table does not know.
    Unknown,
}

/// The Vulkan drivers for the devices of `kernel_driver`, which is the name of
/// the driver that sysfs shows for the render node's device.
pub fn serving(kernel_driver: &str) -> Support {
    use Support::{Drivers, None, Unknown};
    match kernel_driver {
        "amdgpu" => Drivers(&["radeon"]),
        // Which of the two serves a device depends on its generation.
        "i915" => Drivers(&["intel", "intel_hasvk"]),
        "xe" => Drivers(&["intel"]),
        "nouveau" => Drivers(&["nouveau"]),
        "nvidia" | "nvidia-drm" => Drivers(&["nvidia"]),
        "msm" | "msm_dpu" | "msm_dsi" | "adreno" => Drivers(&["freedreno"]),
        "panfrost" | "panthor" => Drivers(&["panfrost"]),
        "v3d" | "vc4-drm" | "vc4" => Drivers(&["broadcom"]),
        "asahi" => Drivers(&["asahi"]),
        "powervr" => Drivers(&["powervr_mesa"]),
        "virtio_gpu" | "virtio-pci" | "virtio-gpu-pci" => Drivers(&["virtio", "gfxstream"]),
        "radeon" => None(
            "cards that the kernel drives with `radeon` predate Vulkan; try amdgpu.si_support=1 or amdgpu.cik_support=1 on the kernel's command line",
        ),
        "vgem" | "vkms" => None("it is a virtual device for tests without a GPU behind it"),
        "simpledrm" | "simple-framebuffer" | "bochs" | "bochs-drm" | "ast" | "mgag200"
        | "cirrus" | "qxl" | "udl" | "gud" => None("it is a display without a 3D engine"),
        "vmwgfx" => None("VMware's virtual GPU has no Vulkan driver"),
        "lima" => None("Mali Utgard predates Vulkan"),
        "etnaviv" => None("Vivante GPUs have no Vulkan driver"),
        _ => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Layout) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let layout = Layout::under(root.path());
        (root, layout)
    }

    #[test]
    fn reads_manifests_of_every_form() {
        let (_root, layout) = layout_with(&[
            (
                "usr/share/vulkan/icd.d/lvp_icd.json",
                r#"{"ICD":{"api_version":"1.4.305","library_path":"libvulkan_lvp.so"}}"#,
            ),
            (
                "usr/share/vulkan/icd.d/radeon.x.json",
                r#"{"ICD":{"api_version":"1.4.1","library_path":"/opt/libvulkan_radeon.so"}}"#,
            ),
            (
                "usr/share/vulkan/icd.d/z.json",
                r#"{"ICD":{"api_version":"1.3.0","library_path":"../../lib/libvulkan_asahi.so"}}"#,
            ),
            (
                "etc/vulkan/icd.d/nvidia_icd.json",
                r#"{"ICD":{"api_version":"1.4.312","library_path":"libGLX_nvidia.so.0"}}"#,
            ),
            ("usr/share/vulkan/icd.d/broken.json", "{"),
            (
                "usr/share/vulkan/icd.d/lvp.i686.json",
                r#"{"ICD":{"library_path":"libvulkan_lvp.so","library_arch":"32"}}"#,
            ),
        ]);
        let icds = installed(&layout);
        let names: Vec<&str> = icds.iter().map(|icd| icd.driver.as_str()).collect();
        assert_eq!(names, ["nvidia", "lvp", "radeon", "asahi"]);
        assert_eq!(named(&icds, "lvp").unwrap().api_version, "1.4.305");
        assert!(
            named(&icds, "asahi")
                .unwrap()
                .library
                .ends_with("icd.d/../../lib/libvulkan_asahi.so")
        );
    }

    #[test]
    fn a_driver_name_is_never_a_path() {
        assert_eq!(
            driver_name(Path::new("/x/libvulkan_radeon.so")).as_deref(),
            Some("radeon")
        );
        assert_eq!(
            driver_name(Path::new("amdvlk64.so")).as_deref(),
            Some("amdvlk64")
        );
        assert_eq!(driver_name(Path::new("libvulkan_...so")), None);
        assert_eq!(driver_name(Path::new("lib a b.so")), None);
    }

    #[test]
    fn kernel_drivers_without_vulkan_say_why() {
        assert_eq!(serving("amdgpu"), Support::Drivers(&["radeon"]));
        assert!(matches!(serving("vgem"), Support::None(why) if why.contains("virtual device")));
        assert_eq!(serving("brand-new"), Support::Unknown);
    }
}
