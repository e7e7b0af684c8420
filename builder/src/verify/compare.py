"""The start of both scripts that compare what lies in an image with what marshal makes of the same data.

Nothing here recurses: values may be nested deeper than any stack.
"""

import importlib.machinery
import importlib.util
import marshal
import struct
import sys
import types

# The smallest and the largest int of which there is only one object.
SMALL_INTS = -5, next(n for n in range(256, 1 << 20) if int(str(n + 1)) is not int(str(n + 1)))
# Whether marshal gives the one object for each single byte.
BYTE_SINGLETONS = marshal.loads(marshal.dumps(b"x")) is bytes([120])

CODE = [name for name in dir(types.CodeType) if name.startswith("co_")]
# These are bound methods, or deprecated and derived from what is compared already.
CODE = [name for name in CODE if name not in ("co_lines", "co_positions", "co_branches", "co_lnotab")]


def is_interned(text):
    # A string is interned if it is what an equal fresh string is interned to.
    return len(text) > 1 and sys.intern(text[:1] + text[1:]) is text


def is_singleton(value):
    """Whether the interpreter has only one object with this value."""
    if isinstance(value, int):
        return SMALL_INTS[0] <= value <= SMALL_INTS[1]
    if isinstance(value, str):
        return len(value) == 0 or (len(value) == 1 and ord(value) < 256)
    if BYTE_SINGLETONS and isinstance(value, bytes) and len(value) == 1:
        return True
    return isinstance(value, (tuple, bytes)) and len(value) == 0


def bits(value):
    parts = (value,) if type(value) is float else (value.real, value.imag)
    return struct.pack(f"<{len(parts)}d", *parts)


def shown(value):
    return f"{value!r:.60}" if type(value) in (int, float, complex, str, bytes) else type(value).__name__


def path(where):
    steps = []
    while where is not None:
        where, step = where
        steps.append(step)
    steps.reverse()
    if len(steps) > 12:
        steps[6:-6] = [f"…({len(steps) - 12} more)…"]
    return "".join(steps)


def pairs(a, b, where):
    """The parts of two containers of one type, beside one another. The order of iteration is part of the value."""
    kind = type(a)
    if kind is dict:
        for i, ((x, v), (y, w)) in enumerate(zip(a.items(), b.items())):
            yield x, y, (where, f"{{key {i}}}")
            yield v, w, (where, f"[{shown(y)}]")
    elif kind in (set, frozenset):
        yield from ((x, y, (where, f"{{{i}}}")) for i, (x, y) in enumerate(zip(a, b)))
    elif kind is types.CodeType:
        yield from ((getattr(a, name), getattr(b, name), (where, f".{name}")) for name in CODE)
    elif kind is slice:
        yield from ((getattr(a, name), getattr(b, name), (where, f".{name}")) for name in ("start", "stop", "step"))
    else:
        yield from ((x, y, (where, f"[{i}]")) for i, (x, y) in enumerate(zip(a, b)))


def compare(ours, theirs):
    """Says how two values differ, or returns None. Mutable objects must be shared inside both in the same way."""
    todo = [(ours, theirs, None)]
    # Some attributes of code are made at each access: what is noted by its address must stay alive.
    seen, mutable = {}, ({}, {})
    while todo:
        a, b, where = todo.pop()
        if type(a) is not type(b):
            return f"{path(where)}: {type(a).__name__} instead of {type(b).__name__}"
        kind = type(a)
        if kind in (list, dict, set):
            if a is b:
                return f"{path(where)}: the same {kind.__name__}, not a new one"
            if mutable[0].setdefault(id(a), id(b)) != id(b) or mutable[1].setdefault(id(b), id(a)) != id(a):
                return f"{path(where)}: shared in another way"
        if a is b or (id(a), id(b)) in seen:
            continue
        seen[id(a), id(b)] = a, b
        if is_singleton(b):
            return f"{path(where)}: a copy of the singleton {b!r}"
        if kind in (tuple, list, dict, set, frozenset):
            if len(a) != len(b):
                return f"{path(where)}: {len(a)} items instead of {len(b)}"
            todo.extend(pairs(a, b, where))
        elif kind in (types.CodeType, slice):
            todo.extend(pairs(a, b, where))
        elif kind in (float, complex):
            if bits(a) != bits(b):
                return f"{path(where)}: {a!r} instead of {b!r}"
        elif kind in (int, bytes, str):
            if a != b:
                return f"{path(where)}: {shown(a)} instead of {shown(b)}"
            if kind is str and is_interned(a) != is_interned(b):
                return f"{path(where)}: {shown(a)} interned: {is_interned(a)} instead of {is_interned(b)}"
        else:
            return f"{path(where)}: {shown(a)} is not {shown(b)}"
    return None


def import_loader(path):
    file = importlib.machinery.ExtensionFileLoader("cds_loader", path)
    spec = importlib.util.spec_from_loader("cds_loader", file)
    cds_loader = importlib.util.module_from_spec(spec)
    file.exec_module(cds_loader)
    return cds_loader
