"""One text from many files, with the compiler's messages still at the true place."""

import subprocess
from pathlib import Path

from ebpftrace.kernel import sources


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_quote_includes_are_put_in_place_once(tmp_path: Path) -> None:
    root = write(tmp_path, a_c='#include "b.h"\n#include "b.h"\nint a;\n', b_h="int b;\n")
    assert sources.flatten("a.c", root).count("int b;") == 1


def test_system_includes_stay(tmp_path: Path) -> None:
    root = write(tmp_path, a_c="#include <uapi/linux/ptrace.h>\n")
    assert "#include <uapi/linux/ptrace.h>" in sources.flatten("a.c", root)


def test_an_error_is_reported_at_its_own_file_and_line(tmp_path: Path) -> None:
    root = write(tmp_path, a_c='int x;\n#include "b.h"\nwrong_t a;\n', b_h="int b;\nalso_t b;\n")
    (tmp_path / "flat.c").write_text(sources.flatten("a.c", root))
    said = subprocess.run(
        ["cc", "-fsyntax-only", tmp_path / "flat.c"], capture_output=True, text=True, check=False
    ).stderr
    assert "b.h:2:" in said
    assert "a.c:3:" in said


def test_the_real_programs_hold_no_quote_include_any_more() -> None:
    text = sources.flatten()
    assert '#include "' not in text
    assert "int leave(struct pt_regs *ctx)" in text


def test_no_kernel_header_is_more_than_ours() -> None:
    assert (sources.headers() / "include/linux/kconfig.h").is_file()
