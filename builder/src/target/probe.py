# Prints what the builder must know about this interpreter: a marker, then JSON, on one line of stdout.
#
# Runs as `python -B -c <this> MARKER MINOR:FIRST:LAST ...`, one argument per supported 3.MINOR with the range
# of its small ints. What runs before the version is known to be supported runs on any Python.
import sys

# `-c` puts the current directory first. It is no part of the ordinary search path, and nothing may be imported from it.
if sys.path and sys.path[0] == "":
    del sys.path[0]

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
        "facts": None,
    }
    supported = [tuple(int(part) for part in arg.split(":")) for arg in sys.argv[2:]]
    ranges = [(first, last) for minor, first, last in supported if version[:2] == (3, minor)]
    if ranges and out["implementation"] == "cpython" and not out["debug"] and not out["free_threaded"]:
        out["facts"] = facts(*ranges[0])
    return out


def facts(first_int, last_int):
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
        "extension_suffixes": importlib.machinery.EXTENSION_SUFFIXES,
        "purelib": paths["purelib"],
        "platlib": paths["platlib"],
        "scripts": paths["scripts"],
        "mapped": mapped_files(),
        "objects": objects(first_int, last_int),
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


def is_text(path):
    """Whether the path is UTF-8: JSON and the image hold no other paths."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


with os.fdopen(os.dup(1), "wb") as stdout:
    stdout.write(("\n" + sys.argv[1] + json.dumps(answer()) + "\n").encode("ascii"))
