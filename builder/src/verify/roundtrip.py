"""Compares code objects from an image with the same ones from marshal data. Prints one JSON object.

Runs as one script with `compare.py` before it. Arguments: the loader's extension module, the image. Standard input:
name, file name and marshal data of each module, each preceded by its length (4 bytes, little-endian).
"""

import _imp
import json

# CO_OPTIMIZED: functions, unlike modules and classes.
OPTIMIZED = 1


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
    cds_loader = import_loader(loader)
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
        # The module's code is made of the image, like all that runs once; functions stay there.
        functions = [const for const in ours.co_consts if isinstance(const, type(ours)) and const.co_flags & OPTIMIZED]
        if difference is None and not all(map(cds_loader.owns, functions)):
            difference = "code of functions does not lie in the image"
        if difference is not None:
            answer["differences"].append((name, difference))
        answer["compared"] += 1
    print(json.dumps(answer))


main()
