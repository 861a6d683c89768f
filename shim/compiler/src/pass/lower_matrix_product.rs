//! Products of matrices by exchanges between lanes and sums of each lane's own.
//!
//! The four lanes that share a row of the first factor, or a column of the second,
//! each hold a part of its depth. So a lane goes through these parts in a loop of
//! four: it fetches one part of its rows and columns and adds their products to its
//! sums. The loop stays one: written out, the hundreds of products of a kernel would
//! take drivers minutes to compile.

use super::writer::Writer;
use crate::front::words::SpecialRegister;
use crate::ir::{
    BlockId, Condition, Edge, FactorType, FloatMode, Function, Instruction, MatrixProduct,
    MatrixShape, Op, Signedness, Signs, SumType, Terminator, Type, Value,
};
use Type::{B16, B32, F16, F32};

/// The lanes that share a row.
const PARTS: u64 = 4;
/// The lane with the first row of the second half of a product of 8 lanes.
const UPPER_HALF: u64 = 16;

/// Replaces every product of matrices but those that the back end writes.
pub fn lower_matrix_product(function: &mut Function, is_native: impl Fn(MatrixProduct) -> bool) {
    for block in function.block_ids() {
        let is_product =
            |i: &Instruction| matches!(i.op, Op::MatrixProduct(product) if !is_native(product));
        if !function[block].instructions.iter().any(is_product) {
            continue;
        }
        let instructions = std::mem::take(&mut function[block].instructions);
        let end = std::mem::replace(&mut function[block].terminator, Terminator::Unreachable);
        let mut writer = Writer {
            function,
            block,
            offset: 0,
        };
        for i in instructions {
            writer.offset = i.offset;
            match i.op {
                Op::MatrixProduct(product) if !is_native(product) => writer.product(&i, product),
                _ => writer.function[writer.block].instructions.push(i),
            }
        }
        let last = writer.block;
        function[last].terminator = end;
    }
}

/// The registers of a lane's rows and columns, each as its elements.
struct Parts {
    /// First index: which of the lane's rows.
    rows: Vec<Vec<Part>>,
    /// First index: which of the lane's columns.
    columns: Vec<Vec<Part>>,
}

/// What one register holds.
enum Part {
    /// Floats.
    Floats(Vec<Value>),
    /// Four integers, packed.
    Integers(Value),
}

