// SPDX-License-Identifier: GPL-2.0

//! Text attributes in sysfs.
//!
//! A type lists its attributes as a constant; the directories of its values then hold one file for
//! each. Devices and plain kobjects share this code.
//!
//! C headers: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h),
//! [`include/linux/device.h`](srctree/include/linux/device.h)

use core::{
    marker::PhantomData,
    ptr,
    slice, //
};
use kernel::{
    bindings,
    error::from_result,
    fmt,
    page::PAGE_SIZE,
    prelude::*,
    str::as_char_ptr_in_const_context, //
};

/// The largest number of attributes of one type.
const MAX_ATTRIBUTES: usize = 31;

/// What a read of an attribute gives: text of at most `PAGE_SIZE - 1` bytes.
///
/// What is written beyond that is dropped, as `sysfs_emit()` does.
pub(crate) struct Output<'a> {
    page: &'a mut [u8],
    len: usize,
}

impl fmt::Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.page.len() - 1 - self.len;
        let text = &text.as_bytes()[..text.len().min(room)];

        self.page[self.len..][..text.len()].copy_from_slice(text);
        self.len += text.len();
        Ok(())
    }
}

/// Produces the text of an attribute.
pub(crate) type Show<T> = fn(&T, &mut Output<'_>) -> Result;

/// Takes what was written to an attribute, including a newline at its end.
pub(crate) type Store<T> = fn(&T, &[u8]) -> Result;

/// One file in the sysfs directory of a `T`.
///
/// The callbacks run in process context and may sleep. Removal of the directory waits for them, so
/// they must neither remove it themselves nor take a lock that is held around its removal.
pub(crate) struct Attribute<T> {
    name: &'static CStr,
    mode: bindings::umode_t,
    show: Option<Show<T>>,
    store: Option<Store<T>>,
}

impl<T> Attribute<T> {
    /// An attribute that everybody can read (mode 0444).
    pub(crate) const fn ro(name: &'static CStr, show: Show<T>) -> Self {
        Self {
            name,
            mode: 0o444,
            show: Some(show),
            store: None,
        }
    }

    /// An attribute that only root can write, and nobody read (mode 0200).
    pub(crate) const fn wo(name: &'static CStr, store: Store<T>) -> Self {
        Self {
            name,
            mode: 0o200,
            show: None,
            store: Some(store),
        }
    }

    /// An attribute that everybody can read, and only root write (mode 0644).
    pub(crate) const fn rw(name: &'static CStr, show: Show<T>, store: Store<T>) -> Self {
        Self {
            name,
            mode: 0o644,
            show: Some(show),
            store: Some(store),
        }
    }
}

/// A type whose values appear as directories in sysfs.
pub(crate) trait Attributes: Sized + 'static {
    /// The files of each directory, at most 31.
    const ATTRIBUTES: &'static [Attribute<Self>];
}

/// A C object that has a directory in sysfs, with the attributes of a value.
///
/// # Safety
///
/// `data` must return the value that belongs to `kobj`, valid for as long as `kobj` is in sysfs.
pub(super) unsafe trait Carrier: 'static {
    /// The value behind the attributes.
    type Data: 'static;

    /// The files of the directory, at most 31.
    const ATTRIBUTES: &'static [Attribute<Self::Data>];

    /// Finds the value.
    ///
    /// # Safety
    ///
    /// `kobj` must be the kobject embedded in an object of the type `Self`, and stay in sysfs for
    /// the lifetime `'a`.
    unsafe fn data<'a>(kobj: *mut bindings::kobject) -> &'a Self::Data;
}

/// A C attribute and the Rust one that it stands for.
///
/// # Invariants
///
/// `raw` is the first field, hence a pointer to `raw.attr` is a pointer to the entry.
#[repr(C)]
struct Entry<T: 'static> {
    raw: bindings::device_attribute,
    rust: Option<&'static Attribute<T>>,
}

/// The C tables of the attributes of `D`, all of them constants.
pub(super) struct Table<D: Carrier>(PhantomData<D>);

impl<D: Carrier> Table<D> {
    const ENTRIES: &'static [Entry<D::Data>; MAX_ATTRIBUTES] = &{
        let mut entries = [const {
            Entry {
                raw: pin_init::zeroed(),
                rust: None,
            }
        }; MAX_ATTRIBUTES];
        let mut i = 0;

