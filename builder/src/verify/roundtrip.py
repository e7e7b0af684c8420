"""Compares code objects from an image with the same ones from marshal data. Prints one JSON object.

Arguments: the loader's extension module, the image. Standard input: name, file name and marshal data of each
module, each preceded by its length (4 bytes, little-endian).
"""

import _imp
import importlib.machinery
import importlib.util
import json
import marshal
import sys
import types

# The smallest and the largest int of which there is only one object.
SMALL_INTS = -5, next(n for n in range(256, 1 << 20) if int(str(n + 1)) is not int(str(n + 1)))
# Whether marshal gives the one object for each single byte.
BYTE_SINGLETONS = marshal.loads(marshal.dumps(b"x")) is bytes([120])
ATTRIBUTES = [name for name in dir(types.CodeType) if name.startswith("co_")]
# These are bound methods, or deprecated and derived from what is compared already.
ATTRIBUTES = [n for n in ATTRIBUTES if n not in ("co_lines", "co_positions", "co_branches", "co_lnotab")]


def is_interned(text):
    # A string is interned if it is what an equal fresh string is interned to.
    return len(text) > 1 and sys.intern(text[:1] + text[1:]) is text


def is_singleton(value):
    """Whether the interpreter has only one object with this value."""
    if isinstance(value, int):
        return SMALL_INTS[0] <= value <= SMALL_INTS[1]
    if isinstance(value, str):
        return len(value) == 0 or (len(value) == 1 and ord(value) < 256)
    return value in ((), b"") or (BYTE_SINGLETONS and isinstance(value, bytes) and len(value) == 1)


def compare(ours, theirs):
    """Says how two values differ, or returns None. Does not recurse."""
    todo = [(ours, theirs, "")]
    seen = set()
    while todo:
        a, b, where = todo.pop()
        if a is b:
            continue
        key = (id(a), id(b))
        if key in seen:
            continue
        seen.add(key)
        if type(a) is not type(b):
            return f"{where}: {type(a).__name__} instead of {type(b).__name__}"
        kind = type(a)
        if kind is types.CodeType:
            for name in ATTRIBUTES:
                todo.append((getattr(a, name), getattr(b, name), f"{where}.{name}"))
        elif is_singleton(b):
            return f"{where}: a copy of the singleton {b!r}"
        elif kind is tuple:
            if len(a) != len(b):
                return f"{where}: {len(a)} items instead of {len(b)}"
            for i, pair in enumerate(zip(a, b)):
                todo.append((*pair, f"{where}[{i}]"))
        elif kind is slice:
            for name in ("start", "stop", "step"):
                todo.append((getattr(a, name), getattr(b, name), f"{where}.{name}"))
        elif kind is frozenset:
            # The order of iteration is part of the value: it decides what a program prints.
            todo.append((tuple(a), tuple(b), f"{where}{{}}"))
        elif kind is str:
            if a != b:
                return f"{where}: {a!r} instead of {b!r}"
            if is_interned(a) != is_interned(b):
                return f"{where}: {a!r} interned: {is_interned(a)} instead of {is_interned(b)}"
        elif kind in (float, complex):
            if marshal.dumps(a) != marshal.dumps(b):
                return f"{where}: {a!r} instead of {b!r}"
        elif kind in (int, bytes):
            if a != b:
                return f"{where}: {a!r} instead of {b!r}"
        else:
            return f"{where}: {a!r} is not {b!r}"
    return None


def dumps(code):
    """Marshal data without back references, which depend on reference counts and not on values.

    Only version 2 and older have none, and only version 5 and newer know slices: these are written as tuples.
    """
    try:
        return marshal.dumps(code, 2)
    except ValueError:
        return marshal.dumps(without_slices(code), 2)


def without_slices(value):
    """Constants are not nested deep: the compiler makes no such."""
    if isinstance(value, slice):
        return "slice", without_slices(value.start), without_slices(value.stop), without_slices(value.step)
    if isinstance(value, tuple):
        return tuple(map(without_slices, value))
    if isinstance(value, types.CodeType):
        return value.replace(co_consts=without_slices(value.co_consts))
    return value


def main():
    loader, image = sys.argv[1:3]
    spec = importlib.util.spec_from_file_location(
        "cds_loader", loader, loader=importlib.machinery.ExtensionFileLoader("cds_loader", loader)
    )
    cds_loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cds_loader)
    answer = {"rejected": None, "compared": 0, "differences": []}
    try:
        cds_loader._open(image)
    except RuntimeError as error:
        answer["rejected"] = str(error)
        print(json.dumps(answer))
        return

    data = sys.stdin.buffer.read()
    at = 0

    def part():
        nonlocal at
        size = int.from_bytes(data[at : at + 4], "little")
        at += 4 + size
        return data[at - size : at]

    while at < len(data):
        name, filename, code = part().decode(), part().decode(), part()
        theirs = marshal.loads(code)
        _imp._fix_co_filename(theirs, filename)
        try:
            ours = cds_loader._code(name)
        except KeyError:
            answer["differences"].append((name, "the image does not serve it"))
            continue
        difference = compare(ours, theirs)
        if difference is None and dumps(ours) != dumps(theirs):
            difference = "the marshal data differs"
        if difference is None and not cds_loader.owns(ours):
            difference = "the code object does not lie in the image"
        if difference is not None:
            answer["differences"].append((name, difference))
        answer["compared"] += 1
    print(json.dumps(answer))


main()
