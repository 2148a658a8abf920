// SPDX-License-Identifier: GPL-2.0

//! What may be added to a device, and found, at which time of its life.

use crate::{
    device::{
        self,
        Files,
        Tested,
        CLASS, //
    },
    kapi::{
        blob::{
            Blob,
            Directory, //
        },
        chardev::ClassDevice, //
    },
    ktap::Ktap, //
};
use kernel::{
    faux,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Completion, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// How often a class comes and goes.
const ROUNDS: usize = 50;

pub(crate) fn test(ktap: &mut Ktap) -> Result {
    let parent = &device::parent()?;

    ktap.result(
        fmt!("no device in a class that is not registered"),
        Ok(CLASS.find(c"kapi_test0").is_none()),
    );
    ktap.result(fmt!("a life"), life(parent));
    ktap.result(fmt!("names are taken once"), names(parent));
    ktap.result(fmt!("a search while classes come and go"), search(parent));
    Ok(())
}

fn is_found(dev: &ARef<ClassDevice<Tested>>) -> bool {
    CLASS
        .find(c"kapi_test0")
        .is_some_and(|found| core::ptr::eq(&*found, &**dev))
}

fn blob(directory: &Directory, name: &str) -> Result<Blob<KVVec<u8>>> {
    Blob::new(directory, fmt!("{}", name), KVVec::new())
}

/// Before, while and after a device is registered.
fn life(parent: &faux::Registration) -> Result<bool> {
    let _class = CLASS.register()?;
    let dev = Tested::new()?;
    let before = Directory::new(&dev, c"early").err() == Some(ENODEV) && !is_found(&dev);

    let registration = device::register(parent, &dev)?;
    let found = is_found(&dev) && CLASS.find(c"kapi_test1").is_none();
    let directory = Directory::new(&dev, c"directory")?;
    let first = blob(&directory, "first")?;
    let second = blob(&directory, "second")?;
    let empty = Directory::new(&dev, c"empty")?;

    drop(first);
    drop(registration);
    let after = Directory::new(&dev, c"late").err() == Some(ENODEV)
        && blob(&directory, "late").err() == Some(ENODEV)
        && !is_found(&dev);

    // In this order and out of it.
    drop(directory);
    drop(second);
    drop(empty);
    Ok(before && found && after)
}

fn names(parent: &faux::Registration) -> Result<bool> {
    let _class = CLASS.register()?;
    let dev = Tested::new()?;
    let _registration = device::register(parent, &dev)?;
    let directory = Directory::new(&dev, c"name")?;
    let file = blob(&directory, "name")?;
    let taken = Directory::new(&dev, c"name").err() == Some(EEXIST)
        && Directory::new(&dev, c"number").err() == Some(EEXIST)
        && blob(&directory, "name").err() == Some(EEXIST);

    drop(file);
    let file = blob(&directory, "name")?;
    drop(directory);
    // The file keeps the directory.
    let kept = Directory::new(&dev, c"name").err() == Some(EEXIST);
    drop(file);
    Directory::new(&dev, c"name")?;
    Ok(taken && kept)
}

#[pin_data]
struct Search {
    stop: Atomic<bool>,
    found: Atomic<u32>,
    right: Atomic<bool>,
    #[pin]
    done: Completion,
}

impl Search {
    fn run(&self) {
        while !self.stop.load(Relaxed) {
            if let Some(dev) = CLASS.find(c"kapi_test0") {
                let name = AsRef::<kernel::device::Device>::as_ref(&*dev).name();

                if name != c"kapi_test0" {
                    self.right.store(false, Relaxed);
                }
                self.found.fetch_add(1, Relaxed);
                // It may be the last one by whom the device is known.
                fsleep(Delta::from_micros(200));
            }
        }
        self.done.complete_all();
    }
}

/// A class, and a device that keeps files of its own, come and go while the device is searched for.
fn search(parent: &faux::Registration) -> Result<bool> {
    let search = Arc::pin_init(
        pin_init!(Search {
            stop: Atomic::new(false),
            found: Atomic::new(0),
            right: Atomic::new(true),
            done <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let worker = search.clone();

    workqueue::system_unbound().try_spawn(GFP_KERNEL, move || worker.run())?;
    let result: Result = (0..ROUNDS).try_for_each(|_| {
        let _class = CLASS.register()?;
        let dev = Tested::new()?;
        let _registration = device::register(parent, &dev)?;

        *dev.files.lock() = Some(Files::new(&dev)?);
        fsleep(Delta::from_millis(1));
        Ok(())
    });
    search.stop.store(true, Relaxed);
    search.done.wait_for_completion();

    result?;
    Ok(search.right.load(Relaxed) && search.found.load(Relaxed) > 0)
}
