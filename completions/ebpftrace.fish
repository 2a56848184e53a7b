# Completion of ebpftrace for fish. Made by scripts/manual of the options as the program has them.
#
# Processes call themselves what they like, so names are inserted quoted and never evaluated, and those
# that are no plain text are left out.

# Prints /proc/PID/comm:NAME, LF and NUL of each process; threads of the kernel have no command line. It
# is grep that reads: fish warns of a file that has gone meanwhile, wherever its error output leads.
function __ebpftrace_processes
    set -lx LC_ALL C
    set -l lines (string match --regex -- '^/proc/[0-9]+$' /proc/*)/cmdline
    grep -Hsz '' /dev/null (grep -lsz . /dev/null $lines | string replace /cmdline /comm)
end

function __ebpftrace_pids
    set -l found (__ebpftrace_processes | string split0)
    string replace --all --regex '[^A-Za-z0-9_.:+@/ -]' '?' -- '' $found |
        string replace --filter --regex '^/proc/(\d+)/comm:(.*)\?$' '$1\t$2'
end

function __ebpftrace_names
    set -l found (__ebpftrace_processes | string split0)
    string replace --filter --regex '^/proc/\d+/comm:((?![-~])[ -.0-~]+)\n\z' '$1' -- '' $found
end

function __ebpftrace_groups
    set -l typed (commandline --current-token --cut-at-cursor)
    if string match --quiet -- '/sys/*' "$typed"
        __fish_complete_directories "$typed"
        return
    end
    set -l below (string unescape -- "$typed" | string trim --left --chars /)
    for root in /sys/fs/cgroup /sys/fs/cgroup/{unified,systemd,memory}
        test -e $root/cgroup.procs
        or continue
        set -l folders $root/$below*/
        string match --regex -- '^[ -~]+\z' $folders | string replace $root ''
    end
end

# Whether that is the command of the line; '' is none.
function __ebpftrace_is
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    test "$words[2]" = "$argv[1]"
end

# Prints the words of that program which are there already, escaped; fails where there is none yet.
function __ebpftrace_begun
    set -l words (commandline --tokenize --cut-at-cursor --current-process)[3..]
    while string match --quiet -- '-*' "$words[1]"
        if test "$words[1]" = --
            set -e words[1]
            break
        end
        contains -- "$words[1]" --user --error-exitcode --threshold -o --output --save --trace-log --interval --duration --count --top --sort --older --skip-frame --suppressions --min-size --max-size --stack-depth --max-blocks --max-stacks --drain-after --mode --backend --alloc --realloc --free --log-file
        and set -e words[2]
        set -e words[1]
    end
    set -q words[1]
    and string escape -- $words
end

function __ebpftrace_program
    complete "-C"(string join ' ' -- (__ebpftrace_begun) (commandline --current-token --cut-at-cursor))
end

complete -c ebpftrace -f
complete -c ebpftrace -n '__ebpftrace_is ""' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is ""' -l version -d 'show program\'s version number and exit'
complete -c ebpftrace -n '__ebpftrace_is ""' -a attach -d 'Show which call sites of running processes hold memory that was not freed'
complete -c ebpftrace -n '__ebpftrace_is ""' -a run -d 'Run a program and say what it still holds when it ends, by call site'
complete -c ebpftrace -n '__ebpftrace_is ""' -a record -d 'Keep snapshots of running processes: at intervals, when memory runs short, at their end'
complete -c ebpftrace -n '__ebpftrace_is ""' -a report -d 'Say what a snapshot holds: when and why it was taken, the processes, the call sites'
complete -c ebpftrace -n '__ebpftrace_is ""' -a diff -d 'Say which call sites hold more than before, which less, which are new and which gone'
complete -c ebpftrace -n '__ebpftrace_is ""' -a open -d 'Show what was recorded: in the dashboard on a terminal, else as reports'
complete -c ebpftrace -n '__ebpftrace_is ""' -a export -d 'Write what a snapshot holds in a format that other tools read'
complete -c ebpftrace -n '__ebpftrace_is ""' -a probes -d 'Print the probes that attach would place, with reasons; attach nothing'
complete -c ebpftrace -n '__ebpftrace_is ""' -a doctor -d 'Say whether attach will work here, and how to mend what keeps it from working'

complete -c ebpftrace -n '__ebpftrace_is attach' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is attach' -l text -d 'write a report every interval, to a terminal too'
complete -c ebpftrace -n '__ebpftrace_is attach' -l json -d 'write an object a line every interval'
complete -c ebpftrace -n '__ebpftrace_is attach' -s p -x -a '(__ebpftrace_pids)'
complete -c ebpftrace -n '__ebpftrace_is attach' -s p -x -d 'a process; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is attach' -s n -x -a '(__ebpftrace_names)'
complete -c ebpftrace -n '__ebpftrace_is attach' -s n -x -d 'all that are called so, now or later: by the name that ps -o comm has, or by that of the executable; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is attach' -l cgroup -x -a '(__ebpftrace_groups)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l cgroup -x -d 'all in this control group and below, now or later: a directory of it, or its path as /proc/PID/cgroup and systemd have it; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is attach' -l follow -d 'also what these fork off from now on, and what that forks off'
complete -c ebpftrace -n '__ebpftrace_is attach' -l interval -x -d 'time from one picture to the next (1s)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l duration -x -d 'end after this time'
complete -c ebpftrace -n '__ebpftrace_is attach' -l count -x -d 'end after this many pictures'
complete -c ebpftrace -n '__ebpftrace_is attach' -l top -x -d 'write so many call sites; 0 is all (10, in JSON 50)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l sort -x -a 'bytes blocks growth age'
complete -c ebpftrace -n '__ebpftrace_is attach' -l sort -x -d 'what comes first (bytes)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l older -x -d 'only sites with a block at least this old'
complete -c ebpftrace -n '__ebpftrace_is attach' -l skip-frame -x -d 'never blame a function in which this is found; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is attach' -l suppressions -r -F -d 'hide what a file in Valgrind\'s or LeakSanitizer\'s syntax names, and say how much that is; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is attach' -l no-dwarf -d 'by symbol tables only: no files, lines and inlined functions'
complete -c ebpftrace -n '__ebpftrace_is attach' -l debuginfod -d 'fetch missing debug files from the servers of DEBUGINFOD_URLS'
complete -c ebpftrace -n '__ebpftrace_is attach' -l min-size -x -d 'leave smaller allocations out'
complete -c ebpftrace -n '__ebpftrace_is attach' -l max-size -x -d 'leave larger ones out'
complete -c ebpftrace -n '__ebpftrace_is attach' -l stack-depth -x -d 'keep at most so many frames of a stack (127)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l max-blocks -x -d 'keep at most so many outstanding blocks (by the memory that is available)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l max-stacks -x -d 'keep at most so many different stacks (by the memory that is available)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l drain-after -x -d 'record no allocations from then on, only frees: what remains is what is kept'
complete -c ebpftrace -n '__ebpftrace_is attach' -l mode -x -a 'full sample growth auto'
complete -c ebpftrace -n '__ebpftrace_is attach' -l mode -x -d 'full: every allocation; sample: those in windows of time, with an error; growth: which call sites take fresh memory, by page faults, for next to nothing and of any program; auto: what the budget allows (auto)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l budget -x -d 'how much of one CPU auto and sample may take from the targets; none: no limit (5%)'
complete -c ebpftrace -n '__ebpftrace_is attach' -l backend -x -a 'auto session multi perf'
complete -c ebpftrace -n '__ebpftrace_is attach' -l backend -x -d 'how the kernel holds the probes; auto: the best way that works here'
complete -c ebpftrace -n '__ebpftrace_is attach' -l alloc -x -d 'a function that gives a block; count=argN: of so many elements of that size; out=argN: it stores the pointer there instead of returning it'
complete -c ebpftrace -n '__ebpftrace_is attach' -l realloc -x -d 'a function that resizes a block'
complete -c ebpftrace -n '__ebpftrace_is attach' -l free -x -d 'a function that takes a block back'
complete -c ebpftrace -n '__ebpftrace_is attach' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is attach' -l debug -d 'log every step, to stderr or to --log-file'

complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l text -d 'write a report every interval as well'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l json -d 'write an object a line every interval, and one on the end; without --output on stdout, and what the program writes there goes to stderr'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l dashboard -d 'show the dashboard meanwhile; what the program writes to the terminal comes after it, and leaving it ends the program'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l user -x -a '(__fish_complete_users)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l user -x -d 'run it with the rights of this user'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l follow -d 'also what these fork off from now on, and what that forks off'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l error-exitcode -x -d 'exit with N if more than --threshold is in use at exit, suppressed call sites aside'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l threshold -x -d 'so much may be in use at exit (0)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -s o -l output -r -F -d 'write reports there instead of to stderr'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l save -r -F -d 'keep a snapshot of the end, for report, diff, export and open'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l trace-log -r -F -d 'write every call, as the script mtrace reads it; FILE.2 and so on after an exec'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l force -d 'replace files that exist'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l interval -x -d 'time from one picture to the next (1s)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l duration -x -d 'end after this time'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l count -x -d 'end after this many pictures'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l top -x -d 'write so many call sites; 0 is all (10, in JSON 50)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l sort -x -a 'bytes blocks growth age'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l sort -x -d 'what comes first (bytes)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l older -x -d 'only sites with a block at least this old'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l skip-frame -x -d 'never blame a function in which this is found; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l suppressions -r -F -d 'hide what a file in Valgrind\'s or LeakSanitizer\'s syntax names, and say how much that is; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l no-dwarf -d 'by symbol tables only: no files, lines and inlined functions'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l debuginfod -d 'fetch missing debug files from the servers of DEBUGINFOD_URLS'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l min-size -x -d 'leave smaller allocations out'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l max-size -x -d 'leave larger ones out'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l stack-depth -x -d 'keep at most so many frames of a stack (127)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l max-blocks -x -d 'keep at most so many outstanding blocks (by the memory that is available)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l max-stacks -x -d 'keep at most so many different stacks (by the memory that is available)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l drain-after -x -d 'record no allocations from then on, only frees: what remains is what is kept'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l mode -x -a 'full growth'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l mode -x -d 'full: every allocation; growth: which call sites take fresh memory, by page faults, for next to nothing and of any program (full)'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l backend -x -a 'auto session multi perf'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l backend -x -d 'how the kernel holds the probes; auto: the best way that works here'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l alloc -x -d 'a function that gives a block; count=argN: of so many elements of that size; out=argN: it stores the pointer there instead of returning it'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l realloc -x -d 'a function that resizes a block'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l free -x -d 'a function that takes a block back'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is run; and not __ebpftrace_begun >/dev/null' -l debug -d 'log every step, to stderr or to --log-file'
complete -c ebpftrace -n '__ebpftrace_is run' -a '(__ebpftrace_program)'

complete -c ebpftrace -n '__ebpftrace_is record' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is record' -s p -x -a '(__ebpftrace_pids)'
complete -c ebpftrace -n '__ebpftrace_is record' -s p -x -d 'a process; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is record' -s n -x -a '(__ebpftrace_names)'
complete -c ebpftrace -n '__ebpftrace_is record' -s n -x -d 'all that are called so, now or later: by the name that ps -o comm has, or by that of the executable; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is record' -l cgroup -x -a '(__ebpftrace_groups)'
complete -c ebpftrace -n '__ebpftrace_is record' -l cgroup -x -d 'all in this control group and below, now or later: a directory of it, or its path as /proc/PID/cgroup and systemd have it; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is record' -l follow -d 'also what these fork off from now on, and what that forks off'
complete -c ebpftrace -n '__ebpftrace_is record' -s o -x -a '(__fish_complete_directories)'
complete -c ebpftrace -n '__ebpftrace_is record' -s o -x -d 'the directory of the snapshots; it is made where there is none'
complete -c ebpftrace -n '__ebpftrace_is record' -l keep -x -d 'keep at most so many files (200)'
complete -c ebpftrace -n '__ebpftrace_is record' -l keep-bytes -x -d 'keep at most so many bytes of files (1G)'
complete -c ebpftrace -n '__ebpftrace_is record' -l keep-age -x -d 'keep nothing older than this'
complete -c ebpftrace -n '__ebpftrace_is record' -l stream -d 'append what changed to a stream, not a file each'
complete -c ebpftrace -n '__ebpftrace_is record' -l blocks -d 'keep every single block as well'
complete -c ebpftrace -n '__ebpftrace_is record' -l environment -d 'keep the processes\' environments as well'
complete -c ebpftrace -n '__ebpftrace_is record' -l every -x -d 'time from one to the next (60s)'
complete -c ebpftrace -n '__ebpftrace_is record' -l on -x -a 'pressure= rss= tracked='
complete -c ebpftrace -n '__ebpftrace_is record' -l on -x -d 'also when resident memory or tracked bytes pass a size (rss=2G, tracked=500M) or a rate (rss=50M/m, per s, m or h), or when tasks wait for memory (pressure=10%)'
complete -c ebpftrace -n '__ebpftrace_is record' -l interval -x -d 'time from one picture to the next (1s)'
complete -c ebpftrace -n '__ebpftrace_is record' -l duration -x -d 'end after this time'
complete -c ebpftrace -n '__ebpftrace_is record' -l count -x -d 'end after this many snapshots'
complete -c ebpftrace -n '__ebpftrace_is record' -l no-dwarf -d 'by symbol tables only: no files, lines and inlined functions'
complete -c ebpftrace -n '__ebpftrace_is record' -l debuginfod -d 'fetch missing debug files from the servers of DEBUGINFOD_URLS'
complete -c ebpftrace -n '__ebpftrace_is record' -l min-size -x -d 'leave smaller allocations out'
complete -c ebpftrace -n '__ebpftrace_is record' -l max-size -x -d 'leave larger ones out'
complete -c ebpftrace -n '__ebpftrace_is record' -l stack-depth -x -d 'keep at most so many frames of a stack (127)'
complete -c ebpftrace -n '__ebpftrace_is record' -l max-blocks -x -d 'keep at most so many outstanding blocks (by the memory that is available)'
complete -c ebpftrace -n '__ebpftrace_is record' -l max-stacks -x -d 'keep at most so many different stacks (by the memory that is available)'
complete -c ebpftrace -n '__ebpftrace_is record' -l drain-after -x -d 'record no allocations from then on, only frees: what remains is what is kept'
complete -c ebpftrace -n '__ebpftrace_is record' -l mode -x -a 'full sample growth auto'
complete -c ebpftrace -n '__ebpftrace_is record' -l mode -x -d 'full: every allocation; sample: those in windows of time, with an error; growth: which call sites take fresh memory, by page faults, for next to nothing and of any program; auto: what the budget allows (auto)'
complete -c ebpftrace -n '__ebpftrace_is record' -l budget -x -d 'how much of one CPU auto and sample may take from the targets; none: no limit (5%)'
complete -c ebpftrace -n '__ebpftrace_is record' -l backend -x -a 'auto session multi perf'
complete -c ebpftrace -n '__ebpftrace_is record' -l backend -x -d 'how the kernel holds the probes; auto: the best way that works here'
complete -c ebpftrace -n '__ebpftrace_is record' -l alloc -x -d 'a function that gives a block; count=argN: of so many elements of that size; out=argN: it stores the pointer there instead of returning it'
complete -c ebpftrace -n '__ebpftrace_is record' -l realloc -x -d 'a function that resizes a block'
complete -c ebpftrace -n '__ebpftrace_is record' -l free -x -d 'a function that takes a block back'
complete -c ebpftrace -n '__ebpftrace_is record' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is record' -l debug -d 'log every step, to stderr or to --log-file'

complete -c ebpftrace -n '__ebpftrace_is report' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is report' -l json -d 'one object instead of a report'
complete -c ebpftrace -n '__ebpftrace_is report' -l top -x -d 'write so many call sites; 0 is all (10, in JSON 50)'
complete -c ebpftrace -n '__ebpftrace_is report' -l sort -x -a 'bytes blocks growth age'
complete -c ebpftrace -n '__ebpftrace_is report' -l sort -x -d 'what comes first (bytes)'
complete -c ebpftrace -n '__ebpftrace_is report' -l older -x -d 'only sites with a block at least this old'
complete -c ebpftrace -n '__ebpftrace_is report' -l skip-frame -x -d 'never blame a function in which this is found; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is report' -l suppressions -r -F -d 'hide what a file in Valgrind\'s or LeakSanitizer\'s syntax names, and say how much that is; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is report' -l symbols-from -x -a '(__fish_complete_directories)'
complete -c ebpftrace -n '__ebpftrace_is report' -l symbols-from -x -d 'look names and lines up again, in the programs and debug files under DIR'
complete -c ebpftrace -n '__ebpftrace_is report' -l debuginfod -d 'look names and lines up again, with debug files from the servers of DEBUGINFOD_URLS'
complete -c ebpftrace -n '__ebpftrace_is report' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is report' -l debug -d 'log every step, to stderr or to --log-file'
complete -c ebpftrace -n '__ebpftrace_is report' -F

complete -c ebpftrace -n '__ebpftrace_is diff' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is diff' -l json -d 'one object instead of a report'
complete -c ebpftrace -n '__ebpftrace_is diff' -l threshold -x -d 'exit with status 1 if all of it, or a call site, grew by more (512, 4k, 2M)'
complete -c ebpftrace -n '__ebpftrace_is diff' -l top -x -d 'write so many call sites; 0 is all (10, in JSON 50)'
complete -c ebpftrace -n '__ebpftrace_is diff' -l sort -x -a 'growth bytes blocks'
complete -c ebpftrace -n '__ebpftrace_is diff' -l sort -x -d 'what comes first: what changed most, or what is held last (growth)'
complete -c ebpftrace -n '__ebpftrace_is diff' -l skip-frame -x -d 'never blame a function in which this is found; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is diff' -l suppressions -r -F -d 'hide what a file in Valgrind\'s or LeakSanitizer\'s syntax names, and say how much that is; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is diff' -l symbols-from -x -a '(__fish_complete_directories)'
complete -c ebpftrace -n '__ebpftrace_is diff' -l symbols-from -x -d 'look names and lines up again, in the programs and debug files under DIR'
complete -c ebpftrace -n '__ebpftrace_is diff' -l debuginfod -d 'look names and lines up again, with debug files from the servers of DEBUGINFOD_URLS'
complete -c ebpftrace -n '__ebpftrace_is diff' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is diff' -l debug -d 'log every step, to stderr or to --log-file'
complete -c ebpftrace -n '__ebpftrace_is diff' -F

complete -c ebpftrace -n '__ebpftrace_is open' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is open' -l follow -d 'the newest of a directory or stream, then each one that a recorder adds to it'
complete -c ebpftrace -n '__ebpftrace_is open' -l speed -x -d 'of what is played: 10 is ten times as fast, inf as fast as it can be shown (1)'
complete -c ebpftrace -n '__ebpftrace_is open' -l text -d 'a report of every picture'
complete -c ebpftrace -n '__ebpftrace_is open' -l json -d 'an object a line of every picture'
complete -c ebpftrace -n '__ebpftrace_is open' -l top -x -d 'write so many call sites; 0 is all (10, in JSON 50)'
complete -c ebpftrace -n '__ebpftrace_is open' -l sort -x -a 'bytes blocks growth age'
complete -c ebpftrace -n '__ebpftrace_is open' -l sort -x -d 'what comes first (bytes)'
complete -c ebpftrace -n '__ebpftrace_is open' -l older -x -d 'only sites with a block at least this old'
complete -c ebpftrace -n '__ebpftrace_is open' -l skip-frame -x -d 'never blame a function in which this is found; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is open' -l suppressions -r -F -d 'hide what a file in Valgrind\'s or LeakSanitizer\'s syntax names, and say how much that is; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is open' -l symbols-from -x -a '(__fish_complete_directories)'
complete -c ebpftrace -n '__ebpftrace_is open' -l symbols-from -x -d 'look names and lines up again, in the programs and debug files under DIR'
complete -c ebpftrace -n '__ebpftrace_is open' -l debuginfod -d 'look names and lines up again, with debug files from the servers of DEBUGINFOD_URLS'
complete -c ebpftrace -n '__ebpftrace_is open' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is open' -l debug -d 'log every step, to stderr or to --log-file'
complete -c ebpftrace -n '__ebpftrace_is open' -F

complete -c ebpftrace -n '__ebpftrace_is export' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is export' -s f -x -a 'collapsed html pprof speedscope massif callgrind heaptrack json csv openmetrics'
complete -c ebpftrace -n '__ebpftrace_is export' -s f -x -d 'one of those below'
complete -c ebpftrace -n '__ebpftrace_is export' -s o -r -F -d 'the file to write; - is standard output'
complete -c ebpftrace -n '__ebpftrace_is export' -l force -d 'replace OUT where it exists'
complete -c ebpftrace -n '__ebpftrace_is export' -l measure -x -a 'bytes blocks allocated-bytes allocated-blocks'
complete -c ebpftrace -n '__ebpftrace_is export' -l measure -x -d 'what numbers stand for (bytes: those held now), in formats with room for one: collapsed; all others have all four'
complete -c ebpftrace -n '__ebpftrace_is export' -l top -x -d 'the largest call sites, and the rest as one, in: json, openmetrics; else all, as with 0'
complete -c ebpftrace -n '__ebpftrace_is export' -l base -r -F -d 'show what changed since this one, in: html'
complete -c ebpftrace -n '__ebpftrace_is export' -l skip-frame -x -d 'never blame a function in which this is found; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is export' -l suppressions -r -F -d 'hide what a file in Valgrind\'s or LeakSanitizer\'s syntax names, and say how much that is; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is export' -l symbols-from -x -a '(__fish_complete_directories)'
complete -c ebpftrace -n '__ebpftrace_is export' -l symbols-from -x -d 'look names and lines up again, in the programs and debug files under DIR'
complete -c ebpftrace -n '__ebpftrace_is export' -l debuginfod -d 'look names and lines up again, with debug files from the servers of DEBUGINFOD_URLS'
complete -c ebpftrace -n '__ebpftrace_is export' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is export' -l debug -d 'log every step, to stderr or to --log-file'
complete -c ebpftrace -n '__ebpftrace_is export' -F

complete -c ebpftrace -n '__ebpftrace_is probes' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is probes' -l backend -x -a 'auto session multi perf'
complete -c ebpftrace -n '__ebpftrace_is probes' -l backend -x -d 'how the kernel holds the probes; auto: the best way that works here'
complete -c ebpftrace -n '__ebpftrace_is probes' -s p -x -a '(__ebpftrace_pids)'
complete -c ebpftrace -n '__ebpftrace_is probes' -s p -x -d 'a process; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is probes' -s n -x -a '(__ebpftrace_names)'
complete -c ebpftrace -n '__ebpftrace_is probes' -s n -x -d 'all that are called so now: by the name that ps -o comm has, or by that of the executable; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is probes' -l cgroup -x -a '(__ebpftrace_groups)'
complete -c ebpftrace -n '__ebpftrace_is probes' -l cgroup -x -d 'all in this control group and below now: a directory of it, or its path as /proc/PID/cgroup and systemd have it; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is probes' -l alloc -x -d 'a function that gives a block; count=argN: of so many elements of that size; out=argN: it stores the pointer there instead of returning it'
complete -c ebpftrace -n '__ebpftrace_is probes' -l realloc -x -d 'a function that resizes a block'
complete -c ebpftrace -n '__ebpftrace_is probes' -l free -x -d 'a function that takes a block back'
complete -c ebpftrace -n '__ebpftrace_is probes' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is probes' -l debug -d 'log every step, to stderr or to --log-file'

complete -c ebpftrace -n '__ebpftrace_is doctor' -s h -l help -d 'show this help message and exit'
complete -c ebpftrace -n '__ebpftrace_is doctor' -l json -d 'one object instead of a table'
complete -c ebpftrace -n '__ebpftrace_is doctor' -l bundle -r -F -d 'write a new .tar.gz for a bug report, and say what is in it'
complete -c ebpftrace -n '__ebpftrace_is doctor' -s p -x -a '(__ebpftrace_pids)'
complete -c ebpftrace -n '__ebpftrace_is doctor' -s p -x -d 'a process; may be given more than once'
complete -c ebpftrace -n '__ebpftrace_is doctor' -l log-file -r -F -d 'append its log to this file'
complete -c ebpftrace -n '__ebpftrace_is doctor' -l debug -d 'log every step, to stderr or to --log-file'
