//! The answer to the runtime's question whether this is a driver it knows.
//!
//! `libcudart` asks the `d4082055` export table three times at start-up, with its
//! own version plus 0, 1 and 2, and refuses to work with a driver that answers
//! otherwise than expected: an HMAC-MD2 over facts that both sides know.

use abi::cuda::CUuuid;
use hmac::{Hmac, Mac};
use md2::Md2;

const KEY: [u8; 16] = [
    0x14, 0x6A, 0xDD, 0xAE, 0x53, 0xA9, 0xA7, 0x52, 0xAA, 0x08, 0x41, 0x36, 0x0B, 0xF5, 0x5A, 0x9F,
];

/// What the process and the driver know of each other.
pub struct Question {
    pub driver_version: u32,
    /// Runtime version plus 0, 1 or 2.
    pub version: u32,
    pub process: u32,
    /// The low half of `pthread_self()`.
    pub thread: u32,
    /// Address of the `6bd5fb6c` table.
    pub runtime_table: u64,
    /// Address of the `d4082055` table.
    pub integrity_table: u64,
    /// Address in slot 1 of the `d4082055` table.
    pub integrity_function: u64,
    pub seconds: u64,
}

/// What the answer covers of one device, in ordinal order.
pub struct Identity {
    pub uuid: CUuuid,
    pub pci_domain: i32,
    pub pci_bus: i32,
    pub pci_device: i32,
}

/// The two words that the runtime compares.
pub fn answer(question: &Question, devices: &[Identity]) -> [u64; 2] {
    match question.version % 10 {
        0 => [0x3341_181C_03CB_675C, 0x8ED3_83AA_1F4C_D1E8],
        1 => [0x1841_181C_03CB_675C, 0x8ED3_83AA_1F4C_D1E8],
        _ => digest(question, devices),
    }
}

fn digest(question: &Question, devices: &[Identity]) -> [u64; 2] {
    let mut mac = Hmac::<Md2>::new_from_slice(&KEY).expect("HMAC takes a key of any length");
    for word in [
        question.driver_version,
        question.version,
        question.process,
        question.thread,
    ] {
        mac.update(&word.to_ne_bytes());
    }
    for word in [
        question.runtime_table,
        question.integrity_table,
        question.integrity_function,
        question.seconds,
    ] {
        mac.update(&word.to_ne_bytes());
    }
    for device in devices {
        mac.update(&device.uuid.bytes);
        for word in [device.pci_domain, device.pci_bus, device.pci_device] {
            mac.update(&word.to_ne_bytes());
        }
    }
    let digest: [u8; 16] = mac.finalize().into_bytes().into();
    let (low, high) = digest.split_at(8);
    [low, high]
        .map(|half| u64::from_ne_bytes(half.try_into().expect("half a digest is eight bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(version: u32) -> Question {
        Question {
            driver_version: 0x2f30,
            version,
            process: 0x002f_a423,
            thread: 0xf79c_1000,
            runtime_table: 0x7fff_f695_8240,
            integrity_table: 0x7fff_f695_8220,
            integrity_function: 0x7fff_f2aa_f4a0,
            seconds: 0x682b_9cee,
        }
    }

    #[test]
    fn the_digest_of_the_known_question_is_the_known_answer() {
        let mut uuid = CUuuid::default();
        let words = [0x8a2b_fe9a_u32, 0x382d_25ac, 0xc5ae_37ea, 0x5f32_716d];
        for (bytes, word) in uuid.bytes.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let device = Identity {
            uuid,
            pci_domain: 0,
            pci_bus: 2,
            pci_device: 0,
        };
        let expected = [
            [0x44, 0x48, 0xa1, 0x71, 0xb0, 0x26, 0xce, 0xf7],
            [0x6c, 0x8c, 0x3e, 0x39, 0x05, 0x1b, 0x02, 0xdd],
        ];
        assert_eq!(
            answer(&question(12082), &[device]),
            expected.map(u64::from_ne_bytes)
        );
    }

    #[test]
    fn the_first_two_questions_have_fixed_answers() {
        assert_eq!(
            answer(&question(12080), &[]),
            [0x3341_181C_03CB_675C, 0x8ED3_83AA_1F4C_D1E8]
        );
        assert_eq!(
            answer(&question(12081), &[]),
            [0x1841_181C_03CB_675C, 0x8ED3_83AA_1F4C_D1E8]
        );
    }
}