        while i < D::ATTRIBUTES.len() {
            let attribute = &D::ATTRIBUTES[i];

            entries[i].rust = Some(attribute);
            entries[i].raw.attr.name = as_char_ptr_in_const_context(attribute.name);
            entries[i].raw.attr.mode = attribute.mode;
            entries[i].raw.__bindgen_anon_1.show = Some(device_show::<D>);
            entries[i].raw.__bindgen_anon_2.store = Some(device_store::<D>);
            i += 1;
        }
        entries
    };

    const POINTERS: &'static [*const bindings::attribute; MAX_ATTRIBUTES + 1] = &{
        let mut pointers = [ptr::null(); MAX_ATTRIBUTES + 1];
        let mut i = 0;

        while i < D::ATTRIBUTES.len() {
            let entry: *const Entry<D::Data> = &Self::ENTRIES[i];

            pointers[i] = entry.cast();
            i += 1;
        }
        pointers
    };

    const GROUP: &'static bindings::attribute_group = &bindings::attribute_group {
        __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
            attrs_const: Self::POINTERS.as_ptr(),
        },
        ..pin_init::zeroed()
    };

    /// The groups, for `device::groups` and `kobj_type::default_groups`.
    pub(super) const GROUPS: &'static [*const bindings::attribute_group; 2] =
        &[Self::GROUP, ptr::null()];

    /// The operations of a kobject type that has no others.
    pub(super) const SYSFS_OPS: &'static bindings::sysfs_ops = &bindings::sysfs_ops {
        show: Some(show::<D>),
        store: Some(store::<D>),
    };
}

/// Reads an attribute.
///
/// # Safety
///
/// - `kobj` must be embedded in a `D` and in sysfs until this returns.
/// - `attr` must come from [`Table::<D>::POINTERS`].
/// - `buf` must point to an initialised page that nobody else uses.
unsafe extern "C" fn show<D: Carrier>(
    kobj: *mut bindings::kobject,
    attr: *mut bindings::attribute,
    buf: *mut c_char,
) -> isize {
    // SAFETY: By the requirements of this function and the type invariant of `Entry`.
    let entry = unsafe { &*attr.cast::<Entry<D::Data>>() };
    // SAFETY: By the requirements of this function.
    let data = unsafe { D::data(kobj) };
    let mut output = Output {
        // SAFETY: By the requirements of this function.
        page: unsafe { slice::from_raw_parts_mut(buf.cast(), PAGE_SIZE) },
        len: 0,
    };

    match entry.rust.and_then(|attribute| attribute.show) {
        Some(show) => from_result(|| {
            show(data, &mut output)?;
            // CAST: At most `PAGE_SIZE - 1`.
            Ok(output.len as isize)
        }),
        None => EIO.to_errno() as isize,
    }
}

/// Writes an attribute.
///
/// # Safety
///
/// - `kobj` must be embedded in a `D` and in sysfs until this returns.
/// - `attr` must come from [`Table::<D>::POINTERS`].
/// - `buf` must point to `len` initialised bytes that do not change until this returns.
unsafe extern "C" fn store<D: Carrier>(
    kobj: *mut bindings::kobject,
    attr: *mut bindings::attribute,
    buf: *const c_char,
    len: usize,
) -> isize {
    // SAFETY: By the requirements of this function and the type invariant of `Entry`.
    let entry = unsafe { &*attr.cast::<Entry<D::Data>>() };
    // SAFETY: By the requirements of this function.
    let data = unsafe { D::data(kobj) };
    // SAFETY: By the requirements of this function.
    let input = unsafe { slice::from_raw_parts(buf.cast(), len) };

    match entry.rust.and_then(|attribute| attribute.store) {
        Some(store) => from_result(|| {
            store(data, input)?;
            // CAST: The kernel writes at most a page at a time.
            Ok(len as isize)
        }),
        None => EIO.to_errno() as isize,
    }
}

/// Reads an attribute of a device.
///
/// # Safety
///
/// As for [`show`], with the kobject of `dev`.
unsafe extern "C" fn device_show<D: Carrier>(
    dev: *mut bindings::device,
    attr: *mut bindings::device_attribute,
    buf: *mut c_char,
) -> isize {
    // SAFETY: By the requirements of this function; `attr` is the first field of the attribute.
    unsafe { show::<D>(&raw mut (*dev).kobj, attr.cast(), buf) }
}

/// Writes an attribute of a device.
///
/// # Safety
///
/// As for [`store`], with the kobject of `dev`.
unsafe extern "C" fn device_store<D: Carrier>(
    dev: *mut bindings::device,
    attr: *mut bindings::device_attribute,
    buf: *const c_char,
    len: usize,
) -> isize {
    // SAFETY: By the requirements of this function; `attr` is the first field of the attribute.
    unsafe { store::<D>(&raw mut (*dev).kobj, attr.cast(), buf, len) }
}
