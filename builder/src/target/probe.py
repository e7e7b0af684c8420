# Prints what the builder must know about this interpreter: a marker, then JSON, on one line of stdout.
#
# Runs as `python -B -c <this> MARKER MINOR:FIRST:LAST:LENGTH:DATA ...`, one argument per supported 3.MINOR with the range
# of its small ints and where an ASCII string has its length and its characters. What runs before the version is known to be supported runs on any Python.
import sys

# `-c` puts the current directory first. It is no part of the ordinary search path, and nothing may be imported from it.
if sys.path and sys.path[0] == "":
    del sys.path[0]

# What every start imports.
STARTED = dict(sys.modules)

import json
import os
import sysconfig


def answer():
    version = sys.version_info
    out = {
        "implementation": sys.implementation.name if hasattr(sys, "implementation") else "cpython",
        "version": "%d.%d.%d" % version[:3] + ("" if version[3] == "final" else "%s%d" % version[3:5]),
        # Both give objects other heads: `Py_REF_DEBUG` (with it `Py_DEBUG`) and `Py_TRACE_REFS`.
        "debug": hasattr(sys, "gettotalrefcount") or hasattr(sys, "getobjects"),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "not_text": None,
        "facts": None,
    }
    supported = [tuple(int(part) for part in arg.split(":")) for arg in sys.argv[2:]]
    rows = [row[1:] for row in supported if version[:2] == (3, row[0])]
    if rows and out["implementation"] == "cpython" and not out["debug"] and not out["free_threaded"]:
        out["not_text"] = not_text()
        out["facts"] = None if out["not_text"] else facts(*rows[0])
    return out