impl Writer<'_> {
    fn product(&mut self, i: &Instruction, product: MatrixProduct) {
        let [a, b, sums] = product.registers().map(|count| count as usize);
        let (factors, rest) = i.arguments.split_at(a + b);
        let (a, b) = factors.split_at(a);
        let mask = rest[sums];
        let sums = self.sums(product.sum, &rest[..sums]);
        let done = self.function.block();
        match product.shape {
            MatrixShape::M8n8k4 => self.product_of_eight(product, [a, b], sums, mask, done),
            _ => self.product_of_warp(product, [a, b], sums, mask, done),
        }
        self.block = done;
        self.results(product, &i.results);
    }

    /// Each lane holds a whole row or column of 4.
    fn product_of_eight(
        &mut self,
        product: MatrixProduct,
        [a, b]: [&[Value]; 2],
        mut sums: Vec<Value>,
        mask: Value,
        done: BlockId,
    ) {
        let lane = self.special(SpecialRegister::Laneid, 0);
        let (rows, columns) = match product.sum {
            // A lane has a whole row of the sum, its own.
            SumType::F16 => (vec![lane], self.columns(lane, UPPER_HALF | 3)),
            // Its rows come by two of four; so do its columns, from both halves of the
            // warp.
            _ => {
                let rows = self.masked(lane, !2);
                let rows = [0, 2].map(|row| self.combined(rows, row));
                (rows.into(), self.columns(lane, UPPER_HALF | 1))
            }
        };
        let parts = Parts {
            rows: self.fetch_each(&rows, a, mask, product.a),
            columns: self.fetch_each(&columns, b, mask, product.b),
        };
        for (index, sum) in (0..).zip(&mut sums) {
            let (row, column) = product.sum_position(0, index);
            let (row, column) = match product.sum {
                SumType::F16 => (row, column),
                _ => (row / 2, column % 4 + column / 4 * 2),
            };
            let (a, b) = (&parts.rows[row as usize], &parts.columns[column as usize]);
            *sum = self.add_products(product, a, b, *sum);
        }
        self.jump(done, &sums);
    }

    /// The lanes whose numbers differ from a lane's in these bits alone, in order: one
    /// for each column that it needs.
    fn columns(&mut self, lane: Value, bits: u64) -> Vec<Value> {
        let same = self.masked(lane, !bits);
        let numbers = (0..=bits).filter(|number| number & !bits == 0);
        numbers.map(|number| self.combined(same, number)).collect()
    }

    /// A loop over the lanes that share rows and columns.
    fn product_of_warp(
        &mut self,
        product: MatrixProduct,
        [a, b]: [&[Value]; 2],
        mut sums: Vec<Value>,
        mask: Value,
        done: BlockId,
    ) {
        let lane = self.special(SpecialRegister::Laneid, 0);
        let first_of_row = self.masked(lane, !(PARTS - 1));
        let pair = self.masked(lane, PARTS - 1);
        let three = self.constant(B32, 3);
        let first_of_column = self.emit(Op::Shl, &[pair, three], B32);
        let body = self.function.block();
        let zero = self.constant(B32, 0);
        sums.insert(0, zero);
        self.jump(body, &sums);
        self.block = body;
        let types: Vec<_> = sums.iter().map(|&v| self.function.ty(v)).collect();
        let mut sums: Vec<_> = types.into_iter().map(|ty| self.parameter(ty)).collect();
        let number = sums.remove(0);
        let from = self.emit(Op::Or, &[first_of_row, number], B32);
        let halves = product.shape.rows() as usize / 8;
        let registers = self.fetch(from, a, mask, product.a);
        let mut rows: Vec<Vec<Part>> = (0..halves).map(|_| Vec::new()).collect();
        for (register, part) in registers.into_iter().enumerate() {
            rows[register % halves].push(part);
        }
        let from = self.emit(Op::Or, &[first_of_column, number], B32);
        let columns = [0, PARTS].map(|column| self.combined(from, column));
        let columns = self.fetch_each(&columns, b, mask, product.b);
        for (index, sum) in sums.iter_mut().enumerate() {
            *sum = self.add_products(product, &rows[index / 2], &columns[index % 2], *sum);
        }
        let one = self.constant(B32, 1);
        let next = self.emit(Op::Add, &[number, one], B32);
        self.again_or(body, done, next, sums);
    }

    fn masked(&mut self, value: Value, bits: u64) -> Value {
        let bits = self.constant(B32, bits & B32.mask());
        self.emit(Op::And, &[value, bits], B32)
    }

    fn combined(&mut self, value: Value, bits: u64) -> Value {
        let bits = self.constant(B32, bits);
        self.emit(Op::Or, &[value, bits], B32)
    }

    fn parameter(&mut self, ty: Type) -> Value {
        let value = self.function.value(ty);
        self.function[self.block].parameters.push(value);
        value
    }

    fn jump(&mut self, to: BlockId, arguments: &[Value]) {
        let edge = Edge {
            block: to,
            arguments: arguments.into(),
        };
        self.function[self.block].terminator = Terminator::Jump(edge);
    }

    /// Goes on with the next part, or on if there is none.
    fn again_or(&mut self, body: BlockId, done: BlockId, next: Value, sums: Vec<Value>) {
        let parts = self.constant(B32, PARTS);
        let condition = self.compare_unsigned(Condition::Lt, next, parts);
        let otherwise = Edge {
            block: done,
            arguments: sums.as_slice().into(),
        };
        let mut arguments = sums;
        arguments.insert(0, next);
        self.function[self.block].terminator = Terminator::Branch {
            condition,
            then: Edge {
                block: body,
                arguments: arguments.into(),
            },
            otherwise,
        };
    }

    /// What each of these lanes holds of a factor.
    fn fetch_each(
        &mut self,
        lanes: &[Value],
        registers: &[Value],
        mask: Value,
        ty: FactorType,
    ) -> Vec<Vec<Part>> {
        let fetched = lanes.iter();
        fetched
            .map(|&lane| self.fetch(lane, registers, mask, ty))
            .collect()
    }

    /// What a lane holds of a factor.
    fn fetch(
        &mut self,
        lane: Value,
        registers: &[Value],
        mask: Value,
        ty: FactorType,
    ) -> Vec<Part> {
        let mut parts = Vec::new();
        for &register in registers {
            let word = self.of_lane(register, lane, mask);
            parts.push(self.part(word, ty));
        }
        parts
    }

    fn part(&mut self, register: Value, ty: FactorType) -> Part {
        Part::Floats(match ty {
            FactorType::S8 | FactorType::U8 => return Part::Integers(register),
            FactorType::F16 => [0, 1].map(|half| self.wide_half(register, half)).into(),
            FactorType::Bf16 => {
                let sixteen = self.constant(B32, 16);
                let low = self.emit(Op::Shl, &[register, sixteen], B32);
                let high = self.masked(register, 0xFFFF_0000);
                [low, high]
                    .map(|bits| self.emit(Op::Bitcast, &[bits], F32))
                    .into()
            }
            FactorType::Tf32 => {
                let bits = self.masked(register, u64::from(FactorType::TF32_BITS));
                vec![self.emit(Op::Bitcast, &[bits], F32)]
            }
        })
    }

    /// A half of a register as f32, which holds it exactly.
    fn wide_half(&mut self, register: Value, half: u32) -> Value {
        let bits = self.emit(Op::Extract(half), &[register], B16);
        let value = self.emit(Op::Bitcast, &[bits], F16);
        self.emit(Op::FloatConvert(FloatMode::NEAREST), &[value], F32)
    }

    /// A sum and the products of a part of a row with one of a column.
    fn add_products(
        &mut self,
        product: MatrixProduct,
        row: &[Part],
        column: &[Part],
        mut sum: Value,
    ) -> Value {
        for (a, b) in row.iter().zip(column) {
            match (a, b) {
                (&Part::Integers(a), &Part::Integers(b)) => {
                    let op = Op::Dot4(signs(product));
                    sum = self.emit(op, &[a, b, sum], B32);
                }
                (Part::Floats(a), Part::Floats(b)) => {
                    for (&a, &b) in a.iter().zip(b) {
                        sum = self.emit(Op::Fma(FloatMode::NEAREST), &[a, b, sum], F32);
                    }
                }
                _ => {}
            }
        }
        sum
    }

    /// The elements of a sum: halves as f32, so that they are rounded once.
    fn sums(&mut self, ty: SumType, registers: &[Value]) -> Vec<Value> {
        match ty {
            SumType::F32 | SumType::S32 => registers.to_vec(),
            SumType::F16 => registers
                .iter()
                .flat_map(|&register| [0, 1].map(|half| self.wide_half(register, half)))
                .collect(),
        }
    }

    /// The block's parameters are the elements of the sum; puts them into registers.
    fn results(&mut self, product: MatrixProduct, results: &[Value]) {
        if product.sum != SumType::F16 {
            self.function[self.block]
                .parameters
                .extend_from_slice(results);
            return;
        }
        for &result in results {
            let elements = [(); 2].map(|()| self.parameter(F32));
            let halves = elements.map(|element| self.narrow(element));
            self.push(Op::Concat, &halves, &[result]);
        }
    }

    fn narrow(&mut self, value: Value) -> Value {
        let half = self.emit(Op::FloatConvert(FloatMode::NEAREST), &[value], F16);
        self.emit(Op::Bitcast, &[half], B16)
    }
}

