r"""Exact values of mathematical answers: fractions of sums of products, compared without ever evaluating text.

A value is a ratio of two sums. A sum maps products to rational coefficients; a product maps atoms to exponents. Atoms
are variables, π, e, i, primes under roots (√12 is 2·3^(1/2)), and whatever is opaque: sin(x), log₂(3), √(x + 1). So 6/4
and 3/2, √8 and 2√2, (x + 1)² and x² + 2x + 1 are equal, and 3.14 is not π.

Every number and every sum is bounded, so that no answer can make grading slow: beyond a bound `TooLargeError` is
raised, which graders take for "cannot be read".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import blake2b

MAX_BITS = 8_000
"""Of a numerator or denominator: some 2,400 digits."""
MAX_TERMS = 120
"""Of a sum. (a + b + c + d)^6 has 84."""
MAX_POWER = 64
"""Of a sum, which is multiplied out, and of a root's degree; no answer in GSM8K or MATH comes near."""
MAX_ROOTED = 10**9
"""Largest number under a root that is taken apart into primes."""
MAX_FACTORIAL = 120
"""120! has 199 digits."""

Product = tuple[tuple[str, Fraction], ...]
"""Atoms with their exponents, in the order of the atoms; no exponent is 0."""

ONE: Product = ()
IMAGINARY = "i"
_SQUARE = 2
_PRIME = "#"
"""Before a prime that stands under a root."""


class TooLargeError(Exception):
    """A value is beyond the bounds; no mistake of a person, so no MarftError."""


@dataclass(frozen=True)
class Sum:
    """A sum of products with rational coefficients; none of them is 0."""

    terms: Mapping[Product, Fraction]

    def __post_init__(self) -> None:
        if len(self.terms) > MAX_TERMS:
            raise TooLargeError("too many terms")
        for coefficient in self.terms.values():
            if max(coefficient.numerator.bit_length(), coefficient.denominator.bit_length()) > MAX_BITS:
                raise TooLargeError("too many digits")

    @cached_property
    def key(self) -> str:
        """The same text for equal sums."""
        return " + ".join(sorted(f"{coefficient}*{product}" for product, coefficient in self.terms.items()))

    @property
    def number(self) -> Fraction | None:
        """The sum as a rational number, if it is one."""
        if not self.terms:
            return Fraction(0)
        return self.terms.get(ONE) if len(self.terms) == 1 else None

    def plus(self, other: "Sum") -> "Sum":
        """Their sum."""
        return _collected([*self.terms.items(), *other.terms.items()])

    def times(self, other: "Sum") -> "Sum":
        """Their product."""
        if other is _ONE_SUM:  # below the line of nearly every value
            return self
        if self is _ONE_SUM:
            return other
        if len(self.terms) * len(other.terms) > MAX_TERMS * MAX_TERMS // 4:
            raise TooLargeError("too many products")
        return _collected(
            [
                _multiplied(product, coefficient, other_product, other_coefficient)
                for product, coefficient in self.terms.items()
                for other_product, other_coefficient in other.terms.items()
            ]
        )


@dataclass(frozen=True)
class Value:
    """A ratio of two sums."""

    above: Sum
    below: Sum

    def equals(self, other: "Value") -> bool:
        """Whether they are the same, by cross multiplication."""
        return self.above.times(other.below).terms == other.above.times(self.below).terms

    def plus(self, other: "Value") -> "Value":
        """Their sum."""
        above = self.above.times(other.below).plus(other.above.times(self.below))
        return ratio(above, self.below.times(other.below))

    def times(self, other: "Value") -> "Value":
        """Their product."""
        return ratio(self.above.times(other.above), self.below.times(other.below))

    def over(self, other: "Value") -> "Value | None":
        """Their quotient; None if the divisor is 0."""
        if not other.above.terms:
            return None
        return ratio(self.above.times(other.below), self.below.times(other.above))

    def negative(self) -> "Value":
        """Its negative."""
        return self.times(integer(-1))

    @property
    def number(self) -> Fraction | None:
        """The value as a rational number, if it is one."""
        above, below = self.above.number, self.below.number
        return None if above is None or below is None else above / below

    @property
    def key(self) -> str:
        """The same text for values that were written alike; equal values may have others.

        A digest, so that what is opaque within what is opaque keeps a name of fixed length.
        """
        return blake2b(f"({self.above.key})/({self.below.key})".encode(), digest_size=16).hexdigest()


def ratio(above: Sum, below: Sum) -> Value:
    """A value in lowest terms as far as a single product below the line goes."""
    if below is _ONE_SUM:
        return Value(above, below)
    if len(below.terms) == 1:
        ((product, coefficient),) = below.terms.items()
        inverse = tuple((atom, -exponent) for atom, exponent in product)
        return Value(above.times(_collected([_multiplied(inverse, 1 / coefficient, ONE, Fraction(1))])), _ONE_SUM)
    return Value(above, below)


