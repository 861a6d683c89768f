//! Data movement: `mov`, `ld`, `st`, `atom`, `red`, fences and address
//! conversion.

use super::operand::is_signed;
use super::{Translated, Translator, has};
use crate::front::ast::{self, Base, Operand, Symbol};
use crate::front::isa::Opcode;
use crate::front::words::{self, Class, Modifier, ModifierSet, StateSpace};
use crate::ir::{Access, Atomic, AtomicOp, Op, Order, Scope, Space, Type, Value};

impl Translator<'_> {
    pub(super) fn mov(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let value = self.source(&i.operands[1], ty)?;
        self.destination(&i.operands[0], value, false)
    }

    pub(super) fn cvta(&mut self, i: &ast::Instruction) -> Translated {
        let value = self.source(&i.operands[1], Type::B64)?;
        let space = space(i.modifiers);
        let value = match (space, has(i, Modifier::To)) {
            (Space::Shared, true) => self.emit(Op::FromGeneric(space), &[value], Type::B64),
            (Space::Shared, false) => self.emit(Op::ToGeneric(space), &[value], Type::B64),
            (Space::Local, true) => {
                let base = self.emit(Op::Scratch, &[], Type::B64);
                self.emit(Op::Sub, &[value, base], Type::B64)
            }
            (Space::Local, false) => {
                let base = self.emit(Op::Scratch, &[], Type::B64);
                self.emit(Op::Add, &[base, value], Type::B64)
            }
            (Space::Parameter, _) => {
                return Err(self.unsupported("a generic address of a parameter"));
            }
            _ => value,
        };
        self.destination(&i.operands[0], value, false)
    }

    pub(super) fn isspacep(&mut self, i: &ast::Instruction) -> Translated {
        let value = self.source(&i.operands[1], Type::B64)?;
        let op = Op::IsSpace(space(i.modifiers));
        let value = self.emit(op, &[value], Type::B1);
        self.destination(&i.operands[0], value, false)
    }

    pub(super) fn load(&mut self, i: &ast::Instruction) -> Translated {
        let (destination, memory) = (&i.operands[0], &i.operands[1]);
        let elements = match destination {
            Operand::Vector(elements) => elements.as_slice(),
            scalar => std::slice::from_ref(scalar),
        };
        let ty = self.ty(i.types[0])?;
        let values = match memory {
            &Operand::Memory(Base::Symbol(symbol), offset)
                if space(i.modifiers) == Space::Parameter =>
            {
                self.load_parameter(symbol, offset, ty, elements.len())?
            }
            _ => {
                let (access, address) = self.access(i, memory)?;
                let values: Vec<_> = elements.iter().map(|_| self.function.value(ty)).collect();
                let results = smallvec::SmallVec::from_slice(&values);
                self.push(Op::Load(access), &[address], results);
                values
            }
        };
        for (element, value) in elements.iter().zip(values) {
            self.destination(element, value, is_signed(i.types[0]))?;
        }
        Ok(())
    }

    fn load_parameter(
        &mut self,
        symbol: Symbol,
        offset: i64,
        ty: Type,
        count: usize,
    ) -> Translated<Vec<Value>> {
        let mut values = Vec::new();
        for index in 0..count as i64 {
            let at = offset + index * i64::from(ty.bytes());
            let value = match self.slot_of(symbol, at) {
                Some(slot) => self.read_slot(slot, ty)?,
                None => self.kernel_parameter(symbol, at, ty)?,
            };
            values.push(value);
        }
        Ok(values)
    }

    fn kernel_parameter(&mut self, symbol: Symbol, offset: i64, ty: Type) -> Translated<Value> {
        let Symbol::Parameter(index) = symbol else {
            return Err(self.unsupported("a parameter of this kind"));
        };
        let function = &self.index.functions[self.frames[0].function];
        let parameter = &function.parameters[index];
        let at = i64::try_from(parameter.offset)
            .ok()
            .map(|base| base + offset);
        let end = parameter.offset + parameter.variable.size();
        let fits = |at: &i64| *at >= 0 && *at as u64 + u64::from(ty.bytes()) <= end;
        match at.filter(fits) {
            Some(at) => Ok(self.emit(Op::Parameter(at as u32), &[], ty)),
            None => Err(self.unsupported("reading past a parameter")),
        }
    }

    pub(super) fn store(&mut self, i: &ast::Instruction) -> Translated {
        let (memory, source) = (&i.operands[0], &i.operands[1]);
        let elements = match source {
            Operand::Vector(elements) => elements.as_slice(),
            scalar => std::slice::from_ref(scalar),
        };
        let ty = self.ty(i.types[0])?;
        let mut values = Vec::new();
        for element in elements {
            values.push(self.source(element, ty)?);
        }
        if let &Operand::Memory(Base::Symbol(symbol), offset) = memory
            && space(i.modifiers) == Space::Parameter
        {
            return self.store_parameter(symbol, offset, &values);
        }
        let (access, address) = self.access(i, memory)?;
        values.insert(0, address);
        self.effect(Op::Store(access), &values);
        Ok(())
    }

    fn store_parameter(&mut self, symbol: Symbol, offset: i64, values: &[Value]) -> Translated {
        let mut at = offset;
        for &value in values {
            let slot = self.slot_of(symbol, at);
            let slot = slot.ok_or_else(|| self.unsupported("writing a kernel's parameter"))?;
            at += i64::from(self.function.ty(value).bytes());
            self.write_slot(slot, value)?;
        }
        Ok(())
    }

    pub(super) fn atomic(&mut self, i: &ast::Instruction) -> Translated {
        let old = self.read_modify_write(i, &i.operands[1], &i.operands[2..])?;
        self.destination(&i.operands[0], old, false)
    }

    pub(super) fn reduction(&mut self, i: &ast::Instruction) -> Translated {
        self.read_modify_write(i, &i.operands[0], &i.operands[1..])?;
        Ok(())
    }

    fn read_modify_write(
        &mut self,
        i: &ast::Instruction,
        memory: &Operand,
        sources: &[Operand],
    ) -> Translated<Value> {
        let packed = matches!(
            i.types[0],
            words::Type::F16x2 | words::Type::Bf16x2 | words::Type::Bf16
        );
        let op = atomic_op(i);
        let op = op.ok_or_else(|| self.unsupported_instruction(i))?;
        if packed || i.types[0].bits() == 16 {
            return self.narrow_atomic(i, op, memory, sources);
        }
        let ty = self.ty(i.types[0])?;
        let (mut access, address) = self.access(i, memory)?;
        if access.order == Order::Weak {
            access.order = Order::Relaxed;
        }
        let operands = if op == AtomicOp::CompareExchange {
            2
        } else {
            1
        };
        let mut values = vec![address];
        for source in &sources[..operands.min(sources.len())] {
            values.push(self.source(source, ty)?);
        }
        if values.len() != operands + 1 {
            return Err(self.unsupported_instruction(i));
        }
        Ok(self.emit(Op::Atomic(Atomic { op, access }), &values, ty))
    }

    /// How and where an instruction accesses memory.
    pub(super) fn access(
        &mut self,
        i: &ast::Instruction,
        memory: &Operand,
    ) -> Translated<(Access, Value)> {
        let Operand::Memory(base, offset) = memory else {
            return Err(self.unsupported("this operand as an address"));
        };
        let mut access = Access {
            space: space(i.modifiers),
            offset: *offset,
            order: order(i.modifiers),
            scope: scope(i.modifiers),
        };
        let address = match *base {
            Base::Register(register) => {
                let value = self.read_register(register);
                self.coerce(value, Type::B64, false)
            }
            Base::Absolute => self.constant(Type::B64, 0),
            Base::Symbol(symbol) => {
                if access.space == Space::Generic {
                    access.space = self.symbol_space(symbol);
                }
                self.address_of(symbol, 0)?
            }
        };
        Ok((access, address))
    }

    /// The space of a variable that a generic access names.
    fn symbol_space(&self, symbol: Symbol) -> Space {
        let frame = &self.frames[self.frames.len() - 1];
        let space = match symbol {
            Symbol::Module(index) => self.index.variables[index].space,
            Symbol::Body(index) => frame.body.variables[index].space,
            _ => StateSpace::Global,
        };
        match space {
            StateSpace::Shared => Space::Shared,
            StateSpace::Local => Space::Local,
            StateSpace::Const => Space::Constant,
            _ => Space::Global,
        }
    }

    pub(super) fn fence(&mut self, i: &ast::Instruction) -> Translated {
        let scope = scope(i.modifiers);
        self.effect(Op::Fence(scope), &[]);
        Ok(())
    }

    /// `cp.async` copies at once; waiting for it is then nothing.
    pub(super) fn asynchronous_copy(&mut self, i: &ast::Instruction) -> Translated {
        let waits = [
            Modifier::WaitAll,
            Modifier::WaitGroup,
            Modifier::CommitGroup,
        ];
        if i.modifiers.first_of(&waits).is_some() {
            return Ok(());
        }
        let [
            to,
            from,
            Operand::Immediate(ast::Immediate::Integer(bytes)),
            rest @ ..,
        ] = i.operands.as_slice()
        else {
            return Err(self.unsupported_instruction(i));
        };
        if has(i, Modifier::Bulk) || !matches!(bytes, 4 | 8 | 16) {
            return Err(self.unsupported_instruction(i));
        }
        // Fewer bytes may be read than are written; the rest are zeros.
        match rest.first() {
            None => {}
            Some(Operand::Immediate(ast::Immediate::Integer(read))) if read == bytes => {}
            Some(_) if has(i, Modifier::CacheHint) && rest.len() == 1 => {}
            Some(read) => return self.copy_part(i, [to, from], *bytes, read),
        }
        let (mut read, source) = self.access(i, from)?;
        let (mut write, destination) = self.access(i, to)?;
        (read.space, write.space) = (Space::Global, Space::Shared);
        let words: Vec<_> = (0..bytes / 4)
            .map(|_| self.function.value(Type::B32))
            .collect();
        let results = smallvec::SmallVec::from_slice(&words);
        self.push(Op::Load(read), &[source], results);
        let mut values = vec![destination];
        values.extend(words);
        self.effect(Op::Store(write), &values);
        Ok(())
    }
}

