// SPDX-License-Identifier: GPL-2.0

//! A device of a class of its own, with files in sysfs and debugfs for `files.py`.

use crate::{
    kapi::{
        attribute::{
            Attribute,
            Attributes, //
        },
        blob::{
            Blob,
            Content,
            Directory, //
        },
        capability,
        chardev::{
            CharDevice,
            ClassDevice,
            Registration, //
        },
        class::Class,
        debugfs,
        kobject::{
            Link,
            Object,
            Subdirectory, //
        },
        poll::{
            PollEvents,
            PollTable, //
        }, //
    },
    spdm::capture::Capture, //
};
use core::str;
use kernel::{
    device::Bound,
    faux,
    fmt::{
        self,
        Write, //
    },
    new_mutex,
    prelude::*,
    static_lock_class,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        poll::PollCondVarBox,
        Arc,
        ArcBorrow,
        Mutex, //
    },
    uaccess::{
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

pub(crate) static CLASS: Class<Tested> = Class::new(c"kapi_test");

/// How many bytes the large file has.
const SIZE: usize = 100_000;

/// The bytes of the large files, which `files.py` knows, too.
fn pattern() -> Result<KVVec<u8>> {
    let mut bytes = KVVec::with_capacity(SIZE, GFP_KERNEL)?;

    for i in 0..SIZE {
        // CAST: The rest is not wanted.
        bytes.push((i * 7 + (i >> 8)) as u8, GFP_KERNEL)?;
    }
    Ok(bytes)
}

fn number(text: &[u8]) -> Result<u32> {
    str::from_utf8(text.trim_ascii())
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(EINVAL)
}

impl Content for KVVec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Files that come and go.
pub(crate) struct Files(#[expect(dead_code, reason = "they are there")] [Blob<KVVec<u8>>; 2]);

impl Files {
    pub(crate) fn new(dev: &ClassDevice<Tested>) -> Result<Self> {
        let directory = Directory::new(dev, c"files")?;

        Ok(Self([
            Blob::new(&directory, fmt!("{}", "large"), pattern()?)?,
            Blob::new(&directory, fmt!("{}", "empty"), KVVec::new())?,
        ]))
    }
}

/// The data of the device.
#[pin_data]
pub(crate) struct Tested {
    number: Atomic<u32>,
    #[pin]
    capture: Capture,
    #[pin]
    pub(crate) files: Mutex<Option<Files>>,
}

impl Tested {
    pub(crate) fn new() -> Result<ARef<ClassDevice<Self>>> {
        ClassDevice::new(
            &CLASS,
            try_pin_init!(Self {
                number: Atomic::new(7),
                capture <- Capture::new(),
                files <- new_mutex!(None, "kapi_test:files"),
            }? Error),
        )
    }
}

/// An open file of the device. What it is ready for are the bits of the number.
pub(crate) struct File {
    dev: ARef<ClassDevice<Tested>>,
    wait: PollCondVarBox,
}

macro_rules! names {
    ($($name:literal)*) => {
        &[$(Attribute::ro($name, |_, out| Ok(writeln!(out, "{}", $name.to_str()?)?))),*]
    };
}

impl Attributes for Tested {
    const ATTRIBUTES: &'static [Attribute<Self>] = names!(
        c"a00" c"a01" c"a02" c"a03" c"a04" c"a05" c"a06" c"a07" c"a08" c"a09" c"a10" c"a11" c"a12"
        c"a13" c"a14" c"a15" c"a16" c"a17" c"a18" c"a19" c"a20" c"a21" c"a22" c"a23" c"a24" c"a25"
        c"a26" c"a27" c"a28" c"a29" c"a30"
    );
}

/// An object of the device.
struct Named(&'static CStr);

impl Attributes for Named {
    const ATTRIBUTES: &'static [Attribute<Self>] = &[Attribute::ro(c"name", |named, out| {
        Ok(writeln!(out, "{}", named.0.to_str()?)?)
    })];
}

#[vtable]
impl CharDevice for Tested {
    type File = Arc<File>;
    const OBJECTS: &'static CStr = c"objects";
    const SUBDIRECTORY: Option<Subdirectory<Self>> = Some(Subdirectory::new(
        c"sub",
        &[
            Attribute::rw(
                c"number",
                |dev, out| Ok(writeln!(out, "{}", dev.number.load(Relaxed))?),
                |dev, text| {
                    if !capability::sys_admin() {
                        return Err(EPERM);
                    }
                    dev.number.store(number(text)?, Relaxed);
                    Ok(())
                },
            ),
            Attribute::wo(c"make", |_, text| {
                let dev = CLASS.find(c"kapi_test0").ok_or(ENODEV)?;
                let (files, event) = match text.trim_ascii() {
                    b"1" => (Some(Files::new(&dev)?), c"FILES=come"),
                    b"0" => (None, c"FILES=go"),
                    _ => return Err(EINVAL),
                };

                *dev.files.lock() = files;
                dev.changed(event)
            }),
        ],
    ));

