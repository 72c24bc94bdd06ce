"""A decode child that does harm on request, for the tests of its keeper."""

import ctypes
import os
import sys
import time

from strive.stages.extract.child import die_with_parent, limit_memory, own_stdout, send
from strive.stages.extract.wire import receive


def main() -> None:
    answers = own_stdout()
    die_with_parent(int(sys.argv[1]))
    send(answers, {"ready": True})
    while True:
        request, _ = receive(0)
        limit_memory(64)
        if request["do"] == "sleep":
            time.sleep(600)
        elif request["do"] == "spin":
            sum(range(10**13))  # one C call: the interpreter never gets a word in
        elif request["do"] == "crash":
            ctypes.string_at(0)
        elif request["do"] == "abort":
            os.abort()
        elif request["do"] == "killed":
            os.kill(os.getpid(), 9)
        elif request["do"] == "eat":
            try:
                bytearray(1 << 30)
            except MemoryError:
                send(answers, {"reason": "no memory"})
                continue
        elif request["do"] == "raise":
            raise ValueError("a bug in the decoder")
        elif request["do"] == "talk":
            print("library chatter on stdout " * 50_000, flush=True)
        limit_memory(None)
        send(answers, {"pid": os.getpid()}, [b"x" * 5_000_000])


if __name__ == "__main__":
    main()