impl Translator<'_> {
    /// `cp.async` that reads a number of bytes known at run time: word by word,
    /// each only where it is to be read.
    fn copy_part(
        &mut self,
        i: &ast::Instruction,
        [to, from]: [&Operand; 2],
        bytes: i128,
        read: &Operand,
    ) -> Translated {
        let read = self.source(read, Type::B32)?;
        let (mut load, source) = self.access(i, from)?;
        let (mut write, destination) = self.access(i, to)?;
        (load.space, write.space) = (Space::Global, Space::Shared);
        let mut values = vec![destination];
        for word in 0..bytes / 4 {
            let at = self.constant(Type::B32, word as u64 * 4);
            let greater = Op::Compare(crate::ir::IntegerComparison {
                condition: crate::ir::Condition::Gt,
                signedness: crate::ir::Signedness::Unsigned,
            });
            let is_read = self.emit(greater, &[read, at], Type::B1);
            let access = Access {
                offset: load.offset + word as i64 * 4,
                ..load
            };
            values.push(self.load_where(is_read, access, source));
        }
        self.effect(Op::Store(write), &values);
        Ok(())
    }

    /// A word of memory where a predicate holds, else 0.
    fn load_where(&mut self, condition: Value, access: Access, address: Value) -> Value {
        let (then, next) = (self.function.block(), self.function.block());
        let zero = self.constant(Type::B32, 0);
        let result = self.function.value(Type::B32);
        self.terminate(crate::ir::Terminator::Branch {
            condition,
            then: crate::ir::Edge::to(then),
            otherwise: crate::ir::Edge {
                block: next,
                arguments: smallvec::smallvec![zero],
            },
        });
        self.switch_to(then);
        let loaded = self.emit(Op::Load(access), &[address], Type::B32);
        self.terminate(crate::ir::Terminator::Jump(crate::ir::Edge {
            block: next,
            arguments: smallvec::smallvec![loaded],
        }));
        self.switch_to(next);
        self.function[next].parameters.push(result);
        result
    }
}

