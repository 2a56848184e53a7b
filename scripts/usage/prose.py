"""What the manual says and no parser knows. Options and what stands between backticks come out bold."""

NAME = "show which call sites of running processes hold memory"

NEEDED = {"attach": "-p PID", "record": "-p PID -o DIR", "probes": "-p PID"}
"""Options that a command cannot do without, or with others in their place; the parser asks for none."""

DESCRIPTION = """
`ebpftrace` places uprobes on the functions by which a process allocates memory, keeps every outstanding
allocation with its stack in the kernel, and shows by call site what is held, what grows, and how fast. The
process is neither changed nor restarted, and was not built for this. When the tool ends, in whatever way, the
kernel removes its probes.

`attach`, `run`, `record` and `probes` need root, or the capabilities that tracing needs, Linux 5.10 or newer, and
the Python bindings of BCC, which come with the distribution. `doctor` says whether all is there, and how to mend
what is not. `report`, `diff`, `open` and `export` read what was recorded and need none of it.

Times are written as 500ms, 0.5s, 10s or 5m, and a number alone is seconds. Sizes are written as 512, 4k, 2M or
1.5G, in powers of 1024. A value in parentheses at the end of an option is the one that it has if it is not given.
"""

HELP = "Say what the program, or a command, takes."
VERSION = "Say which version this is."

EXIT_OF_RUN = """
`run` ends with the status of its program: 128 and the number of the signal if one ended it, or what
--error-exitcode says. A check that cannot be known to be passed, for something was lost, ends with 3.
"""

ENVIRONMENT = {
    "NO_COLOR": "If it is set, the dashboard has no colours.",
    "TERM": "If it is not set, or dumb, there is no dashboard but a report every interval.",
    "LC_ALL, LANG": "C or POSIX: the dashboard is drawn in ASCII.",
    "VISUAL, EDITOR": "What the key e of the dashboard opens a line of source with (vi).",
    "XDG_CACHE_HOME": "Where the folder ebpftrace of the section FILES is (~/.cache).",
    "DEBUGINFOD_URLS": "The servers that --debuginfod asks, divided by blanks; else those of /etc/debuginfod. "
    "Other variables of debuginfod and those of proxies hold for it, too.",
}

FILES = {
    "~/.cache/ebpftrace/lines-1.sqlite": "Source lines that were looked up, about 64 MB at most.",
    "~/.cache/ebpftrace/compiled": "The last eight programs that were compiled for the kernel.",
    "*.ebpftrace": "A snapshot, as record, run --save and the key s of the dashboard write it.",
    "*.ebpfstream": "A stream of snapshots, as record --stream writes it.",
    "/tmp/perf-PID.map": "Names of code that a runtime compiles as it goes, where it writes them.",
    "/etc/debuginfod/*.urls": "Servers for --debuginfod where DEBUGINFOD_URLS is not set.",
}

EXAMPLES = {
    "Watch a process in the dashboard, which q leaves:": ("sudo ebpftrace attach -p 4711",),
    "One report of what grew in half a minute, in any terminal:": (
        "sudo ebpftrace attach -p 4711 --text --duration 30s --interval 30s --sort growth",
    ),
    "All processes of that name, with workers to come:": ("sudo ebpftrace attach -n nginx",),
    "The bytes that are held, every second, for another program:": (
        "sudo ebpftrace attach -p 4711 --json | jq .totals.bytes",
    ),
    "Keep snapshots while nobody watches, with one more when it grows large; read the newest:": (
        "sudo ebpftrace record -p 4711 -o /var/lib/ebpftrace/app --on rss=2G",
        "ebpftrace report /var/lib/ebpftrace/app",
    ),
    "What has changed from one to another:": (
        "ebpftrace diff before.ebpftrace after.ebpftrace --top 20",
    ),
    "Show what was held as a page for any browser:": (
        "ebpftrace export app.ebpftrace -f html -o held.html",
    ),
    "Let tests fail that leak:": (
        "sudo ebpftrace run --error-exitcode 9 --threshold 4k -- ./tests --all",
    ),
    "Watch a pool of the program's own beside malloc:": (
        "sudo ebpftrace attach -p 4711 --alloc pool_get:size=arg1 --free pool_put:ptr=arg0",
    ),
    "What would be probed, and whether anything keeps that from working:": (
        "sudo ebpftrace probes -p 4711",
        "sudo ebpftrace doctor -p 4711",
    ),
}

SEE_ALSO = (
    ("bpf", 2),
    ("cgroups", 7),
    ("gdb", 1),
    ("heaptrack", 1),
    ("malloc", 3),
    ("mtrace", 1),
    ("perf", 1),
    ("proc", 5),
    ("systemd-run", 1),
    ("valgrind", 1),
)
