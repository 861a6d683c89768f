//! Passing values to inlined functions and back.
//!
//! A `.param` variable of a function body is bytes that `st.param` writes and
//! `ld.param` reads. Compilers write and read the same pieces on both sides, so
//! each piece is a variable of its own and no memory is involved.

use super::{Frame, Slot, Translated, Translator};
use crate::front::ast::{Call, Operand, Register, Symbol};
use crate::front::words::StateSpace;
use crate::front::{Function, Parameter};
use crate::ir::{Type, Value};
use crate::ssa::Variable;

/// What a caller passes for one parameter: pieces by byte offset.
pub(super) type Pieces = Vec<(i64, Value)>;

impl Translator<'_> {
    /// The values that a call passes, read in the caller's frame.
    pub(super) fn read_arguments(
        &mut self,
        parameters: &[Parameter],
        arguments: &[Operand],
    ) -> Translated<Vec<Pieces>> {
        if parameters.len() != arguments.len() {
            let (takes, passed) = (parameters.len(), arguments.len());
            let what = format!("passing {passed} arguments to a function of {takes}");
            return Err(self.unsupported(&what));
        }
        let pairs = parameters.iter().zip(arguments);
        pairs
            .map(|(parameter, argument)| self.read_pieces(parameter, argument))
            .collect()
    }

    fn read_pieces(&mut self, parameter: &Parameter, argument: &Operand) -> Translated<Pieces> {
        match argument {
            &Operand::Symbol(symbol @ (Symbol::Body(_) | Symbol::Parameter(_)), 0) => {
                Ok(self.slot_values(symbol))
            }
            _ => {
                let ty = super::operand::ir_type(parameter.variable.ty);
                let ty = ty.ok_or_else(|| self.unsupported("an argument of this type"))?;
                Ok(vec![(0, self.source(argument, ty)?)])
            }
        }
    }

    /// The pieces of a `.param` variable that were written so far.
    fn slot_values(&mut self, symbol: Symbol) -> Pieces {
        let slots = self.frame().slots.iter();
        let mut slots: Vec<_> = slots
            .filter(|(slot, _)| slot.symbol == symbol)
            .map(|(slot, &(variable, ty))| (slot.offset, variable, ty))
            .collect();
        slots.sort_by_key(|&(offset, ..)| offset);
        slots
            .into_iter()
            .map(|(offset, variable, ty)| (offset, self.read_variable(variable, ty)))
            .collect()
    }

    /// Gives the parameters of the frame just entered their values.
    pub(super) fn write_arguments(
        &mut self,
        parameters: &[Parameter],
        arguments: Vec<Pieces>,
    ) -> Translated {
        // `.reg` parameters are the frame's first registers, in order.
        let mut registers = 0;
        for (index, (parameter, pieces)) in parameters.iter().zip(arguments).enumerate() {
            let in_register = parameter.variable.space == StateSpace::Reg;
            for (offset, value) in pieces {
                match in_register {
                    true => self.write_register(Register(registers), value),
                    false => {
                        let symbol = Symbol::Parameter(index);
                        self.write_slot(Slot { symbol, offset }, value)?;
                    }
                }
            }
            registers += u32::from(in_register);
        }
        Ok(())
    }

    /// Copies what a function returned to the operands of its call. The frame
    /// is the one that was just left.
    pub(super) fn write_returned(
        &mut self,
        frame: &Frame,
        callee: &Function,
        call: &Call,
    ) -> Translated {
        let in_register = |p: &&Parameter| p.variable.space == StateSpace::Reg;
        let mut register = callee.parameters.iter().filter(in_register).count() as u32;
        for (index, (parameter, destination)) in
            callee.returns.iter().zip(&call.returns).enumerate()
        {
            if in_register(&parameter) {
                let variable = Variable(frame.first_variable + register);
                register += 1;
                let ty = super::operand::ir_type(parameter.variable.ty).unwrap_or(Type::B32);
                let value = self.read_variable(variable, ty);
                self.write_piece(destination, 0, value)?;
                continue;
            }
            let slots = frame.slots.iter();
            let mut pieces: Vec<_> = slots
                .filter(|(slot, _)| slot.symbol == Symbol::Return(index))
                .map(|(slot, &(variable, ty))| (slot.offset, variable, ty))
                .collect();
            pieces.sort_by_key(|&(offset, ..)| offset);
            for (offset, variable, ty) in pieces {
                let value = self.read_variable(variable, ty);
                self.write_piece(destination, offset, value)?;
            }
        }
        Ok(())
    }

    /// Writes a piece of a returned value to an operand of the call.
    pub(super) fn write_piece(
        &mut self,
        destination: &Operand,
        offset: i64,
        value: Value,
    ) -> Translated {
        match destination {
            &Operand::Symbol(symbol, 0) => self.write_slot(Slot { symbol, offset }, value),
            Operand::Sink => Ok(()),
            _ => self.destination(destination, value, false),
        }
    }

    /// An argument of a call as one value.
    pub(super) fn argument(&mut self, call: &Call, index: usize, ty: Type) -> Translated<Value> {
        match call.arguments.get(index) {
            Some(&Operand::Symbol(symbol, 0)) => self.read_slot(Slot { symbol, offset: 0 }, ty),
            Some(operand) => self.source(operand, ty),
            None => Err(self.unsupported("a call with this few arguments")),
        }
    }

    /// Reads a piece of a `.param` variable.
    pub(super) fn read_slot(&mut self, slot: Slot, ty: Type) -> Translated<Value> {
        let (variable, written) = self.slot(slot, ty);
        if written.bits() != ty.bits() {
            return Err(
                self.unsupported("reading a parameter by another width than it was written")
            );
        }
        let value = self.read_variable(variable, written);
        Ok(self.bitcast(value, ty))
    }

    /// Writes a piece of a `.param` variable.
    pub(super) fn write_slot(&mut self, slot: Slot, value: Value) -> Translated {
        let ty = self.function.ty(value);
        let (variable, written) = self.slot(slot, ty);
        if written.bits() != ty.bits() {
            return Err(self.unsupported("writing a parameter by two widths"));
        }
        let value = self.bitcast(value, written);
        self.variables.write(self.block, variable, value);
        Ok(())
    }

    fn slot(&mut self, slot: Slot, ty: Type) -> (Variable, Type) {
        let next = Variable(self.next_variable);
        let slots = &mut self.frame().slots;
        let found = *slots.entry(slot).or_insert((next, ty));
        if found.0 == next {
            self.next_variable += 1;
        }
        found
    }

    /// The carry flag of the current frame: a variable past its registers.
    pub(super) fn read_carry(&mut self) -> Value {
        let variable = self.carry();
        self.read_variable(variable, Type::B1)
    }

    /// Sets the carry flag of the current frame.
    pub(super) fn write_carry(&mut self, carry: Value) {
        let variable = self.carry();
        self.variables.write(self.block, variable, carry);
    }

    fn carry(&mut self) -> Variable {
        let frame = self.frame();
        Variable(frame.first_variable + frame.body.registers.len() as u32)
    }
}
