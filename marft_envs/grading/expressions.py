r"""Reads one mathematical expression, in LaTeX or plain text, as an exact value. Nothing is evaluated as code.

Understood: numbers with decimals and repeating decimals; + − · × ÷ /, products without a sign, powers, roots,
fractions, mixed numbers, factorials, binomials, absolute values, π, e, i, Greek and Latin variables with subscripts,
functions such as sin and log (opaque: sin 0 is not 0). Everything else is unreadable, which is no error: the caller
compares the text instead.

Bounds: `MAX_TOKENS` tokens, `MAX_DEPTH` brackets, roots and functions in each other, and those of the algebra module.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from marft_envs.grading.algebra import Value, atom, factorial, integer, power, rational, root

MAX_TOKENS = 400
MAX_DEPTH = 40
MAX_DIGITS = 100
"""Of one number."""

_TOKEN = re.compile(r"\s+|(?P<token>[0-9]+(?:\.[0-9]+)?\.?(?![0-9])|\.[0-9]+|\\[A-Za-z]+|\\.|.)", re.DOTALL)
_NUMBER = re.compile(r"[0-9]*\.?[0-9]*")
_FUNCTIONS = frozenset(
    {"sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log", "ln", "lg"}
    | {"exp", "max", "min", "gcd", "lcm", "det", "arg", "deg"}
)
GREEK = frozenset(
    {"alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa"}
    | {"lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "ell"}
    | {"Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"}
)
_TIMES = frozenset({"*", "\\cdot", "\\times", "×", "·", "⋅"})
_OVER = frozenset({"/", "\\div", "÷"})
_BAR = "|"
_ROOT_SIGN = "√"
_CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
_STARTS_NOTHING = frozenset({*_TIMES, *_OVER, "+", "-", "^", "_", "!", "=", ",", "<", ">", *_CLOSING.values()})


class UnreadableError(Exception):
    """The text is no expression that is understood; no mistake of a person, so no MarftError."""


def read_expression(text: str) -> Value:
    """The value of an expression. Raises: UnreadableError; TooLargeError beyond a bound."""
    tokens = tokens_of(text)
    if not tokens:
        raise UnreadableError("nothing to read")
    reader = _Reader(tokens)
    value = reader.sum()
    if reader.peek():
        raise UnreadableError(f"cannot go on at {reader.peek()!r}")
    return value


def tokens_of(text: str) -> list[str]:
    """Numbers, commands, single characters. Raises: UnreadableError for too many."""
    tokens: list[str] = []
    for match in _TOKEN.finditer(text):
        if match["token"] is not None:
            tokens.append(match["token"])
            if len(tokens) > MAX_TOKENS:
                raise UnreadableError("too long")
    return tokens


@dataclass
class _Reader:
    """Recursive descent, with the depth bounded."""

    tokens: list[str]
    at: int = 0
    depth: int = 0

    def peek(self, ahead: int = 0) -> str:
        """A token that is still to come; empty at the end."""
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else ""

    def take(self) -> str:
        """The next token."""
        token = self.peek()
        if not token:
            raise UnreadableError("ends too early")
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        """The next token has to be this one."""
        if self.take() != token:
            raise UnreadableError(f"{token!r} is missing")

    def sum(self) -> Value:
        """Terms with + and − between them."""
        total = self._signed()
        while self.peek() in ("+", "-", "−"):  # the minus sign
            sign = self.take()
            term = self._product()
            total = total.plus(term if sign == "+" else term.negative())
        return total

    def _signed(self) -> Value:
        sign = 1
        while self.peek() in ("+", "-", "−"):  # the minus sign
            sign *= 1 if self.take() == "+" else -1
        term = self._product()
        return term if sign == 1 else term.negative()

    def _product(self) -> Value:
        total = self._power()
        while token := self.peek():
            if token in _TIMES:
                self.take()
                total = total.times(self._signed_power())
            elif token in _OVER:
                self.take()
                total = _known(total.over(self._signed_power()))
            elif self._begins_factor(token):
                total = total.times(self._power())
            else:
                break
        return total

    def _signed_power(self) -> Value:
        if self.peek() == "-":
            self.take()
            return self._power().negative()
        return self._power()

    def _begins_factor(self, token: str) -> bool:
        if token in _STARTS_NOTHING or token == _BAR:
            return False
        return not (_is_number(token) and _is_number(self.tokens[self.at - 1]))  # "2 3" is no product

    def _power(self) -> Value:
        base = self._atom()
        while self.peek() == "!":
            self.take()
            base = _known(factorial(base))
        if self.peek() == "^":
            self.take()
            base = _known(power(base, self._exponent()))
            while self.peek() == "!":
                raise UnreadableError("a factorial of a power")
        return base

    def _exponent(self) -> Value:
        if self.peek() == "-":
            self.take()
            return self._atom().negative()
        return self._atom()

    def _atom(self) -> Value:
        self.depth += 1  # whatever nests, brackets, roots or functions, nests here
        if self.depth > MAX_DEPTH:
            raise UnreadableError("too deep")
        value = self._begun_by(self.take())
        self.depth -= 1
        return value

    def _begun_by(self, token: str) -> Value:  # noqa: PLR0911  # one way out for each kind of token
        if _is_number(token):
            return self._number(token)
        if token in ("(", "[", "{"):
            inner = self.sum()
            self.expect(_CLOSING[token])
            return inner
        if token == _BAR:
            inner = self.sum()
            self.expect(_BAR)
            number = inner.number
            return atom(f"abs[{inner.key}]") if number is None else rational(abs(number))
        if token.startswith("\\"):
            return self._command(token[1:])
        if token in ("π", "∞"):
            return atom(token)
        if token in _ROOT_SIGN:
            return _known(root(self._atom(), 2))
        if token.isalpha():
            return self._variable(token)
        raise UnreadableError(f"cannot begin with {token!r}")

    def _number(self, token: str) -> Value:
        if len(token) > MAX_DIGITS:
            raise UnreadableError("too many digits")
        if self.peek() == "\\overline":
            return self._repeating(token)
        if self.peek() == "_":
            self.take()
            return atom(f"base[{token};{self._argument().key}]")
        value = rational(Fraction(token.rstrip(".")))
        part = self._mixed_part(token)
        return value if part is None else value.plus(part)

    def _mixed_part(self, whole: str) -> Value | None:
        r"""The fraction of a mixed number: `2\frac{1}{3}` or `2 1/3`, where it is below 1."""
        if not whole.isdigit():
            return None
        before = self.at
        if self.peek() == "\\frac":
            self.take()
            try:
                fraction = (self._argument().number, self._argument().number)
            except UnreadableError:
                fraction = (None, None)
        elif self.peek().isdigit() and self.peek(1) == "/" and self.peek(2).isdigit():
            fraction = (Fraction(self.peek()), Fraction(self.peek(2)))
            self.at += 3
        else:
            return None
        above, below = fraction
        whole_numbers = above is not None and below is not None and above.denominator == below.denominator == 1
        if whole_numbers and above is not None and below is not None and 0 < above < below:
            return rational(above / below)
        self.at = before
        return None

    def _repeating(self, token: str) -> Value:
        self.take()
        self.expect("{")
        digits = self.take()
        self.expect("}")
        if "." not in token or not digits.isdigit() or len(digits) > MAX_DIGITS:
            raise UnreadableError("no repeating decimal")
        decimals = len(token) - token.index(".") - 1
        repeated = Fraction(int(digits), (10 ** len(digits) - 1) * 10**decimals)
        return rational(Fraction(token.rstrip(".") or "0") + repeated)

    def _variable(self, token: str) -> Value:
        if self.peek() == "_":
            self.take()
            index = self._argument().key if self.peek() == "{" else self.take()
            return atom(f"{token}_{index}")
        return atom(token)

    def _command(self, name: str) -> Value:  # noqa: PLR0911  # one way out for each kind of command
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            above = self._argument()
            return _known(above.over(self._argument()))
        if name == "sqrt":
            degree = integer(2)
            if self.peek() == "[":
                self.take()
                degree = self.sum()
                self.expect("]")
            number = degree.number
            if number is None or number.denominator != 1:
                raise UnreadableError("no whole degree of a root")
            return _known(root(self._argument(split=False), int(number)))
        if name in ("binom", "dbinom", "tbinom"):
            return self._binomial(self._argument(), self._argument())
        if name in _FUNCTIONS or name in ("operatorname", "mathrm"):
            return self._function(name)
        if name == "pi":
            return atom("π")
        if name == "infty":
            return atom("∞")
        if name in GREEK:
            return self._variable(f"\\{name}")
        raise UnreadableError(f"unknown command {name!r}")

    def _binomial(self, n: Value, k: Value) -> Value:
        difference = factorial(n.plus(k.negative()))
        below, above = factorial(k), factorial(n)
        if difference is None or below is None or above is None:
            raise UnreadableError("no binomial coefficient")
        return _known(above.over(below.times(difference)))

    def _function(self, name: str) -> Value:
        if name in ("operatorname", "mathrm"):
            self.expect("{")
            name = ""
            while self.peek() not in ("}", ""):
                name += self.take()
            self.expect("}")
        base, exponent = "", None
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                base = self._argument().key
            else:
                exponent = self._exponent()
        inner = self._power()
        value = atom(f"{name}[{base};{inner.key}]")
        return value if exponent is None else _known(power(value, exponent))

    def _argument(self, *, split: bool = True) -> Value:
        r"""What stands after a command: a group, or one token; of `\frac12` one digit each, if `split`."""
        token = self.peek()
        if split and token.isdigit() and len(token) > 1:
            self.tokens[self.at] = token[1:]
            return integer(int(token[0]))
        return self._atom()


def _is_number(token: str) -> bool:
    return token not in ("", ".") and _NUMBER.fullmatch(token) is not None


def _known(value: Value | None) -> Value:
    """A value where there is one; dividing by 0 and the like have none."""
    if value is None:
        raise UnreadableError("has no value")
    return value
