"""One target under libFuzzer, by atheris: the process that `fuzz` starts for it, which libFuzzer takes over.

Arguments: the target's name, then libFuzzer's own.
"""

import sys
from contextlib import suppress
from random import Random

import atheris


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    # What is to be measured has to be instrumented while it is imported.
    with atheris.instrument_imports(include=_MEASURED, enable_loader_override=False):
        from scripts.fuzzing.registry import TARGETS

        target = TARGETS[name]
        for seed in target.seeds():  # some of it is imported when it is needed
            with suppress(*target.declared):
                target.attempt(seed)
    from scripts.fuzzing.judge import judge
    from scripts.fuzzing.mutation import changed, mutated

    def attempt(data: bytes) -> None:
        judge(target, data, _PATIENCE)

    def another(data: bytes, most: int, seed: int) -> bytes:
        def change(part: bytes, room: int) -> bytes:
            chance = Random(seed)
            if chance.random() < _OURS:
                return changed(part, room, chance, target.words)
            made: bytes = atheris.Mutate(part, max(room, 1))
            return made

        return mutated(target, data, most, seed, change)

    atheris.Setup(
        [sys.argv[0], *options], attempt, custom_mutator=another, enable_python_coverage=True
    )
    atheris.Fuzz()


_MEASURED = ["ebpftrace", "demangle"]
_PATIENCE = 8.0
_OURS = (
    0.2  # of the changes are made without libFuzzer, which knows neither words nor numbers so well
)

if __name__ == "__main__":
    main()
