# Runs one file of host_tests/unit on MicroPython: every function test_*() of it, each told by one line.
#
#     micropython -X heapsize=16M host_tests/run_units.py test_units
#
# From wherever files may be written; the firmware is taken from its sources. Ends with status 1 if a test failed.
import sys


def run(name):
    root = __file__.rsplit("host_tests", 1)[0]
    sys.path[:] = [root, ".frozen", root + "lib"]
    module = __import__("host_tests.unit." + name, None, None, ("x",))
    failed = 0
    for key in sorted(dir(module)):
        test = getattr(module, key)
        if not key.startswith("test_") or not callable(test):
            continue
        try:
            test()
            print("ok", key)
        except Exception as error:
            failed += 1
            print("FAILED", key)
            sys.print_exception(error)  # type: ignore[attr-defined]
    return failed


if __name__ == "__main__":
    sys.exit(1 if run(sys.argv[1]) else 0)
