//! Matrices of 8 by 8 words of 16 bits that the lanes of a warp hold together, two
//! neighbours of a row each, and products of matrices.
//!
//! Moving a matrix is an exchange between lanes and accesses of one lane, so this
//! file writes it as such.

use super::warp::ALL_LANES;
use super::{Translated, Translator, has};
use crate::front::ast::{self, Operand};
use crate::front::words::{self, Modifier, SpecialRegister};
use crate::ir::{
    Access, Condition, FactorType, IntegerComparison, MatrixProduct, MatrixShape, Op, ShuffleMode,
    Signedness, Space, SumType, Type, Value,
};
use Type::{B16, B32};

/// Whether two words are the same.
const EQUAL: IntegerComparison = IntegerComparison {
    condition: Condition::Eq,
    signedness: Signedness::Unsigned,
};
/// The clamp of a shuffle within the whole warp.
const WARP_CLAMP: u64 = 31;

impl Translator<'_> {
    pub(super) fn matrix_product(&mut self, i: &ast::Instruction) -> Translated {
        let product = product(i).ok_or_else(|| self.unsupported_instruction(i))?;
        let [a, b, sums] = product.registers().map(|count| count as usize);
        let types = [(a, B32), (b, B32), (sums, product.sum_register())];
        let mut arguments = Vec::new();
        for (operand, (count, ty)) in i.operands[1..].iter().zip(types) {
            for element in self.registers(i, operand, count)? {
                arguments.push(self.source(element, ty)?);
            }
        }
        arguments.push(self.constant(B32, ALL_LANES));
        let results: Vec<_> = (0..sums)
            .map(|_| self.function.value(product.sum_register()))
            .collect();
        let op = Op::MatrixProduct(product);
        self.push(op, &arguments, smallvec::SmallVec::from_slice(&results));
        let destinations = self.registers(i, &i.operands[0], sums)?;
        for (destination, value) in destinations.iter().zip(results) {
            self.destination(destination, value, false)?;
        }
        Ok(())
    }

    /// The registers of an operand, which has to have so many.
    fn registers<'o>(
        &self,
        i: &ast::Instruction,
        operand: &'o Operand,
        count: usize,
    ) -> Translated<&'o [Operand]> {
        let registers = match operand {
            Operand::Vector(elements) => elements.as_slice(),
            one => std::slice::from_ref(one),
        };
        match registers.len() == count {
            true => Ok(registers),
            false => Err(self.unsupported_instruction(i)),
        }
    }

    /// `ldmatrix`: lane 8m + r has the address of row r of matrix m.
    pub(super) fn load_matrix(&mut self, i: &ast::Instruction) -> Translated {
        let (access, address) = self.row_address(i, &i.operands[1])?;
        let count = matrices(i).ok_or_else(|| self.unsupported_instruction(i))?;
        let destinations = self.registers(i, &i.operands[0], count)?;
        for (number, destination) in (0..).zip(destinations) {
            let value = if has(i, Modifier::Trans) {
                let halves = [0, 1].map(|half| {
                    let at = self.transposed_place(address, number, half);
                    self.emit(Op::Load(access), &[at], B16)
                });
                self.emit(Op::Concat, &halves, B32)
            } else {
                let at = self.place(address, number);
                self.emit(Op::Load(access), &[at], B32)
            };
            self.destination(destination, value, false)?;
        }
        Ok(())
    }

    /// `stmatrix`, the way back.
    pub(super) fn store_matrix(&mut self, i: &ast::Instruction) -> Translated {
        let (access, address) = self.row_address(i, &i.operands[0])?;
        let count = matrices(i).ok_or_else(|| self.unsupported_instruction(i))?;
        for (number, source) in (0..).zip(self.registers(i, &i.operands[1], count)?) {
            let value = self.source(source, B32)?;
            if !has(i, Modifier::Trans) {
                let at = self.place(address, number);
                self.effect(Op::Store(access), &[at, value]);
                continue;
            }
            for half in [0, 1] {
                let at = self.transposed_place(address, number, half);
                let word = self.emit(Op::Extract(half), &[value], B16);
                self.effect(Op::Store(access), &[at, word]);
            }
        }
        Ok(())
    }

    /// `movmatrix`: lane 4r + c gets what rows 2c and 2c + 1 have in column r.
    pub(super) fn transpose_matrix(&mut self, i: &ast::Instruction) -> Translated {
        let value = self.source(&i.operands[1], B32)?;
        let (row, pair) = self.row_and_pair();
        let (one, two) = (self.constant(B32, 1), self.constant(B32, 2));
        let column = self.emit(Op::Shr(Signedness::Unsigned), &[row, one], B32);
        let odd = self.emit(Op::And, &[row, one], B32);
        let odd = self.emit(Op::Compare(EQUAL), &[odd, one], Type::B1);
        let halves = [0, 1].map(|half| {
            let source = self.row_of_pair(pair, half);
            let source = self.emit(Op::Shl, &[source, two], B32);
            let source = self.emit(Op::Add, &[source, column], B32);
            let word = self.of_lane(value, source);
            let [low, high] = [0, 1].map(|half| self.emit(Op::Extract(half), &[word], B16));
            self.emit(Op::Select, &[odd, high, low], B16)
        });
        let value = self.emit(Op::Concat, &halves, B32);
        self.destination(&i.operands[0], value, false)
    }

    /// The address of a row in shared memory, which is where rows have to lie.
    fn row_address(
        &mut self,
        i: &ast::Instruction,
        memory: &Operand,
    ) -> Translated<(Access, Value)> {
        let (mut access, mut address) = self.access(i, memory)?;
        match access.space {
            Space::Shared => {}
            Space::Generic => {
                address = self.emit(Op::FromGeneric(Space::Shared), &[address], Type::B64);
            }
            _ => return Err(self.unsupported_instruction(i)),
        }
        access.space = Space::Shared;
        Ok((access, self.emit(Op::Truncate, &[address], B32)))
    }

    /// The lane's row and pair of columns of a matrix.
    fn row_and_pair(&mut self) -> (Value, Value) {
        let lane = self.special(SpecialRegister::Laneid, 0);
        let (two, three) = (self.constant(B32, 2), self.constant(B32, 3));
        let row = self.emit(Op::Shr(Signedness::Unsigned), &[lane, two], B32);
        (row, self.emit(Op::And, &[lane, three], B32))
    }

    /// The address of the lane's pair of matrix `number`.
    fn place(&mut self, address: Value, number: u64) -> Value {
        let (row, pair) = self.row_and_pair();
        let row = self.address_of_row(address, number, row);
        let two = self.constant(B32, 2);
        let column = self.emit(Op::Shl, &[pair, two], B32);
        self.emit(Op::Add, &[row, column], B32)
    }

    /// The address of one of the two words that are the lane's in the transpose of
    /// matrix `number`.
    fn transposed_place(&mut self, address: Value, number: u64, half: u32) -> Value {
        let (column, pair) = self.row_and_pair();
        let row = self.row_of_pair(pair, half);
        let row = self.address_of_row(address, number, row);
        let one = self.constant(B32, 1);
        let column = self.emit(Op::Shl, &[column, one], B32);
        self.emit(Op::Add, &[row, column], B32)
    }

    /// The first or second of a pair of rows.
    fn row_of_pair(&mut self, pair: Value, half: u32) -> Value {
        let one = self.constant(B32, 1);
        let first = self.emit(Op::Shl, &[pair, one], B32);
        let half = self.constant(B32, u64::from(half));
        self.emit(Op::Add, &[first, half], B32)
    }

    fn address_of_row(&mut self, address: Value, number: u64, row: Value) -> Value {
        let first = self.constant(B32, 8 * number);
        let lane = self.emit(Op::Add, &[row, first], B32);
        self.of_lane(address, lane)
    }

    /// What another lane of the whole warp has.
    fn of_lane(&mut self, value: Value, lane: Value) -> Value {
        let clamp = self.constant(B32, WARP_CLAMP);
        let mask = self.constant(B32, ALL_LANES);
        let op = Op::Shuffle(ShuffleMode::Index);
        let [value, _] = self.emit_pair(op, &[value, lane, clamp, mask], [B32, Type::B1]);
        value
    }
}

