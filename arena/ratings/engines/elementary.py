"""The exponential and the logarithm in arithmetic alone, so that loops over them are vectorised.

The C library's are calls, one number at a time: LLVM then leaves the whole loop one number at a
time, and they are most of what a log density costs. Numba vectorises calls where llvmlite is built
against Intel's SVML; the wheels on PyPI are not.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Strict arithmetic, also where it is inlined in a loop that adds up in any order: the small parts
# of a sum that is carried in two numbers must not be reordered away.
_inlined = njit(nogil=True, error_model="numpy", forceinline=True)

_LN2_HIGH = 6.93147180369123816490e-01
"""With trailing zeros, so that its product with an exponent is exact."""
_LN2_LOW = 1.90821492927058770002e-10
_PER_LN2 = 1.44269504088896338700
_ROUNDED = 6755399441055744.0
"""1.5 * 2**52: added and taken off again, it rounds to a whole number."""
_SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
_ONE_BITS = np.uint64(0x3FF0000000000000)
_FRACTION_BITS = np.uint64(0x000FFFFFFFFFFFFF)
_WHOLE_BITS = np.uint64(0x4330000000000000)
_WHOLE = 4503599627370496.0
"""2**52, whose last bits, in `_WHOLE_BITS`, count."""
_BIAS = 1023.0
_SHIFT = np.uint64(52)
_MAX_EXP = 708.0
"""Beyond it the result, beyond its negative the reciprocal, comes near the end of float64."""


@_inlined
def log(x: float) -> float:
    """Natural logarithm of a normal number above 0 within 1 unit in the last place; infinity and
    NaN as they are.

    fdlibm's e_log.c (Sun Microsystems 1993): x = 2**k (1 + f), s = f / (2 + f), a minimax
    polynomial in s**2.
    """
    # So that 1 + f lies between the root of a half and the root of two.
    shifted = np.float64(x).view(np.uint64) + (_ONE_BITS - _SQRT_HALF_BITS)
    k = np.uint64((shifted >> _SHIFT) | _WHOLE_BITS).view(np.float64) - (_WHOLE + _BIAS)
    f = np.uint64((shifted & _FRACTION_BITS) + _SQRT_HALF_BITS).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    rest = z * (
        6.666666666666735130e-01
        + z
        * (
            3.999999999940941908e-01
            + z
            * (
                2.857142874366239149e-01
                + z
                * (
                    2.222219843214978396e-01
                    + z
                    * (
                        1.818357216161805012e-01
                        + z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01)
                    )
                )
            )
        )
    )
    half = 0.5 * f * f
    found = k * _LN2_HIGH - ((half - (s * (half + rest) + k * _LN2_LOW)) - f)
    return found if x < np.inf else x


@_inlined
def exp(x: float) -> float:
    """Exponential within 2 units in the last place; 0 below -708 and infinity above 708.

    fdlibm's e_exp.c (Sun Microsystems 2004): x = k log 2 + r, a rational in r by a minimax
    polynomial in r**2.
    """
    rounded = x * _PER_LN2 + _ROUNDED
    k = rounded - _ROUNDED
    high, low = x - k * _LN2_HIGH, k * _LN2_LOW
    r = high - low
    z = r * r
    c = r - z * (
        1.66666666666666019037e-01
        + z
        * (
            -2.77777777770155933842e-03
            + z
            * (
                6.61375632143793436117e-05
                + z * (-1.65339022054652515390e-06 + z * 4.13813679705723846039e-08)
            )
        )
    )
    fraction = 1.0 - ((low - (r * c) / (2.0 - c)) - high)
    bits = (np.float64(rounded).view(np.uint64) << _SHIFT) + _ONE_BITS
    power = np.uint64(bits).view(np.float64)
    found: float = fraction * power
    found = found if x <= _MAX_EXP else (np.inf if x > _MAX_EXP else x)
    return found if not x < -_MAX_EXP else 0.0
