"""Arithmetic of plain integers, for the host. Triton's own is made for kernels: a call costs as much as a launch."""


def cdiv(dividend: int, divisor: int) -> int:
    """Rounded up."""
    return -(-dividend // divisor)


def next_power_of_2(number: int) -> int:
    """The number itself, when it is one."""
    return 1 << (number - 1).bit_length()
