//! Which memory type serves which placement.

use ash::vk;

use super::{HostAccess, Placement};

/// A memory type, chosen for a placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryKind {
    pub type_index: u32,
    pub heap: usize,
    pub host: HostAccess,
}

/// The memory type of each placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryKinds {
    device: MemoryKind,
    host: MemoryKind,
    upload: MemoryKind,
}

/// Flags that mean ordinary memory; a type with any other is passed over
/// (protected, lazily allocated, uncached on the device).
const ORDINARY: vk::MemoryPropertyFlags = vk::MemoryPropertyFlags::from_raw(
    vk::MemoryPropertyFlags::DEVICE_LOCAL.as_raw()
        | vk::MemoryPropertyFlags::HOST_VISIBLE.as_raw()
        | vk::MemoryPropertyFlags::HOST_COHERENT.as_raw()
        | vk::MemoryPropertyFlags::HOST_CACHED.as_raw(),
);

impl MemoryKinds {
    /// Chooses among the types of `memory` that `allowed` (a bit each) permits
    /// for our buffers; `None` where no type is both allowed and mappable.
    pub fn choose(
        memory: &vk::PhysicalDeviceMemoryProperties,
        allowed: u32,
    ) -> Option<MemoryKinds> {
        use vk::MemoryPropertyFlags as Flags;
        let types = Types { memory, allowed };
        let mapped = Flags::HOST_VISIBLE | Flags::HOST_COHERENT;
        let any = |_: &MemoryKind| true;
        let host = types
            .first(mapped | Flags::HOST_CACHED, Flags::empty(), any)
            .or_else(|| types.first(mapped, Flags::empty(), any))?;
        let largest = types.largest_local_heap();
        let on_largest = |kind: &MemoryKind| Some(kind.heap) == largest;
        let device = types
            .first(
                Flags::DEVICE_LOCAL | mapped | Flags::HOST_CACHED,
                Flags::empty(),
                on_largest,
            )
            .or_else(|| types.first(Flags::DEVICE_LOCAL | mapped, Flags::empty(), on_largest))
            .or_else(|| types.first(Flags::DEVICE_LOCAL, Flags::empty(), on_largest))
            .unwrap_or(host);
        let upload = types
            .first(Flags::DEVICE_LOCAL | mapped, Flags::empty(), any)
            .or_else(|| types.first(mapped, Flags::HOST_CACHED, any))
            .unwrap_or(host);
        Some(MemoryKinds {
            device,
            host,
            upload,
        })
    }

    /// The type for memory that the host brings, of the types that the driver
    /// takes it as.
    pub fn of_import(
        memory: &vk::PhysicalDeviceMemoryProperties,
        allowed: u32,
    ) -> Option<MemoryKind> {
        use vk::MemoryPropertyFlags as Flags;
        let types = Types { memory, allowed };
        let mapped = Flags::HOST_VISIBLE | Flags::HOST_COHERENT;
        let none = Flags::empty();
        types
            .first(mapped | Flags::HOST_CACHED, none, |_| true)
            .or_else(|| types.first(mapped, none, |_| true))
    }

    /// `kind` where `allowed` has it, else another type of its heap.
    pub fn same_heap(
        memory: &vk::PhysicalDeviceMemoryProperties,
        allowed: u32,
        kind: MemoryKind,
    ) -> Option<MemoryKind> {
        if allowed & (1 << kind.type_index) != 0 {
            return Some(kind);
        }
        let none = vk::MemoryPropertyFlags::empty();
        Types { memory, allowed }.first(none, none, |other| other.heap == kind.heap)
    }

    pub fn of(&self, placement: Placement) -> MemoryKind {
        match placement {
            Placement::Device => self.device,
            Placement::Host => self.host,
            Placement::Upload => self.upload,
        }
    }
}

struct Types<'a> {
    memory: &'a vk::PhysicalDeviceMemoryProperties,
    allowed: u32,
}

impl Types<'_> {
    /// The first type with all of `wanted`, none of `unwanted`, that `accept`s.
    fn first(
        &self,
        wanted: vk::MemoryPropertyFlags,
        unwanted: vk::MemoryPropertyFlags,
        accept: impl Fn(&MemoryKind) -> bool,
    ) -> Option<MemoryKind> {
        let fits = |flags: vk::MemoryPropertyFlags| {
            flags.contains(wanted) && !flags.intersects(unwanted) && ORDINARY.contains(flags)
        };
        (0..self.memory.memory_type_count)
            .filter(|index| self.allowed & (1 << index) != 0)
            .filter(|&index| fits(self.memory.memory_types[index as usize].property_flags))
            .map(|index| self.kind(index))
            .find(accept)
    }

    fn kind(&self, type_index: u32) -> MemoryKind {
        let memory_type = self.memory.memory_types[type_index as usize];
        MemoryKind {
            type_index,
            heap: memory_type.heap_index as usize,
            host: HostAccess::of(memory_type.property_flags),
        }
    }

    fn largest_local_heap(&self) -> Option<usize> {
        let heaps = self.memory.memory_heaps_as_slice().iter().enumerate();
        heaps
            .filter(|(_, heap)| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL))
            .max_by_key(|(_, heap)| heap.size)
            .map(|(index, _)| index)
    }
}

