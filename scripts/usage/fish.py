"""The completion for fish, which starts grep to read /proc, and nothing else."""

from collections.abc import Iterator

from scripts.usage.grammar import Command, Grammar, Option
from scripts.usage.values import Kind, kind, words

_HEAD = r"""# Completion of ebpftrace for fish. Made by scripts/manual of the options as the program has them.
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
"""

# For the command that ends with the command line of another program.
_PROGRAM = r"""
# Prints the words of that program which are there already, escaped; fails where there is none yet.
function __ebpftrace_begun
    set -l words (commandline --tokenize --cut-at-cursor --current-process)[3..]
    while string match --quiet -- '-*' "$words[1]"
        if test "$words[1]" = --
            set -e words[1]
            break
        end
        contains -- "$words[1]" @VALUED@
        and set -e words[2]
        set -e words[1]
    end
    set -q words[1]
    and string escape -- $words
end

function __ebpftrace_program
    complete "-C"(string join ' ' -- (__ebpftrace_begun) (commandline --current-token --cut-at-cursor))
end
"""

_FUNCTIONS = {
    Kind.DIRECTORY: "__fish_complete_directories",
    Kind.PID: "__ebpftrace_pids",
    Kind.PROCESS: "__ebpftrace_names",
    Kind.GROUP: "__ebpftrace_groups",
    Kind.USER: "__fish_complete_users",
}


def script(grammar: Grammar) -> str:
    """The text of the completion."""
    return _HEAD + "\n".join(_lines(grammar)) + "\n"


def _lines(grammar: Grammar) -> Iterator[str]:
    for command in grammar.commands:
        if command.program:
            valued = (one.flags for one in command.options if one.value is not None)
            names = " ".join(flag for flags in valued for flag in flags)
            yield _PROGRAM.replace("@VALUED@", names)
    yield "complete -c ebpftrace -f"
    first = '__ebpftrace_is ""'
    for option in grammar.options:
        yield from _option(first, option)
    for command in grammar.commands:
        yield _complete(first, f"-a {command.name} -d {_quoted(command.summary)}")
    for command in grammar.commands:
        yield ""
        for option in command.options:
            yield from _option(_is(command), option)
        if any(kind(argument) is Kind.FILE for argument in command.arguments):
            yield _complete(_is(command), "-F")
        if command.program:
            yield _complete(f"__ebpftrace_is {command.name}", "-a '(__ebpftrace_program)'")


def _is(command: Command) -> str:
    return (
        f"__ebpftrace_is {command.name}{'; and not __ebpftrace_begun >/dev/null' * command.program}"
    )


def _option(when: str, option: Option) -> Iterator[str]:
    flags = " ".join(
        f"-l {one[2:]}" if one.startswith("--") else f"-s {one[1:]}" for one in option.flags
    )
    of = None if option.value is None else kind(option)
    files = {None: "", Kind.FILE: " -r -F"}.get(of, " -x")
    # Apart from the option, or its description would stand beside each of the words; what comes last has one.
    if of is Kind.WORDS:
        yield _complete(when, f"{flags} -x -a {_quoted(' '.join(words(option)))}")
    elif of in _FUNCTIONS:
        yield _complete(when, f"{flags} -x -a '({_FUNCTIONS[of]})'")
    yield _complete(when, f"{flags}{files} -d {_quoted(option.help)}")


def _complete(when: str, what: str) -> str:
    return f"complete -c ebpftrace -n '{when}' {what}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
