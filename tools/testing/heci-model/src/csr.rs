// SPDX-License-Identifier: GPL-2.0
//! The HECI registers: two control and status registers and two circular buffers.
//!
//! Pure: no memory, no interrupts, no time. Each change reports what the rest of the function has
//! to do about it. Offsets and bits as in Linux `drivers/misc/issei/hw_heci_regs.h`; those of D0i3
//! as in `drivers/misc/mei/hw-me-regs.h`.

/// Size of BAR 0 in bytes; the registers are its first 16, and one at 0x800.
pub const BAR_SIZE: u64 = 0x1000;

/// Reset: the host asks for one (`H_CSR`), the firmware announces its own (`FW_CSR_HA`).
pub const RST: u32 = 1 << 4;
/// Ready.
pub const RDY: u32 = 1 << 3;
/// Interrupt generate: the doorbell. Reads as zero.
pub const IG: u32 = 1 << 2;
/// Interrupt status, write one to clear.
pub const IS: u32 = 1 << 1;
/// Interrupt enable.
pub const IE: u32 = 1;

/// D0i3 interrupt enable, where the function has D0i3.
pub const D0I3_IE: u32 = 1 << 5;
/// D0i3 interrupt status, write one to clear, where the function has D0i3.
pub const D0I3_IS: u32 = 1 << 6;

/// Bits 7:5 of `H_CSR`: without D0i3 kept as the host writes them.
const POWER: u32 = 0xe0;
/// What bits 7:5 hold after power-on without D0i3. Not zero, so that a host that drops them is
/// seen.
const POWER_ON: u32 = 0x20;

/// A register of BAR 0. What it is called is up to the personality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// Write window of the host circular buffer.
    HostWindow,
    /// Host control and status.
    HostCsr,
    /// Read window of the firmware circular buffer.
    FirmwareWindow,
    /// Firmware control and status, read only for the host.
    FirmwareCsr,
    /// D0i3 control.
    D0i3Control,
    /// The rest of the BAR: reads as zero, ignores writes.
    Other,
}

impl Register {
    /// Every register.
    pub const ALL: [Self; 6] = [
        Self::HostWindow,
        Self::HostCsr,
        Self::FirmwareWindow,
        Self::FirmwareCsr,
        Self::D0i3Control,
        Self::Other,
    ];
}

/// The part of one dword that an access touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The dword's register.
    pub register: Register,
    /// First byte of the access that belongs to this dword.
    pub start: usize,
    /// Number of bytes, 1 to 4.
    pub len: usize,
    /// First byte of the dword that is touched, 0 to 3.
    pub shift: usize,
}

impl Lane {
    /// The bits of the dword that the access touches.
    pub fn mask(&self) -> u32 {
        let bits = u32::MAX.checked_shr(32 - 8 * self.len as u32).unwrap_or(0);
        bits << (8 * self.shift)
    }

    /// The dword that `data`, the bytes of the whole access, writes; untouched bits are zero.
    pub fn value(&self, data: &[u8]) -> u32 {
        let bytes = data.iter().skip(self.start).take(self.len);
        bytes
            .rev()
            .fold(0, |value, byte| value << 8 | u32::from(*byte))
            << (8 * self.shift)
    }

    /// Places the touched bytes of `value` into `data`, the bytes of the whole access.
    pub fn place(&self, value: u32, data: &mut [u8]) {
        let from = value.to_le_bytes().into_iter().skip(self.shift);
        let to = data.iter_mut().skip(self.start).take(self.len);
        to.zip(from).for_each(|(to, from)| *to = from);
    }
}

/// Cuts an access of `len` bytes at `offset` in BAR 0 into the dwords that it touches.
pub fn lanes(offset: u64, len: usize) -> impl Iterator<Item = Lane> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let at = offset.saturating_add(start as u64);
        let shift = (at % 4) as usize;
        let lane = Lane {
            register: register(at),
            start,
            len: (4 - shift).min(len - start),
            shift,
        };
        start += lane.len;
        (lane.len > 0).then_some(lane)
    })
}

fn register(offset: u64) -> Register {
    match offset / 4 {
        0 => Register::HostWindow,
        1 => Register::HostCsr,
        2 => Register::FirmwareWindow,
        3 => Register::FirmwareCsr,
        0x200 => Register::D0i3Control,
        _ => Register::Other,
    }
}

/// A circular buffer of dwords with 8-bit pointers that never stop counting.
#[derive(Clone, Debug)]
pub struct CircularBuffer {
    slots: Vec<u32>,
    depth: u8,
    write: u8,
    read: u8,
}

impl CircularBuffer {
    fn new(depth: u8) -> Self {
        Self {
            slots: vec![0; depth.into()],
            depth,
            write: 0,
            read: 0,
        }
    }

    /// Number of filled slots; more than the depth after an overflow.
    pub fn filled(&self) -> u8 {
        self.write.wrapping_sub(self.read)
    }

    /// Number of slots.
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// Whether more was written than fits.
    pub fn overflowed(&self) -> bool {
        self.filled() > self.depth
    }

