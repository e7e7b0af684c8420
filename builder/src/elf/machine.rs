//! What differs between machines: data, no code.

/// One supported machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// ELF `e_machine`.
    pub e_machine: u16,
    /// `p_align` of the segments: the largest page size that the machine's kernels use.
    pub page: u64,
    /// Name for messages.
    pub name: &'static str,
}

const MACHINES: [Machine; 2] = [
    Machine { e_machine: 62, page: 0x1000, name: "x86-64" },
    Machine { e_machine: 183, page: 0x1_0000, name: "aarch64" },
];

impl Machine {
    /// The machine with this ELF number.
    pub fn from_elf(e_machine: u16) -> Option<Self> {
        MACHINES.into_iter().find(|m| m.e_machine == e_machine)
    }
}
