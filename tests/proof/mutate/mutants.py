"""The mutants of a C file: one small fault each, as people make them.

Found by tokens, not by a compiler: what comes out may not compile, and is no mutant then. The
code's own style tells what tokens cannot: a binary operator has a space on both sides, a unary one
has not.

A mutant's name is FILE:FUNCTION:FAULT:NUMBER, counted within its function, so that it stays
what it is when the file changes elsewhere.
"""
import re
from collections import Counter, namedtuple

Token = namedtuple("Token", "kind text start end")
Mutant = namedtuple("Mutant", "name path line start end text")

TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:[^\n\\]|\\.)*)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<mark><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=
        |[-+*/%&|^!~<>=?:;,.(){}\[\]])
""", re.X | re.M | re.S)

# Of operators that stand between two operands.
SWAPS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
    "==": ("!=",), "!=": ("==",), "&&": ("||",), "||": ("&&",),
    "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",),
    "&": ("|",), "|": ("&",), "^": ("&",), "<<": (">>",), ">>": ("<<",),
    "+=": ("-=",), "-=": ("+=",), "*=": ("/=",), "&=": ("|=",), "|=": ("&=",),
    "<<=": (">>=",), ">>=": ("<<=",), "++": ("--",), "--": ("++",),
}
SPACED = set("<>+-*/%&|^") | {"<<", ">>", "<=", ">=", "==", "!=", "&&", "||"}
TYPES = {"struct", "union", "enum", "const", "static", "unsigned", "signed", "int", "char", "void",
         "bool", "long", "short", "size_t", "be16", "be32", "be64", "uint8_t", "uint16_t",
         "uint32_t", "uint64_t", "int8_t", "int32_t", "int64_t", "typedef", "_Static_assert",
         "_Alignas", "extern", "inline", "__uint128_t", "goto"}
WORDS = {"if", "for", "while", "do", "else", "switch", "case", "default", "return", "break",
         "continue", "sizeof"}
# Hints to the processor: nothing that anybody could notice depends on them.
HINTS = re.compile(r"__builtin_prefetch$|\w+_prefetch\w*$|prefetch\w*$")


def tokens_of(text):
    tokens, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise ValueError(f"what is {text[at:at + 20]!r}?")
        if match.lastgroup != "skip":
            tokens.append(Token(match.lastgroup, match.group(), match.start(), match.end()))
        at = match.end()
    return tokens


def closing(tokens, i):
    """The index of the bracket that closes the one at i."""
    depth = 0
    while True:
        if tokens[i].text in "([{":
            depth += 1
        elif tokens[i].text in ")]}":
            depth -= 1
            if not depth:
                return i
        i += 1


def regions(tokens):
    """(name, first token, last token) of every function, and of tables and enums outside of them."""
    i = first = 0
    while i < len(tokens):
        if tokens[i].text == ";":
            first = i + 1
        elif tokens[i].text in "([":
            i = closing(tokens, i)
        elif tokens[i].text == "{":
            end = closing(tokens, i)
            head = tokens[first:i]
            opens = [k for k, token in enumerate(head) if token.text == "("]
            names = [token.text for token in head
                     if token.kind == "name" and token.text not in TYPES]
            if head and head[-1].text == ")" and opens:
                yield head[opens[0] - 1].text, i, end
                first = end + 1
            elif not head or head[0].text not in ("struct", "union", "typedef"):
                yield names[0] if names else "enum", i, end
            elif any(token.text == "=" for token in head):
                yield names[0], i, end
            i = end
        i += 1


def edits(text, tokens, first, last):
    """(fault, start, end, replacement) within one region."""
    for i in range(first, last + 1):
        token, before = tokens[i], tokens[i - 1]
        if token.kind == "number":
            yield from of_number(token)
        elif token.text in ("true", "false"):
            yield "constant", token.start, token.end, "false" if token.text == "true" else "true"
        elif token.text == "." and before.text in "{,":
            end = i
            while tokens[end].text not in (",", "}"):
                end = closing(tokens, end) + 1 if tokens[end].text in "([{" else end + 1
            yield "no-field", token.start, tokens[end].end if tokens[end].text == "," else \
                tokens[end].start, ""
        elif token.text in SWAPS:
            spaced = text[token.start - 1].isspace() and text[token.end].isspace()
            if token.text not in SPACED or spaced:
                for swap in SWAPS[token.text]:
                    yield f"{token.text}to{swap}", token.start, token.end, swap
        elif token.text in "!~":
            yield f"no{token.text}", token.start, token.end, ""
        elif token.text in ("if", "while") and before.text != "}" or token.text == "if":
            end = closing(tokens, i + 1)
            start, stop = tokens[i + 1].end, tokens[end].start
            yield f"{token.text}-false", start, stop, "0"
            if token.text == "if":
                yield "if-true", start, stop, "1"
        if token.text in (";", "{", "}", ":", "else", "do") or \
                token.text == ")" and is_head(tokens, i):
            yield from of_statement(text, tokens, i + 1)


def of_number(token):
    digits = token.text.rstrip("uUlL")
    suffix, value = token.text[len(digits):], int(digits, 0)
    yield "number+1", token.start, token.end, f"{value + 1}{suffix}"
    if value:
        yield "number-1", token.start, token.end, f"{value - 1}{suffix}"


def is_head(tokens, end):
    """True for the bracket that closes the head of an if, for, while or switch."""
    depth = 0
    for i in range(end, -1, -1):
        if tokens[i].text == ")":
            depth += 1
        elif tokens[i].text == "(":
            depth -= 1
            if not depth:
                return tokens[i - 1].text in ("if", "for", "while", "switch")
    return False


def of_statement(text, tokens, i):
    if i >= len(tokens):
        return
    token = tokens[i]
    if token.text in ("break", "continue"):
        yield f"no-{token.text}", token.start, token.end, ""
        return
    if token.text == "return":
        yield from of_return(text, tokens, i)
        return
    if token.kind != "name" and token.text not in ("*", "++", "--", "("):
        return
    if token.text in TYPES or token.text in WORDS or HINTS.match(token.text):
        return
    end = i
    while tokens[end].text != ";":
        if tokens[end].text in ":{}":
            if tokens[end].text != "{" or tokens[end - 1].text != ")":
                return
        if tokens[end].text in "([{":
            end = closing(tokens, end)
        end += 1
    yield "delete", token.start, tokens[end].start, ""


def of_return(text, tokens, i):
    end = i
    while tokens[end].text != ";":
        end = closing(tokens, end) + 1 if tokens[end].text in "([{" else end + 1
    if end == i + 1:
        yield "no-return", tokens[i].start, tokens[i].end, ""
        return
    start, stop = tokens[i + 1].start, tokens[end].start
    value = text[start:stop]
    for new in ("0", "1"):
        if value not in (new, {"0": "false", "1": "true"}[new]) and value != "NULL":
            yield f"return-{new}", start, stop, new


def mutants_of(path, text):
    """All mutants of the file, in the order in which they stand there."""
    tokens = tokens_of(text)
    name = path.split("/")[-1]
    numbers = Counter()
    for region, first, last in regions(tokens):
        seen = set()
        for fault, start, end, new in edits(text, tokens, first, last):
            if (start, end, new) in seen:
                continue
            seen.add((start, end, new))
            numbers[region, fault] += 1
            line = text.count("\n", 0, start) + 1
            yield Mutant(f"{name}:{region}:{fault}:{numbers[region, fault]}", path, line, start,
                         end, new)


def mutated(text, mutant):
    return text[:mutant.start] + mutant.text + text[mutant.end:]
