//! The validation layer, for `PUMICE_DEBUG=vk-loader`: what it says goes to
//! standard error like everything else.

use std::ffi::{CStr, c_void};

use ash::{ext, vk};

const LAYER: &CStr = c"VK_LAYER_KHRONOS_validation";

/// The validation layer, where it is installed.
pub(crate) fn layers(entry: &ash::Entry) -> Vec<&'static CStr> {
    // SAFETY: the entry is live.
    let layers = unsafe { entry.enumerate_instance_layer_properties() }.unwrap_or_default();
    let installed = layers
        .iter()
        .any(|layer| layer.layer_name_as_c_str() == Ok(LAYER));
    if !installed {
        eprintln!("pumice: vk: {} is not installed", LAYER.to_string_lossy());
    }
    installed.then_some(LAYER).into_iter().collect()
}

/// Reports of the layer; destroyed before its instance.
pub(crate) struct Messenger {
    functions: ext::debug_utils::Instance,
    messenger: vk::DebugUtilsMessengerEXT,
}

impl Messenger {
    pub fn new(entry: &ash::Entry, instance: &ash::Instance) -> Option<Messenger> {
        let functions = ext::debug_utils::Instance::new(entry, instance);
        let info = vk::DebugUtilsMessengerCreateInfoEXT::default()
            .message_severity(
                vk::DebugUtilsMessageSeverityFlagsEXT::ERROR
                    | vk::DebugUtilsMessageSeverityFlagsEXT::WARNING,
            )
            .message_type(
                vk::DebugUtilsMessageTypeFlagsEXT::VALIDATION
                    | vk::DebugUtilsMessageTypeFlagsEXT::PERFORMANCE
                    | vk::DebugUtilsMessageTypeFlagsEXT::GENERAL,
            )
            .pfn_user_callback(Some(report));
        // SAFETY: the instance is live and was made with the extension.
        let messenger = unsafe { functions.create_debug_utils_messenger(&info, None) }.ok()?;
        Some(Messenger {
            functions,
            messenger,
        })
    }

    pub fn destroy(&self) {
        // SAFETY: called once, before the instance is destroyed.
        unsafe {
            self.functions
                .destroy_debug_utils_messenger(self.messenger, None)
        }
    }
}

unsafe extern "system" fn report(
    severity: vk::DebugUtilsMessageSeverityFlagsEXT,
    _kinds: vk::DebugUtilsMessageTypeFlagsEXT,
    data: *const vk::DebugUtilsMessengerCallbackDataEXT<'_>,
    _user: *mut c_void,
) -> vk::Bool32 {
    // SAFETY: the layer passes a live structure.
    let message = unsafe { (*data).message_as_c_str() };
    let message = message.map(CStr::to_string_lossy).unwrap_or_default();
    eprintln!("pumice: vk-loader: {severity:?}: {message}");
    vk::FALSE
}