/// How many matrices `ldmatrix` or `stmatrix` moves, if they are of 16-bit words.
fn matrices(i: &ast::Instruction) -> Option<usize> {
    use Modifier as M;
    let known = i.types[0] == words::Type::B16 && has(i, M::M8n8);
    match i
        .modifiers
        .first_of(&[M::X1, M::X2, M::X4])
        .filter(|_| known)?
    {
        M::X1 => Some(1),
        M::X2 => Some(2),
        _ => Some(4),
    }
}

/// The product that `mma` asks for, if it is one that is executed: the first factor by
/// rows, the second by columns, integers that wrap.
fn product(i: &ast::Instruction) -> Option<MatrixProduct> {
    use Modifier as M;
    let layouts = has(i, M::Row) && has(i, M::Col);
    let others = [M::Satfinite, M::And, M::Xor, M::Popc];
    let [d, a, b, c] = i.types[..] else {
        return None;
    };
    let shape = MatrixShape::ALL.iter().copied();
    let mut shapes = shape
        .filter(|shape| Modifier::from_word(shape.word()).is_some_and(|modifier| has(i, modifier)));
    let product = MatrixProduct {
        shape: shapes.next()?,
        a: FactorType::from_word(a.word())?,
        b: FactorType::from_word(b.word())?,
        sum: SumType::from_word(d.word()).filter(|_| c == d)?,
    };
    let executed = layouts && i.modifiers.first_of(&others).is_none();
    (executed && product.exists()).then_some(product)
}
