//! Operations on one float or on the packed floats of a register.

use super::{Translated, Translator};
use crate::front::ast;
use crate::front::words;
use crate::ir::{Op, Type, Value};

impl Translator<'_> {
    /// Applies a floating-point operation to the first `sources` source
    /// operands: once for a scalar type, once a half for a packed one. `.bf16`
    /// computes in f32, whose result rounds back: it has more than twice the
    /// digits, so this is as good as rounding once.
    pub(super) fn lanewise(
        &mut self,
        i: &ast::Instruction,
        sources: usize,
        operation: impl Fn(&mut Self, Type, &[Value]) -> Value,
    ) -> Translated {
        let operands = &i.operands[1..=sources];
        let value = match i.types[0] {
            words::Type::F16x2 | words::Type::Bf16x2 => {
                self.packed_halves(i.types[0], operands, operation)?
            }
            words::Type::F32x2 => return Err(self.unsupported_instruction(i)),
            words::Type::Bf16 => {
                let mut values = Vec::new();
                for operand in operands {
                    let bits = self.source(operand, Type::B16)?;
                    values.push(self.from_bfloat(bits));
                }
                let value = operation(self, Type::F32, &values);
                self.nearest_bfloat(value)
            }
            ty => {
                let ty = self.ty(ty)?;
                let mut values = Vec::new();
                for operand in operands {
                    values.push(self.source(operand, ty)?);
                }
                operation(self, ty, &values)
            }
        };
        self.destination(&i.operands[0], value, false)
    }

    fn packed_halves(
        &mut self,
        ty: words::Type,
        operands: &[ast::Operand],
        operation: impl Fn(&mut Self, Type, &[Value]) -> Value,
    ) -> Translated<Value> {
        let mut registers = Vec::new();
        for operand in operands {
            registers.push(self.source(operand, Type::B32)?);
        }
        let halves = [0, 1].map(|half| {
            let values: Vec<_> = registers
                .iter()
                .map(|&register| self.packed_half(ty, register, half))
                .collect();
            match ty {
                words::Type::Bf16x2 => {
                    let result = operation(self, Type::F32, &values);
                    self.nearest_bfloat(result)
                }
                _ => {
                    let result = operation(self, Type::F16, &values);
                    self.bitcast(result, Type::B16)
                }
            }
        });
        Ok(self.emit(Op::Concat, &halves, Type::B32))
    }

    /// One half of a packed register: an f16, or an f32 of a bf16.
    pub(super) fn packed_half(&mut self, ty: words::Type, register: Value, half: u32) -> Value {
        match ty {
            words::Type::Bf16x2 => {
                let bits = self.emit(Op::Extract(half), &[register], Type::B16);
                self.from_bfloat(bits)
            }
            _ => self.half(register, half),
        }
    }

    /// A bf16 as an f32, whose upper half it is.
    pub(super) fn from_bfloat(&mut self, bits: Value) -> Value {
        let zero = self.constant(Type::B16, 0);
        let bits = self.emit(Op::Concat, &[zero, bits], Type::B32);
        self.bitcast(bits, Type::F32)
    }

    /// One half of a packed register as f16.
    pub(super) fn half(&mut self, register: Value, half: u32) -> Value {
        let bits = self.emit(Op::Extract(half), &[register], Type::B16);
        self.bitcast(bits, Type::F16)
    }
}
