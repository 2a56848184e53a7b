"""Which code only passes on what it was asked for: regular expressions, by what a frame says of itself.

They are matched in whole: `FUNCTIONS` and `ENTRIES` against bare names (`names.bare`), `FILES`
against paths of sources, `MODULES` and `HOSTS` against the last part of a module's path. A target chooses what
they are matched against: no two repetitions side by side may match the same text.
"""

# Allocators of C and functions that return a block for the caller to free, also under the prefixes
# that programs and allocators give their own.
_C = (
    (
        r"_{0,3}(?:libc_|GI_|GI___|GI___libc_|interceptor_)?(?:malloc|calloc|realloc|reallocf|reallocarray|memalign"
        r"|aligned_alloc|posix_memalign|valloc|pvalloc|strdup|strndup|wcsdup|getline|getdelim"
        r"|v?asprintf(?:_chk)?)"
    ),
    (
        r"_*(?:x|xx|e|s|dl|k|kv|v|lw|OS|ck_|check_|checked_|do_|emalloc_|git_|lib_|mem_|must_|my_|real_"
        r"|rp|safe_?|scudo_|sn_|ssh_?|sys_|util_|wrap_|x_?try|zend_)_?(?:n|mm|z|zero|2)?"
        r"(?:malloc|calloc|realloc|zalloc|reallocarray|recallocarray|strdup|strndup|memdup|memalign"
        r"|v?asprintf|aligned_alloc)(?:_?(?:n|0|array|zero|zeroed|aligned|or_die|or_null|default))?"
    ),
    # redis, valkey
    r"(?:z|ztry|try)(?:m|c|re)alloc(?:_usable|_no_tcache|_flags)*|zstrdup|_?sds[a-z]\w*",
    r"je_\w+|mallocx|rallocx|(?:arena_malloc|imalloc)\w*",  # jemalloc
    (
        r"_mi_\w+|mi_(?:heap_)?(?:malloc|zalloc|calloc|realloc|re[cz]alloc|strn?dup|new|posix_|memalign"
        r"|aligned_)\w*|snmalloc::.*|rpmalloc\w*"
    ),
    r"tc_(?:malloc|calloc|realloc|memalign|posix_memalign|valloc|pvalloc|new)\w*|tcmalloc::.*",
)

# The C library where it is part of the program; as a module it is in MODULES as a whole. What it
# opens, builds or caches is asked for by whoever calls it.
_LIBC = (
    r"(?:_IO|__gconv|_nl|_dl|_res|__nss|_nss|__libio|__tzfile)_\w+",
    r"_*(?:v?[fsd]?n?w?printf|puts|fputs|putchar|fwrite|fgets|fread|f?getc)(?:_chk|_internal)?",
    r"(?:fopen|fdopen|freopen|popen|tmpfile|fopencookie|open_w?memstream|fmemopen)(?:64)?",
    r"(?:opendir|fdopendir|scandir|scandirat|fts_open|nftw|glob|wordexp|realpath|getcwd)(?:64)?",
    r"get_current_dir_name|canonicalize_file_name|tempnam|qsort(?:_r)?|regcomp|tsearch|hcreate(?:_r)?",
    r"getaddrinfo|getifaddrs|if_nameindex|gethostby\w+|getservby(?:name|port)(?:_r)?",
    r"get(?:pw|gr|sp)(?:nam|uid|gid|ent)(?:_r)?|getgrouplist|initgroups",
    r"setlocale|newlocale|duplocale|iconv_open|bindtextdomain|textdomain|(?:dc?n?)?gettext",
    r"tzset|mktime|localtime(?:_r)?|setenv|putenv|unsetenv|dlopen|dlmopen|dlsym|dlerror",
    r"pthread_(?:create|setspecific|getattr_np)|atexit|__new_exitfn|backtrace(?:_symbols)?",
)