def rational(number: Fraction) -> Value:
    """A rational number."""
    return Value(_collected([(ONE, number)]), _ONE_SUM)


def integer(number: int) -> Value:
    """A whole number."""
    return rational(Fraction(number))


def atom(name: str) -> Value:
    """A variable, a constant without a rational value, or something opaque."""
    return Value(Sum({((name, Fraction(1)),): Fraction(1)}), _ONE_SUM)


def power(base: Value, exponent: Value) -> Value | None:
    """base^exponent; None for 0 to a negative power. What cannot be taken apart becomes opaque."""
    number = exponent.number
    if number is None:
        return atom(f"pow[{base.key};{exponent.key}]")
    if number.denominator != 1:
        rooted = root(base, number.denominator)
        return None if rooted is None else power(rooted, integer(number.numerator))
    raised = _whole_power(base, abs(number.numerator))
    return raised if number >= 0 else integer(1).over(raised)


def _whole_power(base: Value, count: int) -> Value:
    known = base.number
    if known is not None:
        bits = max(known.numerator.bit_length(), known.denominator.bit_length())
        if abs(known) != 1 and known != 0 and count * (bits - 1) > MAX_BITS:
            raise TooLargeError("too high a power")
        return rational(known ** (count if abs(known) != 1 else count % 2 + 2))
    if count > MAX_POWER:
        raise TooLargeError("too high a power")
    result = integer(1)
    for _ in range(count):
        result = result.times(base)
    return result


def root(value: Value, degree: int) -> Value | None:
    """The principal root of this degree; None for a degree below 1."""
    if degree < 1:
        return None
    if degree == 1:
        return value
    number = value.number
    if number is None or degree > MAX_POWER or max(abs(number.numerator), number.denominator) > MAX_ROOTED:
        return atom(f"root[{degree};{value.key}]")
    if number == 0:
        return integer(0)
    sign = integer(1)
    if number < 0:
        if degree % 2:
            sign = integer(-1)
        elif degree == _SQUARE:
            sign = atom(IMAGINARY)
        else:
            return atom(f"root[{degree};{value.key}]")
    exponents = {f"{_PRIME}{prime}": Fraction(count, degree) for prime, count in _primes(abs(number.numerator)).items()}
    exponents |= {f"{_PRIME}{prime}": Fraction(-count, degree) for prime, count in _primes(number.denominator).items()}
    rooted = _collected([_multiplied(tuple(sorted(exponents.items())), Fraction(1), ONE, Fraction(1))])
    return sign.times(Value(rooted, _ONE_SUM))


def factorial(value: Value) -> Value | None:
    """n!; None if it is none."""
    number = value.number
    if number is None or number.denominator != 1 or not 0 <= number <= MAX_FACTORIAL:
        return None
    product = 1
    for factor in range(2, int(number) + 1):
        product *= factor
    return integer(product)


def _primes(number: int) -> dict[int, int]:
    """Prime factors with their exponents, by trial division: at most 31,623 steps under `MAX_ROOTED`."""
    found: dict[int, int] = {}
    divisor = 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            found[divisor] = found.get(divisor, 0) + 1
            number //= divisor
        divisor += 1 if divisor == 2 else 2  # noqa: PLR2004  # after 2 only odd ones
    if number > 1:
        found[number] = found.get(number, 0) + 1
    return found


def _multiplied(
    product: Product, coefficient: Fraction, other: Product, other_coefficient: Fraction
) -> tuple[Product, Fraction]:
    """A product of two products: exponents add up; whole powers of primes and of i go into the coefficient."""
    exponents = dict(product)
    for name, exponent in other:
        exponents[name] = exponents.get(name, Fraction(0)) + exponent
    coefficient = coefficient * other_coefficient
    kept: dict[str, Fraction] = {}
    for name, exponent in exponents.items():
        left = exponent
        if name.startswith(_PRIME):
            whole = exponent.numerator // exponent.denominator
            if abs(whole) > MAX_BITS:
                raise TooLargeError("too high a power")
            coefficient *= Fraction(int(name.removeprefix(_PRIME))) ** whole
            left = exponent - whole
        elif name == IMAGINARY and exponent.denominator == 1:
            turns = exponent.numerator % 4
            coefficient *= -1 if turns >= 2 else 1  # noqa: PLR2004  # i² = -1
            left = Fraction(turns % 2)
        if left:
            kept[name] = left
    return tuple(sorted(kept.items())), coefficient


def _collected(terms: list[tuple[Product, Fraction]]) -> Sum:
    total: dict[Product, Fraction] = {}
    for product, coefficient in terms:
        total[product] = total.get(product, Fraction(0)) + coefficient
    return Sum({product: coefficient for product, coefficient in total.items() if coefficient})


_ONE_SUM = Sum({ONE: Fraction(1)})