/// The state space that an instruction's modifiers name; generic if none.
pub(super) fn space(modifiers: ModifierSet) -> Space {
    use Modifier as M;
    let words = [
        (M::Global, Space::Global),
        (M::Shared, Space::Shared),
        (M::SharedCta, Space::Shared),
        (M::Local, Space::Local),
        (M::Const, Space::Constant),
        (M::Param, Space::Parameter),
        (M::ParamEntry, Space::Parameter),
        (M::ParamFunc, Space::Parameter),
    ];
    let named = words.iter().find(|(word, _)| modifiers.has(*word));
    named.map_or(Space::Generic, |&(_, space)| space)
}

fn order(modifiers: ModifierSet) -> Order {
    use Modifier as M;
    let words = [
        (M::Volatile, Order::Volatile),
        (M::Mmio, Order::Volatile),
        (M::Relaxed, Order::Relaxed),
        (M::Acquire, Order::Acquire),
        (M::Release, Order::Release),
        (M::AcqRel, Order::AcquireRelease),
        (M::Sc, Order::SequentiallyConsistent),
        (M::Nc, Order::ReadOnly),
    ];
    let named = words.iter().find(|(word, _)| modifiers.has(*word));
    named.map_or(Order::Weak, |&(_, order)| order)
}

fn scope(modifiers: ModifierSet) -> Scope {
    use Modifier as M;
    match modifiers.first_of(&[M::Cta, M::Gpu, M::Gl, M::Cluster, M::Sys]) {
        Some(M::Cta) => Scope::Block,
        Some(M::Gpu | M::Gl | M::Cluster) => Scope::Device,
        _ => Scope::System,
    }
}

