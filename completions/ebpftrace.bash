# Completion of ebpftrace for bash. Made by scripts/manual of the options as the program has them.
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

# Sets `kind` to what the value of an option is, and `words` to those that it can be; empty: it takes none.
_ebpftrace_kind() # COMMAND OPTION
{
    case "$1 $2" in
    *' -p')
        kind='pid'
        ;;
    *' -n')
        kind='process'
        ;;
    *' --cgroup')
        kind='group'
        ;;
    *' --interval' | *' --duration' | *' --count' | *' --top' | *' --older' | *' --skip-frame' | \
        *' --min-size' | *' --max-size' | *' --stack-depth' | *' --max-blocks' | \
        *' --max-stacks' | *' --drain-after' | *' --budget' | *' --alloc' | *' --realloc' | \
        *' --free' | *' --error-exitcode' | *' --threshold' | *' --keep' | *' --keep-bytes' | \
        *' --keep-age' | *' --every' | *' --speed')
        kind='none'
        ;;
    'attach --sort' | 'run --sort' | 'report --sort' | 'open --sort')
        kind='words'
        words=(bytes blocks growth age)
        ;;
    'diff --sort')
        kind='words'
        words=(growth bytes blocks)
        ;;
    *' --suppressions' | *' --log-file' | 'run -o' | 'export -o' | *' --output' | *' --save' | \
        *' --trace-log' | *' --base' | *' --bundle')
        kind='file'
        ;;
    'attach --mode' | 'record --mode')
        kind='words'
        words=(full sample growth auto)
        ;;
    'run --mode')
        kind='words'
        words=(full growth)
        ;;
    *' --backend')
        kind='words'
        words=(auto session multi perf)
        ;;
    *' --user')
        kind='user'
        ;;
    'record -o' | *' --symbols-from')
        kind='directory'
        ;;
    *' --on')
        kind='words'
        words=(pressure= rss= tracked=)
        ;;
    *' -f')
        kind='words'
        words=(collapsed html pprof speedscope massif callgrind heaptrack json csv openmetrics)
        ;;
    *' --measure')
        kind='words'
        words=(bytes blocks allocated-bytes allocated-blocks)
        ;;
    *) kind='' ;;
    esac
}

# Sets `words` to the options of a command; without one to the commands, after - to its options.
_ebpftrace_words() # COMMAND
{
    case $1 in
    '')
        words=(attach run record report diff open export probes doctor)
        ;;
    -)
        words=(-h --help --version)
        ;;
    attach)
        words=(-h --help --text --json -p -n --cgroup --follow --interval --duration --count --top
            --sort --older --skip-frame --suppressions --no-dwarf --debuginfod --min-size --max-size
            --stack-depth --max-blocks --max-stacks --drain-after --mode --budget --backend --alloc
            --realloc --free --log-file --debug)
        ;;
    run)
        words=(-h --help --text --json --dashboard --user --follow --error-exitcode --threshold -o
            --output --save --trace-log --force --interval --duration --count --top --sort --older
            --skip-frame --suppressions --no-dwarf --debuginfod --min-size --max-size --stack-depth
            --max-blocks --max-stacks --drain-after --mode --backend --alloc --realloc --free
            --log-file --debug)
        ;;
    record)
        words=(-h --help -p -n --cgroup --follow -o --keep --keep-bytes --keep-age --stream --blocks
            --environment --every --on --interval --duration --count --no-dwarf --debuginfod
            --min-size --max-size --stack-depth --max-blocks --max-stacks --drain-after --mode
            --budget --backend --alloc --realloc --free --log-file --debug)
        ;;
    report)
        words=(-h --help --json --top --sort --older --skip-frame --suppressions --symbols-from
            --debuginfod --log-file --debug)
        ;;
    diff)
        words=(-h --help --json --threshold --top --sort --skip-frame --suppressions --symbols-from
            --debuginfod --log-file --debug)
        ;;
    open)
        words=(-h --help --follow --speed --text --json --top --sort --older --skip-frame
            --suppressions --symbols-from --debuginfod --log-file --debug)
        ;;
    export)
        words=(-h --help -f -o --force --measure --top --base --skip-frame --suppressions
            --symbols-from --debuginfod --log-file --debug)
        ;;
    probes)
        words=(-h --help --backend -p -n --cgroup --alloc --realloc --free --log-file --debug)
        ;;
    doctor)
        words=(-h --help --json --bundle -p --log-file --debug)
        ;;
    esac
}

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
        report | diff | open | export) [[ $cur == -* ]] || kind='file' ;;
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
