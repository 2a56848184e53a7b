"""Names and paths without what is spelling only, so that tools of different habits can be compared."""

import os
import re

_BLANKS = re.compile(r"\s*([<>,*&()\[\]{}])\s*")
_ABI_TAG = re.compile(r"\[abi:[^\]]*\]|B5cxx11")
_ANONYMOUS = re.compile(r"\(anonymous namespace\)|\{anonymous\}|<unnamed>|\(anonymous\)")
_NUMBER = re.compile(r"(?<![\w.])(\d+)(?:[uU]?[lL]{0,2})(?!\w)")
_GNU_LAMBDA = re.compile(r"\{lambda\((?P<arguments>[^{}]*)\)#(?P<number>\d+)\}")
_AUTO = re.compile(r"\bauto:\d+")
_STRING = re.compile(
    r"std::(?:__cxx11::)?basic_string<char(?:,std::char_traits<char>,std::allocator<char>)?>"
)
_RUST_HASH = re.compile(r"(?<=::)h[0-9a-f]{16}(?:\s*\(\.llvm\.\d+\))?$")
_RUST_SIGNS = {
    "$LT$": "<", "$GT$": ">", "$RF$": "&", "$BP$": "*", "$C$": ",", "$LP$": "(", "$RP$": ")",
    "$u20$": " ", "$u5b$": "[", "$u5d$": "]", "$u7b$": "{", "$u7d$": "}", "$u27$": "'", "$SP$": "@", "$u3b$": ";", "$u2b$": "+", "$u22$": '"', "$u7e$":"~",
}  # fmt: skip
_PART = re.compile(
    r"(?:\[clone\s*(?P<gnu>\.[^\]]+)\]|\((?P<llvm>\.[^()]+)\)"
    r"|(?P<plain>\.(?:cold|constprop|part|isra|lto_priv|localalias|llvm)(?:\.\w+)*))$"
)


def spelled(function: str) -> str:
    """`function` without blanks, ABI tags and suffixes of literals.

    The anonymous namespace and lambdas are written in one way: LLVM counts the latter from none,
    `'lambda'`, `'lambda0'`; GNU from `{lambda()#1}`.
    """
    if _RUST_HASH.search(function):
        function = _rust(function)
    function = _ANONYMOUS.sub("@anonymous@", _ABI_TAG.sub("", function))
    function = _BLANKS.sub(r"\1", function).strip()
    before = ""
    while before != function:  # one within the other, the inner one first
        before = function
        function = _GNU_LAMBDA.sub(_as_llvm, function)
    return _NUMBER.sub(r"\1", _AUTO.sub("auto", function))


def _rust(mangled: str) -> str:
    """A name of rustc's first scheme that was read as one of C++: `_$LT$T$GT$::add::h0123...`."""
    name = _RUST_HASH.sub("", mangled).removesuffix("::").replace("..", "::")
    name = re.sub(r"(^|::)_\$", r"\1$", name)
    for sign, meant in _RUST_SIGNS.items():
        name = name.replace(sign, meant)
    return name


def _as_llvm(match: "re.Match[str]") -> str:
    number = int(match["number"])
    return f"'lambda{number - 2 if number > 1 else ''}'({match['arguments']})"


def without_string(spelled_name: str) -> str:
    """With std::string for all that it stands for."""
    return _STRING.sub("std::string", spelled_name)


def without_results(spelled_name: str) -> str:
    """Without `void`, `auto` and `bool` before functions, where LLVM and GNU differ."""
    return re.sub(r"\b(?:void|auto|bool) (?=[\w@(])", "", spelled_name)


def without_parameters(spelled_name: str) -> str:
    """Up to the last parenthesis that opens outside of all others, and of template arguments."""
    depth, cut = 0, len(spelled_name)
    for at, sign in enumerate(spelled_name):
        if sign == "(" and not depth:
            cut = at
        depth += (sign in "<(") - (sign in ">)")
    return spelled_name[:cut]


def whole(spelled_name: str) -> str:
    """Without what compilers add to the name of a part or a copy of a function: `.cold`."""
    before = ""
    while before != spelled_name:
        before = spelled_name
        spelled_name = _PART.sub("", spelled_name)
    return spelled_name


def bare(spelled_name: str) -> str:
    """The last component alone: without result, scopes, template arguments and parameters."""
    # "operator<<" and its like would open brackets that nothing closes.
    symbol = re.search(r"\boperator(?:\(\)|\[\]|[-+*/%^&|~!=<>,]+)", spelled_name)
    if symbol is not None:
        return symbol[0]
    depth, kept = 0, []
    for sign in spelled_name:
        depth += sign in "<([{"
        if not depth:
            kept.append(sign)
        depth -= sign in ">)]}"
    name = "".join(kept).removesuffix("const").strip()
    return re.split(r"::|\s", name)[-1]


def same_file(ours: str | None, theirs: str | None) -> bool:
    """Is one the other, or its end, where it is told without the compilation's directory?"""
    if ours is None or theirs is None:
        return ours == theirs
    one, other = (os.path.normpath(path) for path in (ours, theirs))
    one, other = (re.sub(r"^(?:\.\./)+", "", path) for path in (one, other))
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