impl HostAccess {
    fn of(flags: vk::MemoryPropertyFlags) -> HostAccess {
        let mapped = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        if !flags.contains(mapped) {
            HostAccess::None
        } else if flags.contains(vk::MemoryPropertyFlags::HOST_CACHED) {
            HostAccess::Cached
        } else {
            HostAccess::WriteCombined
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: vk::MemoryPropertyFlags = vk::MemoryPropertyFlags::DEVICE_LOCAL;
    const VISIBLE: vk::MemoryPropertyFlags = vk::MemoryPropertyFlags::HOST_VISIBLE;
    const COHERENT: vk::MemoryPropertyFlags = vk::MemoryPropertyFlags::HOST_COHERENT;
    const CACHED: vk::MemoryPropertyFlags = vk::MemoryPropertyFlags::HOST_CACHED;

    fn memory(
        types: &[(vk::MemoryPropertyFlags, u32)],
        heaps: &[(u64, bool)],
    ) -> vk::PhysicalDeviceMemoryProperties {
        let mut memory = vk::PhysicalDeviceMemoryProperties {
            memory_type_count: types.len() as u32,
            memory_heap_count: heaps.len() as u32,
            ..Default::default()
        };
        for (slot, &(property_flags, heap_index)) in memory.memory_types.iter_mut().zip(types) {
            *slot = vk::MemoryType {
                property_flags,
                heap_index,
            };
        }
        for (slot, &(size, local)) in memory.memory_heaps.iter_mut().zip(heaps) {
            let flags = if local {
                vk::MemoryHeapFlags::DEVICE_LOCAL
            } else {
                vk::MemoryHeapFlags::empty()
            };
            *slot = vk::MemoryHeap { size, flags };
        }
        memory
    }

    fn chosen(memory: &vk::PhysicalDeviceMemoryProperties) -> [(u32, HostAccess); 3] {
        let kinds = MemoryKinds::choose(memory, u32::MAX).expect("a choice");
        [Placement::Device, Placement::Host, Placement::Upload].map(|placement| {
            let kind = kinds.of(placement);
            (kind.type_index, kind.host)
        })
    }

    #[test]
    fn a_small_window_serves_uploads_only() {
        let types = [
            (LOCAL, 0),
            (VISIBLE | COHERENT, 1),
            (VISIBLE | COHERENT | CACHED, 1),
            (LOCAL | VISIBLE | COHERENT, 2),
        ];
        let memory = memory(
            &types,
            &[(24 << 30, true), (64 << 30, false), (246 << 20, true)],
        );
        let expected = [
            (0, HostAccess::None),
            (2, HostAccess::Cached),
            (3, HostAccess::WriteCombined),
        ];
        assert_eq!(chosen(&memory), expected);
    }

    #[test]
    fn a_window_over_the_whole_heap_makes_device_memory_visible() {
        let types = [
            (LOCAL, 0),
            (VISIBLE | COHERENT, 1),
            (VISIBLE | COHERENT | CACHED, 1),
            (LOCAL | VISIBLE | COHERENT, 0),
        ];
        let memory = memory(&types, &[(141 << 30, true), (64 << 30, false)]);
        let expected = [
            (3, HostAccess::WriteCombined),
            (2, HostAccess::Cached),
            (3, HostAccess::WriteCombined),
        ];
        assert_eq!(chosen(&memory), expected);
    }

    #[test]
    fn one_type_for_everything_is_a_cpu() {
        let memory = memory(
            &[(LOCAL | VISIBLE | COHERENT | CACHED, 0)],
            &[(24 << 30, true)],
        );
        assert_eq!(chosen(&memory), [(0, HostAccess::Cached); 3]);
    }

    #[test]
    fn another_type_of_the_heap_stands_in_for_one_that_is_not_allowed() {
        let types = [
            (LOCAL, 0),
            (VISIBLE | COHERENT, 1),
            (LOCAL | VISIBLE | COHERENT, 0),
        ];
        let memory = memory(&types, &[(8 << 30, true), (8 << 30, false)]);
        let kinds = MemoryKinds::choose(&memory, u32::MAX).expect("a choice");
        let device = kinds.of(Placement::Device);
        let stand_in =
            |allowed| MemoryKinds::same_heap(&memory, allowed, device).map(|it| it.type_index);
        assert_eq!(
            (stand_in(0b111), stand_in(0b011), stand_in(0b010)),
            (Some(2), Some(0), None)
        );
        let import = |allowed| MemoryKinds::of_import(&memory, allowed).map(|it| it.type_index);
        assert_eq!((import(0b011), import(0b001)), (Some(1), None));
    }

    #[test]
    fn types_of_unknown_character_are_passed_over() {
        let odd = vk::MemoryPropertyFlags::PROTECTED;
        let types = [(LOCAL | odd, 0), (LOCAL, 0), (VISIBLE | COHERENT, 1)];
        let memory = memory(&types, &[(8 << 30, true), (8 << 30, false)]);
        let expected = [
            (1, HostAccess::None),
            (2, HostAccess::WriteCombined),
            (2, HostAccess::WriteCombined),
        ];
        assert_eq!(chosen(&memory), expected);
    }
}
