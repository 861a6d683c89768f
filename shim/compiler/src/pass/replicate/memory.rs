//! Memory of several threads in one invocation.
//!
//! A lane that is not here must touch no memory: its load reads a safe address
//! instead, its store or atomic is branched around. An unguarded load would
//! crash a software device, whose addresses are the host's.

use smallvec::SmallVec;

use super::{Lanes, Writer, Written};
use crate::ir::{Function, Instruction, Op, Space, Type, Value};
use Type::B64;

impl Writer<'_> {
    /// Whether each lane must access memory for itself.
    fn is_apart(&self, i: &Instruction, space: Space) -> bool {
        space == Space::Local
            || i.arguments
                .iter()
                .any(|&argument| self.is_divergent(argument))
    }

    /// An address in a lane's own part of local memory.
    fn own_address(&mut self, address: Value, space: Space, lane: u32) -> Value {
        if space != Space::Local || lane == 0 {
            return address;
        }
        let ty = self.new.ty(address);
        let offset = self.constant(ty, u64::from(local_stride(self.old) * lane));
        self.emit(Op::Add, &[address, offset], ty)
    }

    /// The scratch buffer gives each thread of a block its part in order, and a
    /// lane is so many threads behind its invocation's first.
    pub(super) fn scratch(&mut self, i: &Instruction) {
        let first = self.emit(Op::Scratch, &[], B64);
        let stride = u64::from(crate::back::spirv::scratch_stride(self.old));
        let lanes: Lanes = (0..self.count)
            .map(|lane| {
                let threads = u64::from(self.size * lane);
                let offset = self.constant(B64, threads * stride);
                self.emit(Op::Add, &[first, offset], B64)
            })
            .collect();
        self.map[i.results[0].index()] = lanes;
    }

    pub(super) fn load(&mut self, i: &Instruction, space: Space) -> Written {
        let apart = self.is_apart(i, space);
        for &result in &i.results {
            self.map[result.index()].clear();
        }
        for lane in 0..if apart { self.count } else { 1 } {
            let address = self.lane(i.arguments[0], lane);
            let mut address = self.own_address(address, space, lane);
            if self.masked {
                let here = if apart {
                    self.mask(lane)
                } else {
                    let masks = self.masks();
                    self.any(&masks)
                };
                address = self.safe(here, address, i, space);
            }
            let results: SmallVec<[Value; 1]> = i
                .results
                .iter()
                .map(|&r| self.new.value(self.old.ty(r)))
                .collect();
            self.push(i.op, &[address], results.clone());
            for (&old, new) in i.results.iter().zip(results) {
                self.map[old.index()].push(new);
            }
        }
        Ok(())
    }

    /// The address, or for a lane that is not here one that may be read.
    fn safe(&mut self, here: Value, address: Value, i: &Instruction, space: Space) -> Value {
        let ty = self.new.ty(address);
        let offset = i.op.access().map_or(0, |access| access.offset);
        let base = match space {
            Space::Global | Space::Constant | Space::Generic => {
                self.emit(Op::SafeAddress, &[], B64)
            }
            _ => self.constant(ty, 0),
        };
        // The access adds its offset, which the safe place must not have.
        let back = self.constant(ty, (offset as u64).wrapping_neg() & ty.mask());
        let safe = self.emit(Op::Add, &[base, back], ty);
        self.emit(Op::Select, &[here, address, safe], ty)
    }

    pub(super) fn store(&mut self, i: &Instruction, space: Space) -> Written {
        let apart = self.is_apart(i, space);
        for lane in 0..if apart { self.count } else { 1 } {
            let mut arguments: Lanes = i.arguments.iter().map(|&a| self.lane(a, lane)).collect();
            arguments[0] = self.own_address(arguments[0], space, lane);
            if !self.masked {
                self.push(i.op, &arguments, SmallVec::new());
                continue;
            }
            let here = if apart {
                self.mask(lane)
            } else {
                let masks = self.masks();
                self.any(&masks)
            };
            self.only_if(here, |writer| {
                writer.push(i.op, &arguments, SmallVec::new());
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(super) fn atomic(&mut self, i: &Instruction) -> Written {
        let result = i.results[0];
        let ty = self.old.ty(result);
        let mut lanes = Lanes::new();
        for lane in 0..self.count {
            let arguments: Lanes = i.arguments.iter().map(|&a| self.lane(a, lane)).collect();
            if !self.masked {
                lanes.push(self.emit(i.op, &arguments, ty));
                continue;
            }
            let old = self.temporary();
            let zero = self.constant(ty, 0);
            self.write(old, zero);
            let here = self.mask(lane);
            self.only_if(here, |writer| {
                let value = writer.emit(i.op, &arguments, ty);
                writer.write(old, value);
                Ok(())
            })?;
            lanes.push(self.read(old, ty));
        }
        self.map[result.index()] = lanes;
        Ok(())
    }
}

/// Bytes from one lane's local memory to the next's.
pub(super) fn local_stride(function: &Function) -> u32 {
    function.local_bytes.next_multiple_of(16)
}