/// How the bytes of the factors are read.
fn signs(product: MatrixProduct) -> Signs {
    let sign = |ty| match ty {
        FactorType::U8 => Signedness::Unsigned,
        _ => Signedness::Signed,
    };
    Signs {
        a: sign(product.a),
        b: sign(product.b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    fn lowered(product: &str, registers: [usize; 3], sum: &str) -> String {
        let mut text = "function k {\nb0:\n  v0: b32 = const.4294967295\n".to_owned();
        text += &format!("  v1: {sum} = const.0\n");
        let arguments = [
            vec!["v0"; registers[0] + registers[1]],
            vec!["v1"; registers[2]],
        ]
        .concat();
        let results: Vec<_> = (0..registers[2])
            .map(|n| format!("v{}: {sum}", 2 + n))
            .collect();
        text += &format!(
            "  {} = mma.{product} {}, v0\n",
            results.join(", "),
            arguments.join(", ")
        );
        let mut function = parse(&(text + "  return\n}\n")).unwrap();
        crate::verify::verify(&function).unwrap();
        lower_matrix_product(&mut function, |_| false);
        crate::verify::verify(&function).unwrap();
        function.to_string()
    }

    #[test]
    fn a_product_is_a_loop_over_the_lanes_that_share_a_row() {
        let text = lowered("m16n8k16.f16.f16.f32", [4, 2, 4], "f32");
        assert_eq!(text.matches("shfl.idx").count(), 4 + 2 * 2, "{text}");
        assert_eq!(text.matches("= fma").count(), 4 * 4, "{text}");
        let text = lowered("m16n8k32.u8.s8.s32", [4, 2, 4], "b32");
        assert_eq!(text.matches("dp4a.u.s").count(), 4 * 2, "{text}");
    }

    #[test]
    fn eight_lanes_have_whole_rows() {
        let text = lowered("m8n8k4.f16.f16.f16", [2, 2, 4], "b32");
        assert_eq!(text.matches("shfl.idx").count(), 2 + 8 * 2, "{text}");
        assert_eq!(text.matches("= fma").count(), 8 * 4, "{text}");
    }
}
