//! Reading and writing operands: PTX's relaxed typing made exact.

use super::{Slot, Translated, Translator};
use crate::front::ast::{Immediate, Operand, Register, Symbol};
use crate::front::words::{self, Class, SpecialRegister, StateSpace};
use crate::ir::{Op, Type, Value};
use crate::ssa::Variable;

/// The IR type that carries values of a PTX type; packed and short floats are
/// bits. `None` for types of 128 bits, of less than a byte, and references.
pub(super) const fn ir_type(ty: words::Type) -> Option<Type> {
    use words::Type as P;
    Some(match ty {
        P::Pred => Type::B1,
        P::F16 => Type::F16,
        P::F32 => Type::F32,
        P::F64 => Type::F64,
        P::B8 | P::U8 | P::S8 | P::E4m3 | P::E5m2 => Type::B8,
        P::B16 | P::U16 | P::S16 | P::Bf16 | P::E4m3x2 | P::E5m2x2 => Type::B16,
        P::B32 | P::U32 | P::S32 | P::Tf32 => Type::B32,
        P::F16x2 | P::Bf16x2 | P::U16x2 | P::S16x2 => Type::B32,
        P::B64 | P::U64 | P::S64 | P::F32x2 => Type::B64,
        _ => return None,
    })
}

/// Whether values of a PTX type extend by their sign.
pub(super) const fn is_signed(ty: words::Type) -> bool {
    matches!(ty.class(), Class::Signed)
}

