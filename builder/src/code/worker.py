# Compiles sources for the builder.
#
# Runs as `python -s -S -P -B -W ignore -c <this> OPTIMIZE`. Writes the interpreter's magic number, then answers requests
# until stdin ends. All integers are little-endian.
#
#   request:  u32 length of the path, u64 length of the source, path, source
#   answer:   u8 kind, u64 length of the body, body
#     kind 0  compiled: the body is marshal data
#     kind 1  refused: u32 line (0 if unknown), message (UTF-8)
#     kind 2  the compiler ended without an answer: i32 exit status, negative for a signal
#
# Each source is compiled in a fork of this process in the state that it has here. What marshal writes depends on the
# reference counts and interned strings of the whole process, so this is what makes the bytes independent of the other
# sources and of their order. It also means that a crash of the compiler costs one source.
import gc
import marshal
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader

OPTIMIZE = int(sys.argv[1])


def compile_source(source, path):
    loader = SourceFileLoader("__main__", path)
    try:
        return b"\0" + marshal.dumps(loader.source_to_code(source, path, _optimize=OPTIMIZE))
    except Exception as error:
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
        line = line if isinstance(line, int) and 0 < line < 2**32 else 0
        text = error.msg if isinstance(error, SyntaxError) else error
        message = f"{type(error).__name__}: {text}" if str(text) else type(error).__name__
        return b"\1" + line.to_bytes(4, "little") + message.encode("utf-8", "backslashreplace")


def compile_apart(source, path):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens here, this process must not go back into the loop of the parent.
        try:
            os.close(reader)
            with open(writer, "wb") as out:
                out.write(compile_source(source, path))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writer)
    with open(reader, "rb") as answers:
        answer = answers.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 0 and answer:
        return answer
    return b"\2" + status.to_bytes(4, "little", signed=True)


def main():
    requests = open(0, "rb", closefd=False)
    answers = open(1, "wb", closefd=False)
    answers.write(MAGIC_NUMBER)
    answers.flush()
    gc.disable()
    gc.freeze()
    while header := requests.read(12):
        path = requests.read(int.from_bytes(header[:4], "little")).decode("utf-8", "surrogateescape")
        source = requests.read(int.from_bytes(header[4:], "little"))
        answer = compile_apart(source, path)
        answers.write(answer[:1] + (len(answer) - 1).to_bytes(8, "little"))
        answers.write(memoryview(answer)[1:])
        answers.flush()


main()
