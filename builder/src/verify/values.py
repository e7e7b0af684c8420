"""Looks at the named objects of an image, and compares them with marshal data. Prints one JSON object.

Runs as one script with `compare.py` before it. Arguments: the loader's extension module, the image. Standard input:
JSON, a list of name, type and file with the marshal data, or null where there is none, in order.
"""

import json
import os


def look(objects, name, kind, file):
    """What is wrong with one object."""
    first, second = objects[name], objects[name]
    if type(first).__name__ != kind:
        return f": {type(first).__name__} instead of {kind}"
    difference = compare(first, second)
    if difference is not None:
        return f"{difference} at the second access"
    if file is None:
        return None
    if os.path.exists(file) and not os.path.isfile(file):
        return f": `{file}` is not a regular file"
    with open(file, "rb") as opened:
        return compare(first, marshal.load(opened))


def main():
    loader, image = sys.argv[1:3]
    expected = json.load(sys.stdin)
    answer = {"rejected": None, "compared": 0, "differences": []}
    try:
        objects = import_loader(loader).load(image)
    except (OSError, RuntimeError) as error:
        answer["rejected"] = str(error)
        print(json.dumps(answer))
        return
    if list(objects) != [name for name, _kind, _file in expected]:
        answer["differences"].append(("", f": the names are {list(objects)}"))
    for name, kind, file in expected:
        try:
            difference = look(objects, name, kind, file)
        except Exception as error:
            difference = f": {type(error).__name__}: {error}"
        if difference is not None:
            answer["differences"].append((name, difference))
        answer["compared"] += file is not None
    print(json.dumps(answer))


main()
