// SPDX-License-Identifier: GPL-2.0

//! Tests of `rust/kapi` in a kernel: of hashes, signatures, keyrings, generic netlink, waiting,
//! news of sleep, random numbers, the clock, the boot id, devices, their files and module parameters.
//!
//! Results are KTAP lines in the kernel log. Most tests run when the module is loaded. Those of what
//! happened meanwhile run when it is unloaded: root has put `vectors/root.der` into the keyring
//! `.kapi_test`, and the system has slept once. The plan comes last.

use kernel::prelude::*;

mod device;
mod environment;
mod family;
mod hashes;
#[path = "../../../rust/kapi"]
pub(crate) mod kapi {
    pub(crate) mod attribute;
    pub(crate) mod blob;
    pub(crate) mod boot;
    pub(crate) mod capability;
    pub(crate) mod chardev;
    pub(crate) mod class;
    pub(crate) mod clock;
    pub(crate) mod debugfs;
    mod fops;
    pub(crate) mod hash;
    pub(crate) mod keyring;
    pub(crate) mod kobject;
    pub(crate) mod netlink;
    pub(crate) mod param;
    pub(crate) mod poll;
    mod presence;
    pub(crate) mod random;
    mod shim;
    pub(crate) mod signature;
    pub(crate) mod sleep;
    pub(crate) mod wait;
}
mod ktap;
mod presence;
mod ring;
mod signatures;
mod sleeper;
/// What of the driver is tested here, where it stands in the driver.
#[path = "../../.."]
pub mod spdm {
    #[path = "drivers/misc/issei_rust/spdm/capture.rs"]
    pub(crate) mod capture;
    #[path = "drivers/misc/issei_rust/spdm/crypto.rs"]
    pub(crate) mod crypto;
    #[path = "rust/spdm/spdm.rs"]
    pub mod protocol;
}
mod waits;

use kapi::{
    class,
    keyring::Keyring,
    netlink::Registration, //
};
use ktap::Ktap;

module! {
    type: KapiTest,
    name: "kapi_test",
    authors: ["The issei_rust authors"],
    description: "Tests of rust/kapi",
    license: "GPL",
}

kapi::param::word! {
    /// A parameter that is a word.
    pub(crate) static NOISE: kapi_test.noise = ["none", "some", "much"], default 1,
    "how much to say"
}

/// What lives between loading and unloading.
struct KapiTest {
    ktap: Ktap,
    ring: Keyring,
    _sleep: sleeper::Registration,
    _family: Registration,
    _device: device::Registered,
    _class: class::Registration<device::Tested>,
}

impl kernel::Module for KapiTest {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut ktap = Ktap::begin();

        hashes::test(&mut ktap);
        signatures::test(&mut ktap);
        environment::test(&mut ktap);
        waits::test(&mut ktap);
        presence::test(&mut ktap)?;

        let ring = Keyring::new(c".kapi_test")?;
        ring::test_empty(&mut ktap, &ring);

        ktap.result(fmt!("a parameter has its default"), Ok(NOISE.index() == 1));

        let family = family::FAMILY.register()?;
        family::test(&mut ktap, &family);

        Ok(Self {
            ktap,
            ring,
            _sleep: sleeper::register()?,
            _family: family,
            _class: device::CLASS.register()?,
            _device: device::Registered::new()?,
        })
    }
}

impl Drop for KapiTest {
    fn drop(&mut self) {
        ring::test_root(&mut self.ktap, &self.ring);
        sleeper::test(&mut self.ktap);
        self.ktap.end();
    }
}