def not_text():
    """One of the paths of this interpreter that is not UTF-8, as text for people."""
    paths = [sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    paths.extend(sysconfig.get_paths()[name] for name in ("purelib", "platlib", "scripts"))
    for path in paths:
        if path and not is_text(path):
            return os.fsencode(path).decode("utf-8", "replace")
    return None


def facts(first_int, last_int, length, data):
    import importlib.machinery
    import importlib.util

    paths = sysconfig.get_paths()
    return {
        "executable": sys.executable or os.path.realpath("/proc/self/exe"),
        "version_text": sys.version,
        "hexversion": sys.hexversion,
        "cache_tag": sys.implementation.cache_tag or "",
        "soabi": sysconfig.get_config_var("SOABI") or "",
        "magic": list(importlib.util.MAGIC_NUMBER),
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "exec_prefix": sys.exec_prefix,
        "base_exec_prefix": sys.base_exec_prefix,
        "search_path": search_path(),
        "builtin_names": sorted(sys.builtin_module_names),
        "frozen_names": frozen_names(),
        "start_strings": start_strings(),
        "extension_suffixes": importlib.machinery.EXTENSION_SUFFIXES,
        "purelib": paths["purelib"],
        "platlib": paths["platlib"],
        "scripts": paths["scripts"],
        "mapped": mapped_files(),
        "objects": dict(objects(first_int, last_int), strings=interned_strings(length, data)),
    }


def search_path():
    import site

    real = os.path.realpath
    stdlib = {real(os.path.dirname(os.__file__)), real(sysconfig.get_path("stdlib"))}
    sites = {real(path) for path in site.getsitepackages()}
    user = real(site.getusersitepackages())

    def role(path):
        if path in stdlib:
            return "stdlib"
        if path in sites:
            return "site"
        if path == user:
            return "user-site"
        if os.path.basename(path) == "lib-dynload":
            return "stdlib-dynload"
        return "other"

    return [
        {"path": path, "role": role(real(path))}
        for path in sys.path
        if isinstance(path, str) and is_text(path) and os.path.isabs(path) and os.path.isdir(path)
    ]


def frozen_names():
    import _imp
    from importlib.machinery import FrozenImporter

    def is_used(name):
        try:
            return FrozenImporter.find_spec(name) is not None
        except ImportError:
            return False

    return sorted(name for name in _imp._frozen_module_names() if is_used(name))


def mapped_files():
    """Each mapped file with the address of its first byte."""
    files = {}
    with open("/proc/self/maps", "rb") as lines:
        for line in lines:
            fields = os.fsdecode(line.rstrip(b"\n")).split(None, 5)
            if len(fields) == 6 and fields[5].startswith("/") and int(fields[2], 16) == 0 and is_text(fields[5]):
                files.setdefault(fields[5], int(fields[0].split("-")[0], 16))
    return [{"path": path, "address": address} for path, address in files.items()]


def objects(first_int, last_int):
    """Addresses in this process; `id` is the address in CPython."""
    return {
        "symbols": {
            "PyCode_Type": id(type(objects.__code__)),
            "PyUnicode_Type": id(str),
            "PyBytes_Type": id(bytes),
            "PyTuple_Type": id(tuple),
            "PyLong_Type": id(int),
            "PyFloat_Type": id(float),
            "PyComplex_Type": id(complex),
            "PySlice_Type": id(slice),
            "_Py_NoneStruct": id(None),
            "_Py_TrueStruct": id(True),
            "_Py_FalseStruct": id(False),
            "_Py_EllipsisObject": id(Ellipsis),
        },
        "small_ints": [id(number) for number in range(first_int, last_int + 1)],
        "latin1": [id(chr(point)) for point in range(256)],
        "bytes": [id(bytes([byte])) for byte in range(256)],
        "empty_str": id(""),
        "empty_bytes": id(b""),
        "empty_tuple": id(()),
    }


def interned_strings(length, data):
    """Interned ASCII strings in the memory that holds the type `str` and what follows it, by text.

    Whatever looks like a string there is one only if it is what its text is interned to.
    """
    found = {}
    pattern = id(str).to_bytes(8, "little")
    try:
        with open("/proc/self/mem", "rb", 0) as memory:
            for start, end in neighbourhood(id(str)):
                memory.seek(start)
                contents = memory.read(end - start)
                at = contents.find(pattern)
                while at >= 0:
                    string = at - 8
                    size = int.from_bytes(contents[string + length : string + length + 8], "little")
                    characters = contents[string + data : string + data + size] if string >= 0 and size < 1000 else b""
                    if size > 1 and len(characters) == size and characters.isascii():
                        text = characters.decode("ascii")
                        if id(sys.intern(text)) == start + string:
                            found[text] = start + string
                    at = contents.find(pattern, at + 8)
    except OSError:
        # Some sandboxes hide the memory: then there is nothing to predict.
        pass
    return found


def start_strings():
    """Strings that are interned in every start, as far as they can be seen: names in modules, types and code."""
    found = set()
    code_type = type(answer.__code__)

    def look(namespace):
        for name, value in list(namespace.items()):
            found.add(name)
            code = getattr(getattr(value, "__func__", value), "__code__", None)
            codes = [code] if isinstance(code, code_type) else []
            for code in codes:
                found.update(code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars, [code.co_name])
                codes.extend(const for const in code.co_consts if isinstance(const, code_type))

    # Others come with a locale or an environment.
    always = {"encodings", "encodings.aliases", "encodings.utf_8"}
    for name, module in STARTED.items():
        if getattr(getattr(module, "__spec__", None), "origin", None) in ("built-in", "frozen"):
            always.add(name)
    for name in always.intersection(STARTED):
        found.add(name)
        look(vars(STARTED[name]))
    types = [object]
    for known in types:
        if known.__module__ in always:
            look(vars(known))
        types.extend(new for new in type.__subclasses__(known) if new not in types)
    return sorted(name for name in found if type(name) is str and name.isascii())


def neighbourhood(address):
    """The writable mapping with this address, and those that follow it without a gap."""
    out = []
    with open("/proc/self/maps", "rb") as lines:
        for line in lines:
            start, end = (int(part, 16) for part in line.split(None, 1)[0].split(b"-"))
            if start <= address < end or (out and start == out[-1][1]):
                if line.split()[1].startswith(b"rw"):
                    out.append((start, end))
    return out


def is_text(path):
    """Whether the path is UTF-8: JSON and the image hold no other paths."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


with os.fdopen(os.dup(1), "wb") as stdout:
    stdout.write(("\n" + sys.argv[1] + json.dumps(answer()) + "\n").encode("ascii"))
