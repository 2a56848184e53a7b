"""The rules by which the kernel walks a stack without frame pointers, from an ELF file's tables."""