# Allocators of common libraries and programs. A pool is asked for by whoever draws on it.
_LIBRARIES = (
    (
        r"g_(?:try_)?(?:malloc|realloc|calloc|aligned_alloc|new(?:0|_n)?)(?:0|_n|0_n)?"
        r"|g_slice_(?:alloc|alloc0|copy)"
    ),
    r"g_(?:strn?|mem|strv)dup\w*|g_strdup_v?printf|g_strconcat|g_strjoinv?|g_strsplit\w*",
    (
        r"apr_p?(?:alloc|calloc|strn?dup|strmemdup|v?sprintf|strcat|memdup)\w*"
        r"|(?:apr_)?allocator_alloc|apr_pool_create\w*"
    ),
    (
        r"ngx_(?:alloc|calloc|palloc|pnalloc|pcalloc|pmemalign|memalign|create_pool)|ngx_palloc_\w+"
        r"|ngx_slab_c?alloc\w*"
    ),
    r"_*Py(?:Mem|Object)_(?:Raw)?(?:Malloc|Calloc|Realloc|New|NewVar|Resize|Strdup)",
    r"_*PyObject_GC_(?:New|NewVar|Alloc|Malloc|Calloc|Resize)\w*|_?PyObject_(?:New|NewVar|Init)",
    (
        r"_?PyType_(?:GenericAlloc|AllocNoTrack|GenericNew)|_PyMem_\w+|_PyObject_(?:Ma|Ca|Rea)lloc"
        r"|pymalloc_\w+"
    ),
    (
        r"sqlite3(?:_|Db|Mem|Page)?(?:[Mm]alloc|[Rr]ealloc)\w*|sqlite3DbStrN?Dup|sqlite3DbSpanDup"
        r"|sqlite3(?:_v?m|V?M)[Pp]rintf|dbMalloc\w+|mallocWithAlarm"
    ),
    (
        r"(?:CRYPTO|OPENSSL)_(?:secure_|clear_|aligned_)*(?:malloc|zalloc|calloc|realloc|strn?dup|memdup)"
        r"\w*"
    ),
    r"av_(?:fast_p?|size_)?(?:malloc|calloc|realloc|strn?dup|memdup|dynarray)\w*",
    r"xml(?:Malloc|MallocAtomic|Realloc|MemMalloc|MemRealloc|MemoryStrdup|Strn?dup)",
    r"Curl_(?:c|m|re|safere)alloc|Curl_(?:str|mem)dup\w*",
    r"_?(?:safe_)?(?:pe|e)(?:malloc|calloc|realloc|strn?dup)2?|_emalloc_\w+|zend_mm_\w+",  # PHP
    r"ruby_x(?:malloc|calloc|realloc)\w*|objspace_x(?:malloc|calloc|realloc)\w*",
    r"luaM_\w+|l_alloc|lua_newuserdata\w*",
    (
        r"palloc(?:0|_extended)?|repalloc|pstrdup|MemoryContextAlloc\w*|AllocSetAlloc\w*"
        r"|pg_(?:malloc|realloc|strdup)\w*"
    ),  # PostgreSQL
    r"_?talloc_\w+|obstack_\w+|_obstack_\w+|event_mm_\w+|dbus_(?:malloc|realloc)\w*",
    r"kmem_cache_alloc\w*|k[mzc]alloc\w*|kvmalloc\w*",
    r"GC_(?:malloc|realloc|strn?dup|memalign)\w*",
    r"SDL_(?:malloc|calloc|realloc|strdup)\w*|qMalloc|Q(?:ArrayData|ListData|TypedArrayData)::\w+",
)

# The C++ run time, containers and smart pointers: what they hold is asked for by whoever fills them.
_CXX = (
    r"(?:.*::)?operator (?:new|delete)(?:\[\])?|__cxa_\w+",  # also a class's own
    r"(?:std|__gnu_\w+|__cxxabiv1)::.*",
    (
        r"boost::(?:container|unordered|multi_index|intrusive|ptr_container|circular_buffer|pool"
        r"|detail::sp_|detail::shared_count|shared_ptr|make_shared|allocate_shared|scoped_ptr"
        r"|scoped_array|make_unique|function|alignment|singleton_pool|object_pool).*"
    ),
    (
        r"absl::(?:(?:lts_|debian)\d+::)?(?:container_internal|inlined_vector_internal|strings_internal"
        r"|InlinedVector|FixedArray|flat_hash_|node_hash_|btree_|make_unique|StrCat|StrAppend"
        r"|base_internal|Cord|cord_internal|internal_any_invocable|functional_internal).*"
    ),
    (
        r"folly::(?:F14|f14|fbvector|basic_fbstring|fbstring_core|small_vector|detail::function"
        r"|goodMalloc|checkedMalloc|checkedCalloc|checkedRealloc|smartRealloc).*"
    ),
    r"(?:eastl|phmap|tsl|robin_hood|ankerl::unordered_dense)::.*",
    (
        r"google::protobuf::(?:Arena|RepeatedField|RepeatedPtrField|internal::(?:Arena|SerialArena"
        r"|ThreadSafeArena|RepeatedPtrFieldBase)).*"
    ),
)

# The libraries that come with Rust. `core` and `alloc` are namespaces of C++ programs too, hence the
# names of modules. Their trait on a type of theirs is theirs; on a type of the program it is not.
_RUST_LIBRARY = (
    r"(?:alloc::(?:alloc|borrow|boxed|collections|ffi|fmt|raw_vec|rc|slice|str|string|sync|task|vec)"
    r"|core::(?:alloc|any|array|borrow|cell|char|clone|cmp|convert|default|error|ffi|fmt|future|hash"
    r"|hint|intrinsics|iter|mem|num|ops|option|panicking|pin|ptr|result|slice|str|sync|task|time)"
    r"|hashbrown|std)"
)
_RUST_POINTERS = r"(?:[&*\[(]|mut |const |dyn )*"
_RUST = (
    r"(?:__rustc::)?__r(?:ust|dl|g|de)_\w+",
    rf"{_RUST_LIBRARY}::.*",
    rf"<{_RUST_POINTERS}{_RUST_LIBRARY}::[^ ]*>::.*",
    rf"<{_RUST_POINTERS}(?:{_RUST_LIBRARY}::[^ ]+|[A-Z]|str|u8)[\])]* as {_RUST_LIBRARY}::.*",
)

