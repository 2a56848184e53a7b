/* Empty: include/linux/kconfig.h, which BCC reads first, has what this one would give. */