    fn open(dev: &ClassDevice<Self>) -> Result<Arc<File>> {
        let file = File {
            dev: dev.into(),
            wait: PollCondVarBox::new(c"kapi_test:file", static_lock_class!())?,
        };
        Ok(Arc::new(file, GFP_KERNEL)?)
    }

    fn read(_: ArcBorrow<'_, File>, _: bool, mut to: UserSliceWriter) -> Result<usize> {
        let text = b"read\n";
        let text = &text[..to.len().min(text.len())];

        to.write_slice(text)?;
        Ok(text.len())
    }

    fn write(_: ArcBorrow<'_, File>, _: bool, _: UserSliceReader) -> Result<usize> {
        Err(EROFS)
    }

    fn ioctl(_: ArcBorrow<'_, File>, _: bool, _: u32, _: usize) -> Result<isize> {
        Err(ENOTTY)
    }

    fn poll(file: ArcBorrow<'_, File>, table: &PollTable<'_>) -> PollEvents {
        table.wait(&file.wait);
        let number = file.dev.number.load(Relaxed);
        let mut events = PollEvents::NONE;

        for (bit, event) in [
            PollEvents::IN,
            PollEvents::OUT,
            PollEvents::ERR,
            PollEvents::HUP,
        ]
        .into_iter()
        .enumerate()
        {
            if number & (1 << bit) != 0 {
                events |= event;
            }
        }
        events
    }

    fn suspend(&self) -> Result {
        Ok(())
    }

    fn resume(&self) -> Result {
        Ok(())
    }

    fn shutdown(&self) {}
}

impl debugfs::Files for Tested {
    const FILES: &'static [debugfs::File<Self>] = &[
        debugfs::File::ro(c"bytes", |_, out| {
            out.bytes(&pattern().map_err(|_| fmt::Error)?)
        }),
        debugfs::File::ro(c"number", |dev, out| {
            writeln!(out, "{}", dev.number.load(Relaxed))
        }),
        debugfs::File::ro(c"pcap", |dev, out| dev.capture.pcap(out)),
        debugfs::File::ro(c"statistics", |dev, out| dev.capture.statistics(out)),
        debugfs::File::wo(c"say", say),
        debugfs::File::wo(c"set", |dev, text| {
            dev.number.store(number(text)?, Relaxed);
            Ok(())
        }),
    ];
}

/// Captures a message, or an error: of the kind, with the number, with the parameter, so long.
fn say(dev: &Tested, text: &[u8]) -> Result {
    let text = str::from_utf8(text).map_err(|_| EINVAL)?;
    let mut words = text.split_ascii_whitespace();
    let kind = words.next().ok_or(EINVAL)?;
    let mut numbers = words.map(|word| word.parse::<usize>().map_err(|_| EINVAL));
    let mut next = || numbers.next().ok_or(EINVAL)?;
    let code = next()?;

    if kind == "!" {
        dev.capture.error(Error::from_errno(-i32::try_from(code)?));
        return Ok(());
    }
    let param1 = next()?;
    let mut message = KVVec::with_capacity(next()?, GFP_KERNEL)?;

    for i in 0..message.capacity() {
        let byte = match i {
            0 => 0x12,
            1 => code,
            2 => param1,
            _ => i,
        };
        // CAST: The rest is not wanted.
        message.push_within_capacity(byte as u8)?;
    }
    match kind {
        ">" => dev.capture.request(&message),
        "<" => dev.capture.response(&message),
        _ => return Err(EINVAL),
    }
    Ok(())
}

/// A registered device.
pub(crate) struct Registered {
    _debugfs: debugfs::Directory<Tested>,
    _link: Link,
    _object: Object<Named>,
    _device: Registration<'static, Tested>,
    _parent: KBox<faux::Registration>,
}

/// What a device can be registered below.
pub(crate) fn parent() -> Result<KBox<faux::Registration>> {
    let parent = faux::Registration::new(c"kapi_test", None)?;
    Ok(KBox::new(parent, GFP_KERNEL)?)
}

/// Registers `dev` below `parent`, which must outlive what this returns.
pub(crate) fn register(
    parent: &faux::Registration,
    dev: &ARef<ClassDevice<Tested>>,
) -> Result<Registration<'static, Tested>> {
    let parent: &faux::Device<Bound> = parent.as_ref();
    let parent: &kernel::device::Device<Bound> = parent.as_ref();

    // SAFETY: As the caller promises.
    Registration::new(unsafe { &*core::ptr::from_ref(parent) }, dev.clone())
}

impl Registered {
    pub(crate) fn new() -> Result<Self> {
        let parent = parent()?;
        let dev = Tested::new()?;
        let device = register(&parent, &dev)?;
        let object = Object::new(&dev, fmt!("{}", 1), Named(c"one"))?;

        Ok(Self {
            _debugfs: debugfs::Directory::new(&dev),
            _link: Link::new(&dev, fmt!("object:{}", 1), &object)?,
            _object: object,
            _device: device,
            _parent: parent,
        })
    }
}
