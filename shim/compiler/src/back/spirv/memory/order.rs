//! Scopes and orders: how memory operations of several threads relate.

use rspirv::dr::Operand;
use rspirv::spirv::{self, MemorySemantics, Word};

use crate::back::spirv::function::FunctionWriter;
use crate::ir::{Order, Scope};

impl FunctionWriter<'_> {
    pub(in crate::back::spirv) fn scope(&mut self, scope: Scope) -> Word {
        let scope = match scope {
            Scope::Block => spirv::Scope::Workgroup,
            Scope::Device | Scope::System => spirv::Scope::Device,
        };
        self.module.u32(scope as u32)
    }

    /// The semantics of an atomic that reads, writes, or both.
    pub(super) fn semantics(&mut self, order: Order, reads: bool, writes: bool) -> Word {
        let all = all_memory();
        let acquire = MemorySemantics::ACQUIRE | MemorySemantics::MAKE_VISIBLE | all;
        let release = MemorySemantics::RELEASE | MemorySemantics::MAKE_AVAILABLE | all;
        let both = MemorySemantics::ACQUIRE_RELEASE
            | MemorySemantics::MAKE_VISIBLE
            | MemorySemantics::MAKE_AVAILABLE
            | all;
        let semantics = match order {
            Order::Acquire if reads => acquire,
            Order::Release if writes => release,
            Order::AcquireRelease | Order::SequentiallyConsistent => match (reads, writes) {
                (true, false) => acquire,
                (false, _) => release,
                _ => both,
            },
            _ => MemorySemantics::RELAXED,
        };
        self.module.u32(semantics.bits())
    }

    /// The semantics of barriers and fences: everything before is visible after.
    pub(in crate::back::spirv) fn full_semantics(&mut self) -> Word {
        let semantics = MemorySemantics::ACQUIRE_RELEASE
            | MemorySemantics::MAKE_AVAILABLE
            | MemorySemantics::MAKE_VISIBLE
            | all_memory();
        self.module.u32(semantics.bits())
    }

    pub(in crate::back::spirv) fn fence(&mut self, scope: Scope) {
        let scope = self.scope(scope);
        let semantics = self.full_semantics();
        let operands = [scope, semantics].map(Operand::IdRef).to_vec();
        self.effect(spirv::Op::MemoryBarrier, operands);
    }
}

fn all_memory() -> MemorySemantics {
    MemorySemantics::UNIFORM_MEMORY | MemorySemantics::WORKGROUP_MEMORY
}
