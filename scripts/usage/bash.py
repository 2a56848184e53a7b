"""The completion for bash: one function, which needs no other package and starts no program."""

from collections.abc import Iterable, Iterator, Sequence

from scripts.usage.grammar import Grammar, Option
from scripts.usage.values import Kind, kind, of_commands, words

_WIDTH = 100

_Meaning = tuple[Kind, tuple[str, ...]]

_HEAD = r"""# Completion of ebpftrace for bash. Made by scripts/manual of the options as the program has them.
#
# It starts no program: /proc is read by the shell itself. Processes call themselves what they like, so
# names are inserted quoted and never evaluated, and those that are no plain text are left out.

# Sets `first` and `name` of a process; `first` is empty for threads of the kernel.
_ebpftrace_process() # PID
{
    first='' name=''
    {
        IFS= read -r -d '' first <"/proc/$1/cmdline"
        IFS= read -r -d '' name <"/proc/$1/comm"
    } 2>/dev/null
    name=${name%$'\n'}
}

_ebpftrace_pids()
{
    local LC_ALL=C pid first name
    for pid in /proc/[0-9]*; do
        pid=${pid#/proc/}
        [[ $pid == "$cur"* ]] || continue
        _ebpftrace_process "$pid"
        # The name is for the list that bash shows, not for the command line.
        [[ -z $first ]] || COMPREPLY+=("$pid (${name//[^A-Za-z0-9_.:+@\/ -]/?})")
    done
    # 37 and 42: what is found is inserted in turn, or all of it.
    if ((${#COMPREPLY[@]} == 1 || COMP_TYPE == 37 || COMP_TYPE == 42)); then
        COMPREPLY=("${COMPREPLY[@]%% *}")
    fi
}

_ebpftrace_names()
{
    local LC_ALL=C pid first name quoted
    local -A seen=()
    for pid in /proc/[0-9]*; do
        _ebpftrace_process "${pid#/proc/}"
        [[ -n $first && -n $name && $name != [-~]* && $name != *[!\ -~]* && $name != */* ]] || continue
        printf -v quoted %q "$name"
        [[ $quoted == "$cur"* && -z ${seen[$quoted]-} ]] || continue
        seen[$quoted]=1
        COMPREPLY+=("$quoted")
    done
}

_ebpftrace_groups()
{
    local LC_ALL=C root folder quoted plain
    if [[ $cur == /sys/* ]]; then
        compopt -o dirnames
        return
    fi
    # What %q has put before a character; none that stays in a name is quoted in another way.
    plain=${cur//\\\\/$'\1'}
    plain=${plain//\\/}
    plain=${plain//$'\1'/\\}
    for root in /sys/fs/cgroup /sys/fs/cgroup/{unified,systemd,memory}; do
        [[ -e $root/cgroup.procs ]] || continue
        for folder in "$root/${plain#/}"*/; do
            [[ -d $folder && $folder != *[!\ -~]* ]] || continue
            folder=${folder#"$root"}
            printf -v quoted %q "${folder%/}"
            COMPREPLY+=("$quoted/")
        done
    done
    compopt -o nospace
}

# The program that `run` starts, and what follows it, as its own completion has it.
_ebpftrace_program() # INDEX in COMP_WORDS
{
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == COMP_CWORD)) && [[ $cur != */* ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        compopt -o filenames
    else
        compopt -o bashdefault -o default
    fi
}
"""

