// SPDX-License-Identifier: GPL-2.0

//! Module parameters that are words. The `module!` macro of Linux 7.3 knows numbers only.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use core::slice;
use kernel::{
    bindings,
    error::from_result,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        ordering,
        Atomic, //
    }, //
};

/// A parameter that is one word of a list. Made by [`word!`].
pub(crate) struct Word {
    words: &'static [&'static str],
    index: Atomic<usize>,
}

impl Word {
    /// The word at `default`, of `words`.
    pub(crate) const fn new(words: &'static [&'static str], default: usize) -> Self {
        assert!(default < words.len());
        Self {
            words,
            index: Atomic::new(default),
        }
    }

    /// Where in the list the word is. Any context.
    pub(crate) fn index(&self) -> usize {
        self.index.load(ordering::Relaxed)
    }

    fn set(&self, word: &[u8]) -> Result {
        let mut words = self.words.iter();
        let index = words
            .position(|known| known.as_bytes() == word)
            .ok_or(EINVAL)?;

        self.index.store(index, ordering::Relaxed);
        Ok(())
    }

    fn show(&self, page: &mut [u8]) -> Result<usize> {
        let word = self.words.get(self.index()).ok_or(EINVAL)?.as_bytes();
        let (text, rest) = page.split_at_mut_checked(word.len()).ok_or(E2BIG)?;

        text.copy_from_slice(word);
        *rest.first_mut().ok_or(E2BIG)? = b'\n';
        Ok(word.len() + 1)
    }
}

/// The operations of a parameter whose argument is a [`Word`].
pub(crate) static OPERATIONS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    set: Some(set),
    get: Some(get),
    ..pin_init::zeroed()
};

/// Finds the word of a parameter.
///
/// # Safety
///
/// `param` must be valid, and have been made by [`word!`].
unsafe fn target(param: *const bindings::kernel_param) -> &'static Word {
    // SAFETY: By the requirements of this function; the argument is a `static`.
    unsafe { &*(*param).__bindgen_anon_1.arg.cast::<Word>() }
}

/// # Safety
///
/// - `value` must be null or a string.
/// - `param` must be valid, and have been made by [`word!`].
unsafe extern "C" fn set(value: *const c_char, param: *const bindings::kernel_param) -> c_int {
    if value.is_null() {
        return EINVAL.to_errno();
    }
    // SAFETY: By the requirements of this function.
    let (value, word) = unsafe { (CStr::from_char_ptr(value), target(param)) };

    from_result(|| word.set(value.to_bytes()).map(|()| 0))
}

/// # Safety
///
/// - `buffer` must point to an initialised page that nobody else uses.
/// - `param` must be valid, and have been made by [`word!`].
unsafe extern "C" fn get(buffer: *mut c_char, param: *const bindings::kernel_param) -> c_int {
    // SAFETY: By the requirements of this function.
    let (page, word) = unsafe {
        (
            slice::from_raw_parts_mut(buffer.cast::<u8>(), PAGE_SIZE),
            target(param),
        )
    };

    // CAST: At most a page.
    from_result(|| word.show(page).map(|size| size as c_int))
}

/// The bytes of a text, for a section that has nothing else.
pub(crate) const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    match text.as_bytes().first_chunk() {
        Some(bytes) => *bytes,
        None => panic!(),
    }
}

/// Makes a module parameter that is one word of a list, and its entries for `modinfo`.
///
/// The parameter is `name=word` for a module, and `module.name=word` on the command line of a kernel
/// that has it built in. Another word makes loading of the module fail (`EINVAL`); a kernel says
/// that it is invalid, and takes the default. Everybody can read it in sysfs, nobody can write it
/// there (mode 0444).
///
/// `rust/kapi` must be mounted as `crate::kapi`.
///
/// # Examples
///
/// ```ignore
/// kapi::param::word! {
///     /// How much to say.
///     pub(crate) static NOISE: my_module.noise = ["none", "some"], default 0,
///     "How much to say: none (default) or some"
/// }
/// assert_eq!(NOISE.index(), 0);
/// ```
macro_rules! word {
    (
        $(#[$meta:meta])*
        $visibility:vis static $static:ident: $module:ident.$name:ident =
        [$first:literal $(, $word:literal)* $(,)?], default $default:literal, $help:literal
    ) => {
        $(#[$meta])*
        $visibility static $static: $crate::kapi::param::Word =
            $crate::kapi::param::Word::new(&[$first $(, $word)*], $default);

        const _: () = {
            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: ::kernel::module_param::KernelParam =
                ::kernel::module_param::KernelParam::new(::kernel::bindings::kernel_param {
                    name: $crate::kapi::param::word!(@text $module, stringify!($name))
                        .as_ptr()
                        .cast(),
                    mod_: ::kernel::module::this_module::<$crate::LocalModule>().as_ptr(),
                    ops: &raw const $crate::kapi::param::OPERATIONS,
                    perm: 0o444,
                    level: -1,
                    flags: 0,
                    __bindgen_anon_1: ::kernel::bindings::kernel_param__bindgen_ty_1 {
                        arg: (&raw const $static).cast_mut().cast(),
                    },
                });

            $crate::kapi::param::word!(
                @modinfo TYPE, $module, "parmtype=", stringify!($name), ":", $first $(, "|", $word)*
            );
            $crate::kapi::param::word!(
                @modinfo HELP, $module, "parm=", stringify!($name), ":", $help
            );
        };
    };
    (@modinfo $static:ident, $module:ident, $($text:tt)*) => {
        #[link_section = ".modinfo"]
        #[used(compiler)]
        static $static: [u8; $crate::kapi::param::word!(@text $module, $($text)*).len()] =
            $crate::kapi::param::bytes($crate::kapi::param::word!(@text $module, $($text)*));
    };
    // What belongs to a built-in module is marked by its name.
    (@text $module:ident, $($text:tt)*) => {
        if cfg!(MODULE) {
            concat!($($text)*, "\0")
        } else {
            concat!(stringify!($module), ".", $($text)*, "\0")
        }
    };
}
pub(crate) use word;