fn atomic_op(i: &ast::Instruction) -> Option<AtomicOp> {
    use Modifier as M;
    let class = i.types[0].class();
    let words = [
        M::Add,
        M::Min,
        M::Max,
        M::Inc,
        M::Dec,
        M::And,
        M::Or,
        M::Xor,
        M::Exch,
        M::Cas,
    ];
    Some(match (i.modifiers.first_of(&words)?, class) {
        (M::Add, Class::Float) => AtomicOp::FloatAdd,
        (M::Min, Class::Float) => AtomicOp::FloatMin,
        (M::Max, Class::Float) => AtomicOp::FloatMax,
        (M::Add, _) => AtomicOp::Add,
        (M::Min, Class::Signed) => AtomicOp::SignedMin,
        (M::Max, Class::Signed) => AtomicOp::SignedMax,
        (M::Min, _) => AtomicOp::UnsignedMin,
        (M::Max, _) => AtomicOp::UnsignedMax,
        (M::Inc, _) => AtomicOp::Increment,
        (M::Dec, _) => AtomicOp::Decrement,
        (M::And, _) => AtomicOp::And,
        (M::Or, _) => AtomicOp::Or,
        (M::Xor, _) => AtomicOp::Xor,
        (M::Exch, _) => AtomicOp::Exchange,
        (M::Cas, _) if i.opcode == Opcode::Atom => AtomicOp::CompareExchange,
        _ => return None,
    })
}