    /// Writes a dword. In a full buffer the dword is lost, but the pointer moves on, so that both
    /// sides see the overflow until the next reset.
    pub fn push(&mut self, value: u32) {
        let index = usize::from(self.write) % self.slots.len().max(1);
        if self.filled() < self.depth {
            if let Some(slot) = self.slots.get_mut(index) {
                *slot = value;
            }
        }
        self.write = self.write.wrapping_add(1);
    }

    /// The dword that is read next; nothing from an empty buffer.
    pub fn peek(&self) -> Option<u32> {
        if self.filled() == 0 {
            return None;
        }
        let index = usize::from(self.read) % self.slots.len().max(1);
        self.slots.get(index).copied()
    }

    /// Reads a dword; nothing from an empty buffer.
    pub fn pop(&mut self) -> Option<u32> {
        let dword = self.peek()?;
        self.read = self.read.wrapping_add(1);
        Some(dword)
    }

    fn clear(&mut self) {
        self.write = 0;
        self.read = 0;
    }

    fn bits(&self) -> u32 {
        u32::from_be_bytes([self.depth, self.write, self.read, 0])
    }
}

/// What a write to `H_CSR` asks of the rest of the function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// `IG` was written: the firmware gets an interrupt.
    pub doorbell: bool,
    /// `RST` went from 0 to 1.
    pub reset: bool,
    /// An enable was set while its status stands: an interrupt message is due.
    pub interrupt: bool,
}

/// All state behind the first four registers.
#[derive(Clone, Debug)]
pub struct Registers {
    /// `RST`, `RDY`, `IS`, `IE` and bits 7:5 of `H_CSR`.
    host: u32,
    /// Bits of `H_CSR` that are interrupt statuses.
    statuses: u32,
    /// `RST`, `RDY`, `IG`, `IS` and `IE` of `FW_CSR_HA`.
    firmware: u32,
    /// Written by the host through `H_CB_WW`.
    pub host_buffer: CircularBuffer,
    /// Read by the host through `FW_CB_RW`.
    pub firmware_buffer: CircularBuffer,
}

impl Registers {
    /// Registers after power-on, with buffers of `depth` dwords (a power of two, so that the
    /// pointers may wrap). The firmware is not ready yet.
    pub fn new(depth: u8) -> Self {
        Self {
            host: POWER_ON,
            statuses: IS,
            firmware: IE,
            host_buffer: CircularBuffer::new(depth),
            firmware_buffer: CircularBuffer::new(depth),
        }
    }

    /// The same of a function with D0i3: bits 5 and 6 of `H_CSR` are its interrupt's.
    pub fn with_d0i3(depth: u8) -> Self {
        Self {
            host: 0,
            statuses: IS | D0I3_IS,
            ..Self::new(depth)
        }
    }

    /// Whether a status stands that is enabled.
    fn pending(&self, host: u32) -> bool {
        let status = host & self.statuses;
        status & IS != 0 && host & IE != 0 || status & D0I3_IS != 0 && host & D0I3_IE != 0
    }

    /// Value of `H_CSR`.
    pub fn host_csr(&self) -> u32 {
        self.host | self.host_buffer.bits()
    }

    /// Value of `FW_CSR_HA`.
    pub fn firmware_csr(&self) -> u32 {
        self.firmware | self.firmware_buffer.bits()
    }

    /// A host read. Takes a dword from the firmware buffer if it is the read window.
    pub fn read(&mut self, register: Register) -> u32 {
        match register {
            Register::HostCsr => self.host_csr(),
            Register::FirmwareWindow => self.firmware_buffer.pop().unwrap_or(0),
            Register::FirmwareCsr => self.firmware_csr(),
            Register::HostWindow | Register::D0i3Control | Register::Other => 0,
        }
    }

    /// A host write of the bits in `mask` to `H_CSR`. With `stuck`, `RST` cannot be cleared.
    pub fn write_host_csr(&mut self, value: u32, mask: u32, stuck: bool) -> Effect {
        let value = value & mask;
        let was = self.host;
        let held = (IE | RDY | RST | POWER) & !self.statuses;
        let mut next = (was & !(held & mask)) | (value & held);
        if stuck {
            next |= was & RST;
        }
        next &= !(value & self.statuses);
        let reset = next & !was & RST != 0;
        if next & RST != 0 {
            next &= !RDY;
        }
        if reset {
            self.host_buffer.clear();
            self.firmware_buffer.clear();
        }
        self.host = next;
        Effect {
            doorbell: value & IG != 0,
            reset,
            interrupt: self.pending(next) && !self.pending(was),
        }
    }

    /// Whether the host has set `RDY`.
    pub fn host_ready(&self) -> bool {
        self.host & RDY != 0
    }

    /// Whether the host holds `RST`.
    pub fn host_resetting(&self) -> bool {
        self.host & RST != 0
    }