impl Translator<'_> {
    /// The IR type of a PTX type, or an error that names it.
    pub(super) fn ty(&self, ty: words::Type) -> Translated<Type> {
        ir_type(ty).ok_or_else(|| self.unsupported(&format!("the type `.{ty}`")))
    }

    /// Reads a source operand as a value of type `ty`. A wider register gives
    /// its low bits, another class of the same width its bits.
    pub(super) fn source(&mut self, operand: &Operand, ty: Type) -> Translated<Value> {
        match operand {
            Operand::Register(register) => {
                let value = self.read_register(*register);
                Ok(self.coerce(value, ty, false))
            }
            Operand::NotRegister(register) => {
                let value = self.read_register(*register);
                Ok(self.emit(Op::Not, &[value], Type::B1))
            }
            Operand::Immediate(immediate) => Ok(self.immediate(*immediate, ty)),
            Operand::Special(register, component) => {
                let value = self.special_value(*register, *component, ty);
                Ok(self.coerce(value, ty, false))
            }
            Operand::Symbol(symbol, offset) => {
                let value = self.address_of(*symbol, *offset)?;
                Ok(self.coerce(value, ty, false))
            }
            Operand::Vector(elements) => self.packed(elements, ty),
            _ => Err(self.unsupported("this operand as a source")),
        }
    }

    /// Elements in braces as one value, the first lowest.
    fn packed(&mut self, elements: &[Operand], ty: Type) -> Translated<Value> {
        let piece = Type::of_bits(ty.bits() / elements.len().max(1) as u32);
        let piece = piece.ok_or_else(|| self.unsupported("a vector of this shape"))?;
        let pieces: Vec<_> = elements
            .iter()
            .map(|element| self.source(element, piece))
            .collect::<Translated<_>>()?;
        let bits = self.emit(Op::Concat, &pieces, ty.as_bits());
        Ok(self.bitcast(bits, ty))
    }

    fn immediate(&mut self, immediate: Immediate, ty: Type) -> Value {
        let bits = match (immediate, ty) {
            (Immediate::Integer(value), Type::B1) => u64::from(value != 0),
            (Immediate::Integer(value), Type::F32) => u64::from((value as f32).to_bits()),
            (Immediate::Integer(value), Type::F64) => (value as f64).to_bits(),
            (Immediate::Integer(value), _) => value as u64,
            (Immediate::F32(bits), Type::F64) => f64::from(f32::from_bits(bits)).to_bits(),
            (Immediate::F32(bits), _) => u64::from(bits),
            (Immediate::F64(bits), Type::F32 | Type::B32) => {
                u64::from((f64::from_bits(bits) as f32).to_bits())
            }
            (Immediate::F64(bits), _) => bits,
        };
        self.constant(ty, bits)
    }

    fn special_value(&mut self, register: SpecialRegister, component: usize, ty: Type) -> Value {
        match register {
            SpecialRegister::WarpSize => self.constant(Type::B32, 32),
            SpecialRegister::Clock64 | SpecialRegister::Globaltimer => {
                self.emit(Op::Clock, &[], Type::B64)
            }
            SpecialRegister::Clock | SpecialRegister::GlobaltimerLo => {
                let clock = self.emit(Op::Clock, &[], Type::B64);
                self.emit(Op::Truncate, &[clock], Type::B32)
            }
            SpecialRegister::ClockHi | SpecialRegister::GlobaltimerHi => {
                let clock = self.emit(Op::Clock, &[], Type::B64);
                self.emit(Op::Extract(1), &[clock], Type::B32)
            }
            // The fourth component of a dimension is always the neutral one.
            SpecialRegister::Tid | SpecialRegister::Ctaid if component > 2 => self.constant(ty, 0),
            SpecialRegister::Ntid | SpecialRegister::Nctaid if component > 2 => {
                self.constant(ty, 1)
            }
            _ => self.special(register, component),
        }
    }

    /// The address of a variable in its own state space.
    pub(super) fn address_of(&mut self, symbol: Symbol, offset: i64) -> Translated<Value> {
        let variable = match symbol {
            Symbol::Module(index) => &self.index.variables[index],
            Symbol::Body(index) => {
                let variable = &self.frame().body.variables[index];
                match variable.space {
                    StateSpace::Local => {
                        let base = self.frame().local_offsets.get(&index).copied();
                        return Ok(
                            self.constant(Type::B64, base.unwrap_or(0).wrapping_add_signed(offset))
                        );
                    }
                    StateSpace::Shared => {
                        let name = variable.name.clone();
                        return self.shared_address(&name, offset);
                    }
                    _ => return Err(self.unsupported("the address of this variable")),
                }
            }
            Symbol::Parameter(index) if self.frames.len() == 1 => {
                let function = &self.index.functions[self.frames[0].function];
                let base = function.parameters[index].offset;
                return Ok(self.constant(Type::B64, base.wrapping_add_signed(offset)));
            }
            Symbol::Function(_) => {
                return Err(self.unsupported("the address of a function, for an indirect call,"));
            }
            _ => return Err(self.unsupported("the address of this symbol")),
        };
        match variable.space {
            StateSpace::Shared => self.shared_address(&variable.name, offset),
            StateSpace::Global | StateSpace::Const => {
                let base = self.global_address(symbol);
                let offset = self.constant(Type::B64, offset as u64);
                Ok(self.emit(Op::Add, &[base, offset], Type::B64))
            }
            _ => Err(self.unsupported("the address of this variable")),
        }
    }

    fn global_address(&mut self, symbol: Symbol) -> Value {
        let next = self.function.globals.len() as u32;
        let number = *self.globals.entry(symbol).or_insert(next);
        if number == next
            && let Symbol::Module(index) = symbol
        {
            let name = self.index.variables[index].name.clone();
            self.function.globals.push(name);
        }
        self.emit(Op::Global(number), &[], Type::B64)
    }

    fn shared_address(&mut self, name: &str, offset: i64) -> Translated<Value> {
        let function = self.frames[self.frames.len() - 1].function;
        match self.layout.offset(function, name) {
            Some(base) => Ok(self.constant(Type::B64, base.wrapping_add_signed(offset))),
            None => Err(self.unsupported(&format!("the shared variable `{name}` here"))),
        }
    }

    /// Writes a value to a destination operand. Where the register is wider the
    /// value is extended, by its sign if `signed`.
    pub(super) fn destination(
        &mut self,
        operand: &Operand,
        value: Value,
        signed: bool,
    ) -> Translated {
        match operand {
            Operand::Register(register) | Operand::Pair(Some(register), _) => {
                let ty = self.register_type(*register)?;
                let value = self.coerce(value, ty, signed);
                self.write_register(*register, value);
                Ok(())
            }
            Operand::Sink | Operand::Pair(None, _) => Ok(()),
            Operand::Vector(elements) => self.unpack(elements, value),
            _ => Err(self.unsupported("this operand as a destination")),
        }
    }

    fn unpack(&mut self, elements: &[Operand], value: Value) -> Translated {
        let ty = self.function.ty(value);
        let piece = Type::of_bits(ty.bits() / elements.len().max(1) as u32);
        let piece = piece.ok_or_else(|| self.unsupported("a vector of this shape"))?;
        let bits = self.bitcast(value, ty.as_bits());
        for (index, element) in elements.iter().enumerate() {
            let value = self.emit(Op::Extract(index as u32), &[bits], piece);
            self.destination(element, value, false)?;
        }
        Ok(())
    }

    /// The second destination of a pair, if there is one.
    pub(super) fn second_destination(&mut self, operand: &Operand, value: Value) -> Translated {
        match operand {
            Operand::Pair(_, Some(second)) => {
                self.destination(&Operand::Register(*second), value, false)
            }
            _ => Ok(()),
        }
    }

    fn register_type(&self, register: Register) -> Translated<Type> {
        let frame = &self.frames[self.frames.len() - 1];
        self.ty(frame.body.registers[register.0 as usize].ty)
    }

    pub(super) fn read_register(&mut self, register: Register) -> Value {
        let ty = self.register_type(register).unwrap_or(Type::B64);
        let variable = Variable(self.frame().first_variable + register.0);
        self.read_variable(variable, ty)
    }

    pub(super) fn read_variable(&mut self, variable: Variable, ty: Type) -> Value {
        self.variables
            .read(&mut self.function, self.block, variable, ty)
    }

    /// Writes a register, under the instruction's predicate if it has one.
    pub(super) fn write_register(&mut self, register: Register, value: Value) {
        let ty = self.function.ty(value);
        let value = match self.select {
            Some(condition) => {
                let old = self.read_register(register);
                self.emit(Op::Select, &[condition, value, old], ty)
            }
            None => value,
        };
        let variable = Variable(self.frame().first_variable + register.0);
        self.variables.write(self.block, variable, value);
    }

    /// The value as another type: low bits of a wider one, bits of another
    /// class, extended from a narrower one.
    pub(super) fn coerce(&mut self, value: Value, ty: Type, signed: bool) -> Value {
        let from = self.function.ty(value);
        if from == ty {
            return value;
        }
        let (bits, wanted) = (from.as_bits(), ty.as_bits());
        let value = self.bitcast(value, bits);
        let value = match bits.bits().cmp(&wanted.bits()) {
            std::cmp::Ordering::Equal => value,
            std::cmp::Ordering::Greater => self.emit(Op::Truncate, &[value], wanted),
            std::cmp::Ordering::Less if signed => self.emit(Op::SignExtend, &[value], wanted),
            std::cmp::Ordering::Less => self.emit(Op::ZeroExtend, &[value], wanted),
        };
        self.bitcast(value, ty)
    }

    /// The value's bits as a type of the same width.
    pub(super) fn bitcast(&mut self, value: Value, ty: Type) -> Value {
        match self.function.ty(value) == ty {
            true => value,
            false => self.emit(Op::Bitcast, &[value], ty),
        }
    }

    /// The slot of a `.param` symbol, unless it is a kernel's parameter.
    pub(super) fn slot_of(&self, symbol: Symbol, offset: i64) -> Option<Slot> {
        match symbol {
            Symbol::Parameter(_) if self.frames.len() == 1 => None,
            Symbol::Parameter(_) | Symbol::Return(_) => Some(Slot { symbol, offset }),
            Symbol::Body(index) => {
                let variable = &self.frames[self.frames.len() - 1].body.variables[index];
                let is_parameter = variable.space == StateSpace::Param;
                is_parameter.then_some(Slot { symbol, offset })
            }
            _ => None,
        }
    }
}
