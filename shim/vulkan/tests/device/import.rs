use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use vulkan::{Error, Pattern};

use crate::rig::Rig;

/// Zeroed memory of the host, aligned as asked.
struct HostMemory {
    pointer: NonNull<u8>,
    layout: Layout,
}

impl HostMemory {
    fn new(len: usize, alignment: usize) -> HostMemory {
        let layout = Layout::from_size_align(len, alignment).expect("a layout");
        // SAFETY: the layout has a size.
        let pointer = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        HostMemory { pointer, layout }
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.pointer.as_ptr(), self.layout) }
    }
}

#[test]
fn the_device_writes_imported_host_memory() {
    let rig = Rig::new();
    if !rig.device.physical().features().external_memory_host {
        let memory = HostMemory::new(4096, 4096);
        // SAFETY: the memory outlives the call, which must fail.
        let error =
            unsafe { rig.device.import_host(memory.pointer, 4096) }.expect_err("not offered");
        assert!(matches!(error, Error::FeatureNotPresent { .. }), "{error}");
        return;
    }
    let alignment = rig
        .device
        .physical()
        .limits()
        .imported_host_pointer_alignment as usize;
    let len = alignment * 3;
    let memory = HostMemory::new(len, alignment);
    // SAFETY: `memory` is dropped after the import and all its commands.
    let imported =
        unsafe { rig.device.import_host(memory.pointer, len as u64) }.expect("an import");
    assert_eq!(
        (imported.size(), imported.host_ptr()),
        (len as u64, Some(memory.pointer))
    );
    if rig.device.physical().is_lavapipe() {
        assert_eq!(
            imported.device_address(),
            memory.pointer.addr().get() as u64
        );
    }
    let inner = imported.slice(5, len as u64 - 10).expect("inside");
    rig.run(|recorder| recorder.fill(&inner, Pattern::U8(9)).expect("a fill"));
    drop((imported, inner));
    // SAFETY: the memory is ours and the device is done.
    let bytes = unsafe { std::slice::from_raw_parts(memory.pointer.as_ptr(), len) };
    assert_eq!(bytes.iter().filter(|&&byte| byte == 9).count(), len - 10);
    assert_eq!(
        (bytes[4], bytes[5], bytes[len - 6], bytes[len - 5]),
        (0, 9, 9, 0)
    );
}

#[test]
fn a_misaligned_import_is_refused() {
    let rig = Rig::new();
    let memory = HostMemory::new(1 << 16, 1 << 16);
    // SAFETY: one byte further is still inside.
    let odd = unsafe { memory.pointer.add(1) };
    for (pointer, len) in [(odd, 4096), (memory.pointer, 4095), (memory.pointer, 0)] {
        // SAFETY: the range lies in memory that outlives the call, which fails.
        let error = unsafe { rig.device.import_host(pointer, len) }.expect_err("misaligned");
        assert!(
            matches!(
                error,
                Error::InvalidArgument { .. } | Error::FeatureNotPresent { .. }
            ),
            "{error}"
        );
    }
}
