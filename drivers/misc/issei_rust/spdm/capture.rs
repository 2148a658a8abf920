use kernel::prelude::*;
#[pin_data]
pub(crate) struct Capture {}
impl Capture {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {})
    }
    pub(crate) fn request(&self, _: &[u8]) {}
    pub(crate) fn response(&self, _: &[u8]) {}
    pub(crate) fn error(&self, _: Error) {}
}