    /// The firmware interrupts the host: sets `status`, one of `IS` and `D0I3_IS`. True if an
    /// interrupt message is due, which is when it is enabled and no other was pending.
    pub fn raise(&mut self, status: u32) -> bool {
        let was = self.host;
        self.host |= status & self.statuses;
        self.pending(self.host) && !self.pending(was)
    }

    /// The firmware is up: sets `RDY`, clears `RST`.
    pub fn set_firmware_ready(&mut self) {
        self.firmware = (self.firmware & !RST) | RDY;
    }

    /// The firmware goes down; `announced` sets `RST` for the host to answer.
    pub fn set_firmware_down(&mut self, announced: bool) {
        self.firmware &= !(RDY | RST);
        if announced {
            self.firmware |= RST;
        }
    }

    /// Whether the firmware is ready.
    pub fn firmware_ready(&self) -> bool {
        self.firmware & RDY != 0
    }

    /// The host has answered an announced reset.
    pub fn acknowledge_firmware_reset(&mut self) {
        self.firmware &= !RST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(offset: u64, len: usize) -> Vec<(Register, usize, usize, usize)> {
        let lane = |lane: Lane| (lane.register, lane.start, lane.len, lane.shift);
        lanes(offset, len).map(lane).collect()
    }

    #[test]
    fn an_aligned_dword_is_one_lane() {
        assert_eq!(split(4, 4), [(Register::HostCsr, 0, 4, 0)]);
    }

    #[test]
    fn a_misaligned_dword_touches_two_registers() {
        let two = [
            (Register::HostCsr, 0, 1, 3),
            (Register::FirmwareWindow, 1, 3, 0),
        ];
        assert_eq!(split(7, 4), two);
    }

    #[test]
    fn an_empty_access_touches_nothing() {
        assert_eq!(split(4, 0), []);
    }

    #[test]
    fn an_access_at_the_end_of_the_address_space_does_not_overflow() {
        assert!(split(u64::MAX - 1, 8)
            .iter()
            .all(|l| l.0 == Register::Other));
    }

    #[test]
    fn every_small_access_is_covered_exactly_once() {
        for offset in 0..20 {
            for len in 0..=8 {
                let data: Vec<u8> = (1..=len as u8).collect();
                let mut back = vec![0; len];
                for lane in lanes(offset, len) {
                    let value = lane.value(&data);
                    assert_eq!(value & !lane.mask(), 0);
                    lane.place(value, &mut back);
                }
                assert_eq!(back, data, "offset {offset} length {len}");
            }
        }
    }

    #[test]
    fn a_byte_write_changes_only_its_byte() {
        let mut regs = Registers::new(32);
        regs.write_host_csr(IE | RDY, u32::MAX, false);
        let effect = regs.write_host_csr(u32::MAX, 0xff00, false);
        assert_eq!(effect, Effect::default());
        assert_eq!(regs.host_csr() & 0xff, IE | RDY);
    }

    #[test]
    fn pointers_wrap_at_eight_bits() {
        let mut buffer = CircularBuffer::new(32);
        for value in 0..1000 {
            buffer.push(value);
            assert_eq!(buffer.filled(), 1);
            assert_eq!(buffer.pop(), Some(value));
        }
        assert_eq!(buffer.pop(), None);
    }

    #[test]
    fn a_write_to_a_full_buffer_shows_as_overflow_and_spares_the_contents() {
        let mut buffer = CircularBuffer::new(4);
        (0..4).for_each(|value| buffer.push(value));
        assert!(!buffer.overflowed());
        buffer.push(9);
        assert!(buffer.overflowed());
        assert_eq!(buffer.pop(), Some(0));
    }

    #[test]
    fn enabling_interrupts_while_status_stands_is_due_once() {
        let mut regs = Registers::new(32);
        assert!(!regs.raise(IS));
        assert!(regs.write_host_csr(IE, u32::MAX, false).interrupt);
        assert!(!regs.write_host_csr(IE, u32::MAX, false).interrupt);
        assert!(!regs.raise(IS));
    }

    #[test]
    fn the_two_interrupts_of_a_function_with_d0i3_share_the_message() {
        let mut regs = Registers::with_d0i3(32);
        regs.write_host_csr(IE | D0I3_IE, u32::MAX, false);
        assert!(regs.raise(D0I3_IS));
        assert!(!regs.raise(IS));
        regs.write_host_csr(IE | D0I3_IE | D0I3_IS, u32::MAX, false);
        assert_eq!(regs.host_csr() & 0xff, IE | D0I3_IE | IS);
        regs.write_host_csr(D0I3_IE | IS, u32::MAX, false);
        assert!(!regs.raise(IS), "disabled");
        assert!(regs.raise(D0I3_IS));
    }

    #[test]
    fn without_d0i3_its_bits_are_plain() {
        let mut regs = Registers::new(32);
        regs.write_host_csr(IE | D0I3_IE | D0I3_IS, u32::MAX, false);
        assert!(!regs.raise(D0I3_IS));
        assert_eq!(regs.host_csr() & 0xff, IE | D0I3_IE | D0I3_IS);
    }
}