# The run times of D and Swift, which allocate for `new` and for every object.
_OTHERS = (
    r"_d_(?:new|array|alloc|assoc|delegate|dynamic)\w*|gc_(?:malloc|qalloc|calloc|realloc|extend)",
    r"_aa(?:Get|A)\w*|(?:core\.memory\.GC|core\.internal\.gc|rt\.lifetime|gc\.impl)\..*",
    r"_?swift_(?:slowAlloc|alloc|bufferAllocate|initStack|makeBoxUnique|getGenericMetadata)\w*",
    (
        r"Swift\.(?:Array|ContiguousArray|_ContiguousArrayBuffer|Dictionary|Set|String|_StringGuts"
        r"|ManagedBuffer|__\w+Storage)\b.*"
    ),
)

FUNCTIONS = (*_C, *_LIBC, *_LIBRARIES, *_CXX, *_RUST, *_OTHERS)

# What starts a program or a thread. It lies outward of their code, so it is met only where there is
# none, and is the last to blame even then.
ENTRIES = (
    r"_start|_dl_start(?:_user)?|_dl_init(?:_internal)?|call_init|__libc_csu_init|_init",
    r"__libc_start_(?:main|call_main)\w*|generic_start_main|libc_start_main_stage2",
    r"start_thread|_*clone3?|_*thread_start|execute_native_thread_routine",
)

# Headers of C++, headers of the C library with code in them (fortified calls) and of the compiler,
# the sources of the C++ libraries and of Rust's, as rustc, distributions and rustup name them. They
# decide where debug information has only the bare name of an inlined function, such as `allocate`.
FILES = (
    r".*/include/c\+\+/.*",
    r".*/usr/include/(?:[\w.-]+/)?bits/.*",
    r".*/gcc(?:-cross)?/[\w.-]+/[\w.-]+/include/.*",
    r".*/libstdc\+\+-v3/.*|.*/libcxx(?:abi)?/(?:include|src)/.*",
    r"/rustc/[0-9a-f]+/(?:library|src)/.*|/rust/deps/.*",
    r"(?:/usr/src/rustc-[\w.-]+/|.*/rustlib/src/rust/)?library/(?:alloc|core|std|panic_unwind)/src/.*",
    r".*/hashbrown-\d[\w.+-]*/src/.*",
    r".*/(?:dmd|ldc|druntime)/(?:import/|src/)?(?:core|rt|gc)/.*",
)

# The C library, the loader, allocators that are loaded in place of its own, the run times of C++,
# Rust, D and Swift. Code of a program that they call back lies nearer to the allocation.
MODULES = (
    r"libc(?:-\d[\d.]*)?\.so(?:\.\d+)*|libc\.musl-\w+\.so\.1|\[vdso\]",
    r"ld(?:-linux[\w-]*|-musl-\w+|64|-\d[\d.]*)?\.so(?:\.\d+)*",
    r"lib(?:pthread|dl|rt|m|anl|resolv|nsl|util|crypt|nss_\w+)(?:-\d[\d.]*)?\.so(?:\.\d+)*",
    r"lib(?:stdc\+\+|c\+\+|c\+\+abi|supc\+\+|gcc_s|unwind)\.so(?:\.\d+)*",
    (
        r"lib(?:jemalloc|tcmalloc\w*|mimalloc[\w-]*|snmalloc[\w-]*|rpmalloc\w*|hoard|[alt]san)"
        r"\.so(?:\.\d+)*"
    ),
    r"libstd-[0-9a-f]+\.so|libswiftCore\.so",
    r"lib(?:gphobos|gdruntime|phobos2[\w-]*|druntime[\w-]*)\.so(?:\.\d+)*",
)

# Virtual machines. Where the names of the code that they run are known (a perf map), that code is to
# blame for what they allocate for it, and else they are.
HOSTS = (
    r"node(?:js)?|libnode\.so(?:\.\d+)*|libv8\w*\.so(?:\.\d+)*|bun|deno",
    r"python\d[\d.]*\w*|libpython\d[\d.]*\w*\.so(?:\.\d+)*|pypy\d?[\w.-]*|libpypy[\w.-]*\.so[\w.-]*",
    r"libj(?:vm|ava|image|li)\.so|libopenj9\w*\.so|libcoreclr\.so|libclrjit\.so|libmono\w*[\w.-]*\.so[\d.]*",
    r"ruby\d?[\d.]*|libruby[\w.-]*\.so(?:\.\d+)*|php[\w.-]*|libphp\w*\.so|beam\.smp|luajit[\w.-]*",
)
