"""The completion for zsh: a function for compinit, which starts no program."""

from collections.abc import Iterator, Sequence

from scripts.usage.grammar import Argument, Command, Grammar, Option
from scripts.usage.values import Kind, kind, words

_HEAD = r"""#compdef ebpftrace
# Completion of ebpftrace for zsh. Made by scripts/manual of the options as the program has them.
#
# It starts no program: /proc is read by the shell itself. Processes call themselves what they like, so
# names are inserted quoted and never evaluated, and those that are no plain text are left out.

# Sets `first` and `name` of a process; `first` is empty for threads of the kernel.
_ebpftrace_process() {
    first='' name=''
    {
        IFS= read -r -d '' first <"/proc/$1/cmdline"
        IFS= read -r -d '' name <"/proc/$1/comm"
    } 2>/dev/null
    name=${name%$'\n'}
}

_ebpftrace_pids() {
    local LC_ALL=C folder first name
    local -a found
    for folder in /proc/[0-9]##(N); do
        _ebpftrace_process ${folder:t}
        [[ -z $first ]] || found+=("${folder:t}:${name//[^A-Za-z0-9_.+@\/ -]/?}")
    done
    _describe -t processes process found
}

_ebpftrace_names() {
    local LC_ALL=C folder first name expl
    local -aU found
    for folder in /proc/[0-9]##(N); do
        _ebpftrace_process ${folder:t}
        [[ -z $first || -z $name || $name == ([-\~]*|*/*|*[^\ -~]*) ]] || found+=("$name")
    done
    _wanted names expl 'name of a process' compadd -a found
}

_ebpftrace_groups() {
    local root folder expl
    local -a found
    if [[ $PREFIX == /sys/* ]]; then
        _files -/
        return
    fi
    for root in /sys/fs/cgroup /sys/fs/cgroup/{unified,systemd,memory}; do
        [[ -e $root/cgroup.procs ]] || continue
        for folder in $root/${(b)${(Q)PREFIX}#/}*(/N); do
            [[ $folder == *[^\ -~]* ]] || found+=("${folder#$root}/")
        done
    done
    _wanted groups expl 'control group' compadd -S '' -a found
}

_ebpftrace() {
    local curcontext=$curcontext state line ret=1
    local -A opt_args
    local -a names
"""

_FOOT = r"""
_ebpftrace "$@"
"""

_ACTIONS = {
    Kind.FILE: "_files",
    Kind.DIRECTORY: "_files -/",
    Kind.PID: "_ebpftrace_pids",
    Kind.PROCESS: "_ebpftrace_names",
    Kind.GROUP: "_ebpftrace_groups",
    Kind.USER: "_users",
    Kind.NONE: " ",  # it is named, and nothing is offered
}


def script(grammar: Grammar) -> str:
    """The text of the completion."""
    return _HEAD + "\n".join(_body(grammar)) + "\n}\n" + _FOOT


def _body(grammar: Grammar) -> Iterator[str]:
    yield "    _arguments -C \\"
    for option in grammar.options:
        yield from (f"        {spec} \\" for spec in _specs(option, ("-", ":", "*")))
    yield "        '1:command:->command' '*::argument:->argument' && ret=0"
    yield "    case $state in"
    yield "    command)"
    yield "        names=("
    yield from (
        f"            {_quoted(f'{one.name}:{_escaped(one.summary)}')}" for one in grammar.commands
    )
    yield from ("        )", "        _describe -t commands command names && ret=0", "        ;;")
    yield from ("    argument)", "        curcontext=${curcontext%:*:*}:ebpftrace-$words[1]:")
    yield "        case $words[1] in"
    for command in grammar.commands:
        yield f"        {command.name})"
        if command.program:  # _arguments passes -- over behind an option, and not as the first word
            yield "            ((CURRENT > 2)) && [[ $words[2] == -- ]] && words[2]=() && ((CURRENT--))"
        yield "            _arguments -S \\"
        specs = list(_all_specs(command))
        yield from (f"                {spec} \\" for spec in specs[:-1])
        yield f"                {specs[-1]} && ret=0"
        yield "            ;;"
    yield from ("        esac", "        ;;", "    esac", "    return ret")


def _all_specs(command: Command) -> Iterator[str]:
    for option in command.options:
        yield from _specs(option, ("-", ":", "*") if "--help" in option.flags else ())
    for index, argument in enumerate(command.arguments, 1):
        place = "*" if argument.several else str(index)
        yield _quoted(f"{place}:{argument.name}:{_action(argument)}")
    if command.program:
        yield "'*::program: _normal'"


def _specs(option: Option, without: Sequence[str]) -> Iterator[str]:
    """One for each of its flags; `without`: what cannot stand beside it, besides what it says itself."""
    others = [*without, *option.without, *(() if option.repeated else option.flags)]
    for flag in option.flags:
        # A value may follow as a word, or in the same: behind = for long options.
        joined = "" if option.value is None else "=" if flag.startswith("--") else "+"
        excluded = [one for one in others if one != flag]
        head = f"({' '.join(excluded)})" if excluded else ""
        many = "*" if option.repeated else ""
        value = "" if option.value is None else f":{_escaped(option.value)}:{_action(option)}"
        yield _quoted(f"{head}{many}{flag}{joined}[{_escaped(option.help)}]{value}")


def _action(of: Option | Argument) -> str:
    if isinstance(of, Option) and kind(of) is Kind.WORDS:
        offered = words(of)
        if any(word.endswith("=") for word in offered):
            return f"{{compadd -S '' {' '.join(offered)}}}"
        return f"({' '.join(offered)})"
    return _ACTIONS[kind(of)]


def _escaped(text: str) -> str:
    """As descriptions and messages have it."""
    return "".join(f"\\{one}" if one in "\\[]:" else one for one in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