_TAIL = r"""
_ebpftrace_value() # KIND
{
    local word
    case $1 in
    file) compopt -o bashdefault -o default ;;
    directory) compopt -o dirnames ;;
    pid) _ebpftrace_pids ;;
    process) _ebpftrace_names ;;
    group) _ebpftrace_groups ;;
    user) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
    words)
        for word in "${words[@]}"; do
            [[ $word != "$cur"* ]] || COMPREPLY+=("$word")
        done
        [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
        ;;
    esac
}

_ebpftrace()
{
    local cur last=${COMP_WORDS[COMP_CWORD]} command='' option='' kind='' before word i
    local -a line=() at=() words=()
    COMPREPLY=()

    # Readline takes --sort=bytes and a:b for three words each; `line` has them whole.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 1)) && [[ -n $word && $word != *[!:=]* || -n $before ]]; then
            line[${#line[@]} - 1]+=$word
        else
            line+=("$word") at+=("$i")
        fi
        before=''
        [[ -z $word || $word == *[!:=]* ]] || before=1
    done
    cur=${line[${#line[@]} - 1]}

    for ((i = 1; i < ${#line[@]} - 1; i++)); do
        word=${line[i]}
        if [[ -n $option ]]; then
            option=''
        elif [[ -z $command ]]; then
            [[ $word == -* ]] || command=$word
        elif [[ $command == run && $word == -- ]]; then
            _ebpftrace_program "${at[i + 1]}"
            return
        elif [[ $command == run && $word != -* ]]; then
            _ebpftrace_program "${at[i]}"
            return
        else
            _ebpftrace_kind "$command" "$word"
            [[ -z $kind ]] || option=$word
        fi
    done
    if [[ -z $option && $cur == --*=* ]]; then
        option=${cur%%=*} cur=${cur#*=}
    fi

    kind=''
    if [[ -n $option ]]; then
        _ebpftrace_kind "$command" "$option"
    elif [[ $command == run && $cur != -* && -n $cur ]]; then
        _ebpftrace_program "$COMP_CWORD"
        return
    else
        [[ -n $command || $cur != -* ]] || command=-
        _ebpftrace_words "$command"
        case $command in
        @FILES@) [[ $cur == -* ]] || kind='file' ;;
        esac
        kind=${kind:-words}
    fi
    _ebpftrace_value "$kind"

    # Of what is found, only what follows the last of readline's words stands in its place.
    [[ -n ${last//[:=]/} ]] || last=''
    before=${cur%"$last"}
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}

complete -F _ebpftrace ebpftrace
"""


def script(grammar: Grammar) -> str:
    """The text of the completion."""
    files = [
        one.name for one in grammar.commands if any(kind(arg) is Kind.FILE for arg in one.arguments)
    ]
    return "\n".join(
        [
            _HEAD,
            *_kinds(grammar),
            "",
            *_words(grammar),
            _TAIL.replace("@FILES@", " | ".join(files)).rstrip("\n"),
            "",
        ]
    )


def _kinds(grammar: Grammar) -> Iterator[str]:
    """Which values an option takes: by its name, and by its command as well where commands differ."""
    meanings: dict[str, dict[str, _Meaning]] = {}
    for command, option in of_commands(grammar):
        of = kind(option)
        for flag in option.flags:
            meanings.setdefault(flag, {})[command] = (of, words(option) if of is Kind.WORDS else ())
    patterns: dict[_Meaning, list[str]] = {}
    for flag, by_command in meanings.items():
        if len(set(by_command.values())) == 1:
            patterns.setdefault(next(iter(by_command.values())), []).append(f"*' {flag}'")
        else:
            for command, meaning in by_command.items():
                patterns.setdefault(meaning, []).append(f"'{command} {flag}'")
    yield "# Sets `kind` to what the value of an option is, and `words` to those that it can be; empty: it takes none."
    yield "_ebpftrace_kind() # COMMAND OPTION"
    yield from ("{", '    case "$1 $2" in')
    for (of, offered), quoted in patterns.items():
        pattern = [*(f"{one} |" for one in quoted[:-1]), f"{quoted[-1]})"]
        yield from _wrapped(pattern, " " * 4, " \\")
        yield f"        kind='{of.value}'"
        if offered:
            yield from _array(offered)
        yield "        ;;"
    yield from ("    *) kind='' ;;", "    esac", "}")


def _words(grammar: Grammar) -> Iterator[str]:
    yield "# Sets `words` to the options of a command; without one to the commands, after - to its options."
    yield "_ebpftrace_words() # COMMAND"
    yield from ("{", "    case $1 in")
    offered = {
        "''": [one.name for one in grammar.commands],
        "-": _flags(grammar.options),
        **{one.name: _flags(one.options) for one in grammar.commands},
    }
    for pattern, those in offered.items():
        yield f"    {pattern})"
        yield from _array(those)
        yield "        ;;"
    yield from ("    esac", "}")


def _flags(options: Iterable[Option]) -> list[str]:
    return [flag for option in options for flag in option.flags]


def _array(items: Iterable[str]) -> Iterator[str]:
    yield from _wrapped(f"words=({' '.join(items)})".split(" "), " " * 8)


def _wrapped(items: Sequence[str], margin: str, end: str = "") -> Iterator[str]:
    """Lines that are not too long, cut between items; `end`: of all but the last."""
    line = margin + items[0]
    for item in items[1:]:
        if len(line) + 1 + len(item) > _WIDTH - len(end):
            yield line + end
            line = f"{margin}    {item}"
        else:
            line += f" {item}"
    yield line
